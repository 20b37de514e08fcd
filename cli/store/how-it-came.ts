// How an item came into the store, in short and as it was recorded: `abnpkg why` decides again and tells everything.
import { existsSync } from 'node:fs'
import type { Item } from '../../store/item.ts'
import type { Store } from '../../store/store.ts'
import { sizeText, timeText } from '../output.ts'

export type HowItCame = {
  readonly kind: 'built' | 'substituted'
  /** Seconds since 1970. */
  readonly at: number
  /** How long it took to build. */
  readonly seconds: number | undefined
  /** The cache that carried it. */
  readonly from: string | undefined
  /** Why it was built: `not-asked` where there was no policy or no cache. */
  readonly because: keyof typeof BECAUSE | undefined
  /** On whose word it was accepted, by which rule; undefined when the decision is not kept. */
  readonly operators: readonly string[] | undefined
  readonly rule: string | undefined
}

export async function howItCame(store: Store, item: Item): Promise<HowItCame> {
  const { origin } = item
  if (origin.kind === 'built') {
    const { kind, at, seconds } = origin
    const because = await becauseOf(store, item)
    return { kind, at, seconds, from: undefined, because, operators: undefined, rule: undefined }
  }
  const { kind, at, from } = origin
  const { readDecisionRecord } = await import('../../builder/substitute/decision-records.ts')
  const { linesOfDecision } = await import('../../trust/policy/explain.ts')
  let operators: readonly string[] | undefined
  let rule: string | undefined
  try {
    const { decisions } = readDecisionRecord(store, origin.decision)
    const decision = decisions.find(({ request }) => request.path === item.path && request.depth === null)
    if (decision?.outcome.kind === 'accepted') operators = decision.outcome.operators
    rule = decision && linesOfDecision(decision)[1]
  } catch {
    // It is gone or damaged; `abnpkg why` says how.
  }
  return { kind, at, seconds: undefined, from, because: undefined, operators, rule }
}

export type Field = readonly [label: string, text: string]

export function fieldsOfOrigin(
  { kind, at, seconds, from, because, operators, rule }: HowItCame,
  bytes: number,
): Field[] {
  const when = `${new Date(at * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  if (kind === 'built') {
    const duration = seconds === undefined || seconds < 1 ? 'under 1 s' : timeText(seconds)
    return [
      ['built', `${when} in ${duration}, ${sizeText(bytes)}`],
      ['because', BECAUSE[because ?? 'not-asked']],
    ]
  }
  return [
    ['fetched', `${when} from ${from}, ${sizeText(bytes)}`],
    [
      'because',
      operators === undefined
        ? 'the policy accepted it then; the decision is not kept here'
        : `the policy accepted it on the word of ${operators.join(', ')}; ${rule}`,
    ],
  ]
}

const BECAUSE = {
  refused: 'the policy did not accept what others attest',
  missed: 'no cache had what the policy accepted',
  references: 'the statements name references that it cannot have',
  'not-asked': 'no cache was asked',
  'source-only': 'it was wanted from source',
}

/** Nothing is loaded where there never was a policy. */
async function becauseOf(store: Store, { path }: Item): Promise<keyof typeof BECAUSE> {
  if (!existsSync(`${store.root}/var/decisions`)) return 'not-asked'
  const { readBuiltNote } = await import('../../builder/substitute/decision-records.ts')
  try {
    return readBuiltNote(store, path)?.because ?? 'not-asked'
  } catch {
    return 'not-asked'
  }
}
