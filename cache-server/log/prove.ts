/**
 * Proofs from the files of a log: that evidence is in the published tree, and that this tree has only grown since one that a
 * client has seen.
 */
import { setImmediate } from 'node:timers/promises'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import type { VerifiedCheckpoint } from '../../trust/log/checkpoint.ts'
import { encodeInclusions, type LoggedLeaf, proveInclusions } from '../../trust/log/inclusions.ts'
import {
  proveConsistency,
  proveInclusion,
  type ReadSubtree,
  type TreeHash,
  type TreeSize,
  treeHashOf,
} from '../../trust/log/merkle.ts'
import { hashOfRow, type Tile, tileOf, tilePath, tileWidth } from '../../trust/log/tile.ts'
import type { IndexReader } from '../storage/index.ts'
import { readTile } from './read-tile.ts'
import { entryIndices } from './sequencer.ts'
import type { TreeFiles } from './tree-files.ts'

/** For those of the digests that are in the tree; undefined when none is. */
export async function inclusionsOf(
  digests: readonly Sha256[],
  { note, size }: VerifiedCheckpoint,
  { index, files }: { readonly index: IndexReader; readonly files: TreeFiles },
): Promise<Uint8Array | undefined> {
  const found = await entryIndices(index, digests)
  const inTree = found.flatMap((at) => (at === undefined || at >= size ? [] : [at]))
  const indices = [...new Set(inTree)].sort((a, b) => a - b)
  if (indices.length === 0) return undefined
  const tiles = openTiles(files, size)
  const leafTiles = indices.map((at) => tileOf(0, at, size))
  await tiles.fetch(leafTiles)
  const leaves = indices.map((index): LoggedLeaf => ({ index, leaf: tiles.read(0, index) }))
  const hashes = await proved(tiles, (read) => proveInclusions(leaves, size, read))
  return encodeInclusions({ leaves, hashes, checkpoint: note })
}

/** That one entry is in the tree of `size`. */
export async function inclusionProof(files: TreeFiles, index: number, size: TreeSize): Promise<readonly TreeHash[]> {
  return proved(openTiles(files, size), (read) => proveInclusion(index, size, read))
}

/** That the tree of `size` begins with that of `old`. */
export async function consistencyProof(files: TreeFiles, old: TreeSize, size: TreeSize): Promise<readonly TreeHash[]> {
  return proved(openTiles(files, size), (read) => proveConsistency(old, size, read))
}

type Tiles = { readonly size: TreeSize; fetch(tiles: readonly Tile[]): Promise<void>; readonly read: ReadSubtree }

/**
 * Runs `prove` twice: to learn which hashes it needs, and with them. Those within a tile are computed from its lowest row, many
 * thousands for a closure from all over a log, and in small pieces, so that other requests need not wait.
 */
async function proved(
  { size, fetch, read }: Tiles,
  prove: (read: ReadSubtree) => readonly TreeHash[],
): Promise<readonly TreeHash[]> {
  const asked = new Map<string, readonly [level: number, index: number]>()
  const nothing = treeHashOf(new Uint8Array(32))
  prove((level, index) => {
    asked.set(`${level} ${index}`, [level, index])
    return nothing
  })
  await fetch([...asked.values()].map(([level, index]) => tileWith(level, index, size)))
  const known = new Map<string, TreeHash>()
  let work = 0
  for (const [name, [level, index]] of asked) {
    known.set(name, read(level, index))
    work += 2 ** (level % 8)
    if (work < HASHES_AT_ONCE) continue
    work = 0
    await setImmediate()
  }
  return prove((level, index) => known.get(`${level} ${index}`) ?? read(level, index))
}

const HASHES_AT_ONCE = 2000

/** The tile from which a subtree's hash is made. */
function tileWith(level: number, index: number, size: TreeSize): Tile {
  const above = level % 8
  return tileOf((level - above) / 8, index * 2 ** above, size)
}

/** The tiles of a tree of `size` that have been fetched; as bytes, since of most only a few hashes are needed. */
function openTiles(files: TreeFiles, size: TreeSize): Tiles {
  const known = new Map<string, Uint8Array>()
  return {
    size,
    async fetch(tiles) {
      const missing = new Map(tiles.map((tile) => [tilePath(tile), tile]))
      for (const path of known.keys()) missing.delete(path)
      const waiting = [...missing]
      const work = async (): Promise<void> => {
        for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
          const [path, tile] = next
          const bytes = await readTile(files, tile)
          if (bytes.length !== 32 * tile.width) throw new AbnError('ABN_LOG_TILE', `${path}: ${bytes.length} bytes`)
          known.set(path, bytes)
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
    },
    read(level, index) {
      const above = level % 8
      const first = index * 2 ** above
      const tile = tileWith(level, index, size)
      const bytes = known.get(tilePath(tile))
      if (bytes === undefined) throw new TypeError(`prove: ${tilePath(tile)} was not fetched`)
      const start = first - tile.index * tileWidth
      const hash = (i: number) => treeHashOf(bytes.subarray(32 * (start + i), 32 * (start + i + 1)))
      return hashOfRow(Array.from({ length: 2 ** above }, (_, i) => hash(i)))
    },
  }
}

const AT_ONCE = 8
