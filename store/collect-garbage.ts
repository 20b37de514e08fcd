/**
 * Garbage collection: items that no root leads to go, and so do the leavings of crashes.
 *
 * Under the store's exclusive lock, so that nobody adds, uses or holds anything meanwhile: roots are read, the records of what
 * goes are removed, that is made durable, and the contents are renamed into a workspace. Without the lock: the contents are
 * deleted, which takes nearly all of the time. What a crash leaves at each point: items that are still whole; directories
 * without a record, which the next collection removes; a workspace, which the next process removes.
 *
 * Invariant: all references of a valid item are valid, at every instant. So what refers to an item goes before it.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, unlinkSync } from 'node:fs'
import { AbnError } from '../format/errors.ts'
import { compareBytewise } from '../format/order.ts'
import { parseStoreItem, type StorePath, storePathOfItem } from '../format/store-path.ts'
import { errorCode, withDiskErrors } from './io-errors.ts'
import type { Item } from './item.ts'
import { prepareLayout, recordPathOf } from './layout.ts'
import type { Lock } from './lock.ts'
import { removeBatches } from './remove-directories.ts'
import { removeDirectory } from './remove-directory.ts'
import { listRoots, type Root } from './roots.ts'
import type { Store } from './store.ts'
import type { Workspace } from './workspace.ts'
import { syncPath, temporaryPrefix } from './write-durably.ts'

export type GarbageOptions = {
  /** Items that came into the store at this time (seconds since 1970) or later stay, with all that they refer to. */
  readonly keepSince?: number | undefined
  /** What living items were built from stays too, as far as it is there. */
  readonly keepInputs?: boolean | undefined
  /** Stops when so many bytes go. */
  readonly enoughBytes?: number | undefined
  /** Roots that do not count, because they are about to go. */
  readonly except?: ((root: Root) => boolean) | undefined
}

export type Garbage = {
  /** In the order in which they go: nothing that stays, or goes later, refers to one. */
  readonly items: readonly Item[]
  /** Sizes of the canonical archives together; what the disk gains differs by the rounding of the file system. */
  readonly bytes: number
  /** Names in store/ without a record. */
  readonly leavings: readonly string[]
  readonly staying: readonly Item[]
  readonly roots: readonly Root[]
}

/**
 * What would go. Without the lock it is what it was a moment ago. Throws ABN_ITEM_INVALID, ABN_PROFILE_INVALID and the like: where
 * something is not understood, nothing is garbage.
 */
export function findGarbage(store: Store, options: GarbageOptions, exclusive?: Lock): Garbage {
  const items = readItems(store)
  const roots = listRoots(store, exclusive).filter((root) => options.except?.(root) !== true)
  const starts = roots.map(({ path }) => path)
  for (const { path, origin } of items.values()) if (origin.at >= (options.keepSince ?? Infinity)) starts.push(path)
  const live = liveFrom(starts, items, options.keepInputs === true)
  const chosen = enoughOf(
    inOrderOfGoing([...items.values()].filter(({ path }) => !live.has(path))),
    options.enoughBytes,
  )
  return {
    items: chosen,
    bytes: chosen.reduce((sum, { bytes }) => sum + bytes, 0),
    leavings: readdirSync(store.layout.store).filter((name) => !isItemOf(items, name)),
    staying: without(items, chosen),
    roots,
  }
}

export type CollectOptions = GarbageOptions & {
  readonly signal?: AbortSignal | undefined
  /** Called once, when other processes use the store. */
  readonly onWait?: (() => void) | undefined
  /** Called under the lock, with what goes, before anything does. */
  readonly onFound?: ((garbage: Garbage) => void) | undefined
  /** Called under the lock: what else goes, files and directories on the file system of the store that belong to items or are leavings. */
  readonly leftovers?: ((garbage: Garbage) => readonly string[]) | undefined
  /** Called now and then while contents are deleted. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

/**
 * Resolves when it is done. When it is aborted while contents are deleted, the items are gone all the same, and the rest of the work is
 * left to the next process. Throws what findGarbage throws, and ABN_STORE_UNUSABLE.
 */
export async function collectGarbage(store: Store, options: CollectOptions): Promise<Garbage> {
  const workspace = await workspaceOrNone(store)
  try {
    const { garbage, moved } = await takeGarbage(store, options, workspace && `${workspace.directory}/trash`)
    await removeBatches(moved, { signal: options.signal, onProgress: options.onProgress })
    return garbage
  } finally {
    if (options.signal?.aborted !== true) workspace?.[Symbol.dispose]()
  }
}

/** On a disk that is full, none can be made: then contents are deleted where they are, with the lock held. */
async function workspaceOrNone(store: Store): Promise<Workspace | undefined> {
  try {
    return await store.createWorkspace()
  } catch (error) {
    if (error instanceof AbnError && error.code === 'ABN_DISK_FULL') return undefined
    throw error
  }
}

/** What needs the lock. */
async function takeGarbage(store: Store, options: CollectOptions, trash: string | undefined) {
  const { signal, onWait } = options
  using lock = await store.lock('exclusive', { ...(signal && { signal }), ...(onWait && { onWait }) })
  // A newer abnpkg may have changed the layout while this one waited.
  prepareLayout(store.layout)
  const garbage = findGarbage(store, options, lock)
  options.onFound?.(garbage)
  signal?.throwIfAborted()
  const leftovers = options.leftovers?.(garbage) ?? []
  const moved = withDiskErrors('cannot collect garbage', () => takeAway(store, { ...garbage, leftovers }, trash))
  store.removeLockFiles(lock)
  return { garbage, moved }
}

function readItems(store: Store): ReadonlyMap<StorePath, Item> {
  const names = readdirSync(store.layout.items).filter((name) => name.endsWith('.json') && !name.startsWith('.'))
  const paths = names.map((name) => storePathOfItem(parseStoreItem(name.slice(0, -'.json'.length))))
  return new Map(paths.map((path) => [path, readItem(store, path)]))
}

function readItem(store: Store, path: StorePath): Item {
  try {
    return store.readItem(path)
  } catch (cause) {
    if (!(cause instanceof AbnError) || cause.code === 'ABN_STORE_UNUSABLE') throw cause
    throw new AbnError(
      'ABN_ITEM_INVALID',
      `${recordPathOf(store.layout, path)} is damaged, or of a newer abnpkg; no garbage is collected`,
      { hint: "see what 'abnpkg verify' says of it", cause },
    )
  }
}

/** What a root names and the store does not have keeps nothing. */
function liveFrom(
  starts: readonly StorePath[],
  items: ReadonlyMap<StorePath, Item>,
  keepInputs: boolean,
): ReadonlySet<StorePath> {
  const live = new Set(starts)
  // A set that grows while it is iterated over is iterated over to its end.
  for (const path of live) {
    const item = items.get(path)
    for (const reference of item?.references ?? []) live.add(reference)
    if (keepInputs && item?.origin.kind === 'built') for (const input of item.origin.inputs) live.add(input.path)
  }
  return live
}

/** Those first to which no other one refers; among these, those that have been there longest. */
function inOrderOfGoing(dead: readonly Item[]): readonly Item[] {
  const byPath = new Map(dead.map((item) => [item.path, item]))
  const referrers = new Map<StorePath, number>()
  const eachReference = (item: Item, visit: (path: StorePath) => void) => {
    for (const path of item.references) if (path !== item.path && byPath.has(path)) visit(path)
  }
  for (const item of dead) eachReference(item, (path) => referrers.set(path, (referrers.get(path) ?? 0) + 1))
  const ready = dead.filter(({ path }) => !referrers.has(path)).sort(byAge)
  const ordered: Item[] = []
  for (let next = ready.shift(); next !== undefined; next = ready.shift()) {
    ordered.push(next)
    eachReference(next, (path) => {
      const left = (referrers.get(path) ?? 0) - 1
      referrers.set(path, left)
      const item = byPath.get(path)
      if (left === 0 && item) insert(ready, item)
    })
  }
  if (ordered.length !== dead.length) throw new TypeError('store items refer to each other in a circle')
  return ordered
}

function byAge(a: Item, b: Item): number {
  return a.origin.at - b.origin.at || compareBytewise(a.path, b.path)
}

function insert(sorted: Item[], item: Item): void {
  let low = 0
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >> 1
    const other = sorted[middle]
    if (other && byAge(other, item) < 0) low = middle + 1
    else high = middle
  }
  sorted.splice(low, 0, item)
}

function enoughOf(items: readonly Item[], enoughBytes = Infinity): readonly Item[] {
  let bytes = 0
  const end = items.findIndex((item) => {
    bytes += item.bytes
    return bytes >= enoughBytes
  })
  return end < 0 ? items : items.slice(0, enoughBytes <= 0 ? 0 : end + 1)
}

function without(items: ReadonlyMap<StorePath, Item>, chosen: readonly Item[]): readonly Item[] {
  const going = new Set(chosen)
  return [...items.values()].filter((item) => !going.has(item))
}

function isItemOf(items: ReadonlyMap<StorePath, Item>, name: string): boolean {
  try {
    return items.has(storePathOfItem(parseStoreItem(name)))
  } catch {
    return false
  }
}

/** Directories that hold what is to be deleted. Records go first, and are gone for good before contents move. */
function takeAway(
  store: Store,
  { items, leavings, leftovers }: Pick<Garbage, 'items' | 'leavings'> & { readonly leftovers: readonly string[] },
  trash: string | undefined,
): readonly string[] {
  for (const name of [store.layout.items, store.layout.gcroots].flatMap(unfinishedIn)) rmSync(name, { force: true })
  if (items.length === 0 && leavings.length === 0 && leftovers.length === 0) return []
  for (const { path } of items) unlinkSync(recordPathOf(store.layout, path))
  if (items.length > 0) syncPath(store.layout.items)
  const places = [
    ...items.map(({ path }) => store.physicalPath(path)),
    ...leavings.map((name) => `${store.layout.store}/${name}`),
    ...leftovers,
  ]
  const batches = trash === undefined ? undefined : makeBatches(trash)
  for (const [index, place] of places.entries()) {
    if (batches === undefined) removeDirectory(place)
    else moveAway(place, `${batches[index % BATCHES]}/${index}`)
  }
  return batches ?? []
}

/** Undefined on a disk that is full. */
function makeBatches(trash: string): readonly string[] | undefined {
  const batches = Array.from({ length: BATCHES }, (_, index) => `${trash}/${index}`)
  try {
    for (const directory of [trash, ...batches]) mkdirSync(directory, { mode: 0o700 })
    return batches
  } catch (error) {
    if (errorCode(error) === 'ENOSPC' || errorCode(error) === 'EDQUOT') return undefined
    throw error
  }
}

/** More than are removed at once, so that one that takes long does not matter. */
const BATCHES = 8

/** Nobody writes there while the exclusive lock is held, so that these were left by a crash. */
function unfinishedIn(directory: string): readonly string[] {
  const names = readdirSync(directory).filter((name) => name.startsWith(temporaryPrefix))
  return names.map((name) => `${directory}/${name}`)
}

/** The contents of an item may be gone already. */
function moveAway(place: string, target: string): void {
  const status = lstatSync(place, { throwIfNoEntry: false })
  if (status === undefined) return
  // Moving a directory changes its "..", for which it must be writable.
  if (status.isDirectory() && (status.mode & 0o200) === 0) chmodSync(place, 0o700)
  renameSync(place, target)
}
