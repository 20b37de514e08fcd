/**
 * How large archives are when a cache sends them: a hint beside the evidence of a bundle, as evidence of the kind
 * 'transfer-sizes'. Nobody signs it, and it decides nothing but what is shown. Specification: docs/formats/bundle.md.
 *
 *     {"archives":{"0b9c2f1a":20480},"format":1}
 */
import { encodeCanonicalJson, type JsonValue, parseCanonicalJson } from './canonical-json.ts'
import { AbnError } from './errors.ts'
import { below, countOf, fieldsOf, isObject, type Place, requireThat } from './fields.ts'
import type { Sha256 } from './hash.ts'

export const transferSizesKind = 'transfer-sizes'

/** In bytes. Two archives may look the same in it; it is a hint. */
export type TransferSizes = { sizeOf(archive: Sha256): number | undefined }

const DIGITS = 8
const MAXIMUM_ARCHIVES = 100_000
const LIMITS = { bytes: 4 * 1024 * 1024, depth: 3 }

export function encodeTransferSizes(sizes: ReadonlyMap<Sha256, number>): Uint8Array {
  const archives = Object.fromEntries(
    [...sizes].slice(0, MAXIMUM_ARCHIVES).map(([digest, bytes]) => [digest.slice(0, DIGITS), bytes]),
  )
  return encodeCanonicalJson({ archives, format: 1 }, LIMITS)
}

/** Throws ABN_BUNDLE_INVALID or ABN_JSON_INVALID. */
export function parseTransferSizes(bytes: Uint8Array): TransferSizes {
  const { archives, format } = fieldsOf(parseCanonicalJson(bytes, LIMITS), PLACE, ['archives', 'format'])
  requireThat(format === 1, below(PLACE, 'format'), 'expected 1')
  const sizes = new Map(entriesOf(archives, below(PLACE, 'archives')))
  return { sizeOf: (archive) => sizes.get(archive.slice(0, DIGITS)) }
}

const PLACE: Place = {
  path: '',
  fail: (reason) => new AbnError('ABN_BUNDLE_INVALID', `transfer sizes: ${reason}`),
}

function entriesOf(value: JsonValue, place: Place): readonly (readonly [string, number])[] {
  requireThat(isObject(value), place, 'expected an object')
  const entries = Object.entries(value)
  requireThat(entries.length <= MAXIMUM_ARCHIVES, place, `expected at most ${MAXIMUM_ARCHIVES}`)
  return entries.map(([name, bytes]) => {
    requireThat(/^[0-9a-f]{8}$/.test(name), place, 'expected 8 lowercase hexadecimal digits')
    return [name, countOf(bytes, below(place, name))]
  })
}
