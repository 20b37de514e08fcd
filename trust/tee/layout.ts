/** Binary structures as one table of [field, bytes]; offsets are derived from it, never written down. */
import { concat } from '../bytes.ts'

export type Layout = readonly (readonly [name: string, bytes: number])[]
export type Parts<L extends Layout> = { readonly [Name in L[number][0]]: Uint8Array }

export function bytesIn(layout: Layout): number {
  return layout.reduce((sum, [, bytes]) => sum + bytes, 0)
}

/** Views into `bytes`, which are exactly as many as the layout says. */
export function partsOf<L extends Layout>(layout: L, bytes: Uint8Array): Parts<L> {
  if (bytes.length !== bytesIn(layout))
    throw new TypeError(`partsOf: ${bytes.length} bytes, expected ${bytesIn(layout)}`)
  let at = 0
  const parts: Record<string, Uint8Array> = {}
  for (const [name, length] of layout) {
    parts[name] = bytes.subarray(at, at + length)
    at += length
  }
  return parts as Parts<L>
}

export function encodeParts<L extends Layout>(layout: L, parts: Parts<L>): Uint8Array {
  const texts: Readonly<Record<string, Uint8Array | undefined>> = parts
  return concat(
    layout.map(([name, length]) => {
      const part = texts[name]
      if (part?.length !== length)
        throw new TypeError(`encodeParts: ${name} has ${part?.length} bytes, expected ${length}`)
      return part
    }),
  )
}

/** Little-endian, as everything in a quote; at most 4 bytes. */
export function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((sum, byte) => sum * 256 + byte, 0)
}

export function encodeLittleEndian(value: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256)
}
