/**
 * The usual download, a whole file by its address, answered before fastify sees it: small archives are asked for by the
 * thousand, and for them routing costs more than reading. Whatever is unusual (a range, a condition, a proxy, a file that was not
 * asked for lately, too many requests, a stop) goes its usual way; both give the same answer, and a test compares them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { parseSha256 } from '../../format/hash.ts'
import type { BlobRecords } from '../blob-records.ts'
import type { BlobRecord } from '../catalogue.ts'
import { type BlobKey, type BlobStore, blobKinds } from '../storage/blobs.ts'
import { blobHeaders, blobRoute } from './blob-headers.ts'
import { type Observation, safetyHeaders } from './observation.ts'
import type { RateLimit } from './rate-limit.ts'
import { sendBlob } from './send-blob.ts'

export type QuickParts = {
  readonly blobs: BlobStore
  readonly records: BlobRecords
  readonly observation: Observation
  readonly rate: RateLimit
  readonly report: (what: string, error: unknown) => void
}

/** Call when the app is made, and before it listens. */
export function addQuickDownloads(app: FastifyInstance, parts: QuickParts): void {
  const usual = app.server.listeners('request')
  let isStopping = false
  app.addHook('preClose', async () => {
    isStopping = true
  })
  app.server.removeAllListeners('request')
  app.server.on('request', (request, response) => {
    const key = isStopping ? undefined : wholeFileOf(request)
    const record = key && parts.records.peek(key)
    const address = request.socket.remoteAddress ?? ''
    if (key === undefined || record === undefined || parts.rate.secondsToWait(address, Date.now()) > 0) {
      for (const listener of usual) listener.call(app.server, request, response)
      return
    }
    void download({ request, response, key, record, address }, parts)
  })
}

const UNUSUAL = ['range', 'if-none-match', 'content-length', 'transfer-encoding'] as const

/** The path of a file, and no header that asks for less than the whole. */
function wholeFileOf({ method, url = '', headers }: IncomingMessage): BlobKey | undefined {
  if (method !== 'GET' || UNUSUAL.some((name) => headers[name] !== undefined)) return undefined
  const match = /^\/v1\/(archive|source|log)s\/([0-9a-f]{64})$/.exec(url)
  const kind = blobKinds.find((one) => one === match?.[1])
  return kind === undefined ? undefined : { kind, digest: parseSha256(match?.[2] ?? '') }
}

type Asked = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly key: BlobKey
  readonly record: BlobRecord
  readonly address: string
}

async function download({ request, response, key, record, address }: Asked, parts: QuickParts): Promise<void> {
  const started = performance.now()
  const { bytes } = record
  parts.observation.limitTime(response)
  response.once('close', () => {
    const milliseconds = performance.now() - started
    const { statusCode: status } = response
    const route = blobRoute(key.kind)
    parts.observation.note({ route, method: 'GET', status, bytes, milliseconds, address, path: request.url ?? '' })
  })
  try {
    const found = await sendBlob(response, { blobs: parts.blobs, key, range: { start: 0, end: bytes } }, () => {
      response.writeHead(200, { ...safetyHeaders, ...blobHeaders(key.kind, record), 'content-length': bytes })
    })
    // Its record is there, but not the file: as when it is collected at this moment.
    if (!found) response.writeHead(404, { ...safetyHeaders, 'content-length': 0, 'cache-control': 'no-store' }).end()
  } catch (error) {
    parts.report(`GET ${blobRoute(key.kind)}`, error)
    response.destroy()
  }
}
