/**
 * How many requests one address may make in a minute: a count for each address, forgotten when its minute is over. Bounded:
 * when too many addresses come in one minute, those that came first are forgotten first.
 */
export type RateLimit = {
  /** 0 when the request may be answered, else in how many seconds to come again. */
  secondsToWait(address: string, nowMilliseconds: number): number
}

const MINUTE = 60_000
const MAXIMUM_ADDRESSES = 20_000

export function createRateLimit(perMinute: number): RateLimit {
  const windows = new Map<string, { count: number; readonly end: number }>()

  function windowOf(address: string, now: number): { count: number; readonly end: number } {
    const known = windows.get(address)
    if (known !== undefined && now < known.end) return known
    // Deleted first, so that the map stays in the order of the ends.
    windows.delete(address)
    const fresh = { count: 0, end: now + MINUTE }
    windows.set(address, fresh)
    for (const [oldest, { end }] of windows) {
      if (windows.size <= MAXIMUM_ADDRESSES && end > now) break
      windows.delete(oldest)
    }
    return fresh
  }

  return {
    secondsToWait(address, now) {
      const window = windowOf(address, now)
      window.count++
      return window.count <= perMinute ? 0 : Math.ceil((window.end - now) / 1000)
    },
  }
}
