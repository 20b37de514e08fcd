/**
 * The files of a log (C2SP tlog-tiles): tiles of 256 hashes, eight levels of the tree each, and bundles with the entries
 * themselves. Names, contents, and which of them a tree or a proof needs. Pure; the worked example is in docs/formats/log.md.
 */
import { AbnError } from '../../format/errors.ts'
import { concat } from '../bytes.ts'
import { nodeHash, type ReadSubtree, type TreeHash, type TreeSize, treeHashOf } from './merkle.ts'

/** One file of hashes. `level` counts tiles, not hashes: a hash of tile level L covers 256^L entries. */
export type Tile = {
  readonly level: number
  readonly index: number
  /** Hashes in it: 256, or fewer at the right edge of the tree. */
  readonly width: number
}

export const tileWidth = 256
export const maximumEntryBytes = 65_535

/** `tile/0/x001/067`, `tile/1/000.p/8`. */
export function tilePath({ level, index, width }: Tile): string {
  return `tile/${level}/${indexPath(index, width)}`
}

/** `tile/entries/x001/067`. */
export function entriesPath({ index, width }: Omit<Tile, 'level'>): string {
  return `tile/entries/${indexPath(index, width)}`
}

/** The tile in which a tree of `size` keeps hash number `hash` of tile level `level`. */
export function tileOf(level: number, hash: number, size: TreeSize): Tile {
  const index = Math.floor(hash / tileWidth)
  const hashes = Math.floor(size / tileWidth ** level)
  return { level, index, width: Math.min(tileWidth, hashes - index * tileWidth) }
}

/** The tiles that a tree of `size` has and one of `old` has not, the lowest level first. */
export function newTiles(old: TreeSize, size: TreeSize): readonly Tile[] {
  const tiles: Tile[] = []
  for (let level = 0; Math.floor(size / tileWidth ** level) > 0; level++) {
    const had = Math.floor(old / tileWidth ** level)
    const has = Math.floor(size / tileWidth ** level)
    if (had === has) continue
    for (let index = Math.floor(had / tileWidth); index * tileWidth < has; index++) {
      tiles.push({ level, index, width: Math.min(tileWidth, has - index * tileWidth) })
    }
  }
  return tiles
}

/** Throws ABN_LOG_TILE unless it has as many hashes as the tile is wide. */
export function parseTile(bytes: Uint8Array, { level, index, width }: Tile): readonly TreeHash[] {
  if (bytes.length !== width * 32) {
    throw new AbnError(
      'ABN_LOG_TILE',
      `${tilePath({ level, index, width })}: expected ${width * 32} bytes, got ${bytes.length}`,
    )
  }
  return Array.from({ length: width }, (_, i) => treeHashOf(bytes.slice(i * 32, i * 32 + 32)))
}

/**
 * Subtree hashes of a tree of `size` from its tiles; those between the levels of tiles are computed. `hashesOf` may throw when it has
 * no such tile.
 */
export function subtreesFrom(size: TreeSize, hashesOf: (tile: Tile) => readonly TreeHash[]): ReadSubtree {
  return (level, index) => {
    const above = level % 8
    const first = index * 2 ** above
    const tileLevel = (level - above) / 8
    const tile = tileOf(tileLevel, first, size)
    const start = first - tile.index * tileWidth
    const row = hashesOf(tile).slice(start, start + 2 ** above)
    if (row.length !== 2 ** above) throw new AbnError('ABN_LOG_TILE', `${tilePath(tile)}: it ends too early`)
    return hashOfRow(row)
  }
}

/** The tiles that `use` asks for when it is given a tree of this size, found by letting it work on nothing. */
export function tilesAskedFor(size: TreeSize, use: (read: ReadSubtree) => void): readonly Tile[] {
  const asked = new Map<string, Tile>()
  const nothing = treeHashOf(new Uint8Array(32))
  use((level, index) => {
    const above = level % 8
    const tile = tileOf((level - above) / 8, index * 2 ** above, size)
    asked.set(tilePath(tile), tile)
    return nothing
  })
  return [...asked.values()]
}

/** Throws ABN_LOG_ENTRY for an entry that is too long. */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  return concat(
    entries.flatMap((entry) => {
      requireEntry(entry)
      return [Uint8Array.of(entry.length >> 8, entry.length & 0xff), entry]
    }),
  )
}

/** Throws ABN_LOG_TILE unless there are exactly `width` entries. */
export function parseEntries(bytes: Uint8Array, width: number): readonly Uint8Array[] {
  const entries: Uint8Array[] = []
  let at = 0
  while (at < bytes.length) {
    const end = at + 2 + (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0)
    if (at + 2 > bytes.length || end > bytes.length) throw damaged('it ends within an entry')
    entries.push(bytes.slice(at + 2, end))
    at = end
  }
  if (entries.length !== width) throw damaged(`expected ${width} entries, got ${entries.length}`)
  return entries
}

/** Throws ABN_LOG_ENTRY. */
export function requireEntry(entry: Uint8Array): void {
  if (entry.length > maximumEntryBytes) {
    throw new AbnError(
      'ABN_LOG_ENTRY',
      `an entry of a log has at most ${maximumEntryBytes} bytes, this one ${entry.length}`,
    )
  }
}

/** The hash above a row of hashes whose number is a power of two. */
export function hashOfRow(row: readonly TreeHash[]): TreeHash {
  let hashes = row
  while (hashes.length > 1) {
    const pairs: TreeHash[] = []
    for (let i = 0; i + 1 < hashes.length; i += 2) pairs.push(nodeHash(at(hashes, i), at(hashes, i + 1)))
    hashes = pairs
  }
  return at(hashes, 0)
}

function at(hashes: readonly TreeHash[], index: number): TreeHash {
  const hash = hashes[index]
  if (hash === undefined) throw new TypeError(`no hash ${index}`)
  return hash
}

function indexPath(index: number, width: number): string {
  const digits = String(index)
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/.{3}/g) ?? []
  const path = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/')
  return width === tileWidth ? path : `${path}.p/${width}`
}

function damaged(reason: string): AbnError {
  return new AbnError('ABN_LOG_TILE', `bundle of entries: ${reason}`)
}
