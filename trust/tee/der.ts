/**
 * DER (ITU-T X.690, sections 8 and 10) as a tree, read strictly: one-byte tags, definite and minimal lengths, nothing behind the
 * value, canonical integers, booleans, bit strings and times; size, depth and number of values are capped. Just the types that
 * Intel's certificates use. Trusts nothing.
 */
import { hexOf } from '../bytes.ts'
import { TeeError, type TeeReason } from './reasons.ts'

export type Der = {
  readonly tag: number
  /** The whole value with its tag and length. */
  readonly bytes: Uint8Array
  readonly content: Uint8Array
  /** Of a constructed value, in order. */
  readonly children: readonly Der[]
  /** What a complaint about this document is called. */
  readonly reason: TeeReason
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  identifier: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  /** Context-specific and constructed, as `[0]` with explicit tagging. */
  context: (number: number) => 0xa0 + number,
} as const

export const maximumDerBytes = 1024 * 1024
const maximumDepth = 16
const maximumValues = 200_000

/** One value and nothing behind it. Throws a TeeError with the given reason. */
export function parseDer(bytes: Uint8Array, reason: TeeReason): Der {
  if (bytes.length > maximumDerBytes) throw new TeeError(reason, `${bytes.length} bytes of DER`)
  const reading = { reason, left: maximumValues }
  const value = valueAt(bytes, 0, 0, reading)
  if (value.bytes.length !== bytes.length) throw new TeeError(reason, 'bytes follow the end of the DER value')
  return value
}

/** Takes the members of a constructed value one by one; `end` says that there are no more. */
export type Members = {
  take(tag: number, what: string): Der
  takeIf(tag: number): Der | undefined
  takeTime(what: string): number
  end(): void
}

export function membersOf(value: Der, tag: number = tags.sequence): Members {
  requireTag(value, tag, 'structure')
  let next = 0
  const takeAny = (what: string): Der => {
    const child = value.children[next++]
    if (child === undefined) throw new TeeError(value.reason, `the ${what} is missing`)
    return child
  }
  return {
    take(wanted, what) {
      const child = takeAny(what)
      requireTag(child, wanted, what)
      return child
    },
    takeIf(wanted) {
      return value.children[next]?.tag === wanted ? value.children[next++] : undefined
    },
    takeTime: (what) => secondsOf(takeAny(what)),
    end() {
      if (next < value.children.length)
        throw new TeeError(value.reason, `unexpected member of tag ${tagText(value.children[next])}`)
    },
  }
}

/** The digits of a positive integer, at most 20 octets as certificates' serial numbers have (RFC 5280, section 4.1.2.2). */
export function serialOf(value: Der): string {
  const { content } = value
  requireInteger(value)
  if ((content[0] ?? 0x80) >= 0x80 || content.length > 21)
    throw new TeeError(value.reason, 'expected a positive number')
  return hexOf(content)
}

/** A small integer that is not negative. */
export function numberOf(value: Der): number {
  requireInteger(value)
  if ((value.content[0] ?? 0x80) >= 0x80 || value.content.length > 4)
    throw new TeeError(value.reason, 'number out of range')
  return value.content.reduce((sum, byte) => sum * 256 + byte, 0)
}

export function booleanOf(value: Der): boolean {
  requireTag(value, tags.boolean, 'boolean')
  const [byte] = value.content
  if (value.content.length !== 1 || (byte !== 0 && byte !== 0xff)) throw new TeeError(value.reason, 'not a DER boolean')
  return byte === 0xff
}

/** Of a bit string that is whole octets. */
export function octetsOfBits(value: Der): Uint8Array {
  requireTag(value, tags.bitString, 'bit string')
  if (value.content[0] !== 0) throw new TeeError(value.reason, 'bit string of part of an octet')
  return value.content.subarray(1)
}

/** Of a list of named bits: no trailing zero bits (X.690, section 11.2.2). Bit 0 is the first. */
export function namedBitsOf(value: Der): ReadonlySet<number> {
  requireTag(value, tags.bitString, 'bit string')
  const [unused = 8, ...octets] = value.content
  const last = octets.at(-1) ?? 0
  const isCanonical = octets.length > 0 && octets.length <= 4 && unused < 8 && last % 2 ** (unused + 1) === 2 ** unused
  if (!isCanonical) throw new TeeError(value.reason, 'not a canonical list of bits')
  return new Set(octets.flatMap((octet, i) => bitsOf(octet).map((bit) => i * 8 + bit)))
}

/** An object identifier, in hexadecimal: compared, never interpreted. */
export function identifierOf(value: Der): string {
  requireTag(value, tags.identifier, 'object identifier')
  const { content } = value
  const isMinimal = content.every((byte, i) => byte !== 0x80 || (content[i - 1] ?? 0) >= 0x80)
  if (content.length === 0 || (content.at(-1) ?? 0x80) >= 0x80 || !isMinimal) {
    throw new TeeError(value.reason, 'not an object identifier')
  }
  return hexOf(content)
}

/** UTCTime to 2049, GeneralizedTime from 2050, in whole seconds with Z (RFC 5280, section 4.1.2.5). Seconds since 1970. */
export function secondsOf(value: Der): number {
  const text = String.fromCharCode(...value.content.subarray(0, 15))
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text)
  const [, year = '', month, day, hour, minute, second] = match ?? []
  const isUtc = value.tag === tags.utcTime && year.length === 2
  const isGeneralized = value.tag === tags.generalizedTime && year.length === 4 && year >= '2050'
  const full = isUtc ? `${year < '50' ? '20' : '19'}${year}` : year
  const iso = `${full}-${month}-${day}T${hour}:${minute}:${second}`
  const milliseconds = Date.parse(`${iso}Z`)
  const isReal = Number.isFinite(milliseconds) && new Date(milliseconds).toISOString() === `${iso}.000Z`
  if (!(isUtc || isGeneralized) || value.content.length !== text.length || !isReal)
    throw new TeeError(value.reason, 'not a DER time')
  return milliseconds / 1000
}

export function requireTag(value: Der, tag: number, what: string): void {
  if (value.tag !== tag)
    throw new TeeError(value.reason, `${what}: expected the tag ${tag.toString(16)}, got ${tagText(value)}`)
}

type Reading = { readonly reason: TeeReason; left: number }

function valueAt(bytes: Uint8Array, at: number, depth: number, reading: Reading): Der {
  const { reason } = reading
  const fail = (message: string) => new TeeError(reason, `DER at offset ${at}: ${message}`)
  if (depth > maximumDepth || reading.left-- === 0) throw fail('nested too deeply, or too many values')
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined) throw fail('cut short')
  if ((tag & 0x1f) === 0x1f || tag === 0) throw fail('a tag that is not used here')
  const count = first < 0x80 ? 0 : first - 0x80
  if (first === 0x80 || count > 3) throw fail('indefinite or huge length')
  let length = first
  if (count > 0) {
    const digits = bytes.subarray(at + 2, at + 2 + count)
    length = digits.reduce((sum, byte) => sum * 256 + byte, 0)
    const isMinimal = digits.length === count && length >= (count === 1 ? 0x80 : 256 ** (count - 1))
    if (!isMinimal) throw fail('length not minimal')
  }
  const start = at + 2 + count
  const end = start + length
  if (end > bytes.length) throw fail('cut short')
  const children: Der[] = []
  if ((tag & 0x20) !== 0) {
    const limited = bytes.subarray(0, end)
    for (let next = start; next < end; ) {
      const child = valueAt(limited, next, depth + 1, reading)
      children.push(child)
      next += child.bytes.length
    }
  }
  return { tag, bytes: bytes.subarray(at, end), content: bytes.subarray(start, end), children, reason }
}

function requireInteger(value: Der): void {
  const [first, second] = value.content
  const isPadded =
    (first === 0 && (second ?? 0x80) < 0x80 && second !== undefined) || (first === 0xff && (second ?? 0) >= 0x80)
  if ((value.tag !== tags.integer && value.tag !== tags.enumerated) || first === undefined || isPadded) {
    throw new TeeError(value.reason, 'not a DER integer')
  }
}

function bitsOf(octet: number): number[] {
  return [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (octet & (0x80 >> bit)) !== 0)
}

function tagText(value: Der | undefined): string {
  return value === undefined ? 'none' : value.tag.toString(16)
}
