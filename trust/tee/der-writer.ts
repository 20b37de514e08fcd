/** Writes the DER that simulated certificates need; der.ts reads it. */
import { concat, utf8 } from '../bytes.ts'
import { tags } from './der.ts'

export function derOf(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = concat(contents)
  return concat([Uint8Array.of(tag), lengthOf(content.length), content])
}

export function sequence(...members: readonly Uint8Array[]): Uint8Array {
  return derOf(tags.sequence, ...members)
}

/** Of the bytes of a number that is not negative, leading zeros or not. */
export function integer(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0)
  const digits = first < 0 ? Uint8Array.of(0) : bytes.subarray(first)
  const sign = (digits[0] ?? 0) >= 0x80 ? Uint8Array.of(0) : new Uint8Array()
  return derOf(tags.integer, sign, digits)
}

export function smallInteger(value: number, tag: number = tags.integer): Uint8Array {
  if (value < 0 || value > 0x7fff) throw new TypeError(`smallInteger: ${value}`)
  return derOf(tag, value < 0x80 ? Uint8Array.of(value) : Uint8Array.of(value >> 8, value & 0xff))
}

/** Of the content in hexadecimal. */
export function identifier(hex: string): Uint8Array {
  return derOf(tags.identifier, Uint8Array.fromHex(hex))
}

export function octetString(content: Uint8Array): Uint8Array {
  return derOf(tags.octetString, content)
}

export function bitString(octets: Uint8Array, unused = 0): Uint8Array {
  return derOf(tags.bitString, Uint8Array.of(unused), octets)
}

/** Named bits 0 to 7. */
export function namedBits(bits: readonly number[]): Uint8Array {
  return bitString(Uint8Array.of(bits.reduce((octet, bit) => octet | (0x80 >> bit), 0)), 7 - Math.max(...bits))
}

export function truth(): Uint8Array {
  return derOf(tags.boolean, Uint8Array.of(0xff))
}

export function time(seconds: number): Uint8Array {
  const text = `${new Date(seconds * 1000).toISOString().replace(/[-:T]|\..*/g, '')}Z`
  return text < '2050' ? derOf(tags.utcTime, utf8(text.slice(2))) : derOf(tags.generalizedTime, utf8(text))
}

function lengthOf(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  if (length < 0x100) return Uint8Array.of(0x81, length)
  if (length < 0x10000) return Uint8Array.of(0x82, length >> 8, length & 0xff)
  return Uint8Array.of(0x83, length >> 16, (length >> 8) & 0xff, length & 0xff)
}
