/**
 * What is known of the sessions that signed for an output: whose they are, from when until when, and what their quotes are worth under the
 * policy and at the time of the decision. Judged again from the evidence, never only read.
 */
import type { Sha256 } from '../../format/hash.ts'
import { type OperatorAttestation, type VerifiedEvidence, verifyEvidence } from '../../trust/evidence.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import type { Policy } from '../../trust/policy/policy.ts'
import { quorumOf } from '../../trust/policy/tee-factor.ts'
import type { Tee } from '../../trust/session.ts'
import type { SessionEvidence } from '../../trust/session-evidence.ts'
import { judgeSession } from '../../trust/tee/judge-session.ts'
import { isQuoteOfSimulated, parseQuote } from '../../trust/tee/quote.ts'
import { TeeError } from '../../trust/tee/reasons.ts'
import type { TcbStatus } from '../../trust/tee/tcb-status.ts'
import type { DecisionRecord } from './decision-records.ts'

export type SessionSummary = {
  readonly operator: string
  /** SHA-256 of the session as its operator signed it, by which statements name it. */
  readonly session: Sha256
  readonly key: string
  readonly from: number
  readonly until: number
  /** By the operator's word, or by the quote's: 'simulated' proves nothing. */
  readonly tee: Tee
  readonly simulated: boolean
  readonly quote: QuoteSummary
}

export type QuoteSummary =
  | { readonly kind: 'none' }
  /** The policy says nothing about TEEs. */
  | { readonly kind: 'not-judged' }
  | {
      readonly kind: 'accepted'
      readonly status: TcbStatus
      readonly advisories: readonly string[]
      readonly evaluationNumber: number
      readonly measurement: string
      readonly platform: Sha256
    }
  | { readonly kind: 'refused'; readonly objections: readonly string[] }

/** Summaries, and the signed sessions themselves by their digest. */
export type SessionsOfDecision = {
  readonly summaries: readonly SessionSummary[]
  readonly envelopes: ReadonlyMap<Sha256, Uint8Array>
}

/** Of the statements on which a decision rests, each session once. */
export function sessionsOf(decision: Decision, record: DecisionRecord): SessionsOfDecision {
  const { policy } = record
  const verified = verifiedOf(record)
  const agreed = new Set(decision.reasons.flatMap((reason) => (reason.kind === 'agreed' ? reason.attestation : [])))
  const counted = (verified.attestations.get(decision.request.recipe) ?? []).filter(({ attestation }) =>
    agreed.has(attestation.digest),
  )
  const found = Map.groupBy(counted.flatMap(packingsOf), ({ session }) => session.digest)
  const summaries = [...found.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : summaryOf([first, ...others], decision, policy),
  )
  const envelopes = new Map([...found].flatMap(([digest, [first]]) => (first ? [[digest, first.session.bytes]] : [])))
  return { summaries, envelopes }
}

/** A record is asked about each of its outputs. */
const verifiedRecords = new WeakMap<DecisionRecord, VerifiedEvidence>()

function verifiedOf(record: DecisionRecord): VerifiedEvidence {
  const verified = verifiedRecords.get(record) ?? verifyEvidence(record.evidence, record.policy)
  verifiedRecords.set(record, verified)
  return verified
}

function packingsOf({ sessions }: OperatorAttestation): readonly SessionEvidence[] {
  return sessions
}

/** Of several documents about one session the one that is accepted, if any is: the others may be anybody's. */
function summaryOf(
  documents: readonly [SessionEvidence, ...SessionEvidence[]],
  decision: Decision,
  policy: Policy,
): SessionSummary {
  const quotes = documents.map((one) => quoteOf(one, decision, policy))
  const quote = quotes.find(({ kind }) => kind === 'accepted') ?? quotes[0] ?? { kind: 'none' }
  const [{ operator, session: signed }] = documents
  const { session, digest } = signed
  const simulated = session.tee === 'simulated' || documents.some(isSimulated)
  return {
    operator,
    session: digest,
    key: session.key.id,
    from: session.from,
    until: session.until,
    tee: session.tee,
    simulated,
    quote,
  }
}

function quoteOf(session: SessionEvidence, decision: Decision, policy: Policy): QuoteSummary {
  if (session.document.quote === null) return { kind: 'none' }
  if (policy.tee === null) return { kind: 'not-judged' }
  const judgement = judgeSession(session, policy.tee, {
    policy,
    now: decision.now,
    knownEvaluations: new Map(decision.knownEvaluations.map(({ root, number }) => [root, number])),
    quorum: quorumOf(decision.conditions?.factors ?? [], policy),
  })
  if (judgement.kind === 'refused') return { kind: 'refused', objections: judgement.objections }
  const { tcb, evaluationNumber, measurement, platform } = judgement.quote
  const { status, advisories } = tcb
  return { kind: 'accepted', status, advisories, evaluationNumber, measurement, platform: platform.ppid }
}

function isSimulated({ document }: SessionEvidence): boolean {
  if (document.quote === null) return false
  try {
    return isQuoteOfSimulated(parseQuote(document.quote))
  } catch (error) {
    if (error instanceof TeeError) return false
    throw error
  }
}
