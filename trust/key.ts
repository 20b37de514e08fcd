/**
 * An operator's public key as one line that people can paste: the verifier key of C2SP signed-note, so that the same key can
 * sign notes of a log. Specification and worked example: docs/formats/key.md.
 */
import { AbnError } from '../format/errors.ts'
import { base64Of, bytesOfBase64, concat, utf8 } from './bytes.ts'
import { sha256 } from './crypto.ts'
import { isStrictPoint } from './ed25519.ts'

declare const brand: unique symbol

/** 64 lowercase hexadecimal digits: SHA-256(name ‖ "\n" ‖ 0x01 ‖ key). Its first 8 digits are the hash in the line. */
export type KeyId = string & { readonly [brand]: 'KeyId' }

export type PublicKey = {
  readonly name: string
  readonly id: KeyId
  /** 32 bytes. */
  readonly bytes: Uint8Array
}

/** `name+hash+base64`, without a newline. Throws ABN_KEY_INVALID. */
export function parsePublicKey(line: string): PublicKey {
  const parts = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})$/.exec(line.slice(0, 300))
  const [, name, hash, text] = parts ?? []
  if (name === undefined || text === undefined) throw invalid('expected NAME+HASH+BASE64 on one line', line)
  const bytes = bytesOfBase64(text)
  if (bytes?.length !== 33) throw invalid('the part after the second + is not the base 64 of 33 bytes', line)
  if (bytes[0] !== ED25519) throw invalid(`expected a key of type 1 (Ed25519), got type ${bytes[0]}`, line)
  const key = publicKeyOf(name, bytes.subarray(1))
  if (!key.id.startsWith(`${hash}`)) throw invalid(`expected the hash ${key.id.slice(0, 8)}, got ${hash}`, line)
  return key
}

export function encodePublicKey({ name, id, bytes }: PublicKey): string {
  return `${name}+${id.slice(0, 8)}+${base64Of(concat([Uint8Array.of(ED25519), bytes]))}`
}

/** Throws ABN_KEY_INVALID for a name or bytes that cannot be a key's. */
export function publicKeyOf(name: string, bytes: Uint8Array): PublicKey {
  requireKeyName(name)
  if (!isStrictPoint(bytes)) throw invalid('its bytes are not those of an Ed25519 key', name)
  const id = parseKeyId(sha256(concat([utf8(`${name}\n`), Uint8Array.of(ED25519), bytes])))
  return { name, id, bytes: Uint8Array.from(bytes) }
}

/** Throws ABN_KEY_INVALID. */
export function parseKeyId(text: string): KeyId {
  if (!/^[0-9a-f]{64}$/.test(text)) throw invalid('a key id is 64 lowercase hexadecimal digits', text)
  return text as KeyId
}

/** Throws ABN_KEY_INVALID. */
export function requireKeyName(name: string): void {
  if (!NAME.test(name)) throw invalid(`expected a name ${NAME.source}`, name)
}

/** Type of signature in C2SP signed-note. */
const ED25519 = 1
const NAME = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/

function invalid(reason: string, text: string): AbnError {
  return new AbnError('ABN_KEY_INVALID', `public key ${JSON.stringify(text.slice(0, 80))}: ${reason}`)
}
