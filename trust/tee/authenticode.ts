/**
 * The digest by which UEFI firmware measures a program (Microsoft, "Windows Authenticode Portable Executable Signature Format", section
 * "Calculating the PE image hash"): everything in the file but its checksum, the entry that points to signatures, and the signatures.
 * With SHA-384 it is what goes into RTMR1.
 */
import { AbnError } from '../../format/errors.ts'

/** Throws ABN_TEE_IMAGE. `algorithm` is that of the digest. */
export function authenticodeDigest(image: Uint8Array, algorithm: 'sha256' | 'sha384' = 'sha384'): Uint8Array {
  const { checksum, directory, headers, sections, signatures } = partsOfPe(image)
  const hash = process.getBuiltinModule('node:crypto').createHash(algorithm)
  hash.update(image.subarray(0, checksum))
  hash.update(image.subarray(checksum + 4, directory))
  hash.update(image.subarray(directory + 8, headers))
  let at = headers
  for (const { start, end } of sections) {
    require(start >= at, 'sections overlap in the file')
    hash.update(image.subarray(start, end))
    at = end
  }
  // What follows the sections counts, up to the signatures, which end the file.
  const end = image.length - signatures
  require(end >= at, 'signatures overlap the sections')
  hash.update(image.subarray(at, end))
  return Uint8Array.from(hash.digest())
}

type PeParts = {
  /** Offsets of the checksum, and of the directory's entry for signatures. */
  readonly checksum: number
  readonly directory: number
  /** Bytes of all headers. */
  readonly headers: number
  /** In the order of the file; without those that have nothing in it. */
  readonly sections: readonly { readonly start: number; readonly end: number }[]
  /** Bytes of signatures at the end. */
  readonly signatures: number
}

function partsOfPe(image: Uint8Array): PeParts {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
  const inside = (at: number, bytes: number) => {
    require(at + bytes <= image.length, 'cut short')
    return at
  }
  const u16 = (at: number) => view.getUint16(inside(at, 2), true)
  const u32 = (at: number) => view.getUint32(inside(at, 4), true)
  require(image.length <= maximumBytes, `${image.length} bytes, expected at most ${maximumBytes}`)
  require(u16(0) === 0x5a4d, 'no MZ at its beginning')
  const pe = u32(0x3c)
  require(u32(pe) === 0x4550, 'no PE header')
  const count = u16(pe + 6)
  const optional = pe + 24
  const magic = u16(optional)
  require(magic === 0x10b || magic === 0x20b, `optional header of kind ${magic.toString(16)}`)
  const directories = optional + (magic === 0x20b ? 112 : 96)
  require(u32(directories - 4) > SECURITY, 'no directory entry for signatures')
  const directory = directories + SECURITY * 8
  const headers = u32(optional + 60)
  const table = optional + u16(pe + 20)
  require(count <= maximumSections && headers <= image.length, 'headers outside the file')
  require(directory + 8 <= headers && table + count * SECTION_BYTES <= headers, 'headers are cut short')
  const sections = Array.from({ length: count }, (_, i) => table + i * SECTION_BYTES)
    .map((at) => ({ start: u32(at + 20), end: u32(at + 20) + u32(at + 16) }))
    .filter(({ start, end }) => end > start)
    .sort((a, b) => a.start - b.start)
  require(sections.every(({ end }) => end <= image.length), 'a section is outside the file')
  return {
    checksum: optional + 64,
    directory,
    headers,
    sections,
    signatures: signaturesIn(u32(directory), u32(directory + 4), image),
  }
}

function signaturesIn(start: number, bytes: number, image: Uint8Array): number {
  require(bytes === 0 || start + bytes === image.length, 'signatures are not at its end')
  return bytes
}

/** Number of the entry for signatures in the data directory. */
const SECURITY = 4
const SECTION_BYTES = 40
const maximumSections = 96
const maximumBytes = 512 * 1024 * 1024

function require(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new AbnError('ABN_TEE_IMAGE', `EFI program: ${reason}`)
}
