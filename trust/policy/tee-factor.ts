/**
 * The factor `tee`: how many of those who agree built inside a TEE that the policy accepts. An operator counts once however many
 * machines, a machine once however many operators use it; and a quote is for a session, never for a digest: it is worth nothing
 * without the statements that the session signed.
 */
import type { Sha256 } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import type { SessionEvidence } from '../session-evidence.ts'
import { type AppraisedQuote, groupByPlatform } from '../tee/appraise.ts'
import { judgeSession } from '../tee/judge-session.ts'
import type { Reason } from './decision.ts'
import type { Factor, Policy, PolicyTee } from './policy.ts'

export type TeeFindings = {
  /** The largest number of pairs of an operator and a machine of which none has a part in common. */
  readonly counted: number
  /** About each session: its quote is accepted, or why none is. */
  readonly reasons: readonly Reason[]
  /** What this follows from. */
  readonly looked: readonly SessionEvidence[]
}

export type TeeQuestion = {
  readonly policy: Policy
  readonly tee: PolicyTee
  readonly now: number
  readonly knownEvaluations: ReadonlyMap<Sha256, number>
  /** Cosignatures that it takes until a checkpoint shows the time. */
  readonly quorum: number
}

/** `sessions`: for each session that signed a statement that counts, its documents. */
export function findTees(sessions: readonly (readonly SessionEvidence[])[], question: TeeQuestion): TeeFindings {
  const judged = sessions.map((documents) => judge(documents, question))
  return {
    counted: pairsOf(judged.flatMap(({ accepted }) => accepted)),
    reasons: judged.flatMap(({ reasons }) => reasons),
    looked: judged.flatMap(({ looked }) => looked),
  }
}

/** As many as the rule wants to have seen it, else all of them. */
export function quorumOf(factors: readonly Factor[], { witnesses }: Policy): number {
  const wanted = factors.flatMap((factor) => (factor.kind === 'witnessed' ? factor.atLeast : []))
  return Math.max(1, ...(wanted.length > 0 ? wanted : [witnesses.length]))
}

type Pair = { readonly operator: string; readonly quote: AppraisedQuote }
type Judged = {
  readonly accepted: readonly Pair[]
  readonly reasons: readonly Reason[]
  readonly looked: readonly SessionEvidence[]
}

function judge(
  documents: readonly SessionEvidence[],
  { tee, policy, now, knownEvaluations, quorum }: TeeQuestion,
): Judged {
  const all = documents.map((session) => ({
    session,
    judgement: judgeSession(session, tee, { policy, now, knownEvaluations, quorum }),
  }))
  const accepted = all.flatMap(({ session, judgement }) =>
    judgement.kind === 'accepted' ? [{ session, quote: judgement.quote }] : [],
  )
  if (accepted.length > 0) {
    const pairs = accepted.map(({ session: { operator }, quote }) => ({ operator, quote }))
    const reasons = accepted.slice(0, 1).map(acceptanceOf)
    return { accepted: pairs, reasons, looked: accepted.map(({ session }) => session) }
  }
  // Of several the one that comes closest: the others may be anybody's.
  const refusals = all.flatMap(({ session, judgement }) => {
    if (judgement.kind === 'accepted') return []
    const { operator, document } = session
    return [{ kind: 'tee-refused', operator, session: document.digest, objections: judgement.objections } as const]
  })
  refusals.sort((a, b) => a.objections.length - b.objections.length || compareBytewise(a.session, b.session))
  return { accepted: [], reasons: refusals.slice(0, 1), looked: documents }
}

/** With the kind of its root, as a simulated TEE protects nothing, and with what runs in it. */
function acceptanceOf({
  session: { operator, document },
  quote: { root, measurement, tcb },
}: {
  readonly session: SessionEvidence
  readonly quote: AppraisedQuote
}): Reason {
  return { kind: 'tee-accepted', operator, session: document.digest, root: root.kind, measurement, status: tcb.status }
}

/** A largest matching of operators with machines, by augmenting paths. */
function pairsOf(pairs: readonly Pair[]): number {
  const machines = new Map(
    groupByPlatform(pairs.map(({ quote }) => quote)).flatMap((group, i) => group.map((one) => [one, i])),
  )
  const wanted = Map.groupBy(pairs, ({ operator }) => operator)
  const takenBy = new Map<number, string>()
  const finds = (operator: string, tried: Set<number>): boolean =>
    (wanted.get(operator) ?? []).some(({ quote }) => {
      const machine = machines.get(quote)
      if (machine === undefined || tried.has(machine)) return false
      tried.add(machine)
      const owner = takenBy.get(machine)
      if (owner !== undefined && !finds(owner, tried)) return false
      takenBy.set(machine, operator)
      return true
    })
  return [...wanted.keys()].filter((operator) => finds(operator, new Set())).length
}
