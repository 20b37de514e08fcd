/**
 * A blob as a private file of the local disk, whatever backend it is in: for checks and copies.
 */
import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AbnError } from '../format/errors.ts'
import type { Cache } from './cache.ts'
import type { BlobKey } from './storage/blobs.ts'

/** Throws ABN_CACHE_NOT_FOUND. */
export async function materialise(
  cache: Pick<Cache, 'blobs' | 'uploadsDirectory'>,
  key: BlobKey,
  path = join(cache.uploadsDirectory, `copy-${randomUUID()}`),
): Promise<{ readonly path: string; dispose(): Promise<void> }> {
  const size = await cache.blobs.size(key)
  const content = size === undefined ? undefined : await cache.blobs.read(key, { start: 0, end: size })
  if (content === undefined) throw new AbnError('ABN_CACHE_NOT_FOUND', `there is no ${key.kind} ${key.digest}`)
  const source = content instanceof Uint8Array ? Readable.from([content]) : content
  await pipeline(source, createWriteStream(path, { flags: 'wx', flush: true }))
  return { path, dispose: () => rm(path, { force: true }) }
}
