/** Which packages a builder should build: as its configuration says, among what the channel has. In the order of the configuration. */
import { AbnError } from '../../format/errors.ts'
import { parseRecipeHash, type RecipeHash } from '../../format/hash.ts'
import type { PublicKey } from '../../trust/key.ts'
import type { Evaluation } from '../evaluate/evaluation.ts'
import { findPackage } from '../evaluate/find.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { isInNameOf, statedElsewhere } from './compare.ts'
import type { Work } from './config.ts'
import type { CacheClient } from './remote.ts'

export type FindOptions = {
  readonly evaluation: Evaluation
  readonly clientOf: (url: string) => CacheClient
  /** Told what could not be found or asked; the rest is done all the same. */
  readonly onProblem: (error: AbnError) => void
}

export async function findWork(work: readonly Work[], options: FindOptions): Promise<readonly EvaluatedPackage[]> {
  const found = new Map<RecipeHash, EvaluatedPackage>()
  for (const one of work) {
    try {
      for (const known of await packagesOf(one, options)) found.set(known.recipeHash, known)
    } catch (error) {
      if (!(error instanceof AbnError)) throw error
      options.onProblem(error)
    }
  }
  return [...found.values()]
}

/** Those of which a cache has a statement by another operator than `own`. */
export async function statedByOthers(
  packages: readonly EvaluatedPackage[],
  { caches, own, onProblem }: { caches: readonly CacheClient[]; own: PublicKey; onProblem: FindOptions['onProblem'] },
): Promise<readonly EvaluatedPackage[]> {
  const stated = new Set<RecipeHash>()
  const recipes = packages.map(({ recipeHash }) => recipeHash)
  // Side by side: a slow one costs its own time only.
  const asked = caches.map(async (cache) => {
    try {
      for (const one of await statedElsewhere(cache, recipes)) {
        if (!isInNameOf(one, own)) stated.add(one.attestation.statement.recipe)
      }
    } catch (error) {
      if (!(error instanceof AbnError)) throw error
      onProblem(error)
    }
  })
  await Promise.all(asked)
  return packages.filter(({ recipeHash }) => stated.has(recipeHash))
}

async function packagesOf(work: Work, options: FindOptions): Promise<readonly EvaluatedPackage[]> {
  const { evaluation } = options
  switch (work.kind) {
    case 'packages': {
      const found: EvaluatedPackage[] = []
      for (const name of work.names) {
        try {
          found.push(await findPackage(evaluation, name))
        } catch (error) {
          if (!(error instanceof AbnError)) throw error
          options.onProblem(error)
        }
      }
      return found
    }
    case 'channel':
      return evaluation.entries().flatMap((entry) => (entry.hidden ? [] : [evaluation.load(entry)]))
    case 'wanted':
      return wantedOf(options.clientOf(work.cache), work.limit, evaluation)
    default:
      return work satisfies never
  }
}

async function wantedOf(
  cache: CacheClient,
  limit: number,
  evaluation: Evaluation,
): Promise<readonly EvaluatedPackage[]> {
  const { body } = await cache.read('GET', `/v1/wanted?limit=${limit}`)
  return wantedHashesIn(body, cache.origin).flatMap((hash) => evaluation.byHash(hash) ?? [])
}

function wantedHashesIn(body: Uint8Array, origin: string): readonly RecipeHash[] {
  try {
    const { wanted }: { wanted: readonly { readonly recipe: string }[] } = JSON.parse(
      Buffer.from(body).toString('utf8'),
    )
    return wanted.slice(0, 10_000).map(({ recipe }) => parseRecipeHash(recipe))
  } catch (cause) {
    throw new AbnError('ABN_PUBLISH_REFUSED', `${origin} has no list of what is wanted that can be read`, { cause })
  }
}
