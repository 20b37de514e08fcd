/**
 * Ed25519 public keys as SSH writes them: `ssh-ed25519 BASE64 [comment]` (RFC 8709, section 4), and their fingerprints
 * `SHA256:…` as `ssh-keygen -l` prints them. No other kind of key is taken, and the base 64 must be the only one possible.
 */
import { AbnError } from '../../format/errors.ts'
import { hashBytes, sha256Of } from '../../format/hash.ts'
import { isStrictPoint } from '../../trust/ed25519.ts'
import { SshReader, sshString } from './ssh-wire.ts'

declare const brand: unique symbol

/** `ssh-ed25519 BASE64`, without a comment: equal texts are equal keys. */
export type SshKey = string & { readonly [brand]: 'SshKey' }

/** `SHA256:` and 43 characters of base 64. */
export type SshFingerprint = string & { readonly [brand]: 'SshFingerprint' }

/** A line of a `.pub` file; a comment at its end is dropped. Throws ABN_CHANNEL_KEY. */
export function parseSshKey(line: string): SshKey {
  const [, type = '', text = ''] = /^([a-z0-9@.-]+) ([A-Za-z0-9+/=]+)(?: [ -~]*)?$/.exec(line.slice(0, 1000)) ?? []
  if (type === '') throw invalid(line, `expected '${TYPE} AAAA…', one line of a .pub file`)
  if (type !== TYPE) throw invalid(line, `expected a key of type ${TYPE}, got ${type}`)
  const blob = Buffer.from(text, 'base64')
  if (blob.toString('base64') !== text) throw invalid(line, 'it is not canonical base 64')
  return sshKeyOf(bytesOfBlob(blob, (reason) => invalid(line, reason)))
}

/** From the 32 bytes of the key. */
export function sshKeyOf(bytes: Uint8Array): SshKey {
  return `${TYPE} ${Buffer.concat([sshString(TYPE), sshString(bytes)]).toString('base64')}` as SshKey
}

/** The 32 bytes of the key in a blob of RFC 8709. */
export function bytesOfBlob(blob: Uint8Array, fail: (reason: string) => Error): Buffer {
  const reader = new SshReader(blob, fail)
  const type = reader.word()
  if (type !== TYPE) throw fail(`expected a key of type ${TYPE}, got ${JSON.stringify(type.slice(0, 40))}`)
  const bytes = reader.string()
  reader.end()
  if (!isStrictPoint(bytes)) throw fail('its bytes are not those of an Ed25519 key')
  return bytes
}

export function bytesOfKey(key: SshKey): Buffer {
  return blobOf(key).subarray(-32)
}

export function fingerprintOf(key: SshKey): SshFingerprint {
  const digest = Buffer.from(hashBytes(sha256Of(blobOf(key)))).toString('base64')
  return `SHA256:${digest.replace(/=+$/, '')}` as SshFingerprint
}

/** Throws ABN_CHANNEL_KEY. */
export function parseFingerprint(text: string): SshFingerprint {
  const digits = /^SHA256:([A-Za-z0-9+/]{43})$/.exec(text)?.[1] ?? ''
  const isCanonical = digits !== '' && Buffer.from(digits, 'base64').toString('base64').startsWith(digits)
  if (!isCanonical) throw invalid(text, 'expected SHA256: and 43 characters of base 64, as ssh-keygen -l prints it')
  return text as SshFingerprint
}

const TYPE = 'ssh-ed25519'

function blobOf(key: SshKey): Buffer {
  return Buffer.from(key.slice(TYPE.length + 1), 'base64')
}

function invalid(text: string, reason: string): AbnError {
  return new AbnError('ABN_CHANNEL_KEY', `not a key for a channel: ${JSON.stringify(text.slice(0, 100))}: ${reason}`, {
    hint: 'make one with ssh-keygen -t ed25519; its .pub file has the line to write here',
  })
}
