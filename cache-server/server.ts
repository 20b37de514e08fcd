/**
 * A running cache: the data directory with HTTP before it. Anonymous reads; writes by registered operators only. It trusts
 * its disk and its clock, and is itself trusted with nothing: clients judge what it serves by signatures and digests.
 */
import type { FastifyInstance } from 'fastify'
import { type Cache, openCache } from './cache.ts'
import { collectGarbage } from './collect-garbage.ts'
import type { CacheConfig } from './config.ts'
import { createApp } from './http/app.ts'
import { createMetrics } from './http/metrics.ts'
import { createObservation } from './http/observation.ts'
import { collectApi } from './http/openapi.ts'
import { addQuickDownloads } from './http/quick-downloads.ts'
import { createRateLimit } from './http/rate-limit.ts'
import { createPuller } from './mirror.ts'
import { addBlobRoutes } from './routes/blobs.ts'
import { addEvidenceRoutes } from './routes/evidence.ts'
import { addListRoutes } from './routes/lists.ts'
import { addLogRoutes } from './routes/log.ts'
import { addWriteRoutes } from './routes/writes.ts'

export type RunningCache = {
  /** Scheme, address and port that it listens on. */
  readonly url: string
  readonly cache: Cache
  /** Takes no new requests, ends what is under way or, after limits.stopSeconds, cuts it off. May be called twice. */
  close(): Promise<void>
}

export type StartOptions = {
  readonly data: string
  /** Overrules config.listen. */
  readonly listen?: string
  readonly config: CacheConfig
  /** One line of JSON for each request. */
  readonly accessLog?: (line: string) => void
  /** What the operator should know: failures of the server itself, results of the garbage collection. */
  readonly report?: (what: string, error?: unknown) => void
  readonly nowSeconds?: () => number
}

/** Throws ABN_CACHE_DATA, and what listening throws. */
export async function startCache(options: StartOptions): Promise<RunningCache> {
  const { data, config, accessLog, report = ignore, nowSeconds } = options
  const metrics = createMetrics()
  const onWitness = (witness: string, result: string) =>
    metrics.add('abn_cache_log_cosignatures_total', { witness, result })
  const cache = await openCache({
    data,
    config,
    report,
    onWitness,
    ...(nowSeconds === undefined ? {} : { nowSeconds }),
  })
  try {
    const { responseSeconds, requestsPerMinute } = config.limits
    const observation = createObservation({ metrics, accessLog, responseSeconds })
    const rate = createRateLimit(requestsPerMinute)
    const app = await createApp({ config, metrics, observation, rate, report })
    const api = collectApi(app)
    const puller = config.mirror && createPuller(cache, config.mirror, { metrics, report })
    const gauges = gaugesOf(app)
    addBlobRoutes(app, cache, puller)
    addEvidenceRoutes(app, cache, puller)
    addLogRoutes(app, cache)
    addListRoutes(app, { cache, metrics, api, gauges })
    await addWriteRoutes(app, cache, metrics)
    // Behind a proxy all addresses are in a header, and the proxy is what is quick.
    if (!config.trustProxy)
      addQuickDownloads(app, { blobs: cache.blobs, records: cache.records, observation, rate, report })
    const { host, port } = addressOf(options.listen ?? config.listen)
    const url = await app.listen({ host, port })
    const stopChores = startChores(cache, report)
    void cache.log?.begin()
    let closing: Promise<void> | undefined
    const close = async () => {
      await stopChores()
      await closeWithin(app, config.limits.stopSeconds)
      await cache.close()
    }
    return { url, cache, close: () => (closing ??= close()) }
  } catch (error) {
    await cache.close()
    throw error
  }
}

function ignore(): void {}

/** "host:port" or "[v6 address]:port". */
function addressOf(listen: string): { readonly host: string; readonly port: number } {
  const colon = listen.lastIndexOf(':')
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) }
}

/** Saves counts every minute and collects garbage as configured. The result stops both and waits for what is running. */
function startChores(cache: Cache, report: (what: string, error?: unknown) => void): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve()
  const every = (seconds: number, what: string, action: () => Promise<unknown>) => {
    const run = () => {
      running = running.then(action).catch((error: unknown) => report(what, error))
    }
    const timer = setInterval(run, Math.min(seconds * 1000, 2 ** 31 - 1))
    timer.unref()
    return timer
  }
  const { everyHours } = cache.config.retention
  const timers = [every(60, 'saving the wanted list', () => cache.wanted.save())]
  if (everyHours > 0) {
    const collect = async () => report(`garbage collected: ${JSON.stringify(await collectGarbage(cache))}`)
    timers.push(every(everyHours * 3600, 'collecting garbage', collect))
  }
  return async () => {
    for (const timer of timers) clearInterval(timer)
    await running
  }
}

async function closeWithin(app: FastifyInstance, seconds: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), seconds * 1000)
  try {
    await app.close()
  } finally {
    clearTimeout(timer)
  }
}

function gaugesOf(app: FastifyInstance): () => Readonly<Record<string, number>> {
  const started = Date.now()
  let connections = 0
  app.server.on('connection', (socket) => {
    connections++
    socket.once('close', () => connections--)
  })
  return () => ({
    abn_cache_connections: connections,
    abn_cache_memory_bytes: process.memoryUsage.rss(),
    abn_cache_uptime_seconds: Math.round((Date.now() - started) / 1000),
  })
}
