/**
 * What running programs use of the store, as far as /proc lets this user see: their program, current directory, open files,
 * mapped libraries, arguments and environment. Catches what holds.ts cannot know of: a program whose profile is gone, a shell
 * whose abnpkg was killed, whatever was started by its store path.
 *
 * A store path is found by its hash, in whatever directory. It counts if that directory, as the process sees it (/proc/<pid>/root), is this
 * store: where it really is, at /abn/store in a namespace of its own, or behind a link; but not another store that has the same
 * item. Where that cannot be told, it counts.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import {
  parseStoreItem,
  type StorePath,
  storeDirectory,
  storeHashLength,
  storePathOfItem,
} from '../format/store-path.ts'
import { errorCode } from './io-errors.ts'
import type { Store } from './store.ts'

export type InUse = { readonly path: StorePath /** `<pid> <program>` */; readonly process: string }

/** Each path once for each process. Those of other users are seen by root only. Empty where there is no /proc. */
export function pathsInUse(store: Store, proc = '/proc'): readonly InUse[] {
  const items = itemsByHash(store)
  if (items.size === 0) return []
  const here = identityOf(store.layout.store)
  return namesIn(proc)
    .filter((name) => /^[1-9][0-9]*$/.test(name) && name !== String(process.pid))
    .flatMap((pid) => {
      const process = `${proc}/${pid}`
      const seen = new Map<string, boolean>()
      const isHere = (directory: string): boolean => {
        if (!directory.startsWith('/')) return true
        const known = seen.get(directory) ?? isSame(directory, identityOf(`${process}/root${directory}`), here)
        seen.set(directory, known)
        return known
      }
      const found = new Set(textsOf(process).flatMap((text) => pathsNamedIn(text, items, isHere)))
      if (found.size === 0) return []
      const label = `${pid} ${programOf(process)}`
      return [...found].map((path) => ({ path, process: label }))
    })
}

const HASH = new RegExp(`(?<![a-z2-7])[a-z2-7]{${storeHashLength}}(?=-)`, 'g')
/** What ends a path to the left, as far as it can be told. */
const BEFORE = /[^\0\s:;,="'`|<>()]*$/

function pathsNamedIn(
  text: string,
  items: ReadonlyMap<string, StorePath>,
  isHere: (directory: string) => boolean,
): StorePath[] {
  // Most processes name none.
  return [...text.matchAll(HASH)].flatMap(({ 0: hash, index }) => {
    const path = items.get(hash)
    if (path === undefined) return []
    const directory = BEFORE.exec(text.slice(Math.max(0, index - 4096), index))?.[0] ?? ''
    return isHere(directory.replace(/\/+$/, '')) ? [path] : []
  })
}

/** A launcher that is about to make /abn/store appear names what is in it already. */
function isSame(directory: string, seen: string | undefined, here: string | undefined): boolean {
  return seen === undefined || seen === here || (seen === GONE && directory === storeDirectory)
}

const GONE = 'gone'

/** Device and number; 'gone' where there is nothing, undefined where it cannot be told. */
function identityOf(directory: string): string | undefined {
  try {
    const { dev, ino } = statSync(directory, { bigint: true })
    return `${dev} ${ino}`
  } catch (error) {
    return errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR' ? GONE : undefined
  }
}

function itemsByHash({ layout }: Store): ReadonlyMap<string, StorePath> {
  const records = namesIn(layout.items).filter((name) => name.endsWith('.json') && !name.startsWith('.'))
  return new Map(
    records.map((name) => [
      name.slice(0, storeHashLength),
      storePathOfItem(parseStoreItem(name.slice(0, -'.json'.length))),
    ]),
  )
}

/** Whatever cannot be read is left out: the process has ended, or belongs to somebody else. */
function* readable(directory: string): Generator<string, void, void> {
  for (const name of ['exe', 'cwd', 'root']) yield attempt(() => readlinkSync(`${directory}/${name}`))
  for (const name of ['maps', 'cmdline', 'environ']) yield attempt(() => readFileSync(`${directory}/${name}`, 'latin1'))
  for (const name of namesIn(`${directory}/fd`)) yield attempt(() => readlinkSync(`${directory}/fd/${name}`))
}

function textsOf(directory: string): string[] {
  return [...readable(directory)].filter((text) => text !== '')
}

function programOf(directory: string): string {
  const exe = attempt(() => readlinkSync(`${directory}/exe`))
  return exe === '' ? '?' : basename(exe)
}

function attempt(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
