/**
 * Files that were read lately stay open: finding and opening one costs more than reading a small one. Only for files that never
 * change. One that is forgotten while it is read is closed when its last reader has done.
 */
import { close, constants, open } from 'node:fs'
import { isMissing } from './durable.ts'

export type OpenFile = {
  readonly descriptor: number
  /** It was read before, and not long ago: what is in it is most likely in the kernel's memory. */
  readonly isWarm: boolean
}

export type OpenFiles = {
  /** Undefined when there is no such file. */
  use<T>(path: string, action: (file: OpenFile) => Promise<T>): Promise<T | undefined>
  /** To be called when the file was replaced or removed. */
  forget(path: string): void
  close(): void
}

type Entry = { readonly descriptor: Promise<number | undefined>; users: number; isKept: boolean; isWarm: boolean }

/** At most `maximum` stay open, those that were used last. */
export function createOpenFiles(maximum: number): OpenFiles {
  const entries = new Map<string, Entry>()

  function entryOf(path: string): Entry {
    const known = entries.get(path)
    if (known !== undefined) {
      entries.delete(path)
      entries.set(path, known)
      return known
    }
    const fresh: Entry = { descriptor: openExisting(path), users: 0, isKept: true, isWarm: false }
    entries.set(path, fresh)
    for (const oldest of entries.keys()) {
      if (entries.size <= maximum) break
      forget(oldest)
    }
    return fresh
  }

  async function use<T>(path: string, action: (file: OpenFile) => Promise<T>): Promise<T | undefined> {
    const entry = entryOf(path)
    entry.users++
    try {
      const descriptor = await entry.descriptor
      if (descriptor === undefined) {
        drop(path, entry)
        return undefined
      }
      const result = await action({ descriptor, isWarm: entry.isWarm })
      entry.isWarm = true
      return result
    } catch (error) {
      drop(path, entry)
      throw error
    } finally {
      entry.users--
      closeUnused(entry)
    }
  }

  function drop(path: string, entry: Entry): void {
    if (entries.get(path) === entry) entries.delete(path)
    entry.isKept = false
  }

  function forget(path: string): void {
    const entry = entries.get(path)
    if (entry === undefined) return
    drop(path, entry)
    closeUnused(entry)
  }

  return {
    use,
    forget,
    close() {
      for (const path of entries.keys()) forget(path)
    },
  }
}

function closeUnused({ descriptor, users, isKept }: Entry): void {
  if (users > 0 || isKept) return
  descriptor.then(
    (number) => number !== undefined && close(number),
    () => {},
  )
}

function openExisting(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    open(path, constants.O_RDONLY | constants.O_NOFOLLOW, (error, descriptor) => {
      if (error === null) resolve(descriptor)
      else if (isMissing(error)) resolve(undefined)
      else reject(error)
    })
  })
}
