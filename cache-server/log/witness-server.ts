/**
 * A witness with HTTP before it: POST /add-checkpoint, as tlog-witness says, and GET /healthz. Whoever asks is not authenticated; what
 * counts is the log's signature in the request.
 */
import { maximumRequestBytes } from '../../trust/log/witness-request.ts'
import { createWitness, type WitnessOptions } from './witness.ts'

export type RunningWitness = { readonly url: string; close(): Promise<void> }

export type WitnessServerOptions = WitnessOptions & {
  /** "host:port" or "[v6 address]:port"; port 0 takes a free one. */
  readonly listen: string
  readonly report: (what: string, error?: unknown) => void
}

/** Throws what listening throws. */
export async function startWitness(options: WitnessServerOptions): Promise<RunningWitness> {
  const { fastify } = await import('fastify')
  const witness = createWitness(options)
  const app = fastify({
    bodyLimit: maximumRequestBytes,
    requestTimeout: 30_000,
    keepAliveTimeout: 60_000,
    forceCloseConnections: 'idle',
    http: { headersTimeout: 10_000, maxHeaderSize: 16 * 1024 },
  })
  app.server.maxConnections = 1024
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.post<{ Body: Buffer | undefined }>('/add-checkpoint', async (request, reply) => {
    const { status, type, body } = await witness.addCheckpoint(request.body ?? new Uint8Array())
    return reply.code(status).header('cache-control', 'no-store').type(type).send(body)
  })
  app.get('/healthz', async (_request, reply) => reply.type('text/plain').send('ok\n'))
  app.setErrorHandler((error: { readonly statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) options.report('add-checkpoint', error)
    return reply
      .code(status)
      .type('text/plain')
      .send(status >= 500 ? 'the witness failed\n' : 'not a request of a log\n')
  })
  const colon = options.listen.lastIndexOf(':')
  const host = options.listen.slice(0, colon).replace(/^\[|\]$/g, '')
  const url = await app.listen({ host, port: Number(options.listen.slice(colon + 1)) })
  return { url, close: () => app.close() }
}
