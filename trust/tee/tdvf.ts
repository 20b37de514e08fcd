/**
 * The TDX metadata of a firmware image (Intel, "TDX Virtual Firmware Design Guide", section 11): which parts of the image, and which empty
 * pages, a guest begins with. A table of entries with GUIDs ends 32 bytes before the image does; one entry says where the descriptor is.
 * Read strictly: an image that would be measured in another way than it says is refused.
 */
import { AbnError } from '../../format/errors.ts'
import { isEqualBytes, utf8 } from '../bytes.ts'
import { bytesIn, type Layout, littleEndian, partsOf } from './layout.ts'

export type Tdvf = { readonly image: Uint8Array; readonly sections: readonly TdvfSection[] }

export type TdvfSection = {
  readonly kind: SectionKind
  /** Where it is in the image, and how long there; zero for empty pages. */
  readonly offset: number
  readonly bytes: number
  /** Where it is in the guest's memory, and how long there: whole pages. */
  readonly address: number
  readonly memoryBytes: number
  readonly attributes: number
}

export type SectionKind = (typeof KINDS)[number]

export const pageBytes = 4096
export const maximumImageBytes = 64 * 1024 * 1024

/** Throws ABN_TEE_IMAGE. */
export function parseTdvf(image: Uint8Array): Tdvf {
  require(image.length <= maximumImageBytes, `${image.length} bytes, expected at most ${maximumImageBytes}`)
  const at = image.length - littleEndian(metadataOffsetOf(image))
  const descriptor = at >= 0 ? read(image, DESCRIPTOR, at) : undefined
  require(descriptor !== undefined, 'the TDX metadata is outside the image')
  require(isEqualBytes(descriptor.signature, utf8('TDVF')), 'the TDX metadata has another signature')
  require(littleEndian(descriptor.version) === 1, `TDX metadata of version ${littleEndian(descriptor.version)}`)
  const count = littleEndian(descriptor.count)
  const expected = bytesIn(DESCRIPTOR) + count * bytesIn(SECTION)
  require(count >= 1 && count <= maximumSections, `${count} sections`)
  require(littleEndian(descriptor.length) ===
    expected, `the TDX metadata says ${littleEndian(descriptor.length)} bytes`)
  const sections = Array.from({ length: count }, (_, i) =>
    sectionOf(image, at + bytesIn(DESCRIPTOR) + i * bytesIn(SECTION)),
  )
  requireApart(sections)
  return { image, sections }
}

/** MR.EXTEND: its contents go into MRTD. */
export function isMeasured({ attributes }: TdvfSection): boolean {
  return (attributes & 1) !== 0
}

/** Its pages are there when the guest begins; with PAGE.AUG they come later, and are not in MRTD. */
export function isPaged({ attributes }: TdvfSection): boolean {
  return (attributes & 2) === 0
}

/** The part of the image that holds a section. */
export function contentOf({ image }: Tdvf, { offset, bytes }: TdvfSection): Uint8Array {
  return image.subarray(offset, offset + bytes)
}

/** Bytes of a GUID as UEFI writes it: the first three groups are little-endian. */
export function guidBytes(text: string): Uint8Array {
  const [a = '', b = '', c = '', ...rest] = text.split('-')
  const reversed = [a, b, c].map((group) => Uint8Array.fromHex(group).reverse().toHex())
  return Uint8Array.fromHex([...reversed, ...rest].join(''))
}

export function guidText(bytes: Uint8Array): string {
  const hex = (from: number, to: number) => bytes.slice(from, to).toHex()
  const reversed = (from: number, to: number) => bytes.slice(from, to).reverse().toHex()
  return `${reversed(0, 4)}-${reversed(4, 6)}-${reversed(6, 8)}-${hex(8, 10)}-${hex(10, 16)}`
}

const KINDS = [
  'boot firmware',
  'configuration',
  'hand-off block',
  'temporary memory',
  'permanent memory',
  'payload',
  'payload parameters',
] as const

const ENTRY = [
  ['length', 2],
  ['guid', 16],
] as const satisfies Layout

const DESCRIPTOR = [
  ['signature', 4],
  ['length', 4],
  ['version', 4],
  ['count', 4],
] as const satisfies Layout

const SECTION = [
  ['offset', 4],
  ['bytes', 4],
  ['address', 8],
  ['memoryBytes', 8],
  ['type', 4],
  ['attributes', 4],
] as const satisfies Layout

const tableFooter = guidBytes('96b582de-1fb2-45f7-baea-a366c55a082d')
const metadataOffset = guidBytes('e47a6535-984a-4798-865e-4685a7bf8ec2')
/** Behind the table: the reset vector. */
const bytesBehindTable = 32
const maximumSections = 64
const maximumGuestBytes = 1024 * 1024 * 1024
/** Physical addresses have at most 52 bits. */
const maximumAddress = 2 ** 52

const WHOLE = 'give the image that holds code and variables, built with TDX support, such as OVMF.fd'

/** The table is read from its end: data, length of the whole entry, GUID; the first from behind is the table itself. */
function metadataOffsetOf(image: Uint8Array): Uint8Array {
  const end = image.length - bytesBehindTable - bytesIn(ENTRY)
  const footer = read(image, ENTRY, end)
  require(footer !== undefined && isEqualBytes(footer.guid, tableFooter), 'no table of GUIDs at the end of the image')
  const start = end + bytesIn(ENTRY) - littleEndian(footer.length)
  require(start >= 0 && start <= end, 'the table of GUIDs is longer than the image')
  let found: Uint8Array | undefined
  for (let at = end; at > start; ) {
    const entry = at - bytesIn(ENTRY) >= start ? read(image, ENTRY, at - bytesIn(ENTRY)) : undefined
    const length = entry === undefined ? 0 : littleEndian(entry.length)
    require(length >= bytesIn(ENTRY) && at - length >= start, 'the table of GUIDs is damaged')
    if (entry !== undefined && isEqualBytes(entry.guid, metadataOffset)) {
      require(found === undefined && length === bytesIn(ENTRY) + 4, 'the table of GUIDs has not one entry for TDX')
      found = image.subarray(at - length, at - bytesIn(ENTRY))
    }
    at -= length
  }
  if (found === undefined) throw invalid('it has no TDX metadata', WHOLE)
  return found
}

function sectionOf(image: Uint8Array, at: number): TdvfSection {
  const fields = read(image, SECTION, at)
  require(fields !== undefined, 'the TDX metadata is cut off')
  const offset = littleEndian(fields.offset)
  const bytes = littleEndian(fields.bytes)
  const address = littleEndian(fields.address)
  const memoryBytes = littleEndian(fields.memoryBytes)
  const attributes = littleEndian(fields.attributes)
  const kind = KINDS[littleEndian(fields.type)]
  require(kind !== undefined, `a section of type ${littleEndian(fields.type)}`)
  const what = `the section '${kind}'`
  require((attributes & ~3) === 0, `${what} has attributes ${attributes.toString(16)}`)
  require(attributes !== 3, `${what} is to be measured, but comes later`)
  require(address % pageBytes === 0 && memoryBytes % pageBytes === 0, `${what} is not whole pages`)
  require(memoryBytes >= pageBytes && memoryBytes <= maximumGuestBytes, `${what} has ${memoryBytes} bytes of memory`)
  require(address + memoryBytes <= maximumAddress, `${what} is at ${address}`)
  if (offset + bytes > image.length) throw invalid(`${what} is outside the image`, WHOLE)
  // Firmware could leave the rest to zeros; none does, and hosts need not agree on it.
  const isWhole = bytes === memoryBytes || (bytes === 0 && (attributes & 1) === 0)
  require(isWhole, `${what} has ${bytes} bytes in the image and ${memoryBytes} in memory`)
  return { kind, offset, bytes, address, memoryBytes, attributes }
}

function requireApart(sections: readonly TdvfSection[]): void {
  const sorted = sections.toSorted((a, b) => a.address - b.address)
  sorted.forEach((section, i) => {
    const before = sorted[i - 1]
    const isApart = before === undefined || before.address + before.memoryBytes <= section.address
    require(isApart, `the sections '${before?.kind}' and '${section.kind}' overlap`)
  })
}

function read<L extends Layout>(image: Uint8Array, layout: L, at: number): ReturnType<typeof partsOf<L>> | undefined {
  const isInside = at >= 0 && at + bytesIn(layout) <= image.length
  return isInside ? partsOf(layout, image.subarray(at, at + bytesIn(layout))) : undefined
}

function require(condition: boolean, reason: string): asserts condition {
  if (!condition) throw invalid(reason)
}

function invalid(reason: string, hint?: string): AbnError {
  return new AbnError('ABN_TEE_IMAGE', `firmware image: ${reason}`, hint === undefined ? {} : { hint })
}
