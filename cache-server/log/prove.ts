/**
 * Proofs from the files of a log: that evidence is in the published tree, and that this tree has only grown since one that a
 * client has seen.
 */
import type { Sha256 } from '../../format/hash.ts'
import type { VerifiedCheckpoint } from '../../trust/log/checkpoint.ts'
import { encodeInclusions, type LoggedLeaf, proveInclusions } from '../../trust/log/inclusions.ts'
import { proveConsistency, type ReadSubtree, type TreeHash, type TreeSize } from '../../trust/log/merkle.ts'
import { parseTile, subtreesFrom, type Tile, tileOf, tilePath, tilesAskedFor, tileWidth } from '../../trust/log/tile.ts'
import type { IndexReader } from '../storage/index.ts'
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
  const places = indices.map((at) => ({ index: at, tile: tileOf(0, at, size) }))
  const rows = new Map<string, readonly TreeHash[]>()
  await readTiles(
    places.map(({ tile }) => tile),
    { rows, files },
  )
  const leaves = places.flatMap(({ index: at, tile }): readonly LoggedLeaf[] => {
    const leaf = rows.get(tilePath(tile))?.[at % tileWidth]
    return leaf === undefined ? [] : [{ index: at, leaf }]
  })
  const hashes = await proved(size, { rows, files }, (read) => proveInclusions(leaves, size, read))
  return encodeInclusions({ leaves, hashes, checkpoint: note })
}

/** That the tree of `size` begins with that of `old`. */
export async function consistencyProof(files: TreeFiles, old: TreeSize, size: TreeSize): Promise<readonly TreeHash[]> {
  return proved(size, { rows: new Map(), files }, (read) => proveConsistency(old, size, read))
}

type Rows = { readonly rows: Map<string, readonly TreeHash[]>; readonly files: TreeFiles }

/** Runs `prove` twice: to learn which tiles it needs, and with them. */
async function proved(
  size: TreeSize,
  rows: Rows,
  prove: (read: ReadSubtree) => readonly TreeHash[],
): Promise<readonly TreeHash[]> {
  await readTiles(tilesAskedFor(size, prove), rows)
  return prove(subtreesFrom(size, (tile) => rows.rows.get(tilePath(tile)) ?? []))
}

async function readTiles(tiles: readonly Tile[], { rows, files }: Rows): Promise<void> {
  for (const tile of tiles) {
    const path = tilePath(tile)
    if (!rows.has(path)) rows.set(path, parseTile(await files.read(path), tile))
  }
}
