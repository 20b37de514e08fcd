/**
 * GET and HEAD of archives, sources and logs: immutable files addressed by digest, with ranges. The ETag is the SHA-256 of
 * what is transferred, so that a download that goes on at another cache can tell (If-Range) whether it is the same file.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AbnError } from '../../format/errors.ts'
import { parseSha256 } from '../../format/hash.ts'
import type { Cache } from '../cache.ts'
import type { BlobRecord } from '../catalogue.ts'
import { blobHeaders, blobRoute } from '../http/blob-headers.ts'
import { parseRange } from '../http/range.ts'
import { closedObject, hashSchema } from '../http/schemas.ts'
import { sendBlob } from '../http/send-blob.ts'
import type { Puller } from '../mirror.ts'
import type { BlobKey, BlobKind } from '../storage/blobs.ts'

export function addBlobRoutes(app: FastifyInstance, cache: Cache, puller: Puller | undefined): void {
  for (const kind of ['archive', 'source', 'log'] as const) {
    app.route<{ Params: { digest: string } }>({
      method: ['GET', 'HEAD'],
      url: blobRoute(kind),
      schema: { summary: SUMMARIES[kind], params: closedObject({ digest: hashSchema }) },
      handler: async (request, reply) => {
        const key: BlobKey = { kind, digest: parseSha256(request.params.digest) }
        const record = (await cache.records.get(key)) ?? (await puller?.pull(key))
        if (record === undefined) throw missing(key)
        return answer({ request, reply, cache, key, record })
      },
    })
  }
}

const SUMMARIES: Record<BlobKind, string> = {
  archive: 'A canonical archive by its output digest, as a zstd frame.',
  source: 'A source by the SHA-256 of the file as published.',
  log: 'A build log or test report by the SHA-256 of its text, as a zstd frame.',
}

type Parts = {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly cache: Cache
  readonly key: BlobKey
  readonly record: BlobRecord
}

async function answer({ request, reply, cache, key, record }: Parts): Promise<FastifyReply> {
  const { bytes } = record
  const headers = blobHeaders(key.kind, record)
  const { etag: tag } = headers
  reply.headers(headers)
  const { 'if-none-match': noneMatch, 'if-range': ifRange } = request.headers
  if (noneMatch === '*' || noneMatch?.split(/, */).includes(tag)) return reply.code(304).send()
  const range =
    ifRange === undefined || ifRange === tag ? parseRange(request.headers.range, bytes) : ({ kind: 'whole' } as const)
  if (range.kind === 'unsatisfiable') {
    reply.header('content-range', `bytes */${bytes}`)
    throw new AbnError('ABN_CACHE_RANGE', `no such range: the file has ${bytes} bytes`)
  }
  const { start, end } = range.kind === 'part' ? range : { start: 0, end: bytes }
  reply.header('content-length', end - start)
  if (range.kind === 'part') reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${bytes}`)
  if (request.method === 'HEAD') return reply.send()
  const { raw } = reply
  const found = await sendBlob(raw, { blobs: cache.blobs, key, range: { start, end } }, () => {
    reply.hijack()
    raw.statusCode = reply.statusCode
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value)
  })
  if (found) return reply
  reply.removeHeader('content-length')
  throw missing(key)
}

function missing({ kind, digest }: BlobKey): AbnError {
  return new AbnError('ABN_CACHE_NOT_FOUND', `this cache does not have the ${kind} ${digest}`)
}
