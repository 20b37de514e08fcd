/**
 * The Range header (RFC 9110, section 14): one range of bytes; several, or another unit, are ignored as the RFC allows.
 */
import type { ByteRange } from '../storage/blobs.ts'

export type RangeAnswer =
  | { readonly kind: 'whole' }
  | { readonly kind: 'unsatisfiable' }
  | ({ readonly kind: 'part' } & ByteRange)

/** `bytes`: size of the whole. */
export function parseRange(header: string | undefined, bytes: number): RangeAnswer {
  const match = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header ?? '')
  if (match === null) return { kind: 'whole' }
  const [, first = '', last = ''] = match
  if (first === '' && last === '') return { kind: 'whole' }
  if (first === '') {
    const suffix = Math.min(Number(last), bytes)
    return suffix === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', start: bytes - suffix, end: bytes }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return { kind: 'whole' }
  if (start >= bytes) return { kind: 'unsatisfiable' }
  return { kind: 'part', start, end: last === '' ? bytes : Math.min(Number(last) + 1, bytes) }
}
