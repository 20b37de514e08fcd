/**
 * The output digest of a directory on disk: SHA-256 of its canonical archive (docs/formats/archive.md).
 */
import { encodeArchive } from '../format/archive/encode.ts'
import { type Sha256, sha256Stream } from '../format/hash.ts'
import { parseStoreItem, type StoreItem } from '../format/store-path.ts'
import { readEntries } from './walk.ts'

/** `bytes`: size of the archive. */
export type OutputDigest = { readonly outputDigest: Sha256; readonly bytes: number }

/** Throws ABN_OUTPUT_* when the directory has no canonical archive. */
export function outputDigestOfDirectory(directory: string, item: StoreItem): OutputDigest {
  const hash = sha256Stream()
  let bytes = 0
  for (const chunk of encodeArchive(item, readEntries(directory, item))) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { outputDigest: hash.digest(), bytes }
}

/** Stands for the item where a directory is no output: a tree of sources from git (docs/sources.md), or a channel. */
export const sourceTreeItem = parseStoreItem(`${'a'.repeat(32)}-source-git`)
