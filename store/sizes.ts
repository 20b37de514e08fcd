/**
 * How much items take: themselves, with all that they refer to, and how much of that something else needs as well. Sizes are those of the
 * canonical archives, which the records hold, so that no directory is read.
 */
import type { StorePath } from '../format/store-path.ts'
import type { Item } from './item.ts'
import type { Store } from './store.ts'

/** What is asked about together, such as the outputs of a package. */
export type Group = { readonly label: string; readonly paths: readonly StorePath[] }

/** All in bytes. */
export type Sizes = {
  readonly own: number
  /** The paths and all that they refer to. */
  readonly closure: number
  /** Of the closure, what other groups or `others` need as well: it would stay if this one went. */
  readonly shared: number
}

export type Measured = {
  readonly sizes: readonly Sizes[]
  /** Of all groups together, everything once. */
  readonly total: number
}

/** `others`: more roots. Throws ABN_ITEM_MISSING. */
export function measure(store: Store, groups: readonly Group[], others: readonly StorePath[] = []): Measured {
  const items = new Map<StorePath, Item>()
  const itemOf = (path: StorePath): Item => {
    const known = items.get(path) ?? store.readItem(path)
    items.set(path, known)
    return known
  }
  const closureOf = (paths: readonly StorePath[]): ReadonlySet<StorePath> => {
    const closure = new Set(paths)
    // A set that grows while it is iterated over is iterated over to its end.
    for (const path of closure) for (const reference of itemOf(path).references) closure.add(reference)
    return closure
  }
  const bytesOf = (paths: Iterable<StorePath>): number => {
    let bytes = 0
    for (const path of paths) bytes += itemOf(path).bytes
    return bytes
  }
  const closures = groups.map(({ paths }) => closureOf(paths))
  // How many want each path; what a group wants counts once for it.
  const wanted = new Map<StorePath, number>()
  for (const closure of closures) for (const path of closure) wanted.set(path, (wanted.get(path) ?? 0) + 1)
  const elsewhere = others.filter((path) => store.has(path))
  const sizes = groups.map(({ paths }, index) => {
    const closure = closures[index] ?? new Set<StorePath>()
    const own = new Set(paths)
    const byOthers = closureOf(elsewhere.filter((path) => !own.has(path)))
    const shared = [...closure].filter((path) => (wanted.get(path) ?? 0) > 1 || byOthers.has(path))
    return { own: bytesOf(paths), closure: bytesOf(closure), shared: bytesOf(shared) }
  })
  return { sizes, total: bytesOf(wanted.keys()) }
}
