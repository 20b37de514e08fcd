/**
 * Whether files have changed, told by lstat alone, as git's index does it. A file that was changed so shortly before it was
 * looked at that another change could leave the same times is never taken for unchanged ("racily clean" in git's
 * Documentation/technical/racy-git.txt).
 */
import { lstatSync } from 'node:fs'

/** Path, size, modification and change time in milliseconds, inode, mode. */
export type FileState = readonly [
  path: string,
  size: number,
  modified: number,
  changed: number,
  inode: number,
  mode: number,
]

/** Undefined when there is no such file. */
export function fileStateOf(path: string): FileState | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat && [path, stat.size, stat.mtimeMs, stat.ctimeMs, stat.ino, stat.mode]
}

/** `looked`: the time, in milliseconds, before the states were taken. */
export function areUnchanged(states: readonly FileState[], looked: number): boolean {
  for (const state of states) {
    const [path, size, modified, changed, inode, mode] = state
    if (Math.max(modified, changed) > looked - COARSEST_TIMESTAMP) return false
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined || stat.size !== size || stat.mtimeMs !== modified) return false
    if (stat.ctimeMs !== changed || stat.ino !== inode || stat.mode !== mode) return false
  }
  return true
}

/** File systems with times of two seconds are the worst that are in use. */
const COARSEST_TIMESTAMP = 2000
