/**
 * Evidence: what couriers bring, sorted into what the configured operators have really signed, what the configured logs have shown,
 * and the rest. Signatures are checked here, once, and nowhere later: evaluate() takes VerifiedEvidence only. Evidence comes in
 * kinds; one that this version does not know, that does not parse, or that a stranger signed is set aside with a reason and never
 * counts. Logs come first, then sessions, then attestations, as each is judged by what came before.
 */
import { AbnError, type ErrorCode } from '../format/errors.ts'
import type { RecipeHash, Sha256 } from '../format/hash.ts'
import { compareBytewise } from '../format/order.ts'
import { attestationOf, type VerifiedAttestation, verifyAttestation } from './attestation.ts'
import { hexOf } from './bytes.ts'
import { sha256 } from './crypto.ts'
import { type Envelope, parseEnvelope } from './dsse.ts'
import { logsIn, type RememberedGrowth, type RememberedInclusions } from './evidence-logs.ts'
import {
  type RememberedCollateral,
  type RememberedProof,
  type RememberedSession,
  sessionsIn,
} from './evidence-sessions.ts'
import type { KeyId, PublicKey } from './key.ts'
import { leafHash } from './log/merkle.ts'
import type { KnownTree, LogStanding, NewestTree } from './log/standing.ts'
import type { Policy } from './policy/policy.ts'
import { parseRevocationList, type VerifiedRevocationList, verifyRevocationList } from './revocation.ts'
import type { SessionEvidence } from './session-evidence.ts'

declare const verified: unique symbol

/**
 * One document of one kind: 'attestation', 'revocation-list', 'session', 'collateral', 'session-proof', 'log-inclusions',
 * 'log-consistency', or one of a later version.
 */
export type Evidence = {
  readonly kind: string
  readonly bytes: Uint8Array
  /** What `bytes` are the encoding of, from who has just made them (bundle.ts), and makes them anew each time they are asked for. */
  readonly envelope?: Envelope
}

export type VerifiedEvidence = SortedEvidence & { readonly [verified]: true }

type SortedEvidence = {
  /** Of configured operators, by recipe hash; each once, sorted by digest. */
  readonly attestations: ReadonlyMap<RecipeHash, readonly OperatorAttestation[]>
  /** Of configured operators, by operator; each once, sorted by digest. */
  readonly revocations: ReadonlyMap<string, readonly VerifiedRevocationList[]>
  /** Of configured operators, by the digest of the session as it is signed: its documents, sorted by digest. */
  readonly sessions: ReadonlyMap<Sha256, readonly SessionEvidence[]>
  /** By origin: the logs that the policy names and of which something came. */
  readonly logs: ReadonlyMap<string, LogStanding>
  /** Newest version of a key's revocation list that was ever seen here: an older one alone is a roll-back. */
  readonly knownRevocations: ReadonlyMap<KeyId, number>
  /** By origin: the largest tree that was ever seen here. */
  readonly knownLogs: ReadonlyMap<string, KnownTree>
  /** By the digest of a TEE's root: the highest evaluation number that was ever seen here. */
  readonly knownEvaluations: ReadonlyMap<Sha256, number>
  /** What is not an attestation and not set aside, as it came, each once. */
  readonly others: readonly Piece[]
  readonly aside: readonly AsideEvidence[]
}

export type OperatorAttestation = {
  readonly operator: string
  readonly attestation: VerifiedAttestation
  /** The documents of the session that signed it; none when the operator's own key did. */
  readonly sessions: readonly SessionEvidence[]
  /** Hexadecimal of its hash as an entry of a log; '' when the policy names no log. */
  readonly leaf: string
}

/** Evidence that never counts. `digest` is of its bytes. */
export type AsideEvidence = {
  readonly kind: string
  readonly digest: Sha256
  /** 'stranger': of nobody whom the policy names; 'no-session': the session that signed it did not come, or is a stranger's. */
  readonly because: 'unknown-kind' | 'invalid' | 'stranger' | 'no-session' | 'signature'
  /** The code of the error for 'invalid' and 'signature'. */
  readonly code: ErrorCode | undefined
}

/**
 * What has been verified before, by digest, so that it is not verified again. Belongs to one process; what is in it is
 * looked up by all of the bytes and by the key, so it cannot be poisoned.
 */
export type VerificationMemory = Map<Sha256, Remembered>

type Remembered =
  | VerifiedAttestation
  | VerifiedRevocationList
  | RememberedSession
  | RememberedCollateral
  | RememberedProof
  | RememberedInclusions
  | RememberedGrowth

export type VerifyOptions = {
  readonly memory?: VerificationMemory
  readonly knownRevocations?: ReadonlyMap<KeyId, number>
  readonly knownLogs?: ReadonlyMap<string, KnownTree>
  readonly knownEvaluations?: ReadonlyMap<Sha256, number>
}

/** Never throws for what came from outside. */
export function verifyEvidence(
  evidence: readonly Evidence[],
  policy: Policy,
  { memory = new Map(), ...known }: VerifyOptions = {},
): VerifiedEvidence {
  const { knownRevocations = new Map(), knownLogs = new Map(), knownEvaluations = new Map() } = known
  const aside = new Map<string, AsideEvidence>()
  const sorting = sortingOf(evidence, { policy, memory, aside })
  const logs = logsIn(sorting, knownLogs)
  const sessions = sessionsIn(sorting, logs)
  const attestations = attestationsIn(sorting, sessions)
  const revocations = revocationsIn(sorting)
  const others = otherKinds.flatMap(sorting.piecesOf).filter((piece) => !aside.has(nameOf(piece)))
  const result: SortedEvidence = {
    attestations,
    revocations,
    sessions,
    logs,
    knownRevocations,
    knownLogs,
    knownEvaluations,
    others,
    aside: inOrder(aside),
  }
  return result as VerifiedEvidence
}

/** Of its bytes, which are often made for that only. */
export function digestOf(one: Evidence): Sha256 {
  const digest = digests.get(one) ?? sha256(one.bytes)
  digests.set(one, digest)
  return digest
}

const digests = new WeakMap<Evidence, Sha256>()

/** The newest version of each key's list, here or before: what the next call is to be given as knownRevocations. */
export function newestRevocations({ revocations, knownRevocations }: VerifiedEvidence): ReadonlyMap<KeyId, number> {
  const newest = new Map(knownRevocations)
  for (const { key, list } of [...revocations.values()].flat()) {
    newest.set(key.id, Math.max(list.version, newest.get(key.id) ?? 0))
  }
  return newest
}

/**
 * By origin, the newest tree of each log of which everything agrees and that shows at least what was known: what the next call is to be
 * given as knownLogs, where another log keeps what was known of it.
 */
export function newestLogs({ logs }: VerifiedEvidence): ReadonlyMap<string, NewestTree> {
  return new Map([...logs].flatMap(([origin, { newest }]) => (newest === null ? [] : [[origin, newest] as const])))
}

/** The pieces that have these digests, as bundlePieces takes them: what is to be kept with decisions that name them. */
export function evidenceNamed(
  { attestations, others }: VerifiedEvidence,
  digests: Iterable<Sha256>,
): { readonly attestations: readonly VerifiedAttestation[]; readonly others: readonly Piece[] } {
  const named = new Set(digests)
  return {
    attestations: [...attestations.values()].flatMap((all) =>
      all.flatMap(({ attestation }) => (named.has(attestation.digest) ? attestation : [])),
    ),
    others: others.filter(({ digest }) => named.has(digest)),
  }
}

export type Signer = { readonly operator: string; readonly key: PublicKey }
/** A document that is not an attestation. */
export type Piece = { readonly kind: string; readonly digest: Sha256; readonly bytes: Uint8Array }

/** What the passes share. */
export type Sorting = {
  readonly policy: Policy
  readonly signers: ReadonlyMap<KeyId, Signer>
  readonly memory: VerificationMemory
  readonly attestations: readonly Evidence[]
  /** Each once. */
  readonly piecesOf: (kind: OtherKind) => readonly Piece[]
  /** Whether it is kept; else it is set aside for what `verify` returns or throws. */
  readonly keeps: (what: Pick<Piece, 'kind' | 'digest'>, verify: () => Verdict) => boolean
}

export type OtherKind = (typeof otherKinds)[number]
type Verdict = 'kept' | Exclude<AsideEvidence['because'], 'invalid' | 'signature'>

const otherKinds = [
  'revocation-list',
  'session',
  'collateral',
  'session-proof',
  'log-inclusions',
  'log-consistency',
] as const

type SortingOptions = Pick<Sorting, 'policy' | 'memory'> & { readonly aside: Map<string, AsideEvidence> }

function sortingOf(evidence: readonly Evidence[], { policy, memory, aside }: SortingOptions): Sorting {
  const byKind = Map.groupBy(evidence, ({ kind }) => kind)
  const pieces = new Map<string, readonly Piece[]>()
  const keeps: Sorting['keeps'] = ({ kind, digest }, verify) => {
    const verdict = verdictOf(verify)
    if (verdict.because === 'kept') return true
    aside.set(nameOf({ kind, digest }), { kind, digest, because: verdict.because, code: verdict.code })
    return false
  }
  for (const [kind, all] of byKind) {
    if (kind === 'attestation') continue
    const found = new Map(all.map(({ bytes }) => [sha256(bytes), bytes]))
    const each = [...found].map(([digest, bytes]) => ({ kind, digest, bytes }))
    pieces.set(kind, each)
    if (!otherKinds.some((known) => known === kind)) for (const piece of each) keeps(piece, () => 'unknown-kind')
  }
  return {
    policy,
    signers: signersOf(policy),
    memory,
    attestations: byKind.get('attestation') ?? [],
    piecesOf: (kind) => pieces.get(kind) ?? [],
    keeps,
  }
}

function verdictOf(verify: () => Verdict): {
  readonly because: Verdict | AsideEvidence['because']
  readonly code: ErrorCode | undefined
} {
  try {
    return { because: verify(), code: undefined }
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    return { because: error.code === 'ABN_SIGNATURE_INVALID' ? 'signature' : 'invalid', code: error.code }
  }
}

function nameOf({ kind, digest }: Pick<Piece, 'kind' | 'digest'>): string {
  return `${kind} ${digest}`
}

function attestationsIn(
  { policy, signers, memory, attestations, keeps }: Sorting,
  known: SortedEvidence['sessions'],
): SortedEvidence['attestations'] {
  const byRecipe = new Map<RecipeHash, Map<Sha256, OperatorAttestation>>()
  for (const one of attestations) {
    const digest = digestOf(one)
    keeps({ kind: one.kind, digest }, () => {
      const found = memory.get(digest)
      const remembered = found !== undefined && 'statement' in found ? found : undefined
      const parsed = remembered ?? attestationOf(one.envelope ?? parseEnvelope(one.bytes), digest)
      const { builder, recipe } = parsed.statement
      const sessions = builder.kind === 'session' ? (known.get(builder.session) ?? []) : []
      const [session] = sessions
      if (builder.kind === 'session' && session === undefined) return 'no-session'
      const signer = session === undefined ? signers.get(builder.key) : signerOf(session)
      if (signer === undefined) return 'stranger'
      const isKnown = remembered !== undefined && remembered.key.id === signer.key.id
      const attestation = isKnown ? remembered : verifyAttestation(parsed, signer.key)
      memory.set(digest, attestation)
      const leaf = policy.logs.length === 0 ? '' : leafOf(attestation, one.bytes)
      mapAt(byRecipe, recipe).set(digest, { operator: signer.operator, attestation, sessions, leaf })
      return 'kept'
    })
  }
  return new Map([...byRecipe].map(([recipe, all]) => [recipe, inOrder(all)]))
}

/** Who signs in a session's name. */
function signerOf({ operator, session }: SessionEvidence): Signer {
  return { operator, key: session.session.key }
}

function leafOf(attestation: VerifiedAttestation, bytes: Uint8Array): string {
  const leaf = leaves.get(attestation) ?? hexOf(leafHash(bytes))
  leaves.set(attestation, leaf)
  return leaf
}

const leaves = new WeakMap<VerifiedAttestation, string>()

function revocationsIn({ signers, memory, piecesOf, keeps }: Sorting): SortedEvidence['revocations'] {
  const found = new Map<string, Map<Sha256, VerifiedRevocationList>>()
  for (const piece of piecesOf('revocation-list')) {
    keeps(piece, () => {
      const known = memory.get(piece.digest)
      const remembered = known !== undefined && 'list' in known ? known : undefined
      const parsed = remembered ?? parseRevocationList(piece.bytes)
      const signer = signers.get(parsed.envelope.keyId)
      if (signer === undefined) return 'stranger'
      const list = remembered ?? verifyRevocationList(parsed, signer.key)
      memory.set(piece.digest, list)
      mapAt(found, signer.operator).set(piece.digest, list)
      return 'kept'
    })
  }
  return new Map([...found].map(([operator, all]) => [operator, inOrder(all)]))
}

export function signersOf({ operators }: Policy): ReadonlyMap<KeyId, Signer> {
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
