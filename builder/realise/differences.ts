/** Where two results of one derivation differ, name by name. */
import { readFileSync } from 'node:fs'
import type { ArchiveEntry } from '../../format/archive/entry.ts'
import { sha256Stream } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import { readEntries } from '../../store/walk.ts'

/** A line for each name that is in one only, or not the same in both. `first` is the one in the store. */
export function differencesBetween(path: StorePath, directories: { first: string; second: string }): string[] {
  const item = storeItemOf(path)
  const first = new Map(described(readEntries(directories.first, item)))
  const second = new Map(described(readEntries(directories.second, item)))
  const names = [...new Set([...first.keys(), ...second.keys()])].sort(compareBytewise)
  const found = names.flatMap((name) => {
    const [a, b] = [first.get(name), second.get(name)]
    const said = `${path}/${name}`
    if (a === undefined) return [`${said}: only in the second`]
    if (b === undefined) return [`${said}: only in the first`]
    if (a.isFile && b.isFile) return a.text === b.text ? [] : [`${said}: ${firstDifference(name, directories)}`]
    return a.text === b.text ? [] : [`${said}: ${a.text}, then ${b.text}`]
  })
  return found.length > 0 ? found : [`${path}: its files in the store are not those that were registered`]
}

type Described = { readonly isFile: boolean; readonly text: string }

function* described(entries: Iterable<ArchiveEntry>): Generator<[string, Described], void> {
  for (const entry of entries) yield [entry.path, { isFile: entry.kind === 'file', text: textOf(entry) }]
}

function textOf(entry: ArchiveEntry): string {
  switch (entry.kind) {
    case 'directory':
      return 'a directory'
    case 'link':
      return `a link to ${entry.target}`
    case 'file': {
      const hash = sha256Stream()
      for (const chunk of entry.content) hash.update(chunk)
      return `${entry.executable ? 'a program' : 'a file'} of ${entry.size} bytes, ${hash.digest()}`
    }
    default:
      return entry satisfies never
  }
}

/** Files of outputs fit in memory one at a time; only those that differ are read. */
function firstDifference(name: string, { first, second }: { first: string; second: string }): string {
  const [a, b] = [readFileSync(`${first}/${name}`), readFileSync(`${second}/${name}`)]
  if (a.equals(b)) return 'executable in one only'
  const sizes = a.length === b.length ? `both ${a.length} bytes` : `${a.length} and ${b.length} bytes`
  const shorter = Math.min(a.length, b.length)
  let at = 0
  while (at < shorter && a[at] === b[at]) at++
  return `${sizes}, the first difference is at byte ${at}`
}
