/**
 * Cosignatures (C2SP tlog-cosignature, Ed25519): a witness says at which time the tree of a checkpoint was the largest that it
 * had seen of that log, and consistent with all before. A witness's key is an operator's key under another type of signature.
 */
import { AbnError } from '../../format/errors.ts'
import { base64Of, bytesOfBase64, concat, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto.ts'
import { isStrictPoint, isValidEd25519 } from '../ed25519.ts'
import { type KeyId, type PublicKey, parseKeyId, requireKeyName } from '../key.ts'
import type { Signer } from '../secret-key.ts'
import type { VerifiedCheckpoint } from './checkpoint.ts'
import { type NoteSignature, signatureBy } from './note.ts'

declare const brand: unique symbol

/** Name, id and bytes as in a public key, but for cosignatures only. */
export type WitnessKey = {
  readonly name: string
  readonly id: KeyId
  readonly bytes: Uint8Array
  readonly [brand]: 'WitnessKey'
}

export type VerifiedCosignature = {
  readonly witness: WitnessKey
  /** Seconds since 1970. */
  readonly time: number
  readonly [brand]: 'VerifiedCosignature'
}

export function witnessKeyOf({ name, bytes }: Pick<PublicKey, 'name' | 'bytes'>): WitnessKey {
  requireKeyName(name)
  if (!isStrictPoint(bytes)) throw invalid('its bytes are not those of an Ed25519 key')
  const id = parseKeyId(sha256(concat([utf8(`${name}\n`), TYPE, bytes])))
  return { name, id, bytes: Uint8Array.from(bytes) } as WitnessKey
}

/** `name+hash+base64`, as for a public key, with the type of a cosignature. Throws ABN_KEY_INVALID. */
export function parseWitnessKey(line: string): WitnessKey {
  const [, name, hash, text] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{44})$/.exec(line.slice(0, 300)) ?? []
  const bytes = text === undefined ? undefined : bytesOfBase64(text)
  if (name === undefined || bytes?.length !== 33) throw invalid('expected NAME+HASH+BASE64 on one line')
  if (bytes[0] !== TYPE[0]) throw invalid(`expected a key of type 4 (cosignature), got type ${bytes[0]}`)
  const key = witnessKeyOf({ name, bytes: bytes.slice(1) })
  if (!key.id.startsWith(`${hash}`)) throw invalid(`expected the hash ${key.id.slice(0, 8)}, got ${hash}`)
  return key
}

export function encodeWitnessKey({ name, id, bytes }: WitnessKey): string {
  return `${name}+${id.slice(0, 8)}+${base64Of(concat([TYPE, bytes]))}`
}

/** `text` is that of a checkpoint whose consistency the witness has checked and stored; `time` in seconds since 1970. */
export function cosign(text: string, signer: Signer, time: number): NoteSignature {
  const { name, id } = witnessKeyOf(signer.publicKey)
  return { name, keyHash: id.slice(0, 8), bytes: concat([timeBytes(time), signer.sign(messageOf(text, time))]) }
}

/** Undefined when this witness has not signed. Throws ABN_SIGNATURE_INVALID when its name is there and its signature wrong. */
export function verifyCosignature(
  { note }: Pick<VerifiedCheckpoint, 'note'>,
  witness: WitnessKey,
): VerifiedCosignature | undefined {
  const signature = signatureBy(note, witness)
  if (signature === undefined) return undefined
  const { bytes } = signature
  const time = bytes.length === 72 ? Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)) : Number.NaN
  const isRight =
    Number.isSafeInteger(time) &&
    isValidEd25519({ publicKey: witness.bytes, message: messageOf(note.text, time), signature: bytes.slice(8) })
  if (!isRight) throw new AbnError('ABN_SIGNATURE_INVALID', `checkpoint: the cosignature of ${witness.name} is wrong`)
  return { witness, time } as VerifiedCosignature
}

/** Type of signature in C2SP signed-note. */
const TYPE = Uint8Array.of(4)

function messageOf(text: string, time: number): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time}\n${text}`)
}

function timeBytes(time: number): Uint8Array {
  if (!Number.isSafeInteger(time) || time < 0) throw new TypeError(`${time} is not a time in seconds`)
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(time))
  return bytes
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_KEY_INVALID', `key of a witness: ${reason}`)
}
