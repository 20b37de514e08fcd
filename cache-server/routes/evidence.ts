/**
 * Answers about recipes: all evidence for one, for the closure of one as the cache knows it, or for a list, in one bundle
 * (docs/formats/bundle.md) as a zstd frame. Anonymous, cacheable for a minute, with an ETag.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AbnError } from '../../format/errors.ts'
import { parseRecipeHash, type RecipeHash } from '../../format/hash.ts'
import { type TreeSize, treeSizeOf } from '../../trust/log/merkle.ts'
import type { Answer } from '../answers.ts'
import type { Cache } from '../cache.ts'
import { closureOf, type Depth } from '../closure.ts'
import { closedObject, countSchema, hashSchema } from '../http/schemas.ts'
import type { Puller } from '../mirror.ts'

export function addEvidenceRoutes(app: FastifyInstance, cache: Cache, puller: Puller | undefined): void {
  const { closureRecipes } = cache.config.limits

  async function about(recipes: readonly RecipeHash[], known?: TreeSize): Promise<Answer> {
    await puller?.refresh(recipes)
    const answer = await cache.answers.about(recipes, known)
    if (cache.config.wanted) cache.wanted.note(answer.unknown, cache.nowSeconds())
    return answer
  }

  app.get<{ Params: { recipe: string } }>(
    '/v1/evidence/:recipe',
    { schema: { summary: 'All evidence for one recipe.', params: closedObject({ recipe: hashSchema }) } },
    async (request, reply) => {
      const recipe = parseRecipeHash(request.params.recipe)
      const answer = await about([recipe])
      if (answer.unknown.length > 0) throw unknown(recipe)
      return send(request, reply, answer)
    },
  )

  app.get<{ Params: { recipe: string; depth: Depth } }>(
    '/v1/closures/:recipe/:depth',
    {
      schema: {
        summary: 'All evidence for a recipe and what its outputs refer to, or what it was built from, as known here.',
        params: closedObject({ recipe: hashSchema, depth: { type: 'string', enum: ['references', 'inputs'] } }),
      },
    },
    async (request, reply) => {
      const root = parseRecipeHash(request.params.recipe)
      await puller?.refreshClosure(root, request.params.depth)
      const recipes = await closureOf(cache.index, root, request.params.depth, closureRecipes)
      const answer = await about(recipes)
      if (answer.unknown.includes(root)) throw unknown(root)
      return send(request, reply, answer)
    },
  )

  app.post<{ Body: { recipes: string[]; logs?: readonly KnownLog[] } }>(
    '/v1/closures',
    {
      schema: {
        summary:
          'All evidence for the recipes listed. Those of which nothing is known are missing in the answer. `logs`: the logs that the client knows, with the size that it has seen, 0 for none; then evidence of the log of this cache is in it.',
        body: closedObject(
          { recipes: { type: 'array', maxItems: closureRecipes, items: hashSchema }, logs: logsSchema },
          ['logs'],
        ),
      },
    },
    async (request, reply) => {
      const { recipes, logs = [] } = request.body
      const own = logs.find(({ origin }) => origin === cache.log?.key.name)
      const known = own === undefined ? undefined : treeSizeOf(own.size)
      return send(request, reply, await about(recipes.map(parseRecipeHash), known))
    },
  )

  app.get(
    '/v1/revocations',
    { schema: { summary: 'The revocation lists of the operators registered here.' } },
    async (request, reply) => send(request, reply, await about([])),
  )
}

type KnownLog = { readonly origin: string; readonly size: number }

const logsSchema = {
  type: 'array',
  maxItems: 100,
  items: closedObject({ origin: { type: 'string', maxLength: 300 }, size: countSchema }),
} as const

function send(request: FastifyRequest, reply: FastifyReply, { body, tag }: Answer): FastifyReply {
  reply.headers({ etag: `"${tag}"`, 'cache-control': 'public, max-age=60', 'content-type': 'application/zstd' })
  if (request.headers['if-none-match'] === `"${tag}"`) return reply.code(304).send()
  return reply.send(body)
}

function unknown(recipe: RecipeHash): AbnError {
  return new AbnError('ABN_CACHE_NOT_FOUND', `nothing is known here of the recipe ${recipe}`)
}
