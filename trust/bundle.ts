/**
 * A bundle: the evidence for many recipes in one document, from which the exact bytes of every envelope come back. What
 * compression cannot shrink (hashes, signatures) stands in columns of its own; what is left of the statements repeats itself.
 * Specification: docs/formats/bundle.md. A bundle is a courier's packing and has no authority: nothing in it is signed as such.
 */
import { canonicalJson, type JsonValue, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import { below, countOf, fieldsOf, listOf, type Place, requireThat, textOf } from '../format/fields.ts'
import { compareBytewise } from '../format/order.ts'
import { type Attestation, attestationOf, parseAttestation } from './attestation.ts'
import { base64Of, bytesOfBase64, concat, utf8 } from './bytes.ts'
import { type Envelope, encodeEnvelope } from './dsse.ts'
import type { Evidence } from './evidence.ts'
import { type KeyId, parseKeyId } from './key.ts'
import { statementPayloadType } from './statement.ts'

const decoder = new TextDecoder()

/** Largest bundle, before compression. */
export const maximumBundleBytes = 32 * 1024 * 1024
/** Sum of the statements in a bundle. */
export const maximumBundleContent = 64 * 1024 * 1024
const maximumEvidence = 100_000

/**
 * The one encoding of a set: sorted, each once. Attestations must parse. Throws as parseAttestation does. Uncompressed;
 * it travels as zstd.
 */
export function encodeBundle(evidence: readonly Evidence[]): Uint8Array {
  return encodeBundleOf(
    evidence
      .filter(({ kind }) => kind === 'attestation')
      .map(({ bytes, envelope }) => (envelope === undefined ? parseAttestation(bytes) : attestationOf(envelope))),
    evidence.filter(({ kind }) => kind !== 'attestation'),
  )
}

/** The same, of attestations that have been parsed. `rest` has none. */
export function encodeBundleOf(attestations: readonly Attestation[], rest: readonly Evidence[]): Uint8Array {
  return concat([...bundlePieces(attestations, rest)].map(utf8))
}

/** The texts that make up the bundle, so that nobody needs to have all of it in memory. */
export function* bundlePieces(all: readonly Attestation[], rest: readonly Evidence[]): Generator<string, void, void> {
  const attestations = unique(all)
  const others = rest
    .map(({ kind, bytes }) => ({ kind, data: base64Of(bytes) }))
    .sort((a, b) => compareBytewise(a.kind, b.kind) || compareBytewise(a.data, b.data))
    .filter((one, i, all) => one.kind !== all[i - 1]?.kind || one.data !== all[i - 1]?.data)
  const keys = [...new Set(attestations.map(({ envelope }) => envelope.keyId))].sort(compareBytewise)
  const signers = attestations.map(({ envelope }) => keys.indexOf(envelope.keyId))
  const hashes = new Map<string, number>()
  const payloads = attestations.map(({ envelope }) => packText(decoder.decode(envelope.payload), hashes))
  yield `{"format":1,"hashes":"${base64Of(Uint8Array.fromHex([...hashes.keys()].join('')))}"`
  yield `,"keys":${canonicalJson(keys)},"others":${canonicalJson(others)},"payloads":[`
  for (const [i, payload] of payloads.entries()) yield `${i === 0 ? '' : ','}${canonicalJson(payload)}`
  yield `],"signatures":"${base64Of(concat(attestations.map(({ envelope }) => envelope.signature)))}"`
  yield `,"signers":${canonicalJson(signers)}}`
}

/**
 * The evidence in a bundle, not yet parsed or verified. Throws ABN_BUNDLE_INVALID or ABN_JSON_INVALID for the packing only:
 * what is packed is judged piece by piece later.
 */
export function decodeBundle(bytes: Uint8Array): readonly Evidence[] {
  const value = parseCanonicalJson(bytes, { bytes: maximumBundleBytes, depth: 4 })
  const names = ['format', 'hashes', 'keys', 'others', 'payloads', 'signatures', 'signers'] as const
  const fields = fieldsOf(value, PLACE, names)
  requireThat(fields.format === 1, below(PLACE, 'format'), 'expected 1')
  const keys = listOf(fields.keys, below(PLACE, 'keys'), keyIdOf)
  const others = listOf(fields.others, below(PLACE, 'others'), otherOf)
  const payloads = listOf(fields.payloads, below(PLACE, 'payloads'), textOf)
  const signers = listOf(fields.signers, below(PLACE, 'signers'), (one, at) => countOf(one, at, keys.length - 1))
  const signatures = base64At(fields.signatures, below(PLACE, 'signatures'))
  const hashes = base64At(fields.hashes, below(PLACE, 'hashes'))
  requireThat(payloads.length + others.length <= maximumEvidence, PLACE, `more than ${maximumEvidence} pieces`)
  const fits = signers.length === payloads.length && signatures.length === 64 * payloads.length
  requireThat(fits && hashes.length % 32 === 0, PLACE, 'the columns do not fit each other')
  const table = hashTable(hashes)
  const budget = { left: maximumBundleContent }
  const attestations = payloads.map((text, i) => {
    const keyId = keys[signers[i] ?? 0]
    requireThat(keyId !== undefined, below(PLACE, 'keys'), 'no key')
    const payload = utf8(unpackText(text, table, budget))
    const signature = signatures.subarray(64 * i, 64 * i + 64)
    return packedIn({ payloadType: statementPayloadType, payload, keyId, signature })
  })
  return [...attestations, ...others]
}

/** The bytes are made when they are asked for: thousands of them are in memory at once, and most are needed only for their hash. */
function packedIn(envelope: Envelope): Evidence {
  return {
    kind: 'attestation',
    get bytes() {
      return encodeEnvelope(envelope)
    },
    envelope,
  }
}

function unique(attestations: readonly Attestation[]): readonly Attestation[] {
  const found = new Map(attestations.map((one) => [one.digest, one]))
  return [...found.values()].sort(
    (a, b) => compareBytewise(a.statement.recipe, b.statement.recipe) || compareBytewise(a.digest, b.digest),
  )
}

/** `^;` is the next new hash, `^N;` the one with index N in base 36, `^^` a circumflex. */
function packText(text: string, hashes: Map<string, number>): string {
  return text.replace(/\^|[0-9a-f]{64,}/g, (found) => {
    if (found === '^') return '^^'
    // A longer run of such digits is no hash.
    if (found.length !== 64) return found
    const index = hashes.get(found)
    if (index !== undefined) return `^${index.toString(36)};`
    hashes.set(found, hashes.size)
    return '^;'
  })
}

function unpackText(text: string, table: HashTable, budget: { left: number }): string {
  budget.left -= text.length
  const unpacked = text.replace(/\^(?:\^|([0-9a-z]{0,6});)?/g, (found, index: string | undefined) => {
    if (found === '^^') return '^'
    requireThat(index !== undefined, below(PLACE, 'payloads'), 'a ^ that means nothing')
    budget.left -= 64
    requireThat(budget.left >= 0, below(PLACE, 'payloads'), `more than ${maximumBundleContent} bytes of statements`)
    return index === '' ? table.next() : table.at(Number.parseInt(index, 36))
  })
  requireThat(budget.left >= 0, below(PLACE, 'payloads'), `more than ${maximumBundleContent} bytes of statements`)
  return unpacked
}

type HashTable = { next(): string; at(index: number): string }

/** Hashes by index; only those that have been used once by `next` have an index yet. */
function hashTable(bytes: Uint8Array): HashTable {
  const hex = bytes.toHex()
  let used = 0
  const at = (index: number) => {
    requireThat(index < used && 64 * index < hex.length, below(PLACE, 'hashes'), `no hash ${index}`)
    return hex.slice(64 * index, 64 * index + 64)
  }
  return { at, next: () => at(used++) }
}

function otherOf(value: JsonValue, place: Place): Evidence {
  const { data, kind } = fieldsOf(value, place, ['data', 'kind'])
  const name = textOf(kind, below(place, 'kind'))
  requireThat(/^[a-z][a-z0-9-]{0,31}$/.test(name) && name !== 'attestation', below(place, 'kind'), 'not a kind')
  return { kind: name, bytes: base64At(data, below(place, 'data')) }
}

function keyIdOf(value: JsonValue, place: Place): KeyId {
  const text = textOf(value, place)
  requireThat(/^[0-9a-f]{64}$/.test(text), place, 'expected a key id')
  return parseKeyId(text)
}

function base64At(value: JsonValue, place: Place): Uint8Array {
  const bytes = bytesOfBase64(textOf(value, place))
  requireThat(bytes !== undefined, place, 'not base 64 as this format wants it')
  return bytes
}

const PLACE: Place = {
  path: '',
  fail: (reason) => new AbnError('ABN_BUNDLE_INVALID', `bundle: ${reason}`),
}
