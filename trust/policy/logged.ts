/**
 * The factors `logged` and `witnessed`: whether what an operator says is public, and who has seen it lately. A statement is looked
 * for, and so is the session that signed it: of a session that is not public nobody could know what else it signed.
 */
import type { OperatorAttestation } from '../evidence.ts'
import { type LogStanding, type StandingTree, treesWith } from '../log/standing.ts'
import type { SessionEvidence } from '../session-evidence.ts'
import type { Factor, Policy } from './policy.ts'

/** How far a builder's or a witness's clock may be ahead of ours. */
export const toleratedSkewSeconds = 300

type LogFactor = Extract<Factor, { readonly kind: 'logged' | 'witnessed' }>
type Obscurity = 'not-logged' | 'not-witnessed'

/** What has to hold of each entry, and where it is looked for. */
export type LogQuestion = {
  readonly factors: readonly LogFactor[]
  readonly logs: ReadonlyMap<string, LogStanding>
  readonly now: number
}

export function logFactorsOf(factors: readonly Factor[]): readonly LogFactor[] {
  return factors.filter((factor) => factor.kind === 'logged' || factor.kind === 'witnessed')
}

/** Why a statement does not count, null when it does. */
export function obscurityOf({ leaf, sessions }: OperatorAttestation, question: LogQuestion): Obscurity | null {
  const own = obscurityOfLeaf(leaf, question)
  if (own !== null || sessions.length === 0) return own
  const of = sessions.map((session) => obscurityOfLeaf(session.leaf, question))
  if (of.includes(null)) return null
  return of.includes('not-witnessed') ? 'not-witnessed' : 'not-logged'
}

/**
 * Anybody can pack a session into another document, with another quote: of all that came, those count that are public, where the
 * rule asks for that.
 */
export function publicSessions({ sessions }: OperatorAttestation, question: LogQuestion): readonly SessionEvidence[] {
  return sessions.filter(({ leaf }) => obscurityOfLeaf(leaf, question) === null)
}

/** Whether the policy names what the factor looks at. */
export function isConfigured(factor: LogFactor, { logs, witnesses }: Policy): boolean {
  return logs.length > 0 && (factor.kind === 'logged' || witnesses.length >= factor.atLeast)
}

function obscurityOfLeaf(leaf: string, { factors, logs, now }: LogQuestion): Obscurity | null {
  if (factors.length === 0) return null
  const trees = treesWith(logs, leaf)
  if (trees.length === 0) return 'not-logged'
  const isSeen = (factor: LogFactor) =>
    factor.kind === 'logged' || trees.some((tree) => seenBy(tree, now, factor.within) >= factor.atLeast)
  return factors.every(isSeen) ? null : 'not-witnessed'
}

/** How many witnesses have cosigned the tree within this time. */
function seenBy({ cosignatures }: StandingTree, now: number, within: number): number {
  const lately = cosignatures.filter(({ time }) => now - time <= within && time - now <= toleratedSkewSeconds)
  return new Set(lately.map(({ witness }) => witness.id)).size
}
