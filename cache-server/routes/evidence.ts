/**
 * Answers about recipes: all evidence for one, for the closure of one as the cache knows it, or for a list, in one bundle
 * (docs/formats/bundle.md) as a zstd frame. Anonymous, cacheable for a minute, with an ETag.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AbnError } from '../../format/errors.ts'
import { parseRecipeHash, type RecipeHash } from '../../format/hash.ts'
import type { Answer } from '../answers.ts'
import type { Cache } from '../cache.ts'
import { closureOf, type Depth } from '../closure.ts'
import { closedObject, hashSchema } from '../http/schemas.ts'
import type { Puller } from '../mirror.ts'

export function addEvidenceRoutes(app: FastifyInstance, cache: Cache, puller: Puller | undefined): void {
  const { closureRecipes } = cache.config.limits

  async function about(recipes: readonly RecipeHash[]): Promise<Answer> {
    await puller?.refresh(recipes)
    const answer = await cache.answers.about(recipes)
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

  app.post<{ Body: { recipes: string[] } }>(
    '/v1/closures',
    {
      schema: {
        summary: 'All evidence for the recipes listed. Those of which nothing is known are missing in the answer.',
        body: closedObject({ recipes: { type: 'array', maxItems: closureRecipes, items: hashSchema } }),
      },
    },
    async (request, reply) => send(request, reply, await about(request.body.recipes.map(parseRecipeHash))),
  )

  app.get(
    '/v1/revocations',
    { schema: { summary: 'The revocation lists of the operators registered here.' } },
    async (request, reply) => send(request, reply, await about([])),
  )
}

function send(request: FastifyRequest, reply: FastifyReply, { body, tag }: Answer): FastifyReply {
  reply.headers({ etag: `"${tag}"`, 'cache-control': 'public, max-age=60', 'content-type': 'application/zstd' })
  if (request.headers['if-none-match'] === `"${tag}"`) return reply.code(304).send()
  return reply.send(body)
}

function unknown(recipe: RecipeHash): AbnError {
  return new AbnError('ABN_CACHE_NOT_FOUND', `nothing is known here of the recipe ${recipe}`)
}
