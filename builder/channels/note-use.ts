/**
 * The time of a checkout or a repository of a channel is when it was used last, within a day: what was not used for long is removed by
 * whoever cleans up.
 */
import { statSync, utimesSync } from 'node:fs'

/** `now` in milliseconds. Where nothing may be written, nothing is noted: who may write there cleans up. */
export function noteUse(directory: string, now = Date.now()): void {
  try {
    if (Math.abs(now - statSync(directory).mtimeMs) < DAY) return
    utimesSync(directory, now / 1000, now / 1000)
  } catch {
    // It belongs to another user, or the store may only be read.
  }
}

const DAY = 86_400_000
