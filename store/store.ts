/**
 * The store on disk. Opening it and asking what it has costs a few file reads; what changes it is loaded when it is used.
 * Trusts the file system and everyone who may write below the root.
 *
 * An item is valid if and only if its record var/items/<item>.json exists. Crash order when it comes: contents, rename into
 * store/, record. When it goes: record, contents. So a directory in store/ without a record is the leaving of a crash,
 * and whoever holds the derivation's lock removes it.
 *
 * Lock order: "store" (shared by everyone who adds or uses items, exclusive for garbage collection), then one derivation,
 * then one profile. No one waits for a derivation's lock while holding that of another.
 */
import { existsSync, readdirSync, readFileSync, unlinkSync } from 'node:fs'
import { resolve } from 'node:path'
import { AbnError } from '../format/errors.ts'
import type { RecipeHash } from '../format/hash.ts'
import type { StorePath } from '../format/store-path.ts'
import { withDiskErrors } from './io-errors.ts'
import { type Item, parseItem } from './item.ts'
import { type Layout, layoutOf, physicalPathOf, prepareLayout, recordPathOf } from './layout.ts'
import type { Lock, LockMode, LockOptions } from './lock.ts'
import type { Registered, Registration } from './register.ts'
import type { Workspace } from './workspace.ts'

export type OpenStoreOptions = {
  readonly root: string
  /** Whether registered items must outlast a loss of power (`sync -f` before each registration). Default true. */
  readonly durable?: boolean
}

/** Creates the store when there is none. Throws ABN_STORE_NEWER, ABN_STORE_UNUSABLE or ABN_DISK_FULL. */
export function openStore({ root, durable = true }: OpenStoreOptions): Store {
  const layout = layoutOf(resolve(root))
  prepareLayout(layout)
  return new Store(layout, durable)
}

/** Proof that this process alone works on a derivation. Release it when done; it ends with the process in any case. */
export type DerivationLock = Disposable & { readonly recipe: RecipeHash; readonly isHeld: boolean }

export class Store implements AsyncDisposable {
  readonly layout: Layout
  readonly #durable: boolean
  readonly #open = new Set<Disposable>()
  #shared: { readonly lock: Lock; users: number } | undefined

  constructor(layout: Layout, durable: boolean) {
    this.layout = layout
    this.#durable = durable
  }

  get root(): string {
    return this.layout.root
  }

  /** See OpenStoreOptions. */
  get isDurable(): boolean {
    return this.#durable
  }

  /** Where a store path is on this machine, whether it exists or not. */
  physicalPath(path: StorePath): string {
    return physicalPathOf(this.layout, path)
  }

  /** Whether the item is valid. */
  has(path: StorePath): boolean {
    return existsSync(recordPathOf(this.layout, path))
  }

  /** Throws ABN_ITEM_MISSING or ABN_ITEM_INVALID. */
  readItem(path: StorePath): Item {
    const file = recordPathOf(this.layout, path)
    if (!existsSync(file)) {
      throw new AbnError('ABN_ITEM_MISSING', `${path} is not in the store`, { hint: 'build or install it again' })
    }
    const bytes = withDiskErrors(`cannot read ${file}`, () => readFileSync(file))
    const item = parseItem(bytes)
    if (item.path !== path) throw new AbnError('ABN_ITEM_INVALID', `${file}: expected ${path}, got ${item.path}`)
    return item
  }

  /** The items and all that they refer to, directly or not. Sorted. Throws ABN_ITEM_MISSING. */
  closureOf(paths: Iterable<StorePath>): readonly StorePath[] {
    const closure = new Set<StorePath>(paths)
    // A set that grows while it is iterated over is iterated over to its end.
    for (const path of closure) for (const reference of this.readItem(path).references) closure.add(reference)
    return [...closure].sort()
  }

  /**
   * Waits until no other process works on the derivation. Look again whether its outputs exist afterwards.
   * Holds the store's shared lock too, so that no garbage collection comes between.
   */
  async lockDerivation(recipe: RecipeHash, options: LockOptions = {}): Promise<DerivationLock> {
    const { takeLock } = await import('./lock.ts')
    const shared = await this.#share(options.signal)
    try {
      const own = await takeLock(`${this.layout.locks}/derivation-${recipe}`, 'exclusive', options)
      return {
        recipe,
        get isHeld() {
          return own.isHeld
        },
        [Symbol.dispose]: () => {
          if (!own.isHeld) return
          own.release()
          shared[Symbol.dispose]()
        },
      }
    } catch (error) {
      shared[Symbol.dispose]()
      throw error
    }
  }

  /** One lock for all who need it at the same time through this object: an installation locks each of a thousand derivations. */
  async #share(signal: AbortSignal | undefined): Promise<Disposable> {
    if (this.#shared === undefined) {
      const lock = await this.lock('shared', { signal })
      if (this.#shared === undefined) this.#shared = { lock, users: 0 }
      else lock.release()
    }
    const shared = this.#shared
    shared.users++
    return {
      [Symbol.dispose]: () => {
        if (--shared.users > 0) return
        if (this.#shared === shared) this.#shared = undefined
        shared.lock.release()
      },
    }
  }

  /** 'shared' while items are used or added, 'exclusive' while items are removed. */
  async lock(mode: LockMode, options: LockOptions = {}): Promise<Lock> {
    const { takeLock } = await import('./lock.ts')
    return takeLock(`${this.layout.locks}/store`, mode, options)
  }

  /**
   * Removes the lock files of derivations. They are opened under the store's shared lock only, so that nobody can be about to
   * use one while the caller has the exclusive lock.
   */
  removeLockFiles(exclusive: Lock): void {
    if (!exclusive.isHeld) throw new TypeError('removeLockFiles: the exclusive lock of the store is not held')
    for (const name of readdirSync(this.layout.locks)) {
      if (name.startsWith('derivation-')) unlinkSync(`${this.layout.locks}/${name}`)
    }
  }

  /** A private directory on the store's file system, removed when it or the store is disposed of, or after a crash. */
  async createWorkspace(): Promise<Workspace> {
    const { createWorkspace, removeDeadWorkspaces } = await import('./workspace.ts')
    removeDeadWorkspaces(this.layout)
    const workspace = createWorkspace(this.layout)
    this.#open.add(workspace)
    return {
      directory: workspace.directory,
      [Symbol.dispose]: () => {
        if (this.#open.delete(workspace)) workspace[Symbol.dispose]()
      },
    }
  }

  /** See register.ts. */
  async register(registration: Registration): Promise<Registered> {
    const { register } = await import('./register.ts')
    using workspace = await this.createWorkspace()
    return await register(this, registration, { workspace, durable: this.#durable })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const workspace of this.#open) workspace[Symbol.dispose]()
    this.#open.clear()
  }
}
