/**
 * The one way in which a file of the store is written: after a crash at any instant, power loss included, there is either
 * the old file or the whole new one. Order: temporary file, fsync, rename, fsync of the directory.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { withDiskErrors } from './io-errors.ts'

/** Throws ABN_DISK_FULL or ABN_STORE_UNUSABLE. Readers never see a part. `mode` defaults to 0o644. */
export function writeDurably(path: string, content: Uint8Array | string, mode = 0o644): void {
  writeAllDurably([{ path, content, mode }])
}

export type FileToWrite = { readonly path: string; readonly content: Uint8Array | string; readonly mode: number }

/**
 * Files that belong together: on a full disk none of them is written. A crash may leave the first ones written, in their order. Throws
 * as writeDurably.
 */
export function writeAllDurably(files: readonly FileToWrite[]): void {
  const staged: { readonly temporary: string; readonly path: string }[] = []
  withDiskErrors(`cannot write ${files.map(({ path }) => path).join(' and ')}`, () => {
    try {
      for (const { path, content, mode } of files) {
        const unique = `${process.pid}-${nextNumber++}-${Date.now()}`
        const temporary = join(dirname(path), `${temporaryPrefix}${basename(path)}.${unique}`)
        staged.push({ temporary, path })
        writeSynced(temporary, typeof content === 'string' ? Buffer.from(content) : content, mode)
      }
      for (const { temporary, path } of staged) renameSync(temporary, path)
    } catch (error) {
      for (const { temporary } of staged) rmSync(temporary, { force: true })
      throw error
    }
    for (const directory of new Set(files.map(({ path }) => dirname(path)))) syncPath(directory)
  })
}

/** With process id and time, makes the names of temporary files unique; they are created exclusively all the same. */
let nextNumber = 0

/** A crash can leave files with this prefix; nothing reads them. */
export const temporaryPrefix = '.new-'

/** Makes the content of a file durable, or the names in a directory. */
export function syncPath(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function writeSynced(path: string, bytes: Uint8Array, mode: number): void {
  const descriptor = openSync(path, 'wx', mode)
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
