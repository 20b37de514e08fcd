/**
 * The OpenAPI 3.1 document, made from the schemas by which the routes check: it cannot say anything else than what holds.
 */
import type { FastifyInstance, RouteOptions } from 'fastify'
import { errorSchema } from './schemas.ts'

declare module 'fastify' {
  interface FastifySchema {
    summary?: string
  }
  interface FastifyContextConfig {
    /** Needs the signature of an operator. */
    isWrite?: boolean
  }
}

export type ApiDocument = Readonly<Record<string, unknown>>

/** Call before the routes are registered; the result is complete when they all are. */
export function collectApi(app: FastifyInstance): () => ApiDocument {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => {
    routes.push(route)
  })
  return () => ({
    openapi: '3.1.0',
    info: { title: 'abnpkg cache', version: '1', description: 'Reading is anonymous; see docs/cache-api.md.' },
    paths: pathsOf(routes),
    components: {
      schemas: { Error: errorSchema },
      securitySchemes: {
        write: {
          type: 'apiKey',
          in: 'header',
          name: 'authorization',
          description: 'AbnWrite; docs/cache-api.md, "Writing"',
        },
      },
    },
  })
}

function pathsOf(routes: readonly RouteOptions[]): Record<string, Record<string, unknown>> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = route.url.replace(/:([a-z]+)/g, '{$1}').replace('*', '{path}')
    const methods = [route.method].flat().map((method) => method.toLowerCase())
    for (const method of methods) paths[path] = { ...paths[path], [method]: operationOf(route, method) }
  }
  return paths
}

function operationOf({ schema, config }: RouteOptions, method: string): Record<string, unknown> {
  const { summary, body, response, params, querystring } = schema ?? {}
  return {
    summary,
    ...(isWrite(config) ? { security: [{ write: [] }] } : {}),
    parameters: [...parametersOf(params, 'path'), ...parametersOf(querystring, 'query')],
    ...(body === undefined || method === 'get'
      ? {}
      : { requestBody: { content: { 'application/json': { schema: body } } } }),
    responses: responsesOf(response),
  }
}

function parametersOf(schema: unknown, place: 'path' | 'query'): readonly unknown[] {
  const properties = isRecord(schema) && isRecord(schema.properties) ? schema.properties : {}
  return Object.entries(properties).map(([key, one]) => {
    const name = key === '*' ? 'path' : key
    return { name, in: place, required: place === 'path', schema: one }
  })
}

function responsesOf(response: unknown): Record<string, unknown> {
  const given = isRecord(response) ? Object.entries(response) : []
  const described = given.map(([status, schema]) => [
    status,
    { description: 'success', content: { 'application/json': { schema } } },
  ])
  const error = { content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } }
  return {
    ...(given.length === 0 ? { 200: { description: 'success' } } : Object.fromEntries(described)),
    default: { description: 'failure', ...error },
  }
}

function isWrite(config: unknown): boolean {
  return isRecord(config) && config.isWrite === true
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
