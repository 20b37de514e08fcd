/**
 * What became of decisions since: an operator may take back a statement, or a key, after an item was fetched on its word. The lists that this
 * machine knows by now are put beside the evidence that was kept, and each decision is made again for the time when it was made, so that
 * nothing but a revocation can change it. Offline; finds only what the lists say that came along when caches were last asked.
 */
import { readdirSync } from 'node:fs'
import type { Sha256 } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { parseStorePath, type StorePath } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import { type Evidence, type VerifiedEvidence, verifyEvidence } from '../../trust/evidence.ts'
import type { Decision, Reason } from '../../trust/policy/decision.ts'
import { evaluate } from '../../trust/policy/evaluate.ts'
import { parseRevocationList } from '../../trust/revocation.ts'
import { type DecisionRecord, readDecisionRecord } from './decision-records.ts'
import { rememberedRevocations } from './revocations.ts'

export type TakenBack = {
  readonly path: StorePath
  /** Whose statements counted then and do not now, about the item or about what its statements rest on. Sorted. */
  readonly operators: readonly string[]
  /** Whether it would have been accepted without them all the same. */
  readonly isStillAccepted: boolean
}

export type TakenBackFinder = {
  /** Undefined when nothing that counted was taken back, or when it was not fetched. Throws as readDecisionRecord does. */
  of(path: StorePath): TakenBack | undefined
  /** Every item of the store to which that happened, sorted by path. */
  all(): readonly TakenBack[]
}

/** Throws ABN_DECISION_INVALID when the file of revocations is damaged. */
export function findTakenBack(store: Store): TakenBackFinder {
  const lists = rememberedRevocations(store).filter(saysAnything)
  const records = new Map<Sha256, Again>()

  function of(path: StorePath): TakenBack | undefined {
    if (lists.length === 0 || !store.has(path)) return undefined
    const { origin } = store.readItem(path)
    if (origin.kind !== 'substituted') return undefined
    const again = records.get(origin.decision) ?? againOf(readDecisionRecord(store, origin.decision), lists)
    records.set(origin.decision, again)
    return again(path)
  }

  return {
    of,
    all() {
      if (lists.length === 0) return []
      const names = readdirSync(store.layout.items).filter((name) => name.endsWith('.json') && !name.startsWith('.'))
      const paths = names.map((name) => parseStorePath(`/abn/store/${name.slice(0, -'.json'.length)}`))
      return paths.sort(compareBytewise).flatMap((path) => of(path) ?? [])
    },
  }
}

/** Operators issue lists also when there is nothing to take back. */
function saysAnything({ bytes }: Evidence): boolean {
  const { list } = parseRevocationList(bytes)
  return list.keys.length > 0 || list.statements.length > 0
}

type Again = (path: StorePath) => TakenBack | undefined

/** All decisions of one record share the evidence, and rest on each other. */
function againOf({ policy, evidence, decisions }: DecisionRecord, lists: readonly Evidence[]): Again {
  let verified: VerifiedEvidence | undefined
  const byPath = Map.groupBy(decisions, ({ request }) => request.path)
  const changes = new Map<Decision, Change>()
  const changeOf = (decision: Decision): Change => {
    const known = changes.get(decision)
    if (known !== undefined) return known
    verified ??= verifyEvidence([...evidence, ...lists], policy)
    const change = changeBetween(decision, evaluate(decision.request, verified, policy, decision.now))
    changes.set(decision, change)
    return change
  }
  return (path) => {
    const found = byPath.get(path)?.find(({ request }) => request.depth === null)
    if (found === undefined) return undefined
    const needed = new Set([found])
    // A set that grows while it is iterated over is iterated over to its end.
    for (const decision of needed) {
      const asked = decision.request.inputs.filter(({ accepted }) => accepted !== null)
      for (const input of asked) for (const one of byPath.get(input.path) ?? []) needed.add(one)
    }
    const all = [...needed].map(changeOf)
    const operators = new Set(all.flatMap((change) => change.operators))
    if (operators.size === 0) return undefined
    return { path, operators: [...operators].sort(), isStillAccepted: all.every((change) => change.isStillAccepted) }
  }
}

type Change = { readonly operators: readonly string[]; readonly isStillAccepted: boolean }

/** What had been refused then is not the concern of anything that is here. */
function changeBetween(then: Decision, now: Decision): Change {
  const counted = new Set(then.reasons.flatMap((one) => (one.kind === 'agreed' ? one.attestation : [])))
  const operators = now.reasons.flatMap((one) => (isTakenBack(one) && counted.has(one.attestation) ? one.operator : []))
  const wasAccepted = then.outcome.kind === 'accepted' ? then.outcome.digest : undefined
  const isAccepted = now.outcome.kind === 'accepted' ? now.outcome.digest : undefined
  return { operators, isStillAccepted: wasAccepted === undefined || wasAccepted === isAccepted }
}

function isTakenBack(one: Reason): one is Extract<Reason, { readonly kind: 'not-counted' }> {
  return one.kind === 'not-counted' && (one.because === 'revoked-key' || one.because === 'revoked-statement')
}
