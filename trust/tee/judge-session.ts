/**
 * Whether a session runs in a TEE that satisfies a policy: its quote verified with the collateral that came, at the present or at the
 * time at which witnesses saw the session in a log, then appraised. Thousands of statements share a session, so that what was found
 * out is remembered, by all that it depends on.
 *
 * Of collateral the newest of each part counts, whatever document it came in, put together (collateral-parts.ts): if that says something
 * against the platform, older collateral that says less does not help. Of what verifies, the highest evaluation number counts, and
 * of equal ones the worse status. A newest list that revokes a certificate of the quote refuses it also at a time that was logged.
 */
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import type { VerifiedEvidence } from '../evidence.ts'
import { type VerifiedCheckpoint, verifiedCheckpointOf } from '../log/checkpoint.ts'
import type { VerifiedCosignature } from '../log/cosignature.ts'
import { originOfNote } from '../log/note.ts'
import { cosignaturesOf } from '../log/standing.ts'
import { toleratedSkewSeconds } from '../policy/logged.ts'
import type { Policy, PolicyTee } from '../policy/policy.ts'
import type { SessionDocument, SessionEvidence } from '../session-evidence.ts'
import { type AppraisedQuote, appraise } from './appraise.ts'
import { newCertificateMemory, type TeeRoot } from './chain.ts'
import type { Collateral } from './collateral.ts'
import { assembled, documentsIn, type NewestParts, newestOf } from './collateral-parts.ts'
import { hasP256 } from './p256.ts'
import { parseQuote, type Quote } from './quote.ts'
import { TeeError, type TeeReason } from './reasons.ts'
import { badnessOf } from './tcb-status.ts'
import { type VerifiedQuote, verifyQuote } from './verify.ts'

export type JudgeOptions = {
  /** Its logs and witnesses. */
  readonly policy: Policy
  /** Seconds since 1970. */
  readonly now: number
  /** How many witnesses have to vouch for a time; at least 1. */
  readonly quorum: number
  /** By root: the highest evaluation number that was seen before. */
  readonly knownEvaluations: ReadonlyMap<Sha256, number>
}

/** Objections are those of appraise.ts, and `quote: `, `collateral: ` or `session-proof: ` with a reason. */
export type Judgement =
  | { readonly kind: 'accepted'; readonly quote: AppraisedQuote }
  | { readonly kind: 'refused'; readonly objections: readonly string[] }

export function judgeSession(session: SessionEvidence, tee: PolicyTee, options: JudgeOptions): Judgement {
  const { policy, now, quorum, knownEvaluations } = options
  const known = judged.get(session)
  const isSame =
    known?.tee === tee &&
    known.policy === policy &&
    known.now === now &&
    known.quorum === quorum &&
    known.knownEvaluations === knownEvaluations
  if (isSame) return known.judgement
  const judgement = judge(session, tee, options)
  judged.set(session, { tee, policy, now, quorum, knownEvaluations, judgement })
  return judgement
}

/** Digests of what a judgement follows from: the document, its proofs, the collateral that it names, and the newest of now. */
export function lookedAt({ document, proofs, collateral }: SessionEvidence, roots: readonly TeeRoot[], now: number) {
  const newest = hasP256() ? roots.flatMap((root) => documentsIn(newestAt(collateral, { root, at: now }))) : []
  const named = collateral.filter(({ digest }) => digest === document.collateral)
  return [document, ...proofs, ...named, ...newest].map(({ digest }) => digest)
}

/**
 * By root: what the next call of verifyEvidence is to be given as knownEvaluations. Only what verifies now under a root of the policy
 * counts, and no number goes down.
 */
export function newestEvaluations(
  { knownEvaluations, sessions }: VerifiedEvidence,
  { tee }: Policy,
  now: number,
): ReadonlyMap<Sha256, number> {
  const newest = new Map(knownEvaluations)
  for (const { document, collateral } of [...sessions.values()].flat()) {
    const { verdicts } = examined(document, { collateral, roots: tee?.roots ?? [], at: now })
    for (const { root, evaluationNumber } of verdicts) {
      newest.set(root.digest, Math.max(evaluationNumber, newest.get(root.digest) ?? 0))
    }
  }
  return newest
}

/** The last judgement of each session. */
const judged = new WeakMap<SessionEvidence, JudgeOptions & { readonly tee: PolicyTee; readonly judgement: Judgement }>()

function judge(session: SessionEvidence, tee: PolicyTee, options: JudgeOptions): Judgement {
  const { document, collateral } = session
  const { now, quorum } = options
  if (document.quote === null) return refused('quote: none')
  if (!hasP256()) return refused('quote: unsupported')
  if (collateral.length === 0) return refused('collateral: missing')
  const isPresent = tee.collateral === 'present'
  const at = isPresent ? now : loggedAt(session, { quorum, now })
  if (at === undefined) return refused('session-proof: missing')
  // What was at hand when it was logged; what is known since can only count against it.
  const fitting = isPresent ? collateral : collateral.filter(({ digest }) => digest === document.collateral)
  const found = examined(document, { collateral: fitting, roots: tee.roots, at })
  const present = isPresent ? found : examined(document, { collateral, roots: tee.roots, at: now })
  if (present.against.includes('certificate-revoked')) return refused('quote: certificate-revoked')
  if (isPresent && found.against.length > 0) return refused(...found.against.map((reason) => `quote: ${reason}`))
  const [newest] = found.verdicts.toSorted(
    (a, b) => b.evaluationNumber - a.evaluationNumber || badnessOf(b.tcb.status) - badnessOf(a.tcb.status),
  )
  if (newest === undefined) return refused(...found.reasons.map((reason) => `quote: ${reason}`))
  const checkpointTime = timeOfCheckpoint(document, options, at)
  const appraisal = appraise(newest, tee, {
    session: session.session,
    now: tolerant(at, session.session.session.from),
    // What was logged before newer collateral was seen is not a way back to the old.
    seenEvaluationNumber: isPresent ? (options.knownEvaluations.get(newest.root.digest) ?? 0) : 0,
    mayBeOver: isPresent,
    ...(checkpointTime === undefined ? {} : { checkpointTime }),
  })
  return appraisal.kind === 'accepted' ? appraisal : refused(...appraisal.objections)
}

/** A builder's clock that is a little ahead of ours, or of a witness's, is taken for it. */
function tolerant(at: number, from: number): number {
  return from > at && from - at <= toleratedSkewSeconds ? from : at
}

/** The earliest time at which enough witnesses had seen the document in a log; undefined when they have not. */
function loggedAt(
  { proofs }: SessionEvidence,
  { quorum, now }: Pick<JudgeOptions, 'quorum' | 'now'>,
): number | undefined {
  const times = proofs.flatMap(({ cosignatures }) => timeByQuorum(cosignatures, quorum, now) ?? [])
  return times.length === 0 ? undefined : Math.min(...times)
}

/** Undefined when no log of the policy has made the checkpoint, or not enough witnesses have seen it. */
function timeOfCheckpoint(
  { checkpoint: note }: SessionDocument,
  { policy, quorum }: JudgeOptions,
  at: number,
): number | undefined {
  const log = note === null ? undefined : policy.logs.find(({ name }) => name === originOfNote(note))
  if (note === null || log === undefined) return undefined
  let checkpoint: VerifiedCheckpoint
  try {
    checkpoint = verifiedCheckpointOf(note, log)
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
  return timeByQuorum(cosignaturesOf(checkpoint, policy.witnesses), quorum, at)
}

/**
 * The smallest time for which enough witnesses say that it was no later: fewer that lie than the quorum cannot make it earlier than an
 * honest one says. A clock that is a little ahead of ours is taken for ours.
 */
function timeByQuorum(cosignatures: readonly VerifiedCosignature[], quorum: number, now: number): number | undefined {
  if (!Number.isSafeInteger(quorum) || quorum < 1) throw new TypeError(`judgeSession: a quorum of ${quorum}`)
  const times = cosignatures.map(({ time }) => time).filter((time) => time <= now + toleratedSkewSeconds)
  const time = times.sort((a, b) => a - b)[quorum - 1]
  return time === undefined ? undefined : Math.min(time, now)
}

type Examination = {
  readonly verdicts: readonly VerifiedQuote[]
  readonly reasons: readonly TeeReason[]
  /** What the newest collateral has against the quote, whatever older collateral says. */
  readonly against: readonly TeeReason[]
}

type ExamineOptions = {
  readonly collateral: readonly Collateral[]
  readonly roots: readonly TeeRoot[]
  readonly at: number
}

/**
 * The quote of a document under each root, with the collateral that it names and with what is newest of all: what verifies, and why the
 * rest does not (each reason once).
 */
function examined(document: SessionDocument, { collateral, roots, at }: ExamineOptions): Examination {
  // A browser without it cannot say that a quote holds.
  if (!hasP256()) return { verdicts: [], reasons: [], against: [] }
  const [first] = collateral
  if (first === undefined) return { verdicts: [], reasons: [], against: [] }
  const named = collateral.find(({ digest }) => digest === document.collateral)
  const findings = roots.map((root) => {
    const newest = assembled(newestAt(collateral, { root, at }), named ?? first)
    return {
      newest: newest.map((one) => examinedOnce(document, one, { root, at })),
      named: named === undefined || newest.includes(named) ? [] : [examinedOnce(document, named, { root, at })],
    }
  })
  const all = findings.flatMap((one) => [...one.newest, ...one.named])
  const verdicts = all.flatMap((one) => (typeof one === 'string' ? [] : one))
  const reasons = new Set(all.flatMap((one) => (typeof one === 'string' ? one : [])))
  // Under several roots, all but one are wrong of course.
  if (reasons.size > 1)
    for (const ofAnotherRoot of ['root-unknown', 'quote-vendor'] as const) reasons.delete(ofAnotherRoot)
  const against = new Set([
    ...findings.flatMap(({ newest }) => newest.flatMap((one) => (isReason(one, reasonsAgainst) ? one : []))),
    ...findings.flatMap(({ named: old }) => old.flatMap((one) => (isReason(one, REVOKED) ? one : []))),
  ])
  return { verdicts, reasons: [...reasons].sort(), against: [...against].sort() }
}

function isReason(one: VerifiedQuote | TeeReason, reasons: ReadonlySet<TeeReason>): one is TeeReason {
  return typeof one === 'string' && reasons.has(one)
}

const REVOKED: ReadonlySet<TeeReason> = new Set(['certificate-revoked'])
/** What is said of the platform, and not of collateral or who signed it. */
const reasonsAgainst: ReadonlySet<TeeReason> = new Set([
  'certificate-revoked',
  'seam-signer',
  'seam-attributes',
  'module-unknown',
  'module-tcb-unknown',
  'platform-tcb-unknown',
  'qe-tcb-unknown',
  'qe-miscselect',
  'qe-attributes',
  'qe-mrsigner',
  'qe-isvprodid',
])

type RootAt = Pick<ExamineOptions, 'at'> & { readonly root: TeeRoot }

/** Many sessions share a list. */
function newestAt(collateral: readonly Collateral[], { root, at }: RootAt): NewestParts {
  const known = newestKnown.get(collateral)
  const found = known?.get(`${root.digest} ${at}`)
  if (found !== undefined) return found
  const newest = newestOf(collateral, { root, now: at, memory: certificates })
  // Of one time only.
  const others = known !== undefined && [...known.keys()].every((name) => name.endsWith(` ${at}`)) ? known : new Map()
  newestKnown.set(collateral, others.set(`${root.digest} ${at}`, newest))
  return newest
}

const newestKnown = new WeakMap<readonly Collateral[], Map<string, NewestParts>>()

function examinedOnce(
  document: SessionDocument,
  collateral: Collateral,
  { root, at }: RootAt,
): VerifiedQuote | TeeReason {
  const known = examinations.get(document) ?? new Map<string, VerifiedQuote | TeeReason>()
  examinations.set(document, known)
  const name = `${collateral.digest} ${root.digest} ${at}`
  const before = known.get(name)
  if (before !== undefined) return before
  const result = verdictOf(document, collateral, { root, at })
  if (known.size >= maximumRemembered) known.clear()
  known.set(name, result)
  return result
}

function verdictOf(document: SessionDocument, collateral: Collateral, { root, at }: RootAt): VerifiedQuote | TeeReason {
  try {
    return verifyQuote(quoteOf(document), collateral, { now: at, root, memory: certificates })
  } catch (error) {
    if (error instanceof TeeError) return error.reason
    throw error
  }
}

/** Throws a TeeError. */
function quoteOf(document: SessionDocument): Quote {
  const quote = quotes.get(document) ?? parseQuote(document.quote ?? new Uint8Array())
  quotes.set(document, quote)
  return quote
}

const examinations = new WeakMap<SessionDocument, Map<string, VerifiedQuote | TeeReason>>()
const quotes = new WeakMap<SessionDocument, Quote>()
const certificates = newCertificateMemory()
const maximumRemembered = 256

function refused(...objections: readonly string[]): Judgement {
  return { kind: 'refused', objections }
}
