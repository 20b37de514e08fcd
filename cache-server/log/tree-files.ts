/** The files of a log below one directory, as any static web server can serve them. */
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { isMissing, syncDirectory } from '../storage/durable.ts'

export type TreeFiles = {
  /** Throws ABN_LOG_TILE when there is no such file. */
  read(path: string): Promise<Uint8Array>
  readIfThere(path: string): Promise<Uint8Array | undefined>
  /** All are durable when it resolves. What is there already is replaced. */
  write(files: ReadonlyMap<string, Uint8Array>): Promise<void>
  remove(path: string): Promise<void>
  /** What is in a folder; nothing when there is none. */
  names(folder: string): Promise<readonly string[]>
  /** For links and copies. */
  pathOf(path: string): string
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
      const folders = new Set([...files.keys()].map((path) => dirname(join(directory, path))))
      for (const folder of folders) await prepare(folder)
      const suffix = randomUUID()
      const beside = [...files].map(([path, bytes]) => ({ path: join(directory, path), bytes }))
      const temporary = (path: string) => `${path}.${suffix}`
      try {
        await all(beside.map(({ path, bytes }) => writeFile(temporary(path), bytes, { flag: 'wx', flush: true })))
        await all(beside.map(({ path }) => rename(temporary(path), path)))
      } catch (error) {
        await Promise.all(beside.map(({ path }) => rm(temporary(path), { force: true })))
        throw error
      }
      await all([...folders].map(syncDirectory))
    },
    remove: (path) => rm(join(directory, path), { force: true }),
    async names(folder) {
      try {
        return await readdir(join(directory, folder))
      } catch (error) {
        if (isMissing(error)) return []
        throw error
      }
    },
    pathOf: (path) => join(directory, path),
  }
}

/** Waits for every one, also when one fails. */
async function all(running: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(running)).find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
}
