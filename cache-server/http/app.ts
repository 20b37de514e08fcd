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

export type AppOptions = {
  readonly config: CacheConfig
  readonly metrics: Metrics
  /** One line of JSON for each request. */
  readonly accessLog: (line: string) => void
  /** Failures of the server itself. */
  readonly report: (what: string, error: unknown) => void
}

export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { config } = options
  const { limits } = config
  const [{ fastify }, { default: rateLimit }] = await Promise.all([import('fastify'), import('@fastify/rate-limit')])
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
  await app.register(rateLimit, {
    max: limits.requestsPerMinute,
    timeWindow: 60_000,
    cache: 20_000,
    errorResponseBuilder: (_request, { after }) =>
      new AbnError('ABN_CACHE_RATE', 'too many requests from this address', { hint: `try again in ${after}` }),
  })
  observe(app, options)
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

function observe(app: FastifyInstance, { config, metrics, accessLog }: AppOptions): void {
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff')
    reply.header('content-security-policy', "default-src 'none'")
    const { raw } = reply
    const timer = setTimeout(() => raw.socket?.destroy(), config.limits.responseSeconds * 1000)
    timer.unref()
    raw.once('close', () => clearTimeout(timer))
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    const status = String(reply.statusCode)
    const bytes = bytesOf(request, reply)
    metrics.add('abn_cache_requests_total', { route, method: request.method, status })
    metrics.add('abn_cache_response_bytes_total', { route }, bytes)
    metrics.observeSeconds(route, reply.elapsedTime / 1000)
    accessLog(
      JSON.stringify({
        time: new Date().toISOString(),
        address: request.ip,
        method: request.method,
        path: request.url.slice(0, 300),
        status: reply.statusCode,
        bytes,
        milliseconds: Math.round(reply.elapsedTime * 10) / 10,
      }),
    )
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
