/**
 * Whether files have changed, told by lstat alone, as git's index does it. A file that was changed so shortly before it was
 * looked at that another change could leave the same times is never taken for unchanged ("racily clean" in git's
 * Documentation/technical/racy-git.txt).
 */
// As an import it would load far more (node:fs/promises), and this module is on the way of every command.
const { lstatSync } = process.getBuiltinModule('node:fs')

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

/** What an evaluation remembers of the files of its recipes is in `path`; the key is that of its result. */
export type RememberedState = { readonly path: string; readonly key: string }

let used: RememberedState[] | undefined = []

/** Takes down that this process goes by an evaluation; undefined for one that is not remembered. */
export function useEvaluation(state: RememberedState | undefined): void {
  if (state === undefined) used = undefined
  else used?.push(state)
}

/** The evaluations that this process goes by; undefined when not all of them are remembered. */
export function evaluationsUsed(): readonly RememberedState[] | undefined {
  return used
}
