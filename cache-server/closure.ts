/**
 * Which recipes belong to a closure, as far as the attestations here tell: `references` follows what the outputs refer to when
 * they run, `inputs` what they were built from, down to the seed. The client does not rely on it: it computes the recipe
 * hashes itself, and what is missing in the answer it asks for.
 */
import type { RecipeHash } from '../format/hash.ts'
import { storeHashOf } from '../format/store-path.ts'
import { parseAttestation } from '../trust/attestation.ts'
import type { Statement } from '../trust/statement.ts'
import { attestationsOf, recipesOfPath } from './catalogue.ts'
import type { IndexReader } from './storage/index.ts'

export type Depth = 'references' | 'inputs'

/** The root first. At most `maximum` recipes. */
export async function closureOf(
  reader: IndexReader,
  root: RecipeHash,
  depth: Depth,
  maximum: number,
): Promise<readonly RecipeHash[]> {
  const found = new Set<RecipeHash>([root])
  for (let frontier = [root]; frontier.length > 0; ) {
    const fresh = new Set<RecipeHash>()
    for (const next of await neighboursOf(reader, frontier, depth)) {
      if (found.has(next)) continue
      if (found.size >= maximum) return [...found]
      found.add(next)
      fresh.add(next)
    }
    frontier = [...fresh]
  }
  return [...found]
}

async function neighboursOf(
  reader: IndexReader,
  recipes: readonly RecipeHash[],
  depth: Depth,
): Promise<ReadonlySet<RecipeHash>> {
  const found = new Set<RecipeHash>()
  for (const { bytes } of await attestationsOf(reader, recipes)) {
    const { statement } = parseAttestation(bytes)
    if (depth === 'inputs') for (const input of statement.inputs) found.add(input.recipe)
    else for (const next of await referencedBy(reader, statement)) found.add(next)
  }
  return found
}

async function referencedBy(reader: IndexReader, { outputs, inputs }: Statement): Promise<readonly RecipeHash[]> {
  const paths = new Set(outputs.flatMap(({ references }) => references))
  for (const { path } of outputs) paths.delete(path)
  const known = new Map(inputs.map(({ path, recipe }) => [path, recipe]))
  const found: RecipeHash[] = []
  for (const path of paths) {
    const recipe = known.get(path)
    if (recipe !== undefined) found.push(recipe)
    else found.push(...(await recipesOfPath(reader, storeHashOf(path))))
  }
  return found
}
