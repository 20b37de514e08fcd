/**
 * Holds: what a living process uses, kept from garbage collection until it lets go or ends, in whatever way. A hold is a file
 * in var/holds with one store path a line, and beside it a lock (lock.ts) that its process has; the kernel drops the lock with the
 * process, and a hold without one is the leaving of a process that died.
 *
 * Made under the store's shared lock, read under the exclusive one: so a hold is there before a collection that begins
 * later looks, and what an earlier one removed is seen to be missing. Letting go needs no lock of the store.
 *
 * A hold counts for some seconds from its making even if its process is dead: one that was killed while it started a program may leave
 * that program behind, and /proc (processes.ts) tells what it uses only when it has begun.
 */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { AbnError } from '../format/errors.ts'
import { parseStorePath, type StorePath } from '../format/store-path.ts'
import { errorCode, withDiskErrors } from './io-errors.ts'
import { type Lock, type LockMode, takeBriefLock, tryLock } from './lock.ts'
import { makeDirectories } from './make-directories.ts'
import type { Store } from './store.ts'

/** What holds: shown by `abnpkg gc --dry-run` as the reason why something stays. */
export type HoldName = 'shell' | 'run' | 'build' | 'develop'

/**
 * Keeps the items, with all that they refer to, until it is disposed of or this process ends. Those of a 'build' may be still to
 * come. Throws ABN_ITEM_MISSING when one is not in the store (any more), and ABN_DISK_FULL.
 *
 * In a store that this user may only read it does nothing: whoever may write there finds the items in /proc.
 */
export async function holdPaths(store: Store, name: HoldName, paths: readonly StorePath[]): Promise<Disposable> {
  const shared = await sharedLockIfWritable(store)
  try {
    if (name !== 'build') requireAll(store, paths)
    if (shared === undefined) return { [Symbol.dispose]: () => {} }
    const directory = holdsOf(store)
    const file = `${directory}/${name}-${randomBytes(8).toString('hex')}`
    const lock = unlessReadOnly(`cannot write ${file}`, () => {
      makeDirectories(directory)
      const held = takeBriefLock(`${file}${LOCK}`) // who only looks may have it for a moment
      try {
        writeFileSync(file, paths.map((path) => `${path}\n`).join(''), { flag: 'wx' })
      } catch (error) {
        letGo(file, held)
        throw error
      }
      return held
    })
    return { [Symbol.dispose]: () => lock && letGo(file, lock) }
  } finally {
    shared?.release()
  }
}

export type Hold = { readonly name: string; readonly paths: readonly StorePath[] }

/** The holds of living processes. What dead ones left is removed when the store's exclusive lock is given. */
export function readHolds(store: Store, exclusive: Lock | undefined): readonly Hold[] {
  if (exclusive?.isHeld === false) throw new TypeError('readHolds: the exclusive lock of the store is not held')
  const names = new Set(namesIn(holdsOf(store)).map((name) => name.replace(LOCK, '')))
  return [...names].flatMap((name) => {
    const file = `${holdsOf(store)}/${name}`
    const lock = lockOfDead(`${file}${LOCK}`, exclusive ? 'exclusive' : 'shared')
    if (lock !== undefined && !isFresh(file)) {
      if (exclusive) letGo(file, lock)
      else lock.release()
      return []
    }
    lock?.release()
    return { name: name.split('-')[0] ?? '', paths: pathsIn(file) }
  })
}

const LOCK = '.lock'

function holdsOf(store: Store): string {
  return `${store.root}/var/holds`
}

/** Undefined where this user may not write, nor anybody who runs as this user collect garbage: for commands that only look. */
export async function sharedLockIfWritable(store: Store, signal?: AbortSignal): Promise<Lock | undefined> {
  try {
    return await store.lock('shared', signal === undefined ? {} : { signal })
  } catch (error) {
    if (error instanceof AbnError && error.code === 'ABN_STORE_UNUSABLE') return undefined
    throw error
  }
}

/** A shared lock can be had on a file system that is read-only, on which nobody collects garbage. */
function unlessReadOnly<T>(what: string, write: () => T): T | undefined {
  try {
    return withDiskErrors(what, write)
  } catch (error) {
    if (error instanceof AbnError && error.code === 'ABN_STORE_UNUSABLE') return undefined
    throw error
  }
}

function requireAll(store: Store, paths: readonly StorePath[]): void {
  const missing = paths.find((path) => !store.has(path))
  if (missing === undefined) return
  throw new AbnError('ABN_ITEM_MISSING', `${missing} is not in the store`, {
    hint: 'garbage was collected meanwhile; run the command again',
  })
}

const FRESH_SECONDS = 5

/** Also when the clock has gone back a little; not for ever when it has gone back far. */
function isFresh(file: string): boolean {
  const made = statSync(file, { throwIfNoEntry: false })?.mtimeMs
  return made !== undefined && Math.abs(Date.now() - made) < FRESH_SECONDS * 1000
}

/** Undefined for one that is alive, or that this user cannot look at. */
function lockOfDead(file: string, mode: LockMode): Lock | undefined {
  try {
    return tryLock(file, mode)
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
}

/** Crash order: the lock file goes last, under the lock. */
function letGo(file: string, lock: Lock): void {
  if (!lock.isHeld) return
  try {
    rmSync(file, { force: true })
    rmSync(`${file}${LOCK}`, { force: true })
  } catch {
    // It stays as that of a dead process, which nobody has to remove by hand.
  } finally {
    lock.release()
  }
}

/** Empty for one that was let go meanwhile. */
function pathsIn(file: string): readonly StorePath[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n')
    return lines.filter((line) => line !== '').map(parseStorePath)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}
