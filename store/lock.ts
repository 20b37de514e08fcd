/**
 * Locks between processes that die with their holder.
 *
 * Node has no flock(2), but it has SQLite, whose transactions hold POSIX record locks (fcntl(2)) on the database file:
 * BEGIN EXCLUSIVE takes it for one, a read transaction shares it. Nothing is ever committed and the journal is in memory,
 * so the file stays empty, a full disk does not matter once it exists, and nothing is left beside it.
 *
 * Why this is right:
 * - The kernel holds the lock, by process and inode, and drops it when the process ends, in whatever way (kill -9 too). So no
 *   stale lock can exist, there is nothing to detect, and process ids, which containers number differently, play no part.
 * - Within one process, POSIX locks do not exclude each other, and closing any descriptor of the file drops them all. SQLite
 *   keeps a table of the open inodes for just that reason (os_unix.c, "unixInodeInfo"), valid across threads. Hence
 *   the rule: no other code opens a lock file.
 * - Children do not inherit POSIX locks, so a build that outlives its driver holds nothing.
 * - Lock files are only deleted while no one can be about to use them (Store.removeLockFiles).
 *
 * Waiting is polling, from 2 ms to 100 ms, without order among those that wait.
 */
import { closeSync, openSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { AbnError } from '../format/errors.ts'
import { diskError, errorCode } from './io-errors.ts'

export type LockMode = 'exclusive' | 'shared'

/** Release it once; further calls do nothing. */
export type Lock = Disposable & { readonly isHeld: boolean; release(): void }

/** Undefined when another holder is in the way. Throws ABN_STORE_UNUSABLE when the lock file cannot be made. */
export function tryLock(path: string, mode: LockMode): Lock | undefined {
  const database = openLockFile(path)
  try {
    database.exec('PRAGMA journal_mode = MEMORY')
    database.exec(mode === 'exclusive' ? 'BEGIN EXCLUSIVE' : 'BEGIN; SELECT 1 FROM sqlite_schema')
  } catch (error) {
    database.close()
    if (isBusy(error)) return undefined
    throw lockError(path, error)
  }
  return new HeldLock(database)
}

export type LockOptions = {
  readonly signal?: AbortSignal
  /** Called once, when the lock is not free at first. */
  readonly onWait?: () => void
}

/** Waits until the lock is free. Throws the signal's reason when it is aborted before. */
export async function takeLock(path: string, mode: LockMode, options: LockOptions = {}): Promise<Lock> {
  for (let wait = 2; ; wait = Math.min(wait * 2, 100)) {
    options.signal?.throwIfAborted()
    const lock = tryLock(path, mode)
    if (lock !== undefined) return lock
    if (wait === 2) options.onWait?.()
    await delay(wait, undefined, { signal: options.signal })
  }
}

/** For locks that are held for milliseconds: waits without leaving the thread. Throws ABN_LOCK_UNAVAILABLE. */
export function takeBriefLock(path: string, patienceSeconds = 60): Lock {
  const signal = new Int32Array(new SharedArrayBuffer(4))
  for (let left = patienceSeconds * 1000; left > 0; left -= 2) {
    const lock = tryLock(path, 'exclusive')
    if (lock !== undefined) return lock
    Atomics.wait(signal, 0, 0, 2)
  }
  throw new AbnError('ABN_LOCK_UNAVAILABLE', `another process holds ${path} for too long`, {
    hint: 'see whether an abnpkg process hangs or is stopped, and end it',
  })
}

class HeldLock implements Lock {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  get isHeld(): boolean {
    return this.#database.isOpen
  }

  release(): void {
    if (this.#database.isOpen) this.#database.close()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}

function openLockFile(path: string): DatabaseSync {
  try {
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
    return new DatabaseSync(path, { timeout: 0 })
  } catch (error) {
    throw lockError(path, reasonOf(path) ?? error)
  }
}

/**
 * SQLite does not say why it cannot make a file; the system does. Creates exclusively: closing a file that exists could drop
 * a lock of this process.
 */
function reasonOf(path: string): unknown {
  try {
    closeSync(openSync(path, 'wx'))
    return undefined
  } catch (error) {
    return errorCode(error) === 'EEXIST' ? undefined : error
  }
}

function isBusy(error: unknown): boolean {
  // SQLITE_BUSY and SQLITE_LOCKED, with their extended codes in the upper bits.
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
  return code === 5 || code === 6
}

function lockError(path: string, cause: unknown): unknown {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const known = diskError(`cannot lock ${path}`, cause)
  if (known !== cause) return known
  return new AbnError('ABN_STORE_UNUSABLE', `cannot lock ${path}: ${reason}`, {
    hint: 'run as the user that owns the store, or set ABNPKG_ROOT to a directory of your own',
    cause,
  })
}
