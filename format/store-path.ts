/**
 * Names, versions, output names and the store paths made of them. Specification: docs/formats/store-path.md.
 * A store path is known before anything is built: it hashes the recipe hash and the output's name, nothing else.
 */
import { encodeBase32 } from './base32.ts'
import { AbnError } from './errors.ts'
import { hashBytes, type RecipeHash, sha256Of } from './hash.ts'

declare const brand: unique symbol

/** `/abn/store/<hash32>-<name>-<version>[-<output>]`, always the logical path, whatever the physical root is. */
export type StorePath = string & { readonly [brand]: 'StorePath' }

/** The last component of a store path. */
export type StoreItem = string & { readonly [brand]: 'StoreItem' }

export const storeDirectory = '/abn/store'
/** Length of the hash in a store path: 20 bytes in base 32. */
export const storeHashLength = 32

const NAME = '[a-z0-9][a-z0-9+._-]{0,63}'
const VERSION = '[0-9A-Za-z][0-9A-Za-z+._~-]{0,63}'
const OUTPUT = '[a-z][a-z0-9]{0,15}'
const NAME_PATTERN = new RegExp(`^${NAME}$`)
const VERSION_PATTERN = new RegExp(`^${VERSION}$`)
const OUTPUT_PATTERN = new RegExp(`^${OUTPUT}$`)
const ITEM_PATTERN = new RegExp(`^[a-z2-7]{32}-${NAME}-${VERSION}(-${OUTPUT})?$`)

/** The store path of one output. Throws ABN_NAME_INVALID when name, version or output are not allowed. */
export function storePathOf(recipe: RecipeHash, name: string, version: string, output: string): StorePath {
  requireName(name)
  requireVersion(version)
  requireOutput(output)
  return `${storeDirectory}/${storeHashFor(recipe, output)}-${name}-${version}${output === 'out' ? '' : `-${output}`}` as StorePath
}

/** Throws ABN_STORE_PATH_INVALID. Accepts the store path itself only, nothing below it. */
export function parseStorePath(text: string): StorePath {
  if (!text.startsWith(`${storeDirectory}/`) || !isItem(text.slice(storeDirectory.length + 1))) throw notAPath(text)
  return text as StorePath
}

/** Throws ABN_STORE_PATH_INVALID. */
export function parseStoreItem(text: string): StoreItem {
  if (!isItem(text)) throw notAPath(text)
  return text as StoreItem
}

export function storeItemOf(path: StorePath): StoreItem {
  return path.slice(storeDirectory.length + 1) as StoreItem
}

export function storePathOfItem(item: StoreItem): StorePath {
  return `${storeDirectory}/${item}` as StorePath
}

/** First 20 bytes of SHA-256("abnpkg-output-v1\n" + recipe hash + output name), in base 32. */
export function storeHashFor(recipe: RecipeHash, output: string): string {
  return encodeBase32(hashBytes(sha256Of(`abnpkg-output-v1\n${recipe}${output}`)).subarray(0, 20))
}

/** The 32 characters that a reference scan looks for. */
export function storeHashOf(path: StorePath): string {
  return path.slice(storeDirectory.length + 1, storeDirectory.length + 1 + storeHashLength)
}

/** Throws ABN_NAME_INVALID. */
export function requireName(name: string): void {
  if (!NAME_PATTERN.test(name)) throw badName('package name', name, NAME)
}

/** Throws ABN_NAME_INVALID. */
export function requireVersion(version: string): void {
  if (!VERSION_PATTERN.test(version)) throw badName('version', version, VERSION)
}

/** Throws ABN_NAME_INVALID. */
export function requireOutput(output: string): void {
  if (!OUTPUT_PATTERN.test(output)) throw badName('output name', output, OUTPUT)
}

function isItem(text: string): boolean {
  return text.length <= 180 && ITEM_PATTERN.test(text)
}

function badName(what: string, value: string, pattern: string): AbnError {
  return new AbnError('ABN_NAME_INVALID', `${what} ${JSON.stringify(value.slice(0, 100))}: expected ${pattern}`)
}

function notAPath(text: string): AbnError {
  const shown = JSON.stringify(text.slice(0, 240))
  return new AbnError(
    'ABN_STORE_PATH_INVALID',
    `not a store path: expected ${storeDirectory}/<hash>-<name>-<version>, got ${shown}`,
  )
}
