/**
 * The files of the log (C2SP tlog-tiles): the checkpoint, and tiles and entries as far as they belong to the published tree; these
 * never change. Without a log there is nothing here.
 */
import { open } from 'node:fs/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AbnError } from '../../format/errors.ts'
import { sha256Of } from '../../format/hash.ts'
import { encodeNote } from '../../trust/log/note.ts'
import { entriesPath, tilePath, tileWidth } from '../../trust/log/tile.ts'
import type { Cache } from '../cache.ts'
import { closedObject } from '../http/schemas.ts'
import type { CacheLog } from '../log/cache-log.ts'
import { endOf, type LogFile, parseLogPath, readEntries, readTile } from '../log/read-tile.ts'
import type { TreeFiles } from '../log/tree-files.ts'
import { isMissing } from '../storage/durable.ts'

export function addLogRoutes(app: FastifyInstance, { log }: Cache): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/log/checkpoint',
    schema: { summary: 'The newest checkpoint of the log of this cache, a signed note (docs/formats/log.md).' },
    handler: async (request, reply) => {
      const checkpoint = log?.published()
      if (checkpoint === undefined) throw missing('no checkpoint')
      const body = Buffer.from(encodeNote(checkpoint.note))
      reply.headers({ 'cache-control': 'no-cache', 'content-type': 'text/plain; charset=utf-8' })
      return answer(request, reply, { tag: sha256Of(body), body: async () => body })
    },
  })

  app.route<{ Params: { '*': string } }>({
    method: ['GET', 'HEAD'],
    url: '/v1/log/tile/*',
    schema: {
      summary: 'A file of the log: <level>/<index>[.p/<width>], or entries/<index>[.p/<width>].',
      params: closedObject({ '*': { type: 'string', maxLength: 60 } }),
    },
    handler: async (request, reply) => {
      const file = parseLogPath(`tile/${request.params['*']}`)
      if (file === undefined || log === undefined || !isPublished(file, log)) throw missing('no such file')
      reply.headers({
        'cache-control': 'public, max-age=31536000, immutable',
        'content-type': 'application/octet-stream',
      })
      // A tree that only grows has one content for a path.
      const path = file.level === 'entries' ? entriesPath(file) : tilePath({ ...file, level: file.level })
      const tag = `${log.key.id.slice(0, 16)}-${path.replaceAll('/', '-')}`
      return answer(request, reply, { tag, body: () => bodyOf(file, log.files, reply) })
    },
  })
}

type Answering = { readonly tag: string; body(): Promise<Uint8Array | NodeJS.ReadableStream> }

async function answer(request: FastifyRequest, reply: FastifyReply, { tag, body }: Answering): Promise<FastifyReply> {
  reply.header('etag', `"${tag}"`)
  if (request.headers['if-none-match'] === `"${tag}"`) return reply.code(304).send()
  return reply.send(await body())
}

/** Full bundles of entries may be large, and are streamed. */
async function bodyOf(
  file: LogFile,
  files: TreeFiles,
  reply: FastifyReply,
): Promise<Uint8Array | NodeJS.ReadableStream> {
  const { level, index, width } = file
  if (level !== 'entries') return Buffer.from(await readTile(files, { level, index, width }))
  if (width < tileWidth) return Buffer.from(await readEntries(files, { index, width }))
  try {
    const handle = await open(files.pathOf(entriesPath(file)), 'r')
    const { size } = await handle.stat()
    reply.header('content-length', size)
    return handle.createReadStream()
  } catch (error) {
    if (!isMissing(error)) throw error
    throw new AbnError('ABN_LOG_TILE', `${entriesPath(file)} is missing from the log`)
  }
}

function isPublished(file: LogFile, log: CacheLog): boolean {
  const checkpoint = log.published()
  return checkpoint !== undefined && endOf(file) <= checkpoint.size
}

function missing(what: string): AbnError {
  return new AbnError('ABN_CACHE_NOT_FOUND', `${what} of a log is here`)
}
