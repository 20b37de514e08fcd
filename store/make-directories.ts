/**
 * Makes a directory and those above it. Node's own recursive mkdir never returns where a parent exists but nothing can be made
 * in it, as below /proc.
 */
import { mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errorCode } from './io-errors.ts'

/** Directories that are there already are as good, also behind symbolic links. Throws the errors of mkdir(2). */
export function makeDirectories(path: string): void {
  try {
    makeDirectory(path)
  } catch (error) {
    const parent = dirname(path)
    if (errorCode(error) !== 'ENOENT' || parent === path) throw error
    makeDirectories(parent)
    makeDirectory(path)
  }
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error
  }
}
