// What the store has of a package, in the words of a lock.
import type { LockedPackage, LockedPath } from '../../format/lockfile.ts'
import { compareBytewise } from '../../format/order.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import { acceptanceReader } from './acceptance-reader.ts'
import { thisSystem } from './changes.ts'
import type { Resolved } from './resolve.ts'

/** Makes entries of packages that are in the store. Throws ABN_ITEM_MISSING or ABN_DECISION_MISSING. */
export function entryMaker(store: Store): (one: Resolved, channel: string) => LockedPackage {
  const acceptanceFor = acceptanceReader(store)
  const lockedPath = (path: StorePath): LockedPath => {
    const item = store.readItem(path)
    return { path, digest: item.outputDigest, acceptance: acceptanceFor(item) }
  }
  return ({ name, wanted, group, entry }, channel) => {
    const outputs = Object.entries(entry.outputs)
      .map(([output, path]) => ({ output, ...lockedPath(path) }))
      .sort((a, b) => compareBytewise(a.output, b.output))
    const own = new Set(outputs.map(({ path }) => path))
    const needs = store
      .closureOf(own)
      .filter((path) => !own.has(path))
      .map(lockedPath)
      .sort((a, b) => compareBytewise(a.path, b.path))
    const { version, recipeHash: recipe } = entry
    return { name, system: thisSystem, wanted, group, version, channel, recipe, outputs, needs }
  }
}
