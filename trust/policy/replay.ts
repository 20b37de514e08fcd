/** Comes to a stored decision again, offline, from the evidence and the policy that it names. */
import { canonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { sha256 } from '../crypto.ts'
import { type Evidence, type VerificationMemory, verifyEvidence } from '../evidence.ts'
import type { Decision } from './decision.ts'
import { jsonOfDecision } from './decision-schema.ts'
import { evaluate } from './evaluate.ts'
import { type Policy, policyDigestOf } from './policy.ts'

/**
 * `evidence` may hold more than what the decision names; the rest is left out. What was accepted of inputs is taken from the
 * decision: replay their decisions too. Throws ABN_DECISION_DIFFERS.
 */
export function replay(
  decision: Decision,
  evidence: readonly Evidence[],
  policy: Policy,
  memory?: VerificationMemory,
): Decision {
  const digest = policyDigestOf(policy)
  if (digest !== decision.policy) {
    throw differs(decision, `it was made under the policy ${decision.policy.slice(0, 8)}, not ${digest.slice(0, 8)}`)
  }
  const byDigest = Map.groupBy(evidence, ({ bytes }) => sha256(bytes))
  const missing = decision.evidence.find((one) => !byDigest.has(one))
  if (missing !== undefined) throw differs(decision, `its evidence ${missing} is missing`)
  const found = decision.evidence.flatMap((one) => byDigest.get(one) ?? [])
  const verified = verifyEvidence(found, policy, { ...knownIn(decision), ...(memory === undefined ? {} : { memory }) })
  const again = evaluate(decision.request, verified, policy, decision.now)
  if (canonicalJson(jsonOfDecision(again)) !== canonicalJson(jsonOfDecision(decision))) {
    throw differs(decision, `the evidence gives "${again.outcome.kind}" for other reasons than those that are recorded`)
  }
  return again
}

/** What had been seen before the decision, as far as it mattered. */
function knownIn({ knownRevocations, knownLogs, knownEvaluations }: Decision) {
  return {
    knownRevocations: new Map(knownRevocations.map(({ key, version }) => [key, version])),
    knownLogs: new Map(knownLogs.map(({ log, size, root }) => [log, { size, root }])),
    knownEvaluations: new Map(knownEvaluations.map(({ root, number }) => [root, number])),
  }
}

function differs({ request: { path } }: Decision, reason: string): AbnError {
  return new AbnError('ABN_DECISION_DIFFERS', `the decision about ${path} cannot be repeated: ${reason}`)
}
