/**
 * Where things are below the physical root, and the version of that layout. See store/README.md for the tree.
 */
import { readFileSync } from 'node:fs'
import { AbnError } from '../format/errors.ts'
import { type StorePath, storeDirectory, storeItemOf } from '../format/store-path.ts'
import { diskError, errorCode, withDiskErrors } from './io-errors.ts'
import { makeDirectories } from './make-directories.ts'
import { writeDurably } from './write-durably.ts'

export const layoutVersion = 1

export type Layout = {
  readonly root: string
  readonly store: string
  readonly items: string
  readonly profiles: string
  readonly generations: string
  readonly gcroots: string
  readonly log: string
  readonly temporary: string
  readonly cache: string
  readonly locks: string
}

export function layoutOf(root: string): Layout {
  const below = `${root}/var`
  return {
    root,
    store: `${root}/store`,
    items: `${below}/items`,
    profiles: `${below}/profiles`,
    generations: `${below}/generations`,
    gcroots: `${below}/gcroots`,
    log: `${below}/log`,
    temporary: `${below}/tmp`,
    cache: `${below}/cache`,
    locks: `${below}/locks`,
  }
}

/**
 * Makes the directories of a new store; for one that exists, only reads its version. Crash order: the version is written
 * last, and making a directory that exists does no harm. Throws ABN_STORE_NEWER, ABN_STORE_UNUSABLE or ABN_DISK_FULL.
 */
export function prepareLayout({ root, ...directories }: Layout): void {
  const file = `${root}/var/version`
  const version = readVersion(file)
  if (version === undefined) {
    try {
      for (const directory of Object.values(directories)) makeDirectories(directory)
    } catch (cause) {
      throw cannotCreate(root, cause)
    }
    writeDurably(file, `${layoutVersion}\n`)
    return
  }
  const match = /^([1-9][0-9]{0,8})\n$/.exec(version)
  if (match === null) {
    throw new AbnError(
      'ABN_STORE_UNUSABLE',
      `${file} is damaged: expected ${layoutVersion}, got ${JSON.stringify(version.slice(0, 40))}`,
    )
  }
  if (Number(match[1]) > layoutVersion) {
    throw new AbnError(
      'ABN_STORE_NEWER',
      `the store in ${root} has layout ${match[1]}, this abnpkg knows ${layoutVersion}`,
      {
        hint: 'update abnpkg, or set ABNPKG_ROOT to another directory',
      },
    )
  }
}

/** The place on disk of a store path. */
export function physicalPathOf(layout: Layout, path: StorePath): string {
  return `${layout.store}${path.slice(storeDirectory.length)}`
}

export function recordPathOf(layout: Layout, path: StorePath): string {
  return `${layout.items}/${storeItemOf(path)}.json`
}

function cannotCreate(root: string, cause: unknown): unknown {
  const what = `cannot create the store in ${root}`
  const known = diskError(what, cause)
  if (known instanceof AbnError && known.code === 'ABN_DISK_FULL') return known
  const code = errorCode(cause)
  if (code === undefined) return cause
  const reason = reasons[code] ?? (cause instanceof Error ? cause.message : code)
  return new AbnError('ABN_STORE_UNUSABLE', `${what}: ${reason}`, {
    hint: 'set ABNPKG_ROOT to a directory of your own',
    cause,
  })
}

const reasons: Readonly<Record<string, string>> = {
  EEXIST: 'a file, or a symbolic link that leads nowhere, is in its place',
  ELOOP: 'a symbolic link leads to itself',
  ENOENT: 'no directory can be made there',
  ENOTDIR: 'a part of that path is a file',
}

function readVersion(file: string): string | undefined {
  return withDiskErrors(`cannot open the store: ${file}`, () => {
    try {
      return readFileSync(file, 'latin1')
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined
      throw error
    }
  })
}
