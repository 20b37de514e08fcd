/**
 * Compares one item's contents with its digest. The output digest is that of output-digest.ts; here the small pieces of which an archive
 * consists are gathered first, as one call to the hash function for each costs more than hashing them.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { encodeArchive } from '../format/archive/encode.ts'
import { AbnError } from '../format/errors.ts'
import { parseSha256, type Sha256 } from '../format/hash.ts'
import { storeItemOf } from '../format/store-path.ts'
import type { Checked, Problem } from './verify.ts'
import { readEntries } from './walk.ts'

/** Undefined when all is as it should be. */
export function checkContents({ path, outputDigest, directory }: Checked): Problem | undefined {
  if (!existsSync(directory)) return { path, kind: 'missing' }
  try {
    const got = digestOf(encodeArchive(storeItemOf(path), readEntries(directory, storeItemOf(path))))
    return got === outputDigest ? undefined : { path, kind: 'content', expected: outputDigest, got }
  } catch (error) {
    // What an output may not hold, or what this user or this disk cannot read: not what was registered in any case.
    const isTold = error instanceof AbnError || (error instanceof Error && 'syscall' in error)
    if (isTold) return { path, kind: 'unreadable', reason: error.message }
    throw error
  }
}

const GATHERED_BYTES = 256 * 1024
const SMALL_BYTES = 64 * 1024

let gathered: Buffer | undefined

function digestOf(chunks: Iterable<Uint8Array>): Sha256 {
  gathered ??= Buffer.allocUnsafeSlow(GATHERED_BYTES)
  const hash = createHash('sha256')
  let used = 0
  for (const chunk of chunks) {
    if (used + chunk.length > GATHERED_BYTES || chunk.length > SMALL_BYTES) {
      if (used > 0) hash.update(gathered.subarray(0, used))
      used = 0
    }
    if (chunk.length > SMALL_BYTES) hash.update(chunk)
    else {
      gathered.set(chunk, used)
      used += chunk.length
    }
  }
  hash.update(gathered.subarray(0, used))
  return parseSha256(hash.digest('hex'))
}
