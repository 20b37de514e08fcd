/**
 * Removes a directory of the store. fs.rm cannot: directories there are read-only, which stops everybody but root, and what
 * a build leaves may lie deeper than a path can name. Never follows a symbolic link.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, lstatSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs'
import { errorCode } from './io-errors.ts'

/** Does nothing when there is nothing. Nobody else changes the directory meanwhile. */
export function removeDirectory(path: string): void {
  try {
    if (lstatSync(path).isDirectory()) removeFromTop(Buffer.from(path))
    else unlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

/**
 * Where paths become long, the directory moves up to a short name in the top one and its turn comes later: so no path nears
 * PATH_MAX and no recursion is deep, however deep the directories are.
 */
function removeFromTop(top: Buffer): void {
  const prefix = randomBytes(8).toString('hex')
  const moved: Buffer[] = []
  const moveUp = (directory: Buffer): void => {
    const place = Buffer.concat([top, Buffer.from(`/${prefix}-${moved.length}`)])
    renameSync(directory, place)
    moved.push(place)
  }
  const longBytes = top.length + MAXIMUM_BELOW_BYTES
  empty(top, { longBytes, moveUp })
  // What is moved up while this goes on comes at the end.
  for (const directory of moved) {
    empty(directory, { longBytes, moveUp })
    rmdirSync(directory)
  }
  rmdirSync(top)
}

type Descent = { readonly longBytes: number; readonly moveUp: (directory: Buffer) => void }

/** Paths are bytes, as names in the leavings of a build need not be UTF-8. */
function empty(directory: Buffer, descent: Descent): void {
  makeChangeable(directory)
  for (const entry of readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([directory, SLASH, entry.name])
    if (!entry.isDirectory()) unlinkSync(path)
    else if (path.length > descent.longBytes) {
      makeChangeable(path) // as moving it changes its ".."
      descent.moveUp(path)
    } else {
      empty(path, descent)
      rmdirSync(path)
    }
  }
}

function makeChangeable(directory: Buffer): void {
  if ((lstatSync(directory).mode & 0o700) !== 0o700) chmodSync(directory, 0o700)
}

/** With one more name (NAME_MAX, 255 bytes) and a root of ordinary length far below PATH_MAX (4096). */
const MAXIMUM_BELOW_BYTES = 1024
const SLASH = Buffer.from('/')
