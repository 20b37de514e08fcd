/**
 * Copies of a log: the tiles and entries of a tree, as links where the disk allows. A file of a log never changes, and what has gone
 * because there is a wider one is made from that.
 */
import { link, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type TreeSize, treeSizeOf } from '../../trust/log/merkle.ts'
import { entriesPath, newTiles, tilePath, tileWidth } from '../../trust/log/tile.ts'
import { isMissing, syncDirectory } from '../storage/durable.ts'
import { readEntries, readTile } from './read-tile.ts'
import type { TreeFiles } from './tree-files.ts'

/** Resolves to how many files are new there; all are durable. The checkpoint is not among them. */
export async function copyTree(from: TreeFiles, to: TreeFiles, size: TreeSize): Promise<number> {
  let copied = 0
  const folders = new Set<string>()
  for (const tile of newTiles(treeSizeOf(0), size)) {
    const wanted = [{ path: tilePath(tile), read: () => readTile(from, tile) }]
    if (tile.level === 0) wanted.push({ path: entriesPath(tile), read: () => readEntries(from, tile) })
    for (const { path, read } of wanted) {
      const target = to.pathOf(path)
      if (tile.width === tileWidth && (await isThere(target))) continue
      copied++
      await mkdir(dirname(target), { recursive: true })
      folders.add(dirname(target))
      if (await linked(from.pathOf(path), target)) continue
      await to.write(new Map([[path, await read()]]))
    }
  }
  for (const folder of folders) await syncDirectory(folder)
  return copied
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** False where the file has gone, where there is one already, or where the disk has no links. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch {
    return false
  }
}
