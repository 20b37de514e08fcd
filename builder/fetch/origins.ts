// What this run has learnt about hosts: an origin (scheme, host, port) that could not be connected to, did not answer or
// dripped is not asked again, so that it costs one timeout in a whole run. Kept in memory only.

export type Origins = {
  isDead(origin: string): boolean
  /** Why it is dead. */
  reasonOf(origin: string): string | undefined
  markDead(origin: string, reason: string): void
  markGood(origin: string): void
  /** To sort by: hosts that have delivered before unknown ones before dead ones. */
  rankOf(origin: string): number
}

export function openOrigins(): Origins {
  const dead = new Map<string, string>()
  const good = new Set<string>()
  return {
    isDead: (origin) => dead.has(origin),
    reasonOf: (origin) => dead.get(origin),
    markDead: (origin, reason) => void dead.set(origin, reason),
    markGood: (origin) => void good.add(origin),
    rankOf: (origin) => (dead.has(origin) ? 2 : good.has(origin) ? 0 : 1),
  }
}
