/**
 * Blobs as files: <directory>/<kind>s/<2 digits>/<digest>. A blob comes by rename after fsync and never changes; hard links
 * to it stay valid, so that a backup costs no space.
 */
import { randomUUID } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { copyFile, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { parseSha256 } from '../../format/hash.ts'
import { type BlobKey, type BlobListing, type BlobStore, type ByteRange, blobKinds } from './blobs.ts'
import { isMissing, syncDirectory, syncFile } from './durable.ts'

export async function openDirectoryBlobs(directory: string): Promise<BlobStore> {
  for (const kind of blobKinds) await mkdir(join(directory, `${kind}s`), { recursive: true, mode: 0o755 })
  const pathOf = (key: BlobKey) => blobPathOf(directory, key)

  async function put(key: BlobKey, file: string): Promise<void> {
    const path = pathOf(key)
    await syncFile(file)
    if ((await mkdir(dirname(path), { recursive: true, mode: 0o755 })) !== undefined) {
      await syncDirectory(dirname(dirname(path)))
    }
    await moveFile(file, path)
    await syncDirectory(dirname(path))
  }

  return {
    size: async (key) => (await statusOf(pathOf(key)))?.size,
    read: (key, range) => readRange(pathOf(key), range),
    put,
    remove: (key) => rm(pathOf(key), { force: true }),
    list: (kind) => listBlobs(join(directory, `${kind}s`)),
    close: async () => {},
  }
}

export function blobPathOf(directory: string, { kind, digest }: BlobKey): string {
  return join(directory, `${kind}s`, digest.slice(0, 2), digest)
}

/** Up to this size a range is read at once: a stream costs more than the bytes. */
const WHOLE_BYTES = 1024 * 1024
const CHUNK_BYTES = 512 * 1024

async function readRange(path: string, { start, end }: ByteRange): Promise<Readable | Uint8Array | undefined> {
  const handle = await openExisting(path)
  if (handle === undefined) return undefined
  if (end - start > WHOLE_BYTES) {
    return createReadStream(path, { fd: handle, start, end: end - 1, highWaterMark: CHUNK_BYTES })
  }
  try {
    const bytes = Buffer.allocUnsafe(end - start)
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, start)
    return bytes.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

async function openExisting(path: string) {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function* listBlobs(directory: string): AsyncGenerator<BlobListing> {
  for (const shard of (await readdir(directory)).sort()) {
    for (const name of (await readdir(join(directory, shard))).sort()) {
      if (!/^[0-9a-f]{64}$/.test(name)) continue
      const status = await statusOf(join(directory, shard, name))
      if (status === undefined) continue
      yield { digest: parseSha256(name), bytes: status.size, modifiedSeconds: Math.floor(status.mtimeMs / 1000) }
    }
  }
}

async function statusOf(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Onto another file system by a copy, which becomes visible by rename as well. */
async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EXDEV')) throw error
    const temporary = `${to}.${randomUUID()}`
    try {
      await copyFile(from, temporary)
      await syncFile(temporary)
      await rename(temporary, to)
    } finally {
      await rm(temporary, { force: true })
    }
    await rm(from, { force: true })
  }
}
