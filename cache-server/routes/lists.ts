/**
 * What the cache tells about itself: who may write, what is wanted, what diverges, health, counters, and the API.
 */
import type { FastifyInstance } from 'fastify'
import { parseRecipeHash } from '../../format/hash.ts'
import { encodePublicKey } from '../../trust/key.ts'
import type { Cache } from '../cache.ts'
import { listDivergent } from '../divergent.ts'
import type { Metrics } from '../http/metrics.ts'
import type { ApiDocument } from '../http/openapi.ts'
import { closedObject, countSchema, hashSchema } from '../http/schemas.ts'

export type ListParts = {
  readonly cache: Cache
  readonly metrics: Metrics
  readonly api: () => ApiDocument
  readonly gauges: () => Readonly<Record<string, number>>
}

export function addListRoutes(app: FastifyInstance, { cache, metrics, api, gauges }: ListParts): void {
  app.get(
    '/v1/operators',
    {
      schema: { summary: 'The operators registered here, with their public keys.', response: { 200: operatorsSchema } },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=60')
      return { operators: cache.operators.list.map(({ name, keys }) => ({ name, keys: keys.map(encodePublicKey) })) }
    },
  )

  app.get<{ Querystring: { limit?: string } }>(
    '/v1/wanted',
    {
      schema: {
        summary: 'Recipes that were asked for in vain, most asked for first.',
        querystring: closedObject({ limit: limitSchema }, ['limit']),
        response: { 200: wantedSchema },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'public, max-age=10')
      return { wanted: cache.wanted.list(Number(request.query.limit ?? 1000)) }
    },
  )

  app.get<{ Querystring: { limit?: string; after?: string } }>(
    '/v1/divergent',
    {
      schema: {
        summary:
          'Recipes for which attestations over the same inputs name different outputs. `after` is the last one seen.',
        querystring: closedObject({ limit: limitSchema, after: hashSchema }, ['limit', 'after']),
        response: { 200: divergentSchema },
      },
    },
    async (request, reply) => {
      const { limit, after } = request.query
      reply.header('cache-control', 'public, max-age=10')
      const options = { limit: Number(limit ?? 100), after: after === undefined ? undefined : parseRecipeHash(after) }
      return { divergent: await listDivergent(cache.index, cache.operators, options) }
    },
  )

  app.get('/v1/openapi.json', { schema: { summary: 'This description.' } }, async () => api())
  app.get('/healthz', { schema: { summary: 'Whether the index can be read.' } }, async (_request, reply) => {
    await cache.index.get('format')
    reply.header('cache-control', 'no-store')
    return { status: 'ok' }
  })
  app.get('/metrics', { schema: { summary: 'Counters for Prometheus.' } }, async (_request, reply) => {
    reply.header('cache-control', 'no-store').type('text/plain; version=0.0.4')
    return metrics.text({ ...gauges(), ...(await cache.log?.gauges()) })
  })
}

const limitSchema = { type: 'string', pattern: '^[1-9][0-9]{0,3}$' } as const

const operatorsSchema = closedObject({
  operators: {
    type: 'array',
    items: closedObject({ name: { type: 'string' }, keys: { type: 'array', items: { type: 'string' } } }),
  },
})

const wantedSchema = closedObject({
  wanted: { type: 'array', items: closedObject({ recipe: hashSchema, asked: countSchema, last: countSchema }) },
})

const textSchema = { type: 'string' } as const
const flagSchema = { type: 'boolean' } as const

const claimSchema = closedObject({
  attestation: hashSchema,
  operator: textSchema,
  key: textSchema,
  expires: countSchema,
  revoked: flagSchema,
  inputs: hashSchema,
  outputs: { type: 'object', additionalProperties: hashSchema },
})

const divergentSchema = closedObject({
  divergent: {
    type: 'array',
    items: closedObject({
      recipe: hashSchema,
      name: textSchema,
      version: textSchema,
      since: countSchema,
      settled: flagSchema,
      claims: { type: 'array', items: claimSchema },
    }),
  },
})
