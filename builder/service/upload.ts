/**
 * Sends one file to a cache in pieces. The cache says where to go on, so that an upload that was cut off, also by the end of
 * this process, costs what was under way and no more.
 */
import { open } from 'node:fs/promises'
import type { JsonObject } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { type CacheClient, mayPass, pause } from './remote.ts'

export type BlobKind = 'archive' | 'source' | 'log'
export type Blob = { readonly kind: BlobKind; readonly digest: Sha256 }

export async function hasBlob(cache: CacheClient, { kind, digest }: Blob): Promise<boolean> {
  return (await cache.read('HEAD', `/v1/${kind}s/${digest}`)).found
}

export type UploadOptions = {
  readonly path: string
  readonly bytes: number
  readonly onPiece?: ((bytes: number) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Resolves to the number of bytes that were sent. Throws as CacheClient.write does. */
export async function uploadFile(
  cache: CacheClient,
  blob: Blob,
  { path, bytes, onPiece, signal }: UploadOptions,
): Promise<number> {
  let sent = 0
  for (let tries = 0; ; tries++) {
    let resumed = false
    try {
      const upload = await begin(cache, blob, bytes)
      if (upload === undefined) return sent
      resumed = upload.offset > 0
      await using file = await open(path)
      for (let { offset } = upload; offset < bytes; ) {
        const piece = Buffer.alloc(Math.min(upload.pieceBytes, bytes - offset))
        const { bytesRead } = await file.read(piece, 0, piece.length, offset)
        if (bytesRead !== piece.length) throw new TypeError(`uploadFile: ${path} is shorter than ${bytes} bytes`)
        await cache.write({
          method: 'PATCH',
          path: `/v1/uploads/${upload.id}`,
          body: piece,
          type: 'application/octet-stream',
          headers: { 'upload-offset': String(offset) },
        })
        offset += piece.length
        sent += piece.length
        onPiece?.(piece.length)
      }
      await cache.write({ method: 'POST', path: `/v1/uploads/${upload.id}/finish` })
      return sent
    } catch (error) {
      if (tries >= TRIES || !(mayPass(error) || isGone(error) || (resumed && isRefusedUpload(error)))) throw error
      // Somebody else may be sending the same file: then it is there soon.
      await pause(PAUSE_SECONDS * 2 ** tries, signal)
    }
  }
}

const TRIES = 5
const PAUSE_SECONDS = 0.1
const PIECE_BYTES = 8 * 1024 * 1024

type Upload = { readonly id: string; readonly offset: number; readonly pieceBytes: number }

/** Undefined when the cache has the file already. */
async function begin(cache: CacheClient, { kind, digest }: Blob, bytes: number): Promise<Upload | undefined> {
  const body = Buffer.from(JSON.stringify({ kind, digest, bytes }))
  const answer = await cache.write({ method: 'POST', path: '/v1/uploads', body, type: 'application/json' })
  if (answer.published === true) return undefined
  return uploadOf(answer, bytes, cache.origin)
}

function uploadOf({ id, offset, pieceBytes }: JsonObject, bytes: number, origin: string): Upload {
  const isId = typeof id === 'string' && /^[0-9a-f-]{36}$/.test(id)
  if (isId && isCount(offset) && offset <= bytes && isCount(pieceBytes) && pieceBytes > 0) {
    return { id, offset, pieceBytes: Math.min(pieceBytes, PIECE_BYTES) }
  }
  throw new AbnError('ABN_PUBLISH_REFUSED', `the answer of ${origin} to an upload is not one of a cache`)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** The first part may be of a file that another version of abnpkg compressed: then it helps to begin anew. */
function isRefusedUpload(error: unknown): boolean {
  return (
    error instanceof AbnError && (error.code === 'ABN_CACHE_UPLOAD_REFUSED' || error.code.startsWith('ABN_ARCHIVE_'))
  )
}

/** Finished, but the answer to that was lost; or given up by the cache. Asking anew tells which. */
function isGone(error: unknown): boolean {
  return error instanceof AbnError && error.code === 'ABN_CACHE_NOT_FOUND'
}
