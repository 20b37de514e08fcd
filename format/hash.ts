/**
 * SHA-256 values as branded lowercase hexadecimal texts (FIPS 180-4, computed by node:crypto). Trusts node:crypto only, which
 * is loaded when something is hashed: it takes a tenth of Node's own start-up time.
 */
import { AbnError } from './errors.ts'

declare const brand: unique symbol

/** 64 lowercase hexadecimal digits. */
export type Sha256 = string & { readonly [brand]: 'Sha256' }

/** Hash of a derivation: 64 lowercase hexadecimal digits. Made by recipeHashOf in derivation.ts. */
export type RecipeHash = string & { readonly [brand]: 'RecipeHash' }

/** Throws ABN_HASH_INVALID. */
export function parseSha256(text: string): Sha256 {
  requireHex(text, 'a SHA-256 hash')
  return text as Sha256
}

/** Throws ABN_HASH_INVALID. */
export function parseRecipeHash(text: string): RecipeHash {
  requireHex(text, 'a recipe hash')
  return text as RecipeHash
}

/** Hash of the given bytes, or of the UTF-8 form of the given text. */
export function sha256Of(data: Uint8Array | string): Sha256 {
  return crypto().hash('sha256', data, 'hex') as Sha256
}

export type Sha256Stream = {
  update(bytes: Uint8Array): void
  /** May be called once. */
  digest(): Sha256
}

export function sha256Stream(): Sha256Stream {
  const state = crypto().createHash('sha256')
  return {
    update: (bytes) => void state.update(bytes),
    digest: () => parseSha256(state.digest('hex')),
  }
}

/** The 32 bytes that a hash stands for. */
export function hashBytes(value: Sha256 | RecipeHash): Uint8Array {
  return Buffer.from(value, 'hex')
}

function crypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto')
}

function requireHex(text: string, what: string): void {
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new AbnError('ABN_HASH_INVALID', `not ${what}: expected 64 lowercase hexadecimal digits, got ${quoted(text)}`)
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
