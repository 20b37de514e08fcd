// How long something is or was, in the unit in which people say it.

/** `45 s`, `12 min`, `7 h`, `30 days`; rounded down. */
export function spanText(seconds: number): string {
  const [limit, unit, name] = UNITS.find(([most]) => seconds < most) ?? [0, 86_400, 'days']
  const count = Math.floor(seconds / unit)
  return limit === 0 && count === 1 ? '1 day' : `${count} ${name}`
}

/** Of two times in seconds since 1970. */
export function agoText(time: number, now: number): string {
  return time <= now ? `${spanText(now - time)} ago` : `${spanText(time - now)} from now`
}

const UNITS: readonly (readonly [number, number, string])[] = [
  [120, 1, 's'],
  [7200, 60, 'min'],
  [2 * 86_400, 3600, 'h'],
]
