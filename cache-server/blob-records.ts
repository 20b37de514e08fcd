/**
 * The records of blobs, the last ones in memory: each download begins with one. All changes go through here.
 */
import { type BlobRecord, blobChange, blobRecord, blobRecordKey } from './catalogue.ts'
import type { BlobKey } from './storage/blobs.ts'
import type { GroupCommit } from './storage/group-commit.ts'
import type { Index } from './storage/index.ts'

export type BlobRecords = {
  get(key: BlobKey): Promise<BlobRecord | undefined>
  /** One that is in memory. */
  peek(key: BlobKey): BlobRecord | undefined
  /** Durable when it resolves: the blob is visible. */
  put(key: BlobKey, record: BlobRecord): Promise<void>
  /** The blob is visible no more. */
  remove(key: BlobKey): Promise<void>
}

const MAXIMUM = 4096

export function createBlobRecords(index: Index, commits: GroupCommit): BlobRecords {
  const kept = new Map<string, BlobRecord>()
  /** What is read while something changes may be old, and is not kept. */
  let changes = 0

  async function get(key: BlobKey): Promise<BlobRecord | undefined> {
    const name = blobRecordKey(key)
    const known = kept.get(name)
    if (known !== undefined) return known
    const started = changes
    const record = await blobRecord(index, key)
    if (record === undefined || changes !== started) return record
    for (const oldest of kept.keys()) {
      if (kept.size < MAXIMUM) break
      kept.delete(oldest)
    }
    kept.set(name, record)
    return record
  }

  async function changing(key: BlobKey, commit: () => Promise<void>): Promise<void> {
    const forget = () => {
      changes++
      kept.delete(blobRecordKey(key))
    }
    forget()
    try {
      await commit()
    } finally {
      forget()
    }
  }

  return {
    get,
    peek: (key) => kept.get(blobRecordKey(key)),
    put: (key, record) => changing(key, () => commits.commit([blobChange(key, record)])),
    remove: (key) => changing(key, () => commits.commit([{ kind: 'remove', key: blobRecordKey(key) }])),
  }
}
