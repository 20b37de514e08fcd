/**
 * A session: one start of a builder, with a key of its own that is never on a disk. The operator's key signs who may sign in its
 * place, from when until when, and with which software; in a TEE a quote binds the same session key to the machine that holds it.
 * Specification: docs/formats/session.md.
 */
import { canonicalJson, type JsonValue, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import { below, fieldsOf, type Place, requireThat, textOf, textsOf } from '../format/fields.ts'
import { parseSha256, type Sha256 } from '../format/hash.ts'
import { concat, utf8 } from './bytes.ts'
import { sha256, trustCrypto } from './crypto.ts'
import { type Envelope, encodeEnvelope, parseEnvelope, preAuthenticationEncoding, verifyEnvelope } from './dsse.ts'
import { encodePublicKey, type KeyId, type PublicKey, parseKeyId, parsePublicKey } from './key.ts'
import type { Signer } from './secret-key.ts'
import { encodeTime, timeOf } from './time.ts'

declare const verified: unique symbol

export type Session = {
  readonly format: 1
  /** Key id of the operator's key, which signs this. */
  readonly operator: KeyId
  /** The session's own key. */
  readonly key: PublicKey
  /** Seconds since 1970; what the session signs outside this time does not count. At most 90 days apart. */
  readonly from: number
  readonly until: number
  /** Names and versions, such as { abnpkg: '0.1.0' }. */
  readonly software: Readonly<Record<string, string>>
  /** SHA-256 of the builder's configuration. */
  readonly configuration: Sha256
  /**
   * SHA-256 of a checkpoint that was fresh at the start, with the cosignatures of witnesses, which nobody can foresee; null when there was
   * none.
   */
  readonly checkpoint: Sha256 | null
  /** Where the key is, by the operator's word alone; a quote that verifies is what a policy goes by. */
  readonly tee: Tee
}

export type Tee = 'none' | 'tdx' | 'simulated'

export type SignedSession = {
  /** SHA-256 of the envelope's bytes. */
  readonly digest: Sha256
  readonly bytes: Uint8Array
  readonly envelope: Envelope
  readonly session: Session
}

/** A session that the operator's key has signed. */
export type VerifiedSession = SignedSession & { readonly operatorKey: PublicKey; readonly [verified]: true }

export const sessionPayloadType = 'application/vnd.abnpkg.session.v1+json'
export const maximumSessionSeconds = 90 * 86_400

/** Throws ABN_ENVELOPE_INVALID, ABN_SESSION_INVALID or ABN_JSON_INVALID. */
export function parseSession(bytes: Uint8Array): SignedSession {
  const envelope = parseEnvelope(bytes)
  requireThat(envelope.payloadType === sessionPayloadType, PLACE, `expected the type ${sessionPayloadType}`)
  const session = sessionOfJson(parseCanonicalJson(envelope.payload, { bytes: MAXIMUM_BYTES, depth: 4 }))
  requireThat(session.operator === envelope.keyId, below(PLACE, 'operator'), 'it is not the key that signed')
  const own = Uint8Array.from(bytes)
  return { digest: sha256(own), bytes: own, envelope, session }
}

/** Throws ABN_SIGNATURE_INVALID. */
export function verifySession(session: SignedSession, operatorKey: PublicKey): VerifiedSession {
  verifyEnvelope(session.envelope, operatorKey)
  return { ...session, operatorKey } as VerifiedSession
}

/** `signer` is the operator's key. Throws ABN_SESSION_INVALID. */
export function signSession(session: Session, signer: Signer): VerifiedSession {
  const payload = encodeSession(session)
  const signature = signer.sign(preAuthenticationEncoding(sessionPayloadType, payload))
  const envelope = { payloadType: sessionPayloadType, payload, keyId: signer.publicKey.id, signature }
  return verifySession(parseSession(encodeEnvelope(envelope)), signer.publicKey)
}

/** What is signed. Throws ABN_SESSION_INVALID. */
export function encodeSession(session: Session): Uint8Array {
  const { key, from, until, software } = session
  const json = {
    ...session,
    key: encodePublicKey(key),
    from: encodeTime(from),
    until: encodeTime(until),
    software: { ...software },
  }
  sessionOfJson(json)
  return utf8(canonicalJson(json))
}

/**
 * The 64 bytes of REPORTDATA in a session's quote: SHA-512 of the domain, the session key, the configuration's digest and that
 * of the checkpoint (32 zero bytes when there is none).
 */
export function reportDataOf({ key, configuration, checkpoint }: Session): Uint8Array {
  const recent = checkpoint === null ? new Uint8Array(32) : Uint8Array.fromHex(checkpoint)
  return trustCrypto().sha512(concat([utf8(DOMAIN), key.bytes, Uint8Array.fromHex(configuration), recent]))
}

const DOMAIN = 'abnpkg-session-v1\n'
const MAXIMUM_BYTES = 16 * 1024
const PLACE: Place = { path: '', fail: (reason) => new AbnError('ABN_SESSION_INVALID', `session: ${reason}`) }

const FIELDS = ['checkpoint', 'configuration', 'format', 'from', 'key', 'operator', 'software', 'tee', 'until'] as const

function sessionOfJson(value: JsonValue): Session {
  const fields = fieldsOf(value, PLACE, FIELDS)
  requireThat(fields.format === 1, below(PLACE, 'format'), 'expected 1')
  const operator = textOf(fields.operator, below(PLACE, 'operator'))
  requireThat(/^[0-9a-f]{64}$/.test(operator), below(PLACE, 'operator'), 'expected a key id')
  const from = timeOf(fields.from, below(PLACE, 'from'))
  const until = timeOf(fields.until, below(PLACE, 'until'))
  const lasts = until - from
  requireThat(
    lasts > 0 && lasts <= maximumSessionSeconds,
    below(PLACE, 'until'),
    'expected at most 90 days after `from`',
  )
  const { tee, checkpoint } = fields
  requireThat(tee === 'none' || tee === 'tdx' || tee === 'simulated', below(PLACE, 'tee'), 'not a kind of TEE')
  const key = keyOf(textOf(fields.key, below(PLACE, 'key')))
  requireThat(key.id !== operator, below(PLACE, 'key'), 'a session has a key of its own')
  return {
    format: 1,
    operator: parseKeyId(operator),
    key,
    from,
    until,
    software: softwareOf(fields.software),
    configuration: digestOf(fields.configuration, below(PLACE, 'configuration')),
    checkpoint: checkpoint === null ? null : digestOf(checkpoint, below(PLACE, 'checkpoint')),
    tee,
  }
}

function keyOf(line: string): PublicKey {
  try {
    return parsePublicKey(line)
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    throw below(PLACE, 'key').fail(`key: ${error.message}`)
  }
}

function digestOf(value: JsonValue, place: Place): Sha256 {
  const text = textOf(value, place)
  requireThat(/^[0-9a-f]{64}$/.test(text), place, 'expected a SHA-256')
  return parseSha256(text)
}

function softwareOf(value: JsonValue): Session['software'] {
  const place = below(PLACE, 'software')
  const software = textsOf(value, place)
  const names = Object.entries(software)
  const isPlain = names.every(
    ([name, version]) => /^[A-Za-z0-9._+-]{1,64}$/.test(name) && /^[\x20-\x7e]{1,200}$/.test(version),
  )
  requireThat(names.length <= 32 && isPlain, place, 'expected at most 32 names with versions')
  return software
}
