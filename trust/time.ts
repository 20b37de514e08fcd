/** Times in documents: RFC 3339 in UTC with whole seconds, `2026-11-22T03:26:28Z`; in memory, seconds since 1970. */
import type { JsonValue } from '../format/canonical-json.ts'
import { type Place, requireThat, textOf } from '../format/fields.ts'

/** From 1970 to the end of 9999. */
export const maximumTime = 253_402_300_799

export function encodeTime(seconds: number): string {
  if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds > maximumTime) {
    throw new TypeError(`encodeTime: ${seconds} is not a whole number of seconds from 1970 to 9999`)
  }
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}

export function timeOf(value: JsonValue, place: Place): number {
  const text = textOf(value, place)
  const seconds = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text) ? Date.parse(text) / 1000 : Number.NaN
  requireThat(seconds >= 0 && encodeTime(seconds) === text, place, 'expected a time such as 2026-11-22T03:26:28Z')
  return seconds
}
