/**
 * An operator's secret key: making one, signing with it, and the text of its file (which the caller keeps with mode 0600).
 * With a passphrase the seed is sealed by AES-256-GCM under a key from scrypt (RFC 7914). Specification: docs/formats/key.md.
 * Works where there is node:crypto only; a browser verifies, it does not sign.
 */
import { canonicalJson, type JsonValue, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import { below, fieldsOf, isObject, type Place, requireThat, textOf } from '../format/fields.ts'
import { base64Of, bytesOfBase64, utf8 } from './bytes.ts'
import { open, publicBytesOf, randomBytes, seal, signWith } from './crypto-node.ts'
import { type PublicKey, publicKeyOf } from './key.ts'

/** What can sign: a key in memory; later also a session's. */
export type Signer = { readonly publicKey: PublicKey; sign(message: Uint8Array): Uint8Array }

export type SecretKey = Signer & { readonly seed: Uint8Array }

/** `seed` is 32 random bytes; tests give their own. Throws ABN_KEY_INVALID for a bad name. */
export function newSecretKey(name: string, seed: Uint8Array = randomBytes(32)): SecretKey {
  return { seed, publicKey: publicKeyOf(name, publicBytesOf(seed)), sign: (message) => signWith(seed, message) }
}

/** Text of the key's file. `passphrase` undefined leaves it unencrypted. */
export function encodeSecretKey({ seed, publicKey }: SecretKey, passphrase?: string): string {
  const head = { format: 1, name: publicKey.name, publicKey: base64Of(publicKey.bytes) }
  if (passphrase === undefined)
    return `${canonicalJson({ ...head, protection: { kind: 'none' }, seed: base64Of(seed) })}\n`
  const salt = randomBytes(16)
  const nonce = randomBytes(12)
  const sealed = seal(seed, { passphrase, salt, nonce, bound: boundBytes(head.name, head.publicKey) })
  const protection = { kind: 'scrypt-aes-256-gcm', salt: base64Of(salt), nonce: base64Of(nonce) }
  return `${canonicalJson({ ...head, protection, seed: base64Of(sealed) })}\n`
}

/** True when parseSecretKey will want a passphrase. Throws ABN_KEY_FILE_INVALID. */
export function isProtected(text: string): boolean {
  return fileOf(text).protection !== undefined
}

/** Throws ABN_KEY_FILE_INVALID; ABN_KEY_PASSPHRASE when the passphrase is missing or wrong. */
export function parseSecretKey(text: string, passphrase?: string): SecretKey {
  const file = fileOf(text)
  const key = newSecretKey(file.name, seedOf(file, passphrase))
  requireThat(base64Of(key.publicKey.bytes) === file.publicKey, PLACE, 'its two halves do not belong together')
  return key
}

type KeyFile = {
  readonly name: string
  readonly publicKey: string
  readonly protection: { readonly salt: Uint8Array; readonly nonce: Uint8Array } | undefined
  readonly seed: Uint8Array
}

function fileOf(text: string): KeyFile {
  requireThat(text.endsWith('\n'), PLACE, 'it does not end in a newline')
  const value = parseCanonicalJson(utf8(text.slice(0, -1)), { bytes: 4096, depth: 4 })
  const fields = fieldsOf(value, PLACE, ['format', 'name', 'protection', 'publicKey', 'seed'])
  requireThat(fields.format === 1, below(PLACE, 'format'), 'expected 1')
  const protection = protectionOf(fields.protection)
  return {
    name: textOf(fields.name, below(PLACE, 'name')),
    publicKey: textOf(fields.publicKey, below(PLACE, 'publicKey')),
    protection,
    seed: bytesOf(fields.seed, below(PLACE, 'seed'), protection === undefined ? 32 : 48),
  }
}

function protectionOf(value: JsonValue): KeyFile['protection'] {
  const place = below(PLACE, 'protection')
  const kind = isObject(value) ? value.kind : undefined
  if (kind === 'none') return void fieldsOf(value, place, ['kind'])
  requireThat(kind === 'scrypt-aes-256-gcm', below(place, 'kind'), 'expected "none" or "scrypt-aes-256-gcm"')
  const { salt, nonce } = fieldsOf(value, place, ['kind', 'nonce', 'salt'])
  return { salt: bytesOf(salt, below(place, 'salt'), 16), nonce: bytesOf(nonce, below(place, 'nonce'), 12) }
}

function seedOf({ name, publicKey, protection, seed }: KeyFile, passphrase: string | undefined): Uint8Array {
  if (protection === undefined) return seed
  if (passphrase === undefined) throw new AbnError('ABN_KEY_PASSPHRASE', `the key ${name} needs its passphrase`)
  const opened = open(seed, { passphrase, ...protection, bound: boundBytes(name, publicKey) })
  if (opened) return opened
  throw new AbnError('ABN_KEY_PASSPHRASE', `wrong passphrase for the key ${name}, or its file was changed`)
}

/** What the seal covers besides the seed. */
function boundBytes(name: string, publicKey: string): Uint8Array {
  return utf8(`abnpkg-secret-key-v1\n${name}\n${publicKey}\n`)
}

function bytesOf(value: JsonValue, place: Place, length: number): Uint8Array {
  const bytes = bytesOfBase64(textOf(value, place))
  requireThat(bytes?.length === length, place, `expected the base 64 of ${length} bytes`)
  return bytes
}

const PLACE: Place = {
  path: '',
  fail: (reason) => new AbnError('ABN_KEY_FILE_INVALID', `file of a secret key: ${reason}`),
}
