/**
 * DSSE envelopes (secure-systems-lab/dsse, protocol and envelope version 1) in one encoding: canonical JSON, exactly one
 * signature, base 64 with padding, the key id written out. What the signature covers is PAE(type, payload), never the JSON.
 */
import { canonicalJson, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import { below, fieldsOf, listOf, type Place, requireThat, textOf } from '../format/fields.ts'
import { base64Of, bytesOfBase64, concat, utf8 } from './bytes.ts'
import { isValidEd25519, type SignedBytes } from './ed25519.ts'
import { type KeyId, type PublicKey, parseKeyId } from './key.ts'

export type Envelope = {
  readonly payloadType: string
  readonly payload: Uint8Array
  readonly keyId: KeyId
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** Largest envelope that is accepted. */
export const maximumEnvelopeBytes = 4 * 1024 * 1024

/** Throws ABN_ENVELOPE_INVALID or ABN_JSON_INVALID. */
export function parseEnvelope(bytes: Uint8Array): Envelope {
  const value = parseCanonicalJson(bytes, { bytes: maximumEnvelopeBytes, depth: 4 })
  const fields = fieldsOf(value, PLACE, ['payload', 'payloadType', 'signatures'])
  const signatures = listOf(fields.signatures, below(PLACE, 'signatures'), (one, place) => {
    const { keyid, sig } = fieldsOf(one, place, ['keyid', 'sig'])
    const id = textOf(keyid, below(place, 'keyid'))
    requireThat(/^[0-9a-f]{64}$/.test(id), below(place, 'keyid'), 'expected 64 lowercase hexadecimal digits')
    return { keyId: parseKeyId(id), signature: bytesOf(textOf(sig, below(place, 'sig')), below(place, 'sig')) }
  })
  const [only] = signatures
  requireThat(only !== undefined && signatures.length === 1, below(PLACE, 'signatures'), 'expected exactly one')
  requireThat(only.signature.length === 64, below(PLACE, 'signatures'), 'expected a signature of 64 bytes')
  return {
    payloadType: textOf(fields.payloadType, below(PLACE, 'payloadType')),
    payload: bytesOf(textOf(fields.payload, below(PLACE, 'payload')), below(PLACE, 'payload')),
    ...only,
  }
}

/** The one encoding. */
export function encodeEnvelope({ payloadType, payload, keyId, signature }: Envelope): Uint8Array {
  // Neither base 64 nor hexadecimal needs an escape, and thousands of these are made at a time.
  const rest = `"payloadType":${canonicalJson(payloadType)},"signatures":[{"keyid":"${keyId}","sig":"${base64Of(signature)}"}]`
  return utf8(`{"payload":"${base64Of(payload)}",${rest}}`)
}

/** Throws ABN_SIGNATURE_INVALID unless this key has signed exactly this payload as this type. */
export function verifyEnvelope(envelope: Envelope, key: PublicKey): void {
  if (envelope.keyId !== key.id || !isValidEd25519(signedBytesOf(envelope, key))) {
    throw new AbnError('ABN_SIGNATURE_INVALID', `the signature is not one by ${key.name} (key ${key.id.slice(0, 8)})`)
  }
}

/** What has to be valid, besides the key id, for the envelope to be signed by this key. */
export function signedBytesOf({ payloadType, payload, signature }: Envelope, key: PublicKey): SignedBytes {
  return { publicKey: key.bytes, message: preAuthenticationEncoding(payloadType, payload), signature }
}

/** PAE of the DSSE protocol: the bytes that are signed. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const { length } = utf8(payloadType)
  return concat([utf8(`DSSEv1 ${length} ${payloadType} ${payload.length} `), payload])
}

const PLACE: Place = {
  path: '',
  fail: (reason) => new AbnError('ABN_ENVELOPE_INVALID', `envelope: ${reason}`),
}

function bytesOf(text: string, place: Place): Uint8Array {
  const bytes = bytesOfBase64(text)
  requireThat(bytes !== undefined, place, 'not base 64 as this format wants it')
  return bytes
}
