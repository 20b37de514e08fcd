/**
 * Removes a directory of the store. fs.rm cannot: directories there are read-only, which stops everybody but root.
 * Never follows a symbolic link.
 */
import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { errorCode } from './io-errors.ts'

/** Does nothing when there is nothing. */
export function removeDirectory(path: string): void {
  try {
    if (lstatSync(path).isDirectory()) removeTree(Buffer.from(path))
    else unlinkSync(path)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

/** Paths are bytes, as names in the leavings of a build need not be UTF-8. */
function removeTree(directory: Buffer): void {
  if ((lstatSync(directory).mode & 0o700) !== 0o700) chmodSync(directory, 0o700)
  for (const entry of readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([directory, SLASH, entry.name])
    if (entry.isDirectory()) removeTree(path)
    else unlinkSync(path)
  }
  rmdirSync(directory)
}

const SLASH = Buffer.from('/')
