/**
 * A revocation list: keys and statements that an operator takes back, signed by one of the operator's own keys, in a DSSE
 * envelope. Specification: docs/formats/revocation.md. Revoking only ever adds: a list counts against what it names for as long
 * as it is known, also when it has expired and also beside a newer one that no longer names it.
 */
import { canonicalJson, type JsonValue, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import { below, countOf, fieldsOf, type Place, requireThat, sortedListOf, textOf } from '../format/fields.ts'
import { parseSha256, type Sha256 } from '../format/hash.ts'
import { utf8 } from './bytes.ts'
import { sha256 } from './crypto.ts'
import { type Envelope, encodeEnvelope, parseEnvelope, preAuthenticationEncoding, verifyEnvelope } from './dsse.ts'
import { type KeyId, type PublicKey, parseKeyId } from './key.ts'
import type { Signer } from './secret-key.ts'
import { encodeTime, timeOf } from './time.ts'

declare const verified: unique symbol

export type RevocationList = {
  readonly format: 1
  /** The key that signs the list. It may name itself. */
  readonly signer: KeyId
  /** From 1; each list of a key has a higher one than the list before. */
  readonly version: number
  /** Seconds since 1970. */
  readonly issued: number
  /** When the operator will have issued the next list. */
  readonly expires: number
  /** Sorted by key. */
  readonly keys: readonly { readonly key: KeyId; readonly reason: string }[]
  /** SHA-256 of the statements' bytes, sorted. */
  readonly statements: readonly { readonly statement: Sha256; readonly reason: string }[]
}

export type SignedRevocationList = {
  /** SHA-256 of the envelope's bytes. */
  readonly digest: Sha256
  readonly bytes: Uint8Array
  readonly envelope: Envelope
  readonly list: RevocationList
}

/** A list whose signature is that of `key`. */
export type VerifiedRevocationList = SignedRevocationList & { readonly key: PublicKey; readonly [verified]: true }

export const revocationPayloadType = 'application/vnd.abnpkg.revocations.v1+json'

/** Throws ABN_ENVELOPE_INVALID, ABN_REVOCATION_INVALID or ABN_JSON_INVALID. */
export function parseRevocationList(bytes: Uint8Array): SignedRevocationList {
  const envelope = parseEnvelope(bytes)
  requireThat(envelope.payloadType === revocationPayloadType, PLACE, `expected the type ${revocationPayloadType}`)
  const list = listOfJson(parseCanonicalJson(envelope.payload, { depth: 4 }))
  requireThat(list.signer === envelope.keyId, below(PLACE, 'signer'), 'it is not the key that signed')
  const own = Uint8Array.from(bytes)
  return { digest: sha256(own), bytes: own, envelope, list }
}

/** Throws ABN_SIGNATURE_INVALID. */
export function verifyRevocationList(list: SignedRevocationList, key: PublicKey): VerifiedRevocationList {
  verifyEnvelope(list.envelope, key)
  return { ...list, key } as VerifiedRevocationList
}

/** Throws ABN_REVOCATION_INVALID. */
export function signRevocationList(list: RevocationList, signer: Signer): VerifiedRevocationList {
  const payload = encodeRevocationList(list)
  const signature = signer.sign(preAuthenticationEncoding(revocationPayloadType, payload))
  const envelope = { payloadType: revocationPayloadType, payload, keyId: signer.publicKey.id, signature }
  return verifyRevocationList(parseRevocationList(encodeEnvelope(envelope)), signer.publicKey)
}

/** What is signed. Throws ABN_REVOCATION_INVALID. */
export function encodeRevocationList(list: RevocationList): Uint8Array {
  const json = { ...list, issued: encodeTime(list.issued), expires: encodeTime(list.expires) }
  listOfJson(json)
  return utf8(canonicalJson(json))
}

const PLACE: Place = {
  path: '',
  fail: (reason) => new AbnError('ABN_REVOCATION_INVALID', `revocation list: ${reason}`),
}

function listOfJson(value: JsonValue): RevocationList {
  const names = ['expires', 'format', 'issued', 'keys', 'signer', 'statements', 'version'] as const
  const fields = fieldsOf(value, PLACE, names)
  requireThat(fields.format === 1, below(PLACE, 'format'), 'expected 1')
  const issued = timeOf(fields.issued, below(PLACE, 'issued'))
  const expires = timeOf(fields.expires, below(PLACE, 'expires'))
  requireThat(issued < expires, below(PLACE, 'expires'), 'expected a time after `issued`')
  const version = countOf(fields.version, below(PLACE, 'version'))
  requireThat(version > 0, below(PLACE, 'version'), 'expected at least 1')
  return {
    format: 1,
    signer: keyIdOf(fields.signer, below(PLACE, 'signer')),
    version,
    issued,
    expires,
    keys: sortedListOf(fields.keys, below(PLACE, 'keys'), revokedKeyOf, ({ key }) => key),
    statements: sortedListOf(fields.statements, below(PLACE, 'statements'), revokedStatementOf, (one) => one.statement),
  }
}

function revokedKeyOf(value: JsonValue, place: Place): { readonly key: KeyId; readonly reason: string } {
  const { key, reason } = fieldsOf(value, place, ['key', 'reason'])
  return { key: keyIdOf(key, below(place, 'key')), reason: reasonOf(reason, below(place, 'reason')) }
}

function revokedStatementOf(value: JsonValue, place: Place): { readonly statement: Sha256; readonly reason: string } {
  const { statement, reason } = fieldsOf(value, place, ['reason', 'statement'])
  return {
    statement: parseSha256(textOf(statement, below(place, 'statement'))),
    reason: reasonOf(reason, below(place, 'reason')),
  }
}

function keyIdOf(value: JsonValue, place: Place): KeyId {
  const text = textOf(value, place)
  requireThat(/^[0-9a-f]{64}$/.test(text), place, 'expected a key id')
  return parseKeyId(text)
}

/** For people; control characters have no place in it. */
function reasonOf(value: JsonValue, place: Place): string {
  const text = textOf(value, place)
  requireThat(/^[^\p{C}\p{Zl}\p{Zp}]{0,200}$/u.test(text), place, 'expected at most 200 printable characters')
  return text
}
