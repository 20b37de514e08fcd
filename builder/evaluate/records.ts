/**
 * How an evaluation is kept: an index of one short line a package, sorted by name, in which a name is found by searching text,
 * and a data text that holds each package in full. To install what is installed already, a few lines of the index are all
 * that is read and parsed.
 */
import { type Derivation, recipeHashOf } from '../../format/derivation.ts'
import { checkDerivation } from '../../format/derivation-schema.ts'
import type { RecipeHash } from '../../format/hash.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { EvaluatedPackage, PackageMetadata } from './package.ts'

/** What is known of a package without reading its derivation. */
export type PackageEntry = {
  readonly name: string
  readonly version: string
  readonly recipeHash: RecipeHash
  readonly outputs: Readonly<Record<string, StorePath>>
  readonly summary: string
  readonly hidden: boolean
  /** Where in the data it is, in bytes. */
  readonly offset: number
  readonly length: number
}

export type Records = { readonly index: string; readonly data: Buffer }

/** What a record is made of; `derivation` is its canonical JSON. */
export type RecordParts = {
  readonly name: string
  readonly version: string
  readonly recipeHash: RecipeHash
  readonly outputs: ReadonlyMap<string, StorePath>
  readonly derivation: Uint8Array
  readonly metadata: PackageMetadata
}

export function encodeRecords(packages: readonly RecordParts[]): Records {
  const lines: string[] = []
  const parts: Uint8Array[] = []
  let offset = 0
  for (const { name, version, recipeHash, outputs, derivation, metadata } of inOrder(packages)) {
    const described = Buffer.from(`\n${JSON.stringify(metadata)}\n`)
    const { summary, hidden } = metadata
    const length = derivation.length + described.length
    const line = [name, version, recipeHash, Object.fromEntries(outputs), summary, hidden, offset, length]
    lines.push(`\n${JSON.stringify(line)}`)
    parts.push(derivation, described)
    offset += length
  }
  return { index: `${lines.join('')}\n`, data: Buffer.concat(parts, offset) }
}

/** Entries of the given name, in the order of the index. */
export function entriesNamed(index: string, name: string): readonly PackageEntry[] {
  return linesWith(index, `\n[${JSON.stringify(name)},`)
}

/** All versions of the packages of which one may have all of these words, in lower case, in its name or summary. */
export function entriesWith(index: string, words: readonly string[]): readonly PackageEntry[] {
  // Other characters stand there as escapes.
  const plain = words.filter((word) => !/["\\\p{Cc}]/u.test(word))
  const entries: PackageEntry[] = []
  let name = ''
  let places: number[] = []
  let isMeant = false
  const finish = () => {
    if (isMeant) entries.push(...places.map((at) => entryAt(index, at)))
    places = []
    isMeant = false
  }
  for (let at = 0, end = index.indexOf('\n', 1); end >= 0; at = end, end = index.indexOf('\n', at + 1)) {
    const line = index.slice(at + 1, end)
    if (!line.startsWith(name) || name === '') {
      finish()
      name = line.slice(0, line.indexOf(',') + 1)
    }
    places.push(at)
    const text = line.toLowerCase()
    isMeant ||= plain.every((word) => text.includes(word))
  }
  finish()
  return entries
}

export function entryWithHash(index: string, hash: RecipeHash): PackageEntry | undefined {
  const at = index.indexOf(`,"${hash}",`)
  return at < 0 ? undefined : entryAt(index, index.lastIndexOf('\n', at))
}

/** The same for all hashes, in the time that some single ones take. */
export function entriesByHash(index: string): (hash: RecipeHash) => PackageEntry | undefined {
  const places = new Map([...index.matchAll(/,"([0-9a-f]{64})",/g)].map(({ 1: hash = '', index: at }) => [hash, at]))
  return (hash) => {
    const at = places.get(hash)
    return at === undefined ? undefined : entryAt(index, index.lastIndexOf('\n', at))
  }
}

export function allEntries(index: string): readonly PackageEntry[] {
  return linesWith(index, '\n[')
}

export function namesIn(index: string): readonly string[] {
  return [...new Set(index.match(/(?<=\n\[")[^"]+/g))]
}

/** Throws when the bytes are not those of a package with this recipe hash. */
export function parseRecord(bytes: Buffer, recipeHash: RecipeHash): EvaluatedPackage {
  const [first = '', second = ''] = bytes.toString('utf8').split('\n')
  const derivation: Derivation = checkDerivation(JSON.parse(first))
  if (recipeHashOf(derivation) !== recipeHash) throw new Error('the derivation has another recipe hash')
  const metadata: PackageMetadata = JSON.parse(second)
  return { derivation, recipeHash, metadata }
}

function linesWith(index: string, start: string): readonly PackageEntry[] {
  const entries: PackageEntry[] = []
  for (let at = index.indexOf(start); at >= 0; at = index.indexOf(start, at + 1)) entries.push(entryAt(index, at))
  return entries
}

/** `at`: the position of the newline before the line. */
function entryAt(index: string, at: number): PackageEntry {
  const [name, version, recipeHash, outputs, summary, hidden, offset, length] = JSON.parse(
    index.slice(at + 1, index.indexOf('\n', at + 1)),
  )
  return { name, version, recipeHash, outputs, summary, hidden, offset, length }
}

/** By name, version and recipe hash. A line break cannot occur in a name, so versions of one name stay together. */
function inOrder(packages: readonly RecordParts[]): readonly RecordParts[] {
  const keyed = packages.map((each) => ({ key: `${each.name}\n${each.version}\n${each.recipeHash}`, each }))
  // All of it is ASCII, for which the order of texts is that of bytes.
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ each }) => each)
}
