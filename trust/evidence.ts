/**
 * Evidence: what couriers bring, sorted into what the configured operators have really signed and the rest. Signatures are
 * checked here, once, and nowhere later: evaluate() takes VerifiedEvidence only. Evidence comes in kinds; one that this
 * version does not know, that does not parse, or that a stranger signed is set aside with a reason and never counts.
 */
import { AbnError, type ErrorCode } from '../format/errors.ts'
import type { RecipeHash, Sha256 } from '../format/hash.ts'
import { compareBytewise } from '../format/order.ts'
import { type Attestation, attestationOf, type VerifiedAttestation, verifyAttestation } from './attestation.ts'
import { sha256 } from './crypto.ts'
import { type Envelope, parseEnvelope } from './dsse.ts'
import type { KeyId, PublicKey } from './key.ts'
import type { Policy } from './policy/policy.ts'
import { parseRevocationList, type VerifiedRevocationList, verifyRevocationList } from './revocation.ts'

declare const verified: unique symbol

/** One document of one kind: 'attestation', 'revocation-list', or one of a later version. */
export type Evidence = {
  readonly kind: string
  readonly bytes: Uint8Array
  /** What `bytes` are the encoding of, from who has just made them (bundle.ts); spares reading them again. */
  readonly envelope?: Envelope
}

export type VerifiedEvidence = SortedEvidence & { readonly [verified]: true }

type SortedEvidence = {
  /** Of configured operators, by recipe hash; each once, sorted by digest. */
  readonly attestations: ReadonlyMap<RecipeHash, readonly OperatorAttestation[]>
  /** Of configured operators, by operator; each once, sorted by digest. */
  readonly revocations: ReadonlyMap<string, readonly VerifiedRevocationList[]>
  /** Newest version of a key's revocation list that was ever seen here: an older one alone is a roll-back. */
  readonly knownRevocations: ReadonlyMap<KeyId, number>
  readonly aside: readonly AsideEvidence[]
}

export type OperatorAttestation = { readonly operator: string; readonly attestation: VerifiedAttestation }

/** Evidence that never counts. `digest` is of its bytes. */
export type AsideEvidence = {
  readonly kind: string
  readonly digest: Sha256
  readonly because: 'unknown-kind' | 'invalid' | 'stranger' | 'signature'
  /** The code of the error for 'invalid' and 'signature'. */
  readonly code: ErrorCode | undefined
}

/**
 * What has been verified before, by digest, so that it is not verified again. Belongs to one process; what is in it is
 * looked up by all of the bytes and by the key, so it cannot be poisoned.
 */
export type VerificationMemory = Map<Sha256, VerifiedAttestation | VerifiedRevocationList>

export type VerifyOptions = {
  readonly memory?: VerificationMemory
  readonly knownRevocations?: ReadonlyMap<KeyId, number>
}

/** Never throws for what came from outside. */
export function verifyEvidence(
  evidence: readonly Evidence[],
  policy: Policy,
  { memory = new Map(), knownRevocations = new Map() }: VerifyOptions = {},
): VerifiedEvidence {
  const signers = signersOf(policy)
  const attestations = new Map<RecipeHash, Map<Sha256, OperatorAttestation>>()
  const revocations = new Map<string, Map<Sha256, VerifiedRevocationList>>()
  const aside = new Map<string, AsideEvidence>()
  for (const one of evidence) {
    const { kind } = one
    const digest = sha256(one.bytes)
    const result = verifyOne(one, digest, { signers, memory })
    if (result.kind === 'aside')
      aside.set(`${kind} ${digest}`, { kind, digest, because: result.because, code: result.code })
    else if (result.kind === 'attestation') {
      mapAt(attestations, result.attestation.statement.recipe).set(digest, result)
    } else mapAt(revocations, result.operator).set(digest, result.list)
  }
  const result: SortedEvidence = {
    attestations: new Map([...attestations].map(([recipe, found]) => [recipe, inOrder(found)])),
    revocations: new Map([...revocations].map(([operator, found]) => [operator, inOrder(found)])),
    knownRevocations,
    aside: inOrder(aside),
  }
  return result as VerifiedEvidence
}

/** The newest version of each key's list, here or before: what the next call is to be given as knownRevocations. */
export function newestRevocations({ revocations, knownRevocations }: VerifiedEvidence): ReadonlyMap<KeyId, number> {
  const newest = new Map(knownRevocations)
  for (const { key, list } of [...revocations.values()].flat()) {
    newest.set(key.id, Math.max(list.version, newest.get(key.id) ?? 0))
  }
  return newest
}

type Known = { readonly operator: string; readonly key: PublicKey }
type Sorted =
  | ({ readonly kind: 'attestation' } & OperatorAttestation)
  | { readonly kind: 'revocation-list'; readonly operator: string; readonly list: VerifiedRevocationList }
  | { readonly kind: 'aside'; readonly because: AsideEvidence['because']; readonly code: ErrorCode | undefined }

type Verifying = { readonly signers: ReadonlyMap<KeyId, Known>; readonly memory: VerificationMemory }

function verifyOne(one: Evidence, digest: Sha256, { signers, memory }: Verifying): Sorted {
  const { kind } = one
  const remembered = memory.get(digest)
  try {
    switch (kind) {
      case 'attestation': {
        const parsed = remembered && 'statement' in remembered ? remembered : attestationIn(one, digest)
        const known = signers.get(parsed.envelope.keyId)
        if (known === undefined) return { kind: 'aside', because: 'stranger', code: undefined }
        const attestation = parsed === remembered ? remembered : verifyAttestation(parsed, known.key)
        memory.set(digest, attestation)
        return { kind, operator: known.operator, attestation }
      }
      case 'revocation-list': {
        const parsed = remembered && 'list' in remembered ? remembered : parseRevocationList(one.bytes)
        const known = signers.get(parsed.envelope.keyId)
        if (known === undefined) return { kind: 'aside', because: 'stranger', code: undefined }
        const list = parsed === remembered ? remembered : verifyRevocationList(parsed, known.key)
        memory.set(digest, list)
        return { kind, operator: known.operator, list }
      }
      default:
        return { kind: 'aside', because: 'unknown-kind', code: undefined }
    }
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    const because = error.code === 'ABN_SIGNATURE_INVALID' ? 'signature' : 'invalid'
    return { kind: 'aside', because, code: error.code }
  }
}

function attestationIn({ bytes, envelope }: Evidence, digest: Sha256): Attestation {
  return attestationOf(envelope ?? parseEnvelope(bytes), digest)
}

function signersOf({ operators }: Policy): ReadonlyMap<KeyId, Known> {
  return new Map(operators.flatMap(({ name, keys }) => keys.map((key) => [key.id, { operator: name, key }] as const)))
}

function mapAt<K, V>(maps: Map<K, Map<Sha256, V>>, at: K): Map<Sha256, V> {
  const found = maps.get(at) ?? new Map<Sha256, V>()
  maps.set(at, found)
  return found
}

function inOrder<V>(found: ReadonlyMap<string, V>): readonly V[] {
  return [...found].sort(([a], [b]) => compareBytewise(a, b)).map(([, value]) => value)
}
