/**
 * Which recipes were asked for in vain, and how often: what builders may want to build next. Counted in memory, saved now
 * and then; a crash forgets the last minutes. Bounded: when full, those asked for least make room. Holds hashes only.
 */
import { parseRecipeHash, type RecipeHash } from '../format/hash.ts'
import type { Change, Index } from './storage/index.ts'

export type WantedRecipe = { readonly recipe: RecipeHash; readonly asked: number; readonly last: number }

export type Wanted = {
  note(recipes: readonly RecipeHash[], nowSeconds: number): void
  /** Something is known of it now. */
  satisfied(recipe: RecipeHash): void
  /** Most asked for first. */
  list(limit: number): readonly WantedRecipe[]
  save(): Promise<void>
}

const PREFIX = 'wanted/'

export async function openWanted(index: Index, maximum: number): Promise<Wanted> {
  const counts = new Map<RecipeHash, WantedRecipe>()
  const changed = new Set<RecipeHash>()
  for await (const [key, value] of index.entries({ prefix: PREFIX, limit: maximum })) {
    const recipe = parseRecipeHash(key.slice(PREFIX.length))
    counts.set(recipe, { recipe, ...JSON.parse(Buffer.from(value).toString('utf8')) })
  }

  function note(recipes: readonly RecipeHash[], nowSeconds: number): void {
    for (const recipe of recipes) {
      counts.set(recipe, { recipe, asked: (counts.get(recipe)?.asked ?? 0) + 1, last: nowSeconds })
      changed.add(recipe)
    }
    if (counts.size <= maximum) return
    // A tenth at once, so that sorting is rare.
    for (const { recipe } of sorted().slice(Math.floor(maximum * 0.9))) forget(recipe)
  }

  function forget(recipe: RecipeHash): void {
    if (counts.delete(recipe)) changed.add(recipe)
  }

  function sorted(): WantedRecipe[] {
    return [...counts.values()].sort((a, b) => b.asked - a.asked || b.last - a.last || (a.recipe < b.recipe ? -1 : 1))
  }

  async function save(): Promise<void> {
    const changes = [...changed].map((recipe): Change => {
      const count = counts.get(recipe)
      if (count === undefined) return { kind: 'remove', key: PREFIX + recipe }
      const value = Buffer.from(JSON.stringify({ asked: count.asked, last: count.last }))
      return { kind: 'put', key: PREFIX + recipe, value }
    })
    changed.clear()
    if (changes.length > 0) await index.write(changes, { durable: false })
  }

  return { note, satisfied: forget, list: (limit) => sorted().slice(0, limit), save }
}
