/**
 * What another policy would say of what was fetched, offline, from the evidence that was kept with the decisions. Of operators whom the
 * policy of that time did not name nothing was kept: they are silent here.
 */
import { readdirSync } from 'node:fs'
import type { Sha256 } from '../../format/hash.ts'
import { parseStorePath, type StorePath } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import { type VerifiedEvidence, verifyEvidence } from '../../trust/evidence.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import { evaluate } from '../../trust/policy/evaluate.ts'
import type { Policy } from '../../trust/policy/policy.ts'
import { type DecisionRecord, readDecisionRecord } from './decision-records.ts'
import { rememberedRevocations } from './revocations.ts'

export type Tried = { readonly path: StorePath; readonly accepted: boolean; readonly decision: Decision }

/**
 * Every substituted item of the store, sorted by path; `now` in seconds, or 'then' for the time when each was decided about, as what
 * witnesses and revocation lists say is soon too old. Throws ABN_DECISION_MISSING or ABN_DECISION_INVALID.
 */
export function acceptedUnder(store: Store, policy: Policy, now: number | 'then'): readonly Tried[] {
  const records = new Map<Sha256, DecisionRecord>()
  const verified = new Map<Sha256, VerifiedEvidence>()
  // What was taken back since counts, whenever it is looked at.
  const remembered = rememberedRevocations(store)
  return itemsOf(store).flatMap((path): Tried[] => {
    const { origin, outputDigest } = store.readItem(path)
    if (origin.kind !== 'substituted') return []
    const record = records.get(origin.decision) ?? readDecisionRecord(store, origin.decision)
    records.set(origin.decision, record)
    const before = record.decisions.find(({ request }) => request.path === path && request.depth === null)
    if (before === undefined) return []
    const evidence = verified.get(origin.decision) ?? verifyEvidence([...record.evidence, ...remembered], policy)
    verified.set(origin.decision, evidence)
    const decision = evaluate(before.request, evidence, policy, now === 'then' ? before.now : now)
    const { outcome } = decision
    return [{ path, accepted: outcome.kind === 'accepted' && outcome.digest === outputDigest, decision }]
  })
}

function itemsOf({ layout }: Store): readonly StorePath[] {
  return readdirSync(layout.items)
    .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    .map((name) => parseStorePath(`/abn/store/${name.slice(0, -'.json'.length)}`))
    .sort()
}
