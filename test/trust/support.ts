/** Operators, statements and evidence for the tests of trust/. Keys come from fixed seeds, so that nothing here is random. */
import { parseRecipeHash, parseSha256, type RecipeHash, type Sha256, sha256Of } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { type StorePath, storePathOf } from '../../format/store-path.ts'
import { attest, type VerifiedAttestation } from '../../trust/attestation.ts'
import { type Evidence, verifyEvidence } from '../../trust/evidence.ts'
import { encodePublicKey } from '../../trust/key.ts'
import type { ClosureItem } from '../../trust/policy/closure.ts'
import type { Decision, DecisionRequest } from '../../trust/policy/decision.ts'
import { evaluate } from '../../trust/policy/evaluate.ts'
import { type Policy, parsePolicy } from '../../trust/policy/policy.ts'
import { type RevocationList, signRevocationList } from '../../trust/revocation.ts'
import { newSecretKey, type SecretKey } from '../../trust/secret-key.ts'
import type { StatedInput, Statement } from '../../trust/statement.ts'

/** 2026-11-22T00:00:00Z. */
export const now = 1_795_305_600
export const day = 86_400

export function keyNamed(name: string): SecretKey {
  return newSecretKey(name, Buffer.from(sha256Of(`seed of ${name}`), 'hex'))
}

export const alice = keyNamed('alice.example/builds')
export const alice2 = keyNamed('alice.example/second')
export const bob = keyNamed('bob.example/builds')
export const carol = keyNamed('carol.example/builds')
export const mallory = keyNamed('mallory.example/builds')

export const hello = itemNamed('hello', '2.10', ['sh', 'make'])

export function itemNamed(name: string, version: string, inputs: readonly string[] = []): ClosureItem {
  const recipe = recipeOf(name)
  return {
    path: storePathOf(recipe, name, version, 'out'),
    recipe,
    name,
    version,
    system: 'x86_64-linux',
    output: 'out',
    inputs: inputs
      .map((input) => ({ path: pathNamed(input), recipe: recipeOf(input), output: 'out' }))
      .sort((a, b) => compareBytewise(a.path, b.path)),
  }
}

export function recipeOf(name: string): RecipeHash {
  return parseRecipeHash(sha256Of(`recipe of ${name}`))
}

export function pathNamed(name: string): StorePath {
  return storePathOf(recipeOf(name), name, name === 'hello' ? '2.10' : '1.0', 'out')
}

export function digestNamed(name: string): Sha256 {
  return parseSha256(sha256Of(`output of ${name}`))
}

export type StatementChanges = Partial<Statement> & {
  readonly digest?: Sha256
  readonly bytes?: number
  readonly references?: readonly StorePath[]
  readonly digestOfInput?: (path: StorePath) => Sha256
}

/** What an honest builder says of an item: built an hour ago, good for 90 days. */
export function statementOf(item: ClosureItem, key: SecretKey, changes: StatementChanges = {}): Statement {
  const { digest, bytes, references, digestOfInput, ...rest } = changes
  return {
    recipe: item.recipe,
    name: item.name,
    version: item.version,
    system: item.system,
    outputs: [
      {
        output: item.output,
        path: item.path,
        digest: digest ?? digestNamed(item.name),
        bytes: bytes ?? 20_480,
        references: references ?? [item.path],
      },
    ],
    inputs: item.inputs.map((input): StatedInput => ({ ...input, digest: (digestOfInput ?? honestInput)(input.path) })),
    sources: [sha256Of(`source of ${item.name}`)],
    builder: { kind: 'operator', key: key.publicKey.id, software: { abnpkg: '0.1.0', node: '26.10.0' } },
    origin: 'built',
    invocation: 'build-1',
    started: now - 3_700,
    finished: now - 3_600,
    expires: now + 90 * day,
    log: sha256Of(`log of ${item.name} by ${key.publicKey.name}`),
    tests: null,
    ...rest,
  }
}

export function honestInput(path: StorePath): Sha256 {
  return sha256Of(`output of ${/^[a-z2-7]{32}-(.*)-[0-9.]+$/.exec(path.slice(11))?.[1]}`)
}

export function attested(item: ClosureItem, key: SecretKey, changes: StatementChanges = {}): VerifiedAttestation {
  return attest(statementOf(item, key, changes), key)
}

export function evidenceOf(...attestations: readonly { readonly bytes: Uint8Array }[]): readonly Evidence[] {
  return attestations.map(({ bytes }) => ({ kind: 'attestation', bytes }))
}

export function revoked(key: SecretKey, changes: Partial<RevocationList> = {}): Evidence {
  const list: RevocationList = {
    format: 1,
    signer: key.publicKey.id,
    version: 1,
    issued: now - day,
    expires: now + 30 * day,
    keys: [],
    statements: [],
    ...changes,
  }
  return { kind: 'revocation-list', bytes: signRevocationList(list, key).bytes }
}

export type PolicyJson = {
  readonly default?: unknown
  readonly packages?: unknown
  readonly operators?: Readonly<Record<string, readonly SecretKey[]>>
  readonly logs?: unknown
  readonly witnesses?: unknown
  readonly tee?: unknown
}

/** Three operators, of whom alice has two keys, unless said otherwise. */
export function policyOf({ operators: given, ...json }: PolicyJson = {}): Policy {
  const operators = given ?? { alice: [alice, alice2], bob: [bob], carol: [carol] }
  return parsePolicy(
    JSON.stringify({
      ...json,
      format: 1,
      operators: Object.entries(operators).map(([name, keys]) => ({
        name,
        keys: keys.map(({ publicKey }) => encodePublicKey(publicKey)),
      })),
      default: json.default ?? { kind: 'two-independent' },
      packages: json.packages ?? {},
    }),
  )
}

export function factors(...list: readonly unknown[]): unknown {
  return { kind: 'factors', depth: 'outputs', factors: [{ kind: 'operators', atLeast: 2 }, ...list] }
}

export function requestOf(item: ClosureItem): DecisionRequest {
  return { ...item, depth: null, inputs: item.inputs.map((input) => ({ ...input, accepted: null })) }
}

export function decide(evidence: readonly Evidence[], policy: Policy = policyOf(), at: number = now): Decision {
  return evaluate(requestOf(hello), verifyEvidence(evidence, policy), policy, at)
}
