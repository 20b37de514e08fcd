/**
 * What this machine can say of a package that it built: the statement, made from the records of the store and from nothing
 * that came over a network. A package is stated only when each of its outputs was built here, from inputs that are in this
 * store with the very bits that were used; what entered the store, entered it by a build here or by this machine's own policy.
 */
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import type { BuiltOrigin, Item } from '../../store/item.ts'
import type { Store } from '../../store/store.ts'
import type { KeyId } from '../../trust/key.ts'
import type { StatedInput, StatedOutput, Statement } from '../../trust/statement.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { readLog } from '../realise/log.ts'
import { outputPathsOf, sourcesOf } from '../realise/plan.ts'
import { testReportPathOf } from '../realise/test-report.ts'

export type StatementOptions = {
  readonly store: Store
  /** Of the operator. */
  readonly key: KeyId
  /** Names and versions of the software that built and signs. */
  readonly software: Readonly<Record<string, string>>
  /** In seconds since 1970. */
  readonly now: number
  /** How long after its build a statement holds; a build that is older than half of it is stated for so long from now on. */
  readonly validSeconds: number
}

/** Throws ABN_ATTEST_MISSING, ABN_ATTEST_SUBSTITUTED, ABN_ATTEST_INPUT or ABN_ITEM_INVALID. */
export function statementOf(
  one: EvaluatedPackage,
  { store, key, software, now, validSeconds }: StatementOptions,
): Statement {
  const { derivation, recipeHash: recipe } = one
  const { name, version, system } = derivation
  const items = [...outputPathsOf(one).values()].map((path) => itemAt(path, one, store))
  const origin = originOf(items, one)
  const finished = Math.min(origin.at, now)
  const inputs = inputsOf(one, origin, store)
  const isOld = now - finished > validSeconds / 2
  return {
    recipe,
    name,
    version,
    system,
    outputs: items.map(statedOutputOf).sort((a, b) => compareBytewise(a.path, b.path)),
    inputs,
    sources: [...sourcesOf(derivation)].sort(compareBytewise),
    builder: { kind: 'operator', key, software },
    origin: 'built',
    invocation: sha256Of(`${recipe}\n${origin.at}\n${origin.resolved}\n`).slice(0, 32),
    started: Math.max(0, finished - origin.seconds),
    finished,
    expires: (isOld ? now : finished) + validSeconds,
    log: logDigestOf(origin, store),
    tests: testsDigestOf(items, store),
  }
}

/** Of this process. It is what signs and, unless abnpkg was updated in between, what built. */
export function softwareOf(house: string): Readonly<Record<string, string>> {
  const manifest: { readonly version?: unknown } = JSON.parse(readFileSync(join(house, 'package.json'), 'utf8'))
  return { abnpkg: String(manifest.version), kernel: release().slice(0, 200), node: process.versions.node }
}

/** Whether statementOf can say something about this package; it may still throw for what is damaged. */
export function isBuiltHere(one: EvaluatedPackage, store: Store): boolean {
  const paths = [...outputPathsOf(one).values()]
  return paths.every((path) => store.has(path) && store.readItem(path).origin.kind === 'built')
}

function itemAt(path: Item['path'], one: EvaluatedPackage, store: Store): Item {
  if (store.has(path)) return store.readItem(path)
  throw new AbnError('ABN_ATTEST_MISSING', `${path} is not in the store`, {
    hint: `build it first: abnpkg build ${one.derivation.name}@${one.derivation.version}`,
  })
}

/** The outputs of one build are registered together, so that they have one origin. */
function originOf(items: readonly Item[], { derivation: { name, version } }: EvaluatedPackage): BuiltOrigin {
  const [first] = items
  if (first === undefined) throw new TypeError('originOf: a derivation without outputs')
  for (const { origin, path } of items) {
    if (origin.kind !== 'built') {
      throw new AbnError('ABN_ATTEST_SUBSTITUTED', `${name} ${version} was not built here: ${path} is a substitute`, {
        hint: 'only what this machine built is attested; build it in a store of its own, with --source-only',
      })
    }
  }
  const { origin } = first
  if (origin.kind !== 'built') throw new TypeError('originOf: not built')
  return origin
}

function inputsOf(one: EvaluatedPackage, origin: BuiltOrigin, store: Store): readonly StatedInput[] {
  const digests = new Map(origin.inputs.map(({ path, outputDigest }) => [path, outputDigest]))
  return one.derivation.inputs.map(({ path, recipe, output }) => {
    const digest = digests.get(path)
    const known = store.has(path) ? store.readItem(path).outputDigest : undefined
    if (digest === undefined || known !== digest) {
      const { name, version } = one.derivation
      const reason = known === undefined ? 'is not in the store any more' : 'has other bits than those that were used'
      throw new AbnError('ABN_ATTEST_INPUT', `${name} ${version} cannot be attested: its input ${path} ${reason}`, {
        hint: 'build the input again; if it comes out different, so may the package',
      })
    }
    return { path, recipe, output, digest }
  })
}

function statedOutputOf({ output, path, outputDigest, bytes, references }: Item): StatedOutput {
  return { output, path, digest: outputDigest, bytes, references }
}

function logDigestOf({ log }: BuiltOrigin, store: Store): Sha256 | null {
  const path = `${store.layout.log}/${log}`
  return log !== '' && existsSync(path) ? sha256Of(readLog(path)) : null
}

function testsDigestOf(items: readonly Item[], store: Store): Sha256 | null {
  const out = items.find(({ output }) => output === 'out')
  const path = out && testReportPathOf(store.layout, out.path)
  return path !== undefined && existsSync(path) ? sha256Of(readFileSync(path)) : null
}
