/**
 * Lets only registered operators into the routes below it: the head of each request is verified before its body is read, and
 * a body that is read whole has the hash that was signed.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AbnError } from '../../format/errors.ts'
import { sha256Of } from '../../format/hash.ts'
import type { Cache } from '../cache.ts'
import { verifyWriter, type Writer } from '../operators.ts'

export type WriteAccess = { writerOf(request: FastifyRequest): Writer }

/** Call within an encapsulated plugin. */
export function requireWriters(scope: FastifyInstance, cache: Cache): WriteAccess {
  const writers = new WeakMap<FastifyRequest, Writer>()

  function writerOf(request: FastifyRequest): Writer {
    const writer = writers.get(request)
    if (writer === undefined) throw new TypeError('writerOf: the request was not verified')
    return writer
  }

  scope.addHook('onRequest', async (request) => {
    const head = {
      origin: cache.config.publicUrl ?? `${request.protocol}://${request.headers.host ?? ''}`,
      method: request.method,
      path: request.url,
      authorization: request.headers.authorization,
    }
    const { clockSeconds } = cache.config.limits
    const writer = verifyWriter(cache.operators, head, { nowSeconds: cache.nowSeconds(), clockSeconds })
    await cache.nonces.use(writer.signature)
    writers.set(request, writer)
    const hasBody =
      request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
    if (!hasBody || request.headers['content-length'] === '0') requireBody(writer, new Uint8Array())
  })

  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      requireBody(writerOf(request), body)
      return jsonOf(body)
    },
  )
  scope.addContentTypeParser<Buffer>(
    'application/jsonl',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      requireBody(writerOf(request), body)
      return body
    },
  )
  // A piece of an upload: hashed while it is written to the disk.
  scope.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
  return { writerOf }
}

function requireBody({ signature }: Writer, body: Uint8Array): void {
  if (sha256Of(body) !== signature.bodySha256) {
    throw new AbnError('ABN_CACHE_UNAUTHORISED', 'the body is not the one that was signed')
  }
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'), (name, value) => {
      if (name === '__proto__') throw new SyntaxError('a forbidden name')
      return value
    })
  } catch (cause) {
    throw new AbnError('ABN_CACHE_REQUEST', 'the body is not JSON', { cause })
  }
}
