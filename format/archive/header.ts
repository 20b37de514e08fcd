/**
 * The header blocks of one entry: POSIX.1-2024 pax interchange format, "ustar" header block, preceded by a pax extended
 * header only where the name, the link target or the size does not fit. One possible encoding for every entry, so the
 * decoder checks a header by making it again. Specification: docs/formats/archive.md, "Headers".
 */
import type { StoreItem } from '../store-path.ts'
import { archiveNameOf, type EntryHeader } from './entry.ts'

export const blockBytes = 512

/** Layout of a ustar header block: [field, size in bytes]. */
const LAYOUT = [
  ['name', 100],
  ['mode', 8],
  ['uid', 8],
  ['gid', 8],
  ['size', 12],
  ['mtime', 12],
  ['checksum', 8],
  ['type', 1],
  ['link', 100],
  ['magic', 6],
  ['version', 2],
  ['userName', 32],
  ['groupName', 32],
  ['deviceMajor', 8],
  ['deviceMinor', 8],
  ['prefix', 155],
  ['padding', 12],
] as const

export type UstarField = (typeof LAYOUT)[number][0]

/** Offset and size of each field. */
export const ustar: Readonly<Record<UstarField, { readonly at: number; readonly size: number }>> = offsetsOf()

/** Largest size that the ustar field holds: eleven octal digits. */
const MAXIMUM_USTAR_SIZE = 0o77777777777

/** Name of every pax extended header: readers that know pax never use it as a file's name. */
const PAX_NAME = Buffer.from('PaxHeaders')

/** One ustar block, or three and more: a pax header, its records, and the ustar block. */
export function encodeHeader(item: StoreItem, entry: EntryHeader): Uint8Array {
  const name = Buffer.from(archiveNameOf(item, entry))
  const target = Buffer.from(entry.kind === 'link' ? entry.target : '')
  const size = entry.kind === 'file' ? entry.size : 0
  const split = splitName(name)
  const records: Buffer[] = []
  // Records in bytewise order of their keywords.
  if (target.length > ustar.link.size) records.push(paxRecord('linkpath', target))
  if (split === undefined) records.push(paxRecord('path', name))
  if (size > MAXIMUM_USTAR_SIZE) records.push(paxRecord('size', Buffer.from(String(size))))
  const block = ustarBlock({
    name: split?.name ?? name.subarray(0, ustar.name.size),
    prefix: split?.prefix ?? EMPTY,
    mode: entry.kind === 'link' ? 0o777 : entry.kind === 'file' && !entry.executable ? 0o444 : 0o555,
    size: size > MAXIMUM_USTAR_SIZE ? 0 : size,
    type: entry.kind === 'file' ? '0' : entry.kind === 'link' ? '2' : '5',
    link: target.subarray(0, ustar.link.size),
  })
  if (records.length === 0) return block
  const body = Buffer.concat(records)
  const pax = ustarBlock({ name: PAX_NAME, prefix: EMPTY, mode: 0o444, size: body.length, type: 'x', link: EMPTY })
  return Buffer.concat([pax, body, Buffer.alloc(paddingOf(body.length)), block])
}

/** Number of zero bytes that fill up the last block of `size` bytes. */
export function paddingOf(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes
}

/** Keyword and value of every record. Undefined when the bytes are no sequence of pax records. */
export function readPaxRecords(body: Buffer): ReadonlyMap<string, Buffer> | undefined {
  const records = new Map<string, Buffer>()
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at)
    const digits = space === -1 || space - at > 5 ? '' : body.toString('latin1', at, space)
    if (!/^[1-9][0-9]*$/.test(digits)) return undefined
    const end = at + Number(digits)
    const equals = body.indexOf(0x3d, space)
    if (end > body.length || equals === -1 || equals >= end - 1 || body[end - 1] !== 0x0a) return undefined
    records.set(body.toString('latin1', space + 1, equals), body.subarray(equals + 1, end - 1))
    at = end
  }
  return records
}

const EMPTY = Buffer.alloc(0)

/** The block of a directory, but for a name: what is the same in the block of every entry that has a name and no more stands in it. */
export function namelessBlock(): Buffer {
  return ustarBlock({ name: EMPTY, prefix: EMPTY, mode: 0o555, size: 0, type: '5', link: EMPTY })
}

type Block = {
  readonly name: Uint8Array
  readonly prefix: Uint8Array
  readonly mode: number
  readonly size: number
  readonly type: string
  readonly link: Uint8Array
}

function ustarBlock({ name, prefix, mode, size, type, link }: Block): Buffer {
  const block = Buffer.alloc(blockBytes)
  block.set(name, ustar.name.at)
  writeOctal(block, 'mode', mode)
  writeOctal(block, 'uid', 0)
  writeOctal(block, 'gid', 0)
  writeOctal(block, 'size', size)
  writeOctal(block, 'mtime', 1)
  block.write(type, ustar.type.at, 'latin1')
  block.set(link, ustar.link.at)
  block.write('ustar\x0000', ustar.magic.at, 'latin1')
  writeOctal(block, 'deviceMajor', 0)
  writeOctal(block, 'deviceMinor', 0)
  block.set(prefix, ustar.prefix.at)
  // The checksum is the sum of all bytes with its own field as eight spaces: six octal digits, NUL, space.
  let sum = 8 * 0x20
  for (const byte of block) sum += byte
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, ustar.checksum.at, 'latin1')
  return block
}

/** Octal digits that fill the field but for a NUL at its end. */
function writeOctal(block: Buffer, field: UstarField, value: number): void {
  const { at, size } = ustar[field]
  block.write(value.toString(8).padStart(size - 1, '0'), at, 'latin1')
}

/**
 * A name of up to 100 bytes stands in `name`. A longer one is split at its last slash that leaves a prefix of at most 155
 * bytes, when that makes a rest of 1 to 100 bytes; otherwise it does not fit.
 */
function splitName(name: Buffer): { readonly name: Buffer; readonly prefix: Buffer } | undefined {
  if (name.length <= ustar.name.size) return { name, prefix: EMPTY }
  const slash = name.subarray(0, Math.min(ustar.prefix.size + 1, name.length - 1)).lastIndexOf(0x2f)
  if (slash <= 0 || name.length - slash - 1 > ustar.name.size) return undefined
  return { name: name.subarray(slash + 1), prefix: name.subarray(0, slash) }
}

/** "<length> <keyword>=<value>\n", where the length counts its own digits too. */
function paxRecord(keyword: string, value: Buffer): Buffer {
  const rest = 1 + keyword.length + 1 + value.length + 1
  let length = rest + 1
  while (String(length).length + rest !== length) length++
  return Buffer.concat([Buffer.from(`${length} ${keyword}=`), value, Buffer.from('\n')])
}

function offsetsOf(): Record<UstarField, { at: number; size: number }> {
  let at = 0
  const entries = LAYOUT.map(([field, size]) => {
    at += size
    return [field, { at: at - size, size }] as const
  })
  return Object.fromEntries(entries) as Record<UstarField, { at: number; size: number }>
}
