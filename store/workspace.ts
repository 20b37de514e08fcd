/**
 * Private directories below var/tmp, on the same file system as the store so that a rename can move an output there.
 * Each has a lock that its process holds for its lifetime; what no one holds was left by a process that died, and is
 * removed when the next workspace is made.
 *
 * Lock order: "tmp" first, briefly, then the workspace's own. Making a workspace and looking for dead ones both happen under
 * "tmp", so that no one takes a workspace for dead between the making of its lock file and the taking of its lock.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, unlinkSync } from 'node:fs'
import { withDiskErrors } from './io-errors.ts'
import type { Layout } from './layout.ts'
import { type Lock, takeBriefLock, tryLock } from './lock.ts'
import { removeDirectory } from './remove-directory.ts'

export type Workspace = Disposable & { readonly directory: string }

/** Throws ABN_DISK_FULL or ABN_STORE_UNUSABLE. Its directory is empty and has mode 0700. */
export function createWorkspace(layout: Layout): Workspace {
  const name = randomBytes(8).toString('hex')
  const directory = `${layout.temporary}/${name}`
  const lockFile = `${directory}${LOCK}`
  const lock = withDiskErrors(`cannot create ${directory}`, () => {
    using _ = takeBriefLock(`${layout.locks}/tmp`)
    const held = tryLock(lockFile, 'exclusive')
    if (held === undefined) throw new Error(`${lockFile} is locked`)
    try {
      mkdirSync(directory, { mode: 0o700 })
    } catch (error) {
      removeWorkspace(directory, held)
      throw error
    }
    return held
  })
  return { directory, [Symbol.dispose]: () => removeWorkspace(directory, lock) }
}

/** Removes what dead processes left. Costs one readdir when there is nothing. */
export function removeDeadWorkspaces(layout: Layout): void {
  const names = readdirSync(layout.temporary)
  if (names.length === 0) return
  const dead: { readonly directory: string; readonly lock: Lock }[] = []
  {
    using _ = takeBriefLock(`${layout.locks}/tmp`)
    for (const name of new Set(readdirSync(layout.temporary).map((entry) => entry.replace(LOCK, '')))) {
      const directory = `${layout.temporary}/${name}`
      const lock = tryLockOfDead(`${directory}${LOCK}`)
      if (lock !== undefined) dead.push({ directory, lock })
    }
  }
  // Its lock is ours now, so that no one else removes it at the same time.
  for (const { directory, lock } of dead) removeWorkspace(directory, lock)
}

/**
 * Moves a directory of the store that is not valid, such as the leavings of a crash, into the workspace and removes it there:
 * the removal may then be interrupted.
 */
export function discard(workspace: Workspace, path: string): void {
  const away = `${workspace.directory}/.discarded-${randomBytes(6).toString('hex')}`
  // Moving a directory changes its "..", for which it must be writable.
  if (lstatSync(path).isDirectory()) chmodSync(path, 0o700)
  renameSync(path, away)
  removeDirectory(away)
}

const LOCK = '.lock'

/** One that cannot be opened, such as another user's, is somebody else's to remove. */
function tryLockOfDead(lockFile: string): Lock | undefined {
  try {
    return tryLock(lockFile, 'exclusive')
  } catch {
    return undefined
  }
}

/**
 * Crash order: the lock file goes last, under the lock. What cannot be removed, for whatever reason, stands in nobody's way: it
 * stays with its lock file as if its process had died, and is tried again with the next workspace.
 */
function removeWorkspace(directory: string, lock: Lock): void {
  try {
    removeDirectory(directory)
    unlinkSync(`${directory}${LOCK}`)
  } catch {
    // See above.
  } finally {
    lock.release()
  }
}
