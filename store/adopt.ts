/**
 * Turns outputs that were unpacked and verified elsewhere in this process into store items, many at once: what takes time is
 * waiting for the disk, and that is done once for all that have come in the meantime. Whoever hands over an output has
 * compared its digest and its references while it was written, and nothing else may have written to it since.
 *
 * Order, and what a crash leaves at each point: as in register.ts: contents flushed, renamed into store/, records written
 * aside and flushed, records renamed, referenced items first. An item waits until all that it refers to is valid or comes in
 * the same round. Lock order: nobody is waited for while a derivation's lock is held: one that is taken is left out of the
 * round and waited for alone.
 */
import { execFile } from 'node:child_process'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { AbnError } from '../format/errors.ts'
import type { RecipeHash } from '../format/hash.ts'
import { type StorePath, storeItemOf } from '../format/store-path.ts'
import { finishDirectory } from './canonicalise.ts'
import { errorCode, withDiskErrors } from './io-errors.ts'
import { encodeItem, type Item } from './item.ts'
import { recordPathOf } from './layout.ts'
import type { DerivationLock, Store } from './store.ts'
import { discard, type Workspace } from './workspace.ts'
import { syncPath, temporaryPrefix } from './write-durably.ts'

/** `directory` is in the adopter's workspace, and writable by its owner. */
export type Adoptable = { readonly item: Item; readonly directory: string }

export type Adopter = {
  readonly workspace: Workspace
  /**
   * All outputs of one derivation. Resolves when they are valid items; rejects when `needs` does, for then what they refer to will
   * not come. Throws ABN_OUTPUT_DIFFERS, ABN_ITEM_MISSING, ABN_DISK_FULL.
   */
  adopt(outputs: readonly Adoptable[], needs: Promise<unknown>): Promise<void>
}

type Waiting = {
  readonly recipe: RecipeHash
  readonly outputs: readonly Adoptable[]
  needsDone: boolean
  readonly done: PromiseWithResolvers<void>
}

export function createAdopter(store: Store, workspace: Workspace): Adopter {
  let waiting: Waiting[] = []
  let running = false
  const known = new Set<StorePath>()
  const isThere = (path: StorePath): boolean => {
    if (!known.has(path) && store.has(path)) known.add(path)
    return known.has(path)
  }
  /** Looks once: what comes later comes by this adopter, or is there when the needs of whoever refers to it are done. */
  const missed = new Set<StorePath>()
  const wasThere = (path: StorePath): boolean => {
    if (known.has(path)) return true
    if (missed.has(path)) return false
    if (!isThere(path)) missed.add(path)
    return known.has(path)
  }

  async function pump(): Promise<void> {
    if (running) return
    running = true
    try {
      for (;;) {
        // Others that are unpacked at the same moment come along.
        await new Promise((resolve) => setImmediate(resolve))
        const round = chooseRound(waiting, wasThere)
        if (round.length === 0) break
        waiting = waiting.filter((one) => !round.includes(one))
        await commitRound(round)
      }
    } finally {
      running = false
    }
  }

  async function commitRound(round: readonly Waiting[]): Promise<void> {
    const locked: { readonly one: Waiting; readonly lock: DerivationLock }[] = []
    const fresh: Adoptable[] = []
    /** What was in this round and does not come after all. */
    const left = new Set<StorePath>()
    try {
      for (const one of round) {
        const isHeldUp = one.outputs.some(({ item }) => item.references.some((path) => left.has(path)))
        const lock = isHeldUp ? undefined : await tryLockDerivation(store, one.recipe)
        if (lock === undefined) {
          for (const { item } of one.outputs) left.add(item.path)
          if (isHeldUp) waiting.push(one)
          else void waitAlone(one)
          continue
        }
        locked.push({ one, lock })
        try {
          fresh.push(...requireAdoptable(one.outputs, isThere, fresh))
        } catch (error) {
          for (const { item } of one.outputs) left.add(item.path)
          one.done.reject(error)
        }
      }
      await commit(store, fresh, workspace)
      for (const { item } of fresh) known.add(item.path)
      for (const { one } of locked) one.done.resolve()
    } catch (error) {
      for (const { one } of locked) one.done.reject(error)
    } finally {
      for (const { lock } of locked) lock[Symbol.dispose]()
    }
  }

  /** Those of one derivation that are not there yet, in the order in which they come. */
  function requireAdoptable(
    outputs: readonly Adoptable[],
    isThere: (path: StorePath) => boolean,
    before: readonly Adoptable[],
  ): readonly Adoptable[] {
    const coming = new Set([...before, ...outputs].map(({ item }) => item.path))
    return inOrder(outputs).filter(({ item, directory }) => {
      const missing = item.references.find((path) => !coming.has(path) && !isThere(path))
      if (missing !== undefined) {
        throw new AbnError('ABN_ITEM_MISSING', `${item.path} refers to ${missing}, which is not in the store`)
      }
      if (!store.has(item.path)) return true
      requireSame(store.readItem(item.path), item)
      discard(workspace, directory)
      return false
    })
  }

  /** Another process builds it. When it has ended, either the items are there or the next round makes them. */
  async function waitAlone(one: Waiting): Promise<void> {
    try {
      const lock = await store.lockDerivation(one.recipe)
      lock[Symbol.dispose]()
      waiting.push(one)
      void pump()
    } catch (error) {
      one.done.reject(error)
    }
  }

  function adopt(outputs: readonly Adoptable[], needs: Promise<unknown>): Promise<void> {
    const recipe = outputs[0]?.item.recipe
    if (recipe === undefined) throw new TypeError('adopt: no outputs')
    const one: Waiting = { recipe, outputs, needsDone: false, done: Promise.withResolvers() }
    waiting.push(one)
    needs.then(
      () => {
        one.needsDone = true
        void pump()
      },
      (error: unknown) => {
        waiting = waiting.filter((other) => other !== one)
        one.done.reject(error)
      },
    )
    void pump()
    return one.done.promise
  }

  return { workspace, adopt }
}

/** Each holds a lock until the round has ended, which costs memory. */
const MOST_IN_ROUND = 32

/**
 * Those whose references are valid, or are in the round before them. One whose needs are done is taken in any case, so that what
 * is missing then becomes an error rather than a wait without end.
 */
function chooseRound(waiting: readonly Waiting[], wasThere: (path: StorePath) => boolean): readonly Waiting[] {
  const round: Waiting[] = []
  const coming = new Set<StorePath>()
  let left = waiting
  for (;;) {
    const ready = left.filter(({ outputs, needsDone }) => {
      const own = new Set(outputs.map(({ item }) => item.path))
      const has = (path: StorePath) => own.has(path) || coming.has(path) || wasThere(path)
      return needsDone || outputs.every(({ item }) => item.references.every(has))
    })
    const taken = ready.slice(0, MOST_IN_ROUND - round.length)
    if (taken.length === 0) return round
    round.push(...taken)
    for (const { outputs } of taken) for (const { item } of outputs) coming.add(item.path)
    left = left.filter((one) => !taken.includes(one))
  }
}

/** Undefined when another process holds it. */
async function tryLockDerivation(store: Store, recipe: RecipeHash): Promise<DerivationLock | undefined> {
  const taken = new AbortController()
  try {
    return await store.lockDerivation(recipe, { signal: taken.signal, onWait: () => taken.abort() })
  } catch (error) {
    if (taken.signal.aborted) return undefined
    throw error
  }
}

/** Those first that others refer to. Throws ABN_OUTPUT_CYCLE. */
function inOrder(outputs: readonly Adoptable[]): readonly Adoptable[] {
  const ordered: Adoptable[] = []
  let left = outputs
  while (left.length > 0) {
    const waits = ({ item }: Adoptable) =>
      left.some((other) => other.item !== item && item.references.includes(other.item.path))
    const ready = left.filter((one) => !waits(one))
    if (ready.length === 0) {
      throw new AbnError(
        'ABN_OUTPUT_CYCLE',
        `these outputs refer to each other: ${left.map(({ item }) => item.path).join(', ')}`,
      )
    }
    ordered.push(...ready)
    left = left.filter(waits)
  }
  return ordered
}

async function commit(store: Store, fresh: readonly Adoptable[], workspace: Workspace): Promise<void> {
  if (fresh.length === 0) return
  const { layout, isDurable } = store
  if (isDurable) await flush(layout.store)
  const aside = withDiskErrors('cannot register what was fetched', () => {
    for (const { item, directory } of fresh) {
      const target = store.physicalPath(item.path)
      if (existsSync(target)) discard(workspace, target)
      renameSync(directory, target)
      finishDirectory(target)
    }
    if (isDurable) syncPath(layout.store)
    return fresh.map(({ item }) => {
      const file = `${layout.items}/${temporaryPrefix}${storeItemOf(item.path)}.${process.pid}`
      writeFileSync(file, encodeItem(item))
      return { file, path: recordPathOf(layout, item.path) }
    })
  })
  if (isDurable && fresh.length > MOST_SINGLE_SYNCS) await flush(layout.items)
  withDiskErrors('cannot register what was fetched', () => {
    if (isDurable && fresh.length <= MOST_SINGLE_SYNCS) for (const { file } of aside) syncPath(file)
    for (const { file, path } of aside) renameSync(file, path)
    if (isDurable) syncPath(layout.items)
  })
}

const MOST_SINGLE_SYNCS = 8

function requireSame(there: Item, item: Item): void {
  if (there.outputDigest === item.outputDigest) return
  throw new AbnError(
    'ABN_OUTPUT_DIFFERS',
    `${item.path} is in the store with output digest ${there.outputDigest}, the policy accepted ${item.outputDigest}`,
  )
}

/** As in register.ts: without coreutils' sync, a loss of power may cost what the kernel had not yet written. */
async function flush(directory: string): Promise<void> {
  try {
    await promisify(execFile)('sync', ['-f', directory])
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return
    throw new AbnError('ABN_STORE_UNUSABLE', `cannot flush ${directory} to the disk`, { cause })
  }
}
