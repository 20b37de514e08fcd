/**
 * How an evaluation is kept: an index of one short line a package, sorted by name, in which a name is found by searching text,
 * and a data text that holds each package in full. To install what is installed already, a few lines of the index are all
 * that is read and parsed.
 */
import { canonicalJson } from '../../format/canonical-json.ts'
import { type Derivation, maximumDerivationBytes, recipeHashOf } from '../../format/derivation.ts'
import { checkDerivation } from '../../format/derivation-schema.ts'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { type StorePath, storePathOf } from '../../format/store-path.ts'
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

/** Throws ABN_RECIPE_SIZE_LIMIT for a derivation that parseDerivation would refuse. */
export function encodeRecords(packages: readonly EvaluatedPackage[]): Records {
  const lines: string[] = []
  const parts: Buffer[] = []
  let offset = 0
  const byName = [...packages].sort((a, b) => compareBytewise(sortKey(a), sortKey(b)))
  for (const { derivation, recipeHash, metadata } of byName) {
    const { name, version } = derivation
    const text = canonicalJson(derivation)
    if (Buffer.byteLength(text) > maximumDerivationBytes) {
      const limit = `a derivation may have ${maximumDerivationBytes} bytes`
      throw new AbnError('ABN_RECIPE_SIZE_LIMIT', `${name} ${version} is too large: ${limit}`)
    }
    const part = Buffer.from(`${text}\n${JSON.stringify(metadata)}\n`)
    const outputs = Object.fromEntries(
      derivation.outputs.map((output) => [output, storePathOf(recipeHash, name, version, output)]),
    )
    const line = [name, version, recipeHash, outputs, metadata.summary, metadata.hidden, offset, part.length]
    lines.push(`\n${JSON.stringify(line)}`)
    parts.push(part)
    offset += part.length
  }
  return { index: `${lines.join('')}\n`, data: Buffer.concat(parts) }
}

/** Entries of the given name, in the order of the index. */
export function entriesNamed(index: string, name: string): readonly PackageEntry[] {
  return linesWith(index, `\n[${JSON.stringify(name)},`)
}

export function entryWithHash(index: string, hash: RecipeHash): PackageEntry | undefined {
  const at = index.indexOf(`,"${hash}",`)
  return at < 0 ? undefined : entryAt(index, index.lastIndexOf('\n', at))
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

/** A line break cannot occur in a name, so versions of one name stay together. */
function sortKey({ derivation, recipeHash }: EvaluatedPackage): string {
  return `${derivation.name}\n${derivation.version}\n${recipeHash}`
}
