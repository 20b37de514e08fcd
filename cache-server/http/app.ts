/**
 * The HTTP of a cache before it has routes: limits on connections, headers, bodies and time, errors in one form, the access
 * log and the counters. The limits on time are Node's own (headersTimeout, requestTimeout), checked once a second.
 */
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AbnError } from '../../format/errors.ts'
import type { CacheConfig } from '../config.ts'
import { failureOf } from './errors.ts'
import type { Metrics } from './metrics.ts'
import { type Observation, safetyHeaders } from './observation.ts'
import type { RateLimit } from './rate-limit.ts'

export type AppOptions = {
  readonly config: CacheConfig
  readonly metrics: Metrics
  readonly observation: Observation
  readonly rate: RateLimit
  /** Failures of the server itself. */
  readonly report: (what: string, error: unknown) => void
}

export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { config } = options
  const { limits } = config
  const { fastify } = await import('fastify')
  const app = fastify({
    bodyLimit: limits.bodyBytes,
    trustProxy: config.trustProxy,
    requestTimeout: limits.requestSeconds * 1000,
    keepAliveTimeout: limits.idleSeconds * 1000,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 100, caseSensitive: true, ignoreTrailingSlash: false },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: false } },
    http: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headerSeconds * 1000,
      connectionsCheckingInterval: 1000,
      noDelay: true,
    },
    clientErrorHandler: refuseClient,
    frameworkErrors: (error, _request, reply) => void sendFailure(reply, error),
  })
  app.server.maxHeadersCount = 100
  app.server.setTimeout(limits.idleSeconds * 1000)
  limitConnections(app, limits)
  limitRate(app, options.rate)
  observe(app, options.observation)
  app.setNotFoundHandler((_request, reply) => {
    const { status, body } = failureOf(new AbnError('ABN_CACHE_NOT_FOUND', 'there is nothing here'))
    return reply.code(status).header('cache-control', 'no-store').send(body)
  })
  app.setErrorHandler((error, request, reply) => {
    if (failureOf(error).isFault) {
      options.metrics.add('abn_cache_faults_total', {})
      options.report(`${request.method} ${request.routeOptions.url ?? request.url}`, error)
    }
    return sendFailure(reply, error)
  })
  return app
}

/** Closes what a client may have left half sent: after a refusal the rest of a body is not read. */
function sendFailure(reply: FastifyReply, error: unknown): FastifyReply {
  const { status, body } = failureOf(error)
  if (reply.request.headers['content-length'] !== undefined && !reply.request.raw.complete)
    reply.header('connection', 'close')
  return reply.code(status).header('cache-control', 'no-store').send(body)
}

function limitConnections(app: FastifyInstance, limits: CacheConfig['limits']): void {
  const open = new Map<string, number>()
  app.server.maxConnections = limits.connections
  app.server.on('connection', (socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (open.get(address) ?? 0) + 1
    open.set(address, count)
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1
      if (left === 0) open.delete(address)
      else open.set(address, left)
    })
    if (count > limits.connectionsPerAddress) socket.destroy()
  })
}

function limitRate(app: FastifyInstance, rate: RateLimit): void {
  app.addHook('onRequest', (request, reply, done) => {
    const seconds = rate.secondsToWait(request.ip, Date.now())
    if (seconds === 0) return done()
    reply.header('retry-after', seconds)
    done(
      new AbnError('ABN_CACHE_RATE', 'too many requests from this address', {
        hint: `try again in ${seconds} seconds`,
      }),
    )
  })
}

function observe(app: FastifyInstance, observation: Observation): void {
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(safetyHeaders)
    observation.limitTime(reply.raw)
    done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    observation.note({
      route: request.routeOptions.url ?? 'none',
      method: request.method,
      status: reply.statusCode,
      bytes: bytesOf(request, reply),
      milliseconds: reply.elapsedTime,
      address: request.ip,
      path: request.url,
    })
    done()
  })
}

function bytesOf(request: FastifyRequest, reply: FastifyReply): number {
  return request.method === 'HEAD' || reply.statusCode === 304 ? 0 : Number(reply.getHeader('content-length') ?? 0)
}

/** What is not even a request: too many headers, none in time, nonsense. */
function refuseClient(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return
  const [status, reason] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', 'the headers are too large']
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'the request did not come in time']
        : ['400 Bad Request', 'not a request of HTTP/1.1']
  const body = JSON.stringify({ error: { code: 'ABN_CACHE_REQUEST', message: reason } })
  const head = ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`, 'connection: close']
  socket.end(`HTTP/1.1 ${status}\r\n${head.join('\r\n')}\r\n\r\n${body}`)
}
