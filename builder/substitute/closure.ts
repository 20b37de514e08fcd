/**
 * What is to be decided about: the packages that the targets are made from, in the form in which the policy is asked. The recipe
 * hashes are those that were computed here; nothing that a cache says adds a package.
 */
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import type { ClosureItem } from '../../trust/policy/closure.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { outputPathsOf, type PackageIndex } from '../realise/plan.ts'

export type Closure = {
  /** Each after its inputs. */
  readonly packages: readonly EvaluatedPackage[]
  /** Where a package stands in that order. */
  readonly rank: ReadonlyMap<RecipeHash, number>
  readonly items: ReadonlyMap<StorePath, ClosureItem>
  /** The package that makes a store path. */
  readonly makers: ReadonlyMap<StorePath, EvaluatedPackage>
  /** Items of these packages that were built on this machine. */
  readonly built: ReadonlyMap<StorePath, Sha256>
  /** All that an output of these packages could refer to. */
  readonly candidates: readonly StorePath[]
}

/** What is asked about a store. */
export type StoreView = Pick<Store, 'has' | 'readItem' | 'closureOf'>

/** As if nothing were there: what others would have to decide about. */
export const emptyStore: StoreView = {
  has: () => false,
  readItem: (path) => {
    throw new TypeError(`emptyStore: ${path}`)
  },
  closureOf: () => [],
}

/** `wholly`: goes on below what the store has, down to the seed. */
export function closureOf(
  targets: readonly EvaluatedPackage[],
  { store, packages, wholly }: { store: StoreView; packages: PackageIndex; wholly: boolean },
): Closure {
  const rank = new Map<RecipeHash, number>()
  const ordered: EvaluatedPackage[] = []
  const candidates = new Set<StorePath>()
  const inputsOf = (one: EvaluatedPackage): readonly EvaluatedPackage[] => {
    const paths = [...outputPathsOf(one).values()]
    if (!wholly && paths.every((path) => store.has(path))) {
      for (const path of store.closureOf(paths)) candidates.add(path)
      return []
    }
    return one.derivation.inputs.flatMap(({ recipe }) => packages.byHash(recipe) ?? [])
  }
  // Without recursion: chains of inputs are long.
  const seen = new Set<RecipeHash>()
  const stack = [...targets].reverse()
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const { recipeHash } = top
    if (seen.has(recipeHash)) {
      stack.pop()
      if (rank.has(recipeHash)) continue
      rank.set(recipeHash, ordered.length)
      ordered.push(top)
      continue
    }
    seen.add(recipeHash)
    stack.push(...inputsOf(top).filter((input) => !seen.has(input.recipeHash)))
  }
  const items = new Map<StorePath, ClosureItem>()
  const makers = new Map<StorePath, EvaluatedPackage>()
  const built = new Map<StorePath, Sha256>()
  for (const one of ordered) {
    for (const item of itemsOf(one)) {
      items.set(item.path, item)
      makers.set(item.path, one)
      candidates.add(item.path)
      if (!store.has(item.path)) continue
      const { origin, outputDigest } = store.readItem(item.path)
      if (origin.kind === 'built') built.set(item.path, outputDigest)
    }
  }
  return { packages: ordered, rank, items, makers, built, candidates: [...candidates] }
}

export function itemsOf(one: EvaluatedPackage): readonly ClosureItem[] {
  const { derivation, recipeHash: recipe } = one
  const { name, version, system } = derivation
  const inputs = derivation.inputs.map((input) => ({ path: input.path, recipe: input.recipe, output: input.output }))
  return [...outputPathsOf(one)].map(([output, path]) => ({ path, recipe, name, version, system, output, inputs }))
}
