/**
 * What the log still needs: nothing is removed before it is logged. With a log that is what has no entry; without one, what is pending
 * from a time when there was one. Too long for an entry is needed by nobody.
 */
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { maximumEntryBytes } from '../../trust/log/tile.ts'
import type { IndexReader } from '../storage/index.ts'
import { allPending, entryIndices } from './sequencer.ts'

/** Those of the documents that may go. */
export async function withoutNeed<T extends { readonly bytes: Uint8Array }>(
  reader: IndexReader,
  documents: readonly T[],
  hasLog: boolean,
): Promise<readonly T[]> {
  if (documents.length === 0) return []
  const digests = documents.map(({ bytes }) => sha256Of(bytes))
  const isNeeded = hasLog ? await withoutEntry(reader, digests) : await pendingAmong(reader, digests)
  return documents.filter(({ bytes }, i) => bytes.length > maximumEntryBytes || !isNeeded(i))
}

async function withoutEntry(reader: IndexReader, digests: readonly Sha256[]): Promise<(i: number) => boolean> {
  const entries = await entryIndices(reader, digests)
  return (i) => entries[i] === undefined
}

async function pendingAmong(reader: IndexReader, digests: readonly Sha256[]): Promise<(i: number) => boolean> {
  const wanted = new Set(digests)
  const pending = new Set<Sha256>()
  for await (const { digest } of allPending(reader)) if (wanted.has(digest)) pending.add(digest)
  return (i) => pending.has(digests[i] ?? EMPTY)
}

const EMPTY = sha256Of('')
