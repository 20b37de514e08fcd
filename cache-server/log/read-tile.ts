/**
 * Tiles and bundles of entries of a log that has grown since: a narrow file goes when a wider one has come, which begins with the
 * same, and from that one it is made again. So the files that stay are few, and none that a checkpoint needs is ever missing.
 */
import { entriesPath, type Tile, tilePath, tileWidth } from '../../trust/log/tile.ts'
import type { TreeFiles } from './tree-files.ts'

/** Throws ABN_LOG_TILE. */
export function readTile(files: TreeFiles, tile: Tile): Promise<Uint8Array> {
  return readOrCut(files, tile, {
    pathOf: (width) => tilePath({ ...tile, width }),
    cut: (bytes) => bytes.subarray(0, 32 * tile.width),
  })
}

/** Throws ABN_LOG_TILE. */
export function readEntries(files: TreeFiles, { index, width }: Omit<Tile, 'level'>): Promise<Uint8Array> {
  const place = {
    pathOf: (wide: number) => entriesPath({ index, width: wide }),
    cut: (bytes: Uint8Array) => firstEntries(bytes, width),
  }
  return readOrCut(files, { width }, place)
}

/** One that a log serves. */
export type LogFile = { readonly level: number | 'entries'; readonly index: number; readonly width: number }

/** The file of a path; undefined for what is not written exactly as it should be. */
export function parseLogPath(path: string): LogFile | undefined {
  const match = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(path)
  if (match === null) return undefined
  const [, where = '', digits = '', narrow] = match
  const index = Number(digits.replaceAll(/[x/]/g, ''))
  const width = narrow === undefined ? tileWidth : Number(narrow)
  const level = where === 'entries' ? where : Number(where)
  const written = level === 'entries' ? entriesPath({ index, width }) : tilePath({ level, index, width })
  return written === path && width > 0 && width <= tileWidth ? { level, index, width } : undefined
}

/** The size of the smallest tree that has it. */
export function endOf({ level, index, width }: LogFile): number {
  return (index * tileWidth + width) * tileWidth ** (level === 'entries' ? 0 : level)
}

type Place = { pathOf(width: number): string; cut(bytes: Uint8Array): Uint8Array }

async function readOrCut(
  files: TreeFiles,
  { width }: Pick<Tile, 'width'>,
  { pathOf, cut }: Place,
): Promise<Uint8Array> {
  // What was there when the folder was read may have gone since, because there is a wider one again.
  for (let tries = 0; tries < 10; tries++) {
    const exact = await files.readIfThere(pathOf(width))
    if (exact !== undefined) return exact
    const full = width === tileWidth ? undefined : await files.readIfThere(pathOf(tileWidth))
    if (full !== undefined) return cut(full)
    const names = await files.names(`${pathOf(tileWidth)}.p`)
    const widest = Math.max(0, ...names.filter((name) => /^[0-9]{1,3}$/.test(name)).map(Number))
    const wider = widest > width ? await files.readIfThere(pathOf(widest)) : undefined
    if (wider !== undefined) return cut(wider)
    if (widest <= width) break
  }
  return files.read(pathOf(width))
}

function firstEntries(bytes: Uint8Array, count: number): Uint8Array {
  let end = 0
  for (let i = 0; i < count; i++) end += 2 + (bytes[end] ?? 0) * 256 + (bytes[end + 1] ?? 0)
  return bytes.subarray(0, end)
}
