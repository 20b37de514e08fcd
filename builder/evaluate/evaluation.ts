/**
 * The packages of some channels. Reads as little as it can: entries from the index, a package in full only when it is asked for.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash } from '../../format/hash.ts'
import type { BrokenModule } from './broken.ts'
import type { Channel } from './channel.ts'
import type { EvaluatedPackage } from './package.ts'
import {
  allEntries,
  entriesByHash,
  entriesNamed,
  entriesWith,
  entryWithHash,
  namesIn,
  type PackageEntry,
  parseRecord,
} from './records.ts'

/** The data that belongs to an index: in memory, or in a file of the evaluation cache. */
export type RecordData =
  | { readonly kind: 'memory'; readonly bytes: Buffer }
  | { readonly kind: 'file'; readonly path: string; readonly discard: () => void }

export type EvaluationParts = { readonly data: RecordData; readonly broken: readonly BrokenModule[] }

const MANY = 16

export class Evaluation {
  readonly channels: readonly Channel[]
  /** Modules, or single recipes of them, that are not among the packages because they do not evaluate. */
  readonly broken: readonly BrokenModule[]
  readonly #index: string
  readonly #data: RecordData
  readonly #loaded = new Map<RecipeHash, EvaluatedPackage>()
  /** How many hashes have been looked for, and how. */
  #looked = 0
  #withHash = (hash: RecipeHash) => entryWithHash(this.#index, hash)

  constructor(channels: readonly Channel[], index: string, { data, broken }: EvaluationParts) {
    this.channels = channels
    this.broken = broken
    this.#index = index
    this.#data = data
  }

  /** Every package of that name, hidden ones too. 'abnpkg:hello' is our own, as where there are other channels. */
  entriesNamed(name: string): readonly PackageEntry[] {
    return entriesNamed(this.#index, name.replace(/^abnpkg:/, ''))
  }

  /** Every package, sorted by name. */
  entries(): readonly PackageEntry[] {
    return allEntries(this.#index)
  }

  /** All versions of packages that may have all of these words, in lower case, in their name or summary; sorted by name. */
  entriesWith(words: readonly string[]): readonly PackageEntry[] {
    return entriesWith(this.#index, words)
  }

  names(): readonly string[] {
    return namesIn(this.#index)
  }

  /** Every package in full. */
  get packages(): readonly EvaluatedPackage[] {
    return this.entries().map((entry) => this.load(entry))
  }

  byHash(hash: RecipeHash): EvaluatedPackage | undefined {
    const loaded = this.#loaded.get(hash)
    if (loaded !== undefined) return loaded
    if (++this.#looked === MANY) this.#withHash = entriesByHash(this.#index)
    const entry = this.#withHash(hash)
    return entry === undefined ? undefined : this.load(entry)
  }

  /** Throws ABN_EVALUATION_CACHE_DAMAGED. */
  load(entry: PackageEntry): EvaluatedPackage {
    const known = this.#loaded.get(entry.recipeHash)
    if (known !== undefined) return known
    const loaded = this.#read(entry)
    this.#loaded.set(entry.recipeHash, loaded)
    return loaded
  }

  #read({ recipeHash, offset, length }: PackageEntry): EvaluatedPackage {
    const data = this.#data
    if (data.kind === 'memory') return parseRecord(data.bytes.subarray(offset, offset + length), recipeHash)
    try {
      return parseRecord(readPart(data.path, offset, length), recipeHash)
    } catch (cause) {
      data.discard()
      throw new AbnError('ABN_EVALUATION_CACHE_DAMAGED', `${data.path} is damaged and has been removed`, {
        hint: 'run the command again: the recipes will be evaluated anew',
        cause,
      })
    }
  }
}

function readPart(path: string, offset: number, length: number): Buffer {
  const descriptor = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    if (readSync(descriptor, bytes, 0, length, offset) !== length) throw new Error('it is too short')
    return bytes
  } finally {
    closeSync(descriptor)
  }
}
