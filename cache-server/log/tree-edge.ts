/**
 * The right edge of a log's tree: the tiles that are not full yet, one a level, and the entries beside the lowest. It is all
 * that growing needs, some kilobytes for a tree of any size. Pure.
 */
import { leafHash, rootHash, type TreeHash, type TreeSize, treeSizeOf } from '../../trust/log/merkle.ts'
import {
  encodeEntries,
  entriesPath,
  hashOfRow,
  parseEntries,
  parseTile,
  subtreesFrom,
  type Tile,
  tilePath,
  tileWidth,
} from '../../trust/log/tile.ts'

export type TreeEdge = {
  readonly size: TreeSize
  /** The hashes of the tile at the right edge of each level, fewer than 256. */
  readonly rows: readonly (readonly TreeHash[])[]
  /** The entries below rows[0]. */
  readonly entries: readonly Uint8Array[]
}

export const emptyEdge: TreeEdge = { size: treeSizeOf(0), rows: [], entries: [] }

export type Growth = { readonly edge: TreeEdge; readonly files: ReadonlyMap<string, Uint8Array> }

/** The tree with more entries, and the files that this makes: full tiles, and the new edge. Throws ABN_LOG_ENTRY. */
export function grow(edge: TreeEdge, entries: readonly Uint8Array[]): Growth {
  const files = new Map<string, Uint8Array>()
  const rows = edge.rows.map((row) => [...row])
  const counts = rows.map((_, level) => Math.floor(edge.size / tileWidth ** level))
  let bundle = [...edge.entries]
  const changed = new Set<number>()

  const write = (level: number, row: readonly TreeHash[]): void => {
    const index = Math.floor(((counts[level] ?? 0) - 1) / tileWidth)
    files.set(tilePath({ level, index, width: row.length }), Buffer.concat(row))
    if (level === 0) files.set(entriesPath({ index, width: row.length }), encodeEntries(bundle))
  }
  const add = (level: number, hash: TreeHash): void => {
    const row = rows[level] ?? []
    rows[level] = row
    row.push(hash)
    counts[level] = (counts[level] ?? 0) + 1
    changed.add(level)
    if (row.length < tileWidth) return
    write(level, row)
    if (level === 0) bundle = []
    rows[level] = []
    add(level + 1, hashOfRow(row))
  }
  for (const entry of entries) {
    bundle.push(entry)
    add(0, leafHash(entry))
  }
  for (const level of changed) {
    const row = rows[level] ?? []
    if (row.length > 0) write(level, row)
  }
  return { edge: { size: treeSizeOf(edge.size + entries.length), rows, entries: bundle }, files }
}

export function rootOf({ size, rows }: TreeEdge): TreeHash {
  return rootHash(
    size,
    subtreesFrom(size, ({ level }) => rows[level] ?? []),
  )
}

/** The files that `readEdge` reads. */
export function edgePaths({ size }: Pick<TreeEdge, 'size'>): readonly string[] {
  const paths: string[] = []
  for (const tile of edgeTiles(size)) {
    if (tile.width === 0) continue
    paths.push(tilePath(tile))
    if (tile.level === 0) paths.push(entriesPath(tile))
  }
  return paths
}

/** The edge of a tree of `size`, from its files. Throws what `read` and parsing throw. */
export async function readEdge(size: TreeSize, read: (path: string) => Promise<Uint8Array>): Promise<TreeEdge> {
  const rows: (readonly TreeHash[])[] = []
  let entries: readonly Uint8Array[] = []
  for (const tile of edgeTiles(size)) {
    rows.push(tile.width === 0 ? [] : parseTile(await read(tilePath(tile)), tile))
    if (tile.level === 0 && tile.width > 0) entries = parseEntries(await read(entriesPath(tile)), tile.width)
  }
  return { size, rows, entries }
}

/** One a level; of width 0 where all tiles are full. */
function edgeTiles(size: TreeSize): readonly Tile[] {
  const tiles: Tile[] = []
  for (let level = 0; Math.floor(size / tileWidth ** level) > 0; level++) {
    const count = Math.floor(size / tileWidth ** level)
    tiles.push({ level, index: Math.floor(count / tileWidth), width: count % tileWidth })
  }
  return tiles
}
