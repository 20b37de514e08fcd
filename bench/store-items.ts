/**
 * Fills a store with items of a realistic mix, most of them directories of 50 to 500 small texts, a few with large files, about half a
 * megabyte an item; each refers to a few of those before it. The same numbers give the same store.
 */
import { chmodSync, closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { parseRecipeHash, sha256Of } from '../format/hash.ts'
import { compareBytewise } from '../format/order.ts'
import { type StorePath, storeItemOf, storePathOf } from '../format/store-path.ts'
import { encodeItem } from '../store/item.ts'
import { recordPathOf } from '../store/layout.ts'
import { outputDigestOfDirectory } from '../store/output-digest.ts'
import { openStore } from '../store/store.ts'
import { generator } from './random.ts'

export type Filled = {
  readonly items: number
  readonly files: number
  readonly bytes: number
  readonly last: StorePath
}

/** 'large': each item has a few files of some megabytes. */
export type Mix = 'realistic' | 'large'

export function fillStore(root: string, items: number, mix: Mix = 'realistic'): Filled {
  const store = openStore({ root, durable: false })
  const random = generator(7)
  const made: StorePath[] = []
  const totals = { files: 0, bytes: 0 }
  for (let i = 0; i < items; i++) {
    const recipe = parseRecipeHash(sha256Of(`item ${i}`))
    const path = storePathOf(recipe, `item${i}`, '1', 'out')
    const directory = store.physicalPath(path)
    totals.files += mix === 'large' ? writeLargeFiles(directory, random) : writeContents(directory, random)
    const { outputDigest, bytes } = outputDigestOfDirectory(directory, storeItemOf(path))
    totals.bytes += bytes
    const chosen = i === 0 ? [] : [i - 1, Math.floor(random() * i), Math.floor(random() * i)]
    const references = [...new Set(chosen)].flatMap((j) => made[j] ?? []).sort(compareBytewise)
    const origin = {
      kind: 'built',
      at: 1000 + i,
      seconds: 1,
      system: 'x86_64-linux',
      resolved: sha256Of(''),
      inputs: [],
      log: '',
    } as const
    const names = { name: `item${i}`, version: '1', output: 'out' }
    const item = { format: 1, path, recipe, ...names, outputDigest, bytes, references, origin } as const
    writeFileSync(recordPathOf(store.layout, path), encodeItem(item))
    made.push(path)
  }
  const last = made.at(-1)
  if (last === undefined) throw new TypeError('fillStore: no items')
  return { items, ...totals, last }
}

/** How many files were written. */
function writeContents(directory: string, random: () => number): number {
  const kind = random()
  if (kind < 0.02) {
    for (const name of ['', '/lib']) mkdirSync(directory + name)
    writeLarge(join(directory, 'lib/large'), 5e6 + random() * 15e6, random)
    return seal(directory, ['/lib'], 1)
  }
  const files = kind < 0.1 ? 300 + Math.floor(random() * 200) : 50 + Math.floor(random() * 80)
  const folders = Array.from({ length: 1 + Math.floor(files / 25) }, (_, i) => `/share/part${i}`)
  for (const name of ['', '/share', ...folders]) mkdirSync(directory + name)
  for (let i = 0; i < files; i++) {
    const text = `${i} ${random()}\n`.repeat(10 + Math.floor(random() ** 3 * 400))
    writeFileSync(`${directory}${folders[i % folders.length]}/file${i}.txt`, text, { mode: 0o444 })
  }
  return seal(directory, ['/share', ...folders], files)
}

function writeLargeFiles(directory: string, random: () => number): number {
  for (const name of ['', '/lib']) mkdirSync(directory + name)
  for (let i = 0; i < 3; i++) writeLarge(join(directory, `lib/large${i}`), 2e6 + random() * 8e6, random)
  return seal(directory, ['/lib'], 3)
}

/** Read-only, as in a store. */
function seal(directory: string, folders: readonly string[], files: number): number {
  for (const name of ['', ...folders]) chmodSync(directory + name, 0o555)
  return files
}

function writeLarge(path: string, bytes: number, random: () => number): void {
  const chunk = Buffer.from(Float64Array.from({ length: 32768 }, random).buffer)
  const descriptor = openSync(path, 'wx', 0o444)
  for (let left = bytes; left > 0; left -= chunk.length) writeSync(descriptor, chunk)
  closeSync(descriptor)
}
