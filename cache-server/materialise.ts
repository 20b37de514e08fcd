/**
 * A blob as a private file of the local disk, whatever backend it is in: for checks and copies.
 */
import { randomUUID } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
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
  const handle = await open(path, 'wx')
  let found = false
  try {
    if (size !== undefined) {
      found = await cache.blobs.read(
        key,
        { start: 0, end: size },
        async (chunk) => void (await handle.writeFile(chunk)),
      )
      await handle.sync()
    }
  } finally {
    await handle.close()
    if (!found) await rm(path, { force: true })
  }
  if (!found) throw new AbnError('ABN_CACHE_NOT_FOUND', `there is no ${key.kind} ${key.digest}`)
  return { path, dispose: () => rm(path, { force: true }) }
}
