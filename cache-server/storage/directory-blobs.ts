/**
 * Blobs as files: <directory>/<kind>s/<2 digits>/<digest>. A blob comes by rename after fsync and never changes; hard links
 * to it stay valid, so that a backup costs no space.
 */
import { randomUUID } from 'node:crypto'
import { read as readCallback, readSync } from 'node:fs'
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseSha256 } from '../../format/hash.ts'
import { type BlobKey, type BlobListing, type BlobStore, type ByteRange, blobKinds, type TakeChunk } from './blobs.ts'
import { createChunks } from './chunks.ts'
import { isMissing, syncDirectory, syncFile } from './durable.ts'
import { createHotBlobs } from './hot-blobs.ts'
import { createOpenFiles, type OpenFile } from './open-files.ts'

export async function openDirectoryBlobs(directory: string): Promise<BlobStore> {
  for (const kind of blobKinds) await mkdir(join(directory, `${kind}s`), { recursive: true, mode: 0o755 })
  const pathOf = (key: BlobKey) => blobPathOf(directory, key)
  const files = createOpenFiles(OPEN_FILES)
  const chunks = createChunks()
  const hot = createHotBlobs(HOT_BYTES)
  const forget = (key: BlobKey): void => {
    files.forget(pathOf(key))
    hot.forget(nameOf(key))
  }

  async function put(key: BlobKey, file: string): Promise<void> {
    const path = pathOf(key)
    await syncFile(file)
    if ((await mkdir(dirname(path), { recursive: true, mode: 0o755 })) !== undefined) {
      await syncDirectory(dirname(dirname(path)))
    }
    await moveFile(file, path)
    forget(key)
    await syncDirectory(dirname(path))
  }

  async function read(key: BlobKey, range: ByteRange, take: TakeChunk): Promise<boolean> {
    const name = nameOf(key)
    const ready = hot.get(name, range.end)
    if (ready !== undefined && range.end > range.start) {
      await take(ready.subarray(range.start, range.end))
      return true
    }
    const reading = hot.begin()
    const chunk = chunks.take()
    try {
      const found = await files.use(pathOf(key), async (file) => {
        await readRange({ ...file, chunk, offer: (bytes) => reading.offer(name, bytes) }, range, take)
        return true
      })
      return found ?? false
    } finally {
      chunks.give(chunk)
    }
  }

  async function remove(key: BlobKey): Promise<void> {
    await rm(pathOf(key), { force: true })
    forget(key)
  }

  return {
    size: async (key) => (await statusOf(pathOf(key)))?.size,
    read,
    put,
    remove,
    list: (kind) => listBlobs(join(directory, `${kind}s`)),
    close: async () => files.close(),
  }
}

/** Made for every download, and quicker than a path. */
function nameOf({ kind, digest }: BlobKey): string {
  return kind + digest
}

export function blobPathOf(directory: string, { kind, digest }: BlobKey): string {
  return join(directory, `${kind}s`, digest.slice(0, 2), digest)
}

const OPEN_FILES = 256
const HOT_BYTES = 32 * 1024 * 1024

/** A range so short, of a file that was read lately, costs less than to ask another thread for it. */
const SHORT_BYTES = 64 * 1024

type Source = OpenFile & { readonly chunk: Buffer; readonly offer: (beginning: Buffer) => void }

async function readRange(source: Source, { start, end }: ByteRange, take: TakeChunk): Promise<void> {
  const { descriptor, isWarm, chunk, offer } = source
  const isQuick = isWarm && end - start <= SHORT_BYTES
  for (let at = start; at < end; ) {
    const wanted = Math.min(chunk.length, end - at)
    const bytes = isQuick
      ? readSync(descriptor, chunk, 0, wanted, at)
      : await readAt(descriptor, chunk, { position: at, bytes: wanted })
    if (bytes === 0) throw new Error(`a blob ends at ${at}, expected ${end}`)
    if (isWarm && at === 0 && bytes === end) offer(chunk.subarray(0, bytes))
    at += bytes
    await take(bytes === chunk.length ? chunk : chunk.subarray(0, bytes))
  }
}

/** With the callback of node:fs: its promises cost a third more. */
function readAt(
  descriptor: number,
  chunk: Buffer,
  { position, bytes }: { readonly position: number; readonly bytes: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    readCallback(descriptor, chunk, 0, bytes, position, (error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
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
