/** The files of a log below one directory, as any static web server can serve them. */
import { mkdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { isMissing, syncDirectory, writeFileDurably } from '../storage/durable.ts'

export type TreeFiles = {
  /** Throws ABN_LOG_TILE when there is no such file. */
  read(path: string): Promise<Uint8Array>
  readIfThere(path: string): Promise<Uint8Array | undefined>
  /** All are durable when it resolves. What is there already is replaced. */
  write(files: ReadonlyMap<string, Uint8Array>): Promise<void>
  remove(path: string): Promise<void>
}

export function openTreeFiles(directory: string): TreeFiles {
  const known = new Set<string>()

  async function prepare(folder: string): Promise<void> {
    if (known.has(folder)) return
    const first = await mkdir(folder, { recursive: true })
    // The names of new directories are in their parents.
    for (let at = folder; first !== undefined && at.length >= first.length; at = dirname(at))
      await syncDirectory(dirname(at))
    known.add(folder)
  }

  async function readIfThere(path: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(directory, path))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  return {
    readIfThere,
    async read(path) {
      const bytes = await readIfThere(path)
      if (bytes === undefined) throw new AbnError('ABN_LOG_TILE', `${path} is missing from the log`)
      return bytes
    },
    async write(files) {
      for (const path of files.keys()) await prepare(dirname(join(directory, path)))
      await Promise.all([...files].map(([path, bytes]) => writeFileDurably(join(directory, path), bytes)))
    },
    remove: (path) => rm(join(directory, path), { force: true }),
  }
}
