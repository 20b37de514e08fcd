// How items came into the store, in the words of a lock. Loads what reads decisions, so that it is loaded where it is needed.
import { readDecisionRecord } from '../../builder/substitute/decision-records.ts'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import type { Acceptance } from '../../format/lockfile.ts'
import type { Item } from '../../store/item.ts'
import type { Store } from '../../store/store.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import { acceptanceOf } from './acceptance.ts'

/** Reads the records of decisions, each once. */
export function acceptanceReader(store: Store): (item: Item) => Acceptance {
  const records = new Map<Sha256, readonly Decision[]>()
  return ({ path, origin }) => {
    if (origin.kind === 'built') return { kind: 'built' }
    const decisions = records.get(origin.decision) ?? readDecisionRecord(store, origin.decision).decisions
    records.set(origin.decision, decisions)
    const found = decisions.find(({ request }) => request.path === path && request.depth === null)
    if (found === undefined) {
      throw new AbnError('ABN_DECISION_MISSING', `no decision about ${path} is kept`, {
        hint: 'abnpkg verify finds what is damaged',
      })
    }
    return acceptanceOf(found)
  }
}
