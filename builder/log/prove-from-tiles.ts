/**
 * Proofs made by the reader, from a log's tiles. Nothing is verified here: whoever asks gives the hashes to verifyConsistency or
 * verifyInclusion with a root that the log has signed, and only a tree with exactly these tiles gives that root.
 */
import {
  proveConsistency,
  proveInclusion,
  type ReadSubtree,
  rootHash,
  type TreeHash,
  type TreeSize,
} from '../../trust/log/merkle.ts'
import { subtreesFrom, type Tile, tilePath, tilesAskedFor } from '../../trust/log/tile.ts'
import type { LogReader } from './read-log.ts'

type TileReader = Pick<LogReader, 'tile'>

/** That the tree of `size` begins with that of `old`. Throws what the reader throws. */
export function consistencyFromTiles(log: TileReader, old: TreeSize, size: TreeSize): Promise<readonly TreeHash[]> {
  return fromTiles(log, size, (read) => proveConsistency(old, size, read))
}

export function inclusionFromTiles(log: TileReader, index: number, size: TreeSize): Promise<readonly TreeHash[]> {
  return fromTiles(log, size, (read) => proveInclusion(index, size, read))
}

/** The root of the first `size` entries of a log. */
export async function rootFromTiles(log: TileReader, size: TreeSize): Promise<TreeHash> {
  return fromTiles(log, size, (read) => rootHash(size, read))
}

/** Remembers the tiles that were read last, so that many proofs in one tree ask for each tile once. */
export function rememberingTiles(log: TileReader, most = 64): TileReader {
  const known = new Map<string, readonly TreeHash[]>()
  return {
    async tile(tile) {
      const path = tilePath(tile)
      const hashes = known.get(path) ?? (await log.tile(tile))
      known.delete(path)
      known.set(path, hashes)
      const [oldest] = known.keys()
      if (known.size > most && oldest !== undefined) known.delete(oldest)
      return hashes
    },
  }
}

/** Runs `use` twice: to learn which tiles it needs, and with them. */
async function fromTiles<T>(log: TileReader, size: TreeSize, use: (read: ReadSubtree) => T): Promise<T> {
  const wanted: readonly Tile[] = tilesAskedFor(size, use)
  const rows = await Promise.all(wanted.map(async (tile) => [tilePath(tile), await log.tile(tile)] as const))
  const byPath = new Map(rows)
  return use(subtreesFrom(size, (tile) => byPath.get(tilePath(tile)) ?? []))
}
