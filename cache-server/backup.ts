/**
 * A copy of the whole cache while it runs: the index as of one instant, then every file that the copied index lists. The
 * copy is a data directory; restoring is starting a server on it. Files are hard links where the disk allows. The copy's log is
 * marked as one that does not go on under the same key: two directories would sign two trees.
 */
import { link, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AbnError } from '../format/errors.ts'
import { parseSha256 } from '../format/hash.ts'
import { type Cache, dataFormat } from './cache.ts'
import { logDirectory } from './log/cache-log.ts'
import { copyTree } from './log/copy-log.ts'
import { copyMark } from './log/log.ts'
import { readState } from './log/sequencer.ts'
import { openTreeFiles } from './log/tree-files.ts'
import { materialise } from './materialise.ts'
import { type BlobKey, blobKinds } from './storage/blobs.ts'
import { blobPathOf } from './storage/directory-blobs.ts'
import { isMissing, syncDirectory, writeFileDurably } from './storage/durable.ts'
import type { Change, IndexReader } from './storage/index.ts'
import { openLevelIndex } from './storage/level-index.ts'

export type BackedUp = {
  readonly records: number
  readonly blobs: number
  readonly missing: number
  /** Of the log. */
  readonly entries: number
}

/** `directory` must not exist. `data`: the data directory of the cache, for links. Throws ABN_CACHE_DATA. */
export async function backUpCache(cache: Cache, data: string, directory: string): Promise<BackedUp> {
  try {
    await mkdir(directory, { mode: 0o700 })
  } catch (cause) {
    throw new AbnError('ABN_CACHE_DATA', `cannot make ${directory}`, {
      hint: 'name a directory that is not there yet',
      cause,
    })
  }
  // The checkpoint before the state that it must not be ahead of, tiles after the state that they must not be behind.
  const from = openTreeFiles(logDirectory(data))
  const to = openTreeFiles(logDirectory(directory))
  const checkpoint = await from.readIfThere('checkpoint')
  const snapshot = await cache.index.snapshot()
  try {
    const state = await readState(snapshot)
    if (state !== undefined) await copyTree(from, to, state.size)
    if (checkpoint !== undefined) await to.write(new Map([['checkpoint', checkpoint]]))
    const records = await copyIndex(snapshot, join(directory, 'index'))
    let blobs = 0
    let missing = 0
    for (const kind of blobKinds) {
      for await (const name of snapshot.keys({ prefix: `blob/${kind}/` })) {
        const copied = await copyBlob(cache, { kind, digest: parseSha256(name.slice(-64)) }, { data, directory })
        if (copied) blobs++
        else missing++
      }
    }
    await mkdir(join(directory, 'uploads'), { mode: 0o700 })
    await writeFileDurably(join(directory, 'format'), `${dataFormat}\n`)
    return { records, blobs, missing, entries: state?.size ?? 0 }
  } finally {
    await snapshot.close()
  }
}

/** Unfinished uploads and nonces stay behind. */
async function copyIndex(reader: IndexReader, directory: string): Promise<number> {
  const target = await openLevelIndex(directory)
  try {
    let records = 0
    let changes: Change[] = []
    for await (const [key, value] of reader.entries({ prefix: '' })) {
      if (/^(?:upload|nonce)\//.test(key)) continue
      changes.push({ kind: 'put', key, value })
      records++
      if (changes.length < 1000) continue
      await target.write(changes, { durable: false })
      changes = []
    }
    await target.write([...changes, ...(await copyMark(reader))], { durable: true })
    return records
  } finally {
    await target.close()
  }
}

/** False for a blob that was collected since: then nothing named it. */
async function copyBlob(
  cache: Cache,
  key: BlobKey,
  { data, directory }: { data: string; directory: string },
): Promise<boolean> {
  const to = blobPathOf(join(directory, 'blobs'), key)
  await mkdir(dirname(to), { recursive: true })
  try {
    await link(blobPathOf(join(data, 'blobs'), key), to)
  } catch (error) {
    if (isMissing(error) && (await cache.blobs.size(key)) === undefined) return false
    await materialise(cache, key, to)
  }
  await syncDirectory(dirname(to))
  return true
}
