/**
 * The canonical archive of an item, as a stream of chunks. Specification and worked example: docs/formats/archive.md.
 * The output digest is the SHA-256 of these chunks together.
 */
import { AbnError } from '../errors.ts'
import { compareBytewise } from '../order.ts'
import type { StoreItem } from '../store-path.ts'
import { type ArchiveEntry, archiveNameOf, checkEntry, type FileEntry } from './entry.ts'
import { blockBytes, encodeHeader, paddingOf } from './header.ts'

/**
 * Entries come in the order of the archive: bytewise by archiveNameOf, the item's own directory first. Chunks are views of
 * the entries' own content where possible: use them before asking for the next one.
 * Throws ABN_ARCHIVE_INVALID for a wrong order or entry, ABN_DIRECTORY_CHANGED when a content has not its announced size.
 */
export function* encodeArchive(item: StoreItem, entries: Iterable<ArchiveEntry>): Generator<Uint8Array, void, void> {
  let previous = ''
  for (const entry of entries) {
    checkEntry(item, entry, 'ABN_ARCHIVE_INVALID')
    const name = archiveNameOf(item, entry)
    if (previous === '' ? entry.path !== '' : compareBytewise(previous, name) >= 0) {
      throw new AbnError('ABN_ARCHIVE_INVALID', `${JSON.stringify(name)} is out of order in the archive`)
    }
    previous = name
    yield encodeHeader(item, entry)
    if (entry.kind === 'file') yield* encodeContent(entry)
  }
  if (previous === '') throw new AbnError('ABN_ARCHIVE_INVALID', 'an archive cannot be empty')
  yield END
}

/** Orders entries as the archive has them. */
export function compareEntries(a: ArchiveEntry, b: ArchiveEntry): number {
  return compareBytewise(sortKey(a), sortKey(b))
}

/** Two zero blocks end an archive. */
export const endOfArchiveBytes = 2 * blockBytes

const END = Buffer.alloc(endOfArchiveBytes)

function* encodeContent({ path, size, content }: FileEntry): Generator<Uint8Array, void, void> {
  let bytes = 0
  for (const chunk of content) {
    bytes += chunk.length
    if (bytes > size) break
    yield chunk
  }
  if (bytes !== size) {
    throw new AbnError('ABN_DIRECTORY_CHANGED', `${JSON.stringify(path)} changed: expected ${size} bytes, got ${bytes}`)
  }
  const padding = paddingOf(size)
  if (padding > 0) yield END.subarray(0, padding)
}

function sortKey({ kind, path }: ArchiveEntry): string {
  return kind === 'directory' && path !== '' ? `${path}/` : path
}
