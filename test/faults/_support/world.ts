// What the attacks are made on: two packages, `user` of which refers to `base`; three honest operators who attest both; and a client with a
// store of its own. The outputs are made here rather than built, so that an attack costs milliseconds.
import { existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import type { EvaluatedPackage } from '../../../builder/evaluate/package.ts'
import type { RealiseEvent } from '../../../builder/realise/events.ts'
import { outputPathsOf, planBuild } from '../../../builder/realise/plan.ts'
import { realise } from '../../../builder/realise/realise.ts'
import { prepareSubstitution, type Substitution } from '../../../builder/substitute/substitute.ts'
import { encodeArchive } from '../../../format/archive/encode.ts'
import type { ArchiveEntry } from '../../../format/archive/entry.ts'
import { type Derivation, encodeDerivation, recipeHashOf } from '../../../format/derivation.ts'
import { type RecipeHash, type Sha256, sha256Of } from '../../../format/hash.ts'
import { type StorePath, storeItemOf } from '../../../format/store-path.ts'
import { outputDigestOfDirectory } from '../../../store/output-digest.ts'
import { removeDirectory } from '../../../store/remove-directory.ts'
import { openStore } from '../../../store/store.ts'
import { attest, type VerifiedAttestation } from '../../../trust/attestation.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { type Policy, parsePolicy } from '../../../trust/policy/policy.ts'
import { newSecretKey, type SecretKey } from '../../../trust/secret-key.ts'
import type { Statement } from '../../../trust/statement.ts'

export const NOW = 1_800_000_000
const DAY = 86_400

export type Output = {
  readonly path: StorePath
  readonly archive: Buffer
  readonly digest: Sha256
  readonly references: readonly StorePath[]
}

export const base = packageOf('base', [])
export const user = packageOf('user', [base])
/** Has nothing to do with the others. */
export const other = packageOf('other', [])

export const basePath = pathOf(base)
export const userPath = pathOf(user)

export const baseOutput = outputOf(
  basePath,
  [],
  [{ kind: 'directory', path: '' }, fileOf('text', 'what base is made of\n')],
)
export const userOutput = outputOf(
  userPath,
  [basePath],
  [
    { kind: 'directory', path: '' },
    { kind: 'directory', path: 'bin' },
    { ...fileOf('bin/user', `#!${basePath}/text\n`), executable: true },
    { kind: 'link', path: 'link', target: `${basePath}/text` },
    fileOf('text', `made with ${basePath}\n`),
  ],
)
export const otherOutput = outputOf(
  pathOf(other),
  [],
  [{ kind: 'directory', path: '' }, fileOf('text', 'something else\n')],
)

export const alice = operatorKey('alice', 1)
export const bob = operatorKey('bob', 2)
export const carol = operatorKey('carol', 3)
/** Nobody has configured her. */
export const mallory = operatorKey('mallory', 66)
/** A second key of alice. */
export const alice2 = operatorKey('alice-2', 11)

export function operatorKey(name: string, seed: number): SecretKey {
  return newSecretKey(`${name}.example/builder`, new Uint8Array(32).fill(seed))
}

/** Two of alice (two keys), bob and carol. */
export const twoIndependent: Policy = policyOf({ kind: 'two-independent' })

/** `more`: logs, witnesses and conditions for a TEE, as a policy's JSON has them. */
export function policyOf(rule: object, packages: object = {}, more: object = {}): Policy {
  const operators = [
    { name: 'alice', keys: [alice, alice2].map(({ publicKey }) => encodePublicKey(publicKey)) },
    { name: 'bob', keys: [encodePublicKey(bob.publicKey)] },
    { name: 'carol', keys: [encodePublicKey(carol.publicKey)] },
  ]
  return parsePolicy(JSON.stringify({ format: 1, operators, default: rule, packages, ...more }))
}

/** What an honest builder says, with changes. */
export function statementOf(one: EvaluatedPackage, signer: SecretKey, changes: Partial<Statement> = {}): Statement {
  const output = one === base ? baseOutput : one === user ? userOutput : otherOutput
  const { name, version, system, inputs } = one.derivation
  return {
    recipe: one.recipeHash,
    name,
    version,
    system,
    outputs: [statedOf(output)],
    inputs: inputs.map(({ path, recipe, output: of }) => ({ path, recipe, output: of, digest: baseOutput.digest })),
    sources: [],
    builder: { kind: 'operator', key: signer.publicKey.id, software: { abnpkg: '0.1.0' } },
    origin: 'built',
    invocation: 'test',
    started: NOW - 3600,
    finished: NOW - 3540,
    expires: NOW + 90 * DAY,
    log: null,
    tests: null,
    ...changes,
  }
}

export function statedOf(
  { path, digest, archive, references }: Output,
  changes: Partial<Statement['outputs'][number]> = {},
) {
  return { output: 'out', path, digest, bytes: archive.length, references, ...changes }
}

export function attestationBy(
  signer: SecretKey,
  one: EvaluatedPackage,
  changes: Partial<Statement> = {},
): VerifiedAttestation {
  return attest(statementOf(one, signer, changes), signer)
}

/** What these say of both packages. */
export function honest(...signers: readonly SecretKey[]): readonly VerifiedAttestation[] {
  return signers.flatMap((signer) => [attestationBy(signer, base), attestationBy(signer, user)])
}

export function packed(output: Output): Buffer {
  return zstdCompressSync(output.archive)
}

export type Attempt = {
  /** How each package would come: 'substitute', 'build', or 'there'. */
  readonly planned: Readonly<Record<string, string>>
  /** What is in the store afterwards. */
  readonly came: readonly string[]
  readonly missed: readonly RecipeHash[]
  /** All that was said: failed caches, refusals, and reasons for building. */
  readonly said: string
  readonly events: readonly RealiseEvent[]
  readonly substitution: Substitution
  readonly store: ReturnType<typeof openStore>
}

export type AttemptOptions = {
  readonly caches: readonly string[]
  readonly policy?: Policy
  readonly now?: number
  /** Whether every cache is waited for, however busy the machine is: unless told, as only attacks are slow on purpose. */
  readonly patient?: boolean
  /** A root from an earlier attempt. */
  readonly root?: string
  readonly targets?: readonly EvaluatedPackage[]
}

/** One client: asks, decides, fetches; builds nothing. Removes its store in the end unless the root was given. */
export async function attempt<T>(options: AttemptOptions, look: (attempt: Attempt) => T | Promise<T>): Promise<T> {
  const { caches, policy = twoIndependent, now = NOW, targets = [user], patient = true } = options
  const directory = options.root ?? mkdtempSync(join(tmpdir(), 'abn-fault-'))
  const store = openStore({ root: join(directory, 'root'), durable: false })
  const packages = new Map([base, user, other].map((one) => [one.recipeHash, one]))
  const index = { byHash: (hash: RecipeHash) => packages.get(hash) }
  const pace = patient ? { answerSeconds: 60, bytes: 1, seconds: 60 } : { answerSeconds: 2.5, bytes: 64, seconds: 0.25 }
  try {
    await using substitution = await prepareSubstitution(targets, {
      store,
      packages: index,
      policy,
      caches,
      now,
      pace,
      patienceSeconds: patient ? 60 : 4,
    })
    const events: RealiseEvent[] = []
    const plan = planBuild(targets, {
      store,
      packages: index,
      sourceCache: join(directory, 'sources'),
      choose: substitution.choose,
    })
    const substitutes = plan.steps.filter(({ kind }) => kind === 'substitute')
    await substitution.begin(plan)
    const steps = substitutes.filter(({ needs }) =>
      needs.every((need) => substitutes.some((step) => step.package.recipeHash === need)),
    )
    const { missed } = await realise(
      { ...plan, steps },
      {
        store,
        sources: { cacheDirectory: join(directory, 'sources'), channels: [] },
        substitute: substitution.substitute,
        onEvent: (event) => events.push(event),
      },
    )
    const planned = Object.fromEntries(plan.steps.map(({ kind, package: one }) => [one.derivation.name, kind]))
    const came = [...packages.values()].filter((one) => store.has(pathOf(one))).map(({ derivation }) => derivation.name)
    const said = [
      ...substitution.reports.flatMap((report) => (report.kind === 'failed' ? report.reason : [])),
      ...events.flatMap((event) => (event.kind === 'substitute-refused' ? event.reason : [])),
      ...substitution
        .keepAlarms()
        .map(({ alarm, file }) => `alarm ${alarm.kind}: ${alarm.says}, kept: ${file !== undefined}`),
      ...substitution.evidence.aside.map(({ because, code }) => `${because} ${code ?? ''}`),
      ...plan.steps.map(({ package: one }) => JSON.stringify(substitution.whyBuilt(one))),
    ].join('\n')
    return await look({ planned, came, missed, said, events, substitution, store })
  } finally {
    if (options.root === undefined) removeDirectory(directory)
  }
}

/** What must hold after whatever was done to a client. */
export function violations({ store, came }: Attempt): readonly string[] {
  const found: string[] = []
  for (const [name, output] of Object.entries({ base: baseOutput, user: userOutput, other: otherOutput })) {
    if (!came.includes(name)) continue
    const { outputDigest } = outputDigestOfDirectory(store.physicalPath(output.path), storeItemOf(output.path))
    if (outputDigest !== output.digest) found.push(`${name} is in the store with wrong bits`)
    for (const reference of store.readItem(output.path).references) {
      if (!store.has(reference)) found.push(`${name} refers to ${reference}, which is not in the store`)
    }
  }
  const records = readdirSync(store.layout.items).filter((file) => !file.startsWith('.'))
  if (records.length !== came.length) found.push(`${records.length} records for ${came.length} items`)
  if (readdirSync(store.layout.store).length !== came.length) found.push('something else is in the store')
  if (existsSync(join(store.root, '../evil'))) found.push('a file was written outside the store')
  return found
}

export function fileOf(path: string, text: string): Extract<ArchiveEntry, { kind: 'file' }> {
  const content = Buffer.from(text)
  return { kind: 'file', path, executable: false, size: content.length, content: [content] }
}

export function outputOf(path: StorePath, references: readonly StorePath[], entries: readonly ArchiveEntry[]): Output {
  const archive = Buffer.concat([...encodeArchive(storeItemOf(path), entries)])
  return { path, archive, digest: sha256Of(archive), references }
}

function packageOf(name: string, inputs: readonly EvaluatedPackage[]): EvaluatedPackage {
  const derivation: Derivation = {
    name,
    version: '1',
    system: 'x86_64-linux',
    outputs: ['out'],
    inputs: inputs.map((one) => ({ recipe: one.recipeHash, output: 'out', path: pathOf(one) })),
    sources: [],
    directories: [],
    files: [],
    links: [],
    env: {},
    steps: [{ args: ['/bin/false'], cwd: '/build', env: {}, parallel: false }],
  }
  encodeDerivation(derivation) // which checks it
  return {
    derivation,
    recipeHash: recipeHashOf(derivation),
    metadata: {
      exportName: name,
      module: 'recipes/packages/test.ts',
      channel: 'test',
      summary: '',
      homepage: '',
      license: '',
      smoke: [],
      sources: {},
      hidden: false,
    },
  }
}

export function pathOf(one: EvaluatedPackage): StorePath {
  const path = outputPathsOf(one).get('out')
  if (path === undefined) throw new TypeError('no output')
  return path
}
