/**
 * Looks at the whole log again: the tree is made anew from its entries and compared with the files, each entry is found under its
 * digest, and what is published is a beginning of the tree.
 */
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { isEqualBytes } from '../../trust/bytes.ts'
import { type LogKey, parseCheckpoint, verifiedCheckpointOf } from '../../trust/log/checkpoint.ts'
import { rootHash, type TreeSize } from '../../trust/log/merkle.ts'
import { parseNote } from '../../trust/log/note.ts'
import {
  parseEntries,
  parseTile,
  subtreesFrom,
  type Tile,
  tilePath,
  tilesAskedFor,
  tileWidth,
} from '../../trust/log/tile.ts'
import type { IndexReader } from '../storage/index.ts'
import { readEntries, readTile } from './read-tile.ts'
import { entryIndices, entryPrefix, readState } from './sequencer.ts'
import { edgePaths, emptyEdge, grow, rootOf, type TreeEdge } from './tree-edge.ts'
import type { TreeFiles } from './tree-files.ts'

export type LogReport = {
  readonly entries: number
  readonly faults: readonly { readonly what: string; readonly reason: string }[]
}

/** `key`: of the log, where it is known; without it the checkpoint's signature is not looked at. */
export async function checkLog(
  reader: IndexReader,
  { files, key }: { readonly files: TreeFiles; readonly key: LogKey | undefined },
): Promise<LogReport> {
  const faults: { what: string; reason: string }[] = []
  const fault = (what: string, reason: unknown): void => {
    faults.push({ what, reason: reason instanceof Error ? reason.message : String(reason) })
  }
  const state = await readState(reader)
  if (state === undefined) {
    if ((await files.readIfThere('checkpoint')) !== undefined) fault('log', 'there are files of a log, but no state')
    return { entries: 0, faults }
  }
  const { size, root } = state
  const edge = await rebuilt(size, { reader, files, fault })
  if (edge !== undefined && !isEqualBytes(rootOf(edge), root)) fault('log', 'its entries are not those of its state')
  let named = 0
  for await (const _ of reader.keys({ prefix: entryPrefix })) named++
  if (named !== size) fault('log', `${named} entries can be found by their digests, expected ${size}`)
  await checkCheckpoint(size, { files, key }).catch((error: unknown) => fault('log checkpoint', error))
  return { entries: size, faults }
}

type Rebuilding = {
  readonly reader: IndexReader
  readonly files: TreeFiles
  readonly fault: (what: string, reason: unknown) => void
}

/** Undefined when not all entries are there. */
async function rebuilt(size: TreeSize, { reader, files, fault }: Rebuilding): Promise<TreeEdge | undefined> {
  let edge = emptyEdge
  const last = new Set(edgePaths({ size }))
  for (let index = 0; index * tileWidth < size; index++) {
    const width = Math.min(tileWidth, size - index * tileWidth)
    try {
      const entries = parseEntries(await readEntries(files, { index, width }), width)
      await checkDigests(entries, index * tileWidth, { reader, files, fault })
      const grown = grow(edge, entries)
      for (const [path, bytes] of grown.files) {
        const isThere = last.has(path) || !/\.p\/[0-9]+$/.test(path)
        if (!isThere) continue
        const found = await files.readIfThere(path)
        if (found === undefined) fault(`log ${path}`, 'it is missing')
        else if (!isEqualBytes(found, bytes)) fault(`log ${path}`, 'it is not what its entries make')
      }
      edge = grown.edge
    } catch (error) {
      fault(`log entries from ${index * tileWidth}`, error)
      return undefined
    }
  }
  return edge
}

async function checkDigests(
  entries: readonly Uint8Array[],
  first: number,
  { reader, fault }: Rebuilding,
): Promise<void> {
  const digests: readonly Sha256[] = entries.map((bytes) => sha256Of(bytes))
  const indices = await entryIndices(reader, digests)
  for (const [i, digest] of digests.entries())
    if (indices[i] !== first + i) fault(`log entry ${first + i}`, `it is not found under its digest ${digest}`)
}

async function checkCheckpoint(
  size: TreeSize,
  { files, key }: { readonly files: TreeFiles; readonly key: LogKey | undefined },
): Promise<void> {
  const bytes = await files.readIfThere('checkpoint')
  if (bytes === undefined) return
  const note = parseNote(bytes)
  const checkpoint = key === undefined ? parseCheckpoint(note.text) : verifiedCheckpointOf(note, key)
  if (checkpoint.size > size) throw new Error(`it has ${checkpoint.size} entries, and the tree ${size}`)
  const rows = new Map<string, Tile>()
  const use = (read: Parameters<typeof rootHash>[1]) => rootHash(checkpoint.size, read)
  for (const tile of tilesAskedFor(size, use)) rows.set(tilePath(tile), tile)
  const hashes = new Map<string, ReturnType<typeof parseTile>>()
  for (const [path, tile] of rows) hashes.set(path, parseTile(await readTile(files, tile), tile))
  const root = use(subtreesFrom(size, (tile) => hashes.get(tilePath(tile)) ?? []))
  if (!isEqualBytes(root, checkpoint.root)) throw new Error('it is not of this tree')
}
