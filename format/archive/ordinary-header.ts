/**
 * Reads the header blocks that nearly all entries have: a file or a directory with a name in ASCII, without a pax header. Instead of making
 * the block again and comparing, it looks at every byte once. Accepts a part of what encodeHeader makes, and nothing else: for
 * any block that it accepts, encodeHeader(item, entry) is that block (tested); about all others it says nothing.
 * Specification: docs/formats/archive.md, "Headers".
 */
import type { StoreItem } from '../store-path.ts'
import type { DirectoryEntry, FileHeader } from './entry.ts'
import { blockBytes, namelessBlock, ustar } from './header.ts'

export type OrdinaryHeader = DirectoryEntry | FileHeader

/** `bytes` holds a whole block at `at`, and `words` are those of `bytes`. Undefined: not of this kind, or wrong. */
export type OrdinaryReader = (bytes: Buffer, at: number, words?: Words) => OrdinaryHeader | undefined

/** The same memory four bytes at a time: most of a block is compared, and most of all bytes between blocks are zero. */
export type Words = Int32Array

/** Undefined where the memory does not begin at a multiple of four. */
export function wordsOf(bytes: Uint8Array): Words | undefined {
  return bytes.byteOffset % 4 === 0
    ? new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4))
    : undefined
}

export function ordinaryHeaderReader(item: StoreItem): OrdinaryReader {
  const base = Buffer.from(`abn/store/${item}/`)
  const name = Buffer.alloc(ustar.prefix.size + 1 + ustar.name.size)

  return (bytes, at, words) => {
    const type = bytes[at + ustar.type.at]
    const isFile = type === FILE
    if (!isFile && type !== DIRECTORY) return undefined
    // The model has no prefix, nor have most.
    const isShort = words !== undefined && at % 4 === 0 && hasWordsOf(modelWords, words, at / 4)
    if (!isSameAs(model, bytes, { at, ranges: isShort ? FIXED_BESIDE_WORDS : FIXED })) return undefined

    const mode = bytes[at + LAST_OF_MODE]
    if (mode !== READABLE + 1 && !(isFile && mode === READABLE)) return undefined
    for (let i = ustar.mode.at; i < LAST_OF_MODE; i++) {
      // The last three digits are the same; those before are as in the model.
      const expected = i < LAST_OF_MODE - 2 ? model[i] : mode
      if (bytes[at + i] !== expected) return undefined
    }

    let size = 0
    for (let i = ustar.size.at; i < SIZE_END - 1; i++) {
      const digit = (bytes[at + i] ?? 0) - ZERO
      if (digit < 0 || digit > 7) return undefined
      size = size * 8 + digit
    }
    if (bytes[at + SIZE_END - 1] !== 0 || (!isFile && size !== 0)) return undefined

    const text = isShort ? bytes : name
    const start = isShort ? at : 0
    const end = start + (isShort ? textLength(bytes, at, ustar.name.size) : nameInto(name, bytes, at))
    if (!isNameWithin(text, start, end, { base, isFile })) return undefined

    const sum =
      fixedSum +
      sumOf(bytes, at, isShort ? end - start : NAME_END) +
      sumOf(bytes, at + ustar.mode.at, ustar.mode.size) +
      sumOf(bytes, at + ustar.size.at, ustar.size.size) +
      (isShort ? 0 : sumOf(bytes, at + ustar.prefix.at, ustar.prefix.size)) +
      (type ?? 0)
    if (!hasChecksum(bytes, at + ustar.checksum.at, sum)) return undefined

    const rest = start + base.length
    const path = text.toString('latin1', rest, isFile ? end : Math.max(rest, end - 1))
    return isFile ? { kind: 'file', path, executable: mode !== READABLE, size } : { kind: 'directory', path }
  }
}

/** What is the same in every block. */
const model = Uint8Array.from(namelessBlock())
const modelWords: Words = new Int32Array(model.buffer)
/** The sum that the checksum field would state if name, prefix, size, mode and type had no bytes at all. */
const fixedSum = sumOf(model, 0, blockBytes) - sumOfOwn(model)

const FILE = 0x30
const DIRECTORY = 0x35
const ZERO = 0x30
const SLASH = 0x2f
const DOT = 0x2e
/** The digit 4; 5 is executable, too. */
const READABLE = 0x34
const NAME_END = ustar.name.size
const SIZE_END = ustar.size.at + ustar.size.size
/** The last digit of the mode, before its NUL. */
const LAST_OF_MODE = ustar.mode.at + ustar.mode.size - 2

/** The first word that belongs to the link as a whole. */
const LINK_WORD = Math.ceil(ustar.link.at / 4) * 4

/** Where the bytes have to be those of the model: all fields but those that are looked at one by one. */
const FIXED: readonly (readonly [number, number])[] = [
  [LAST_OF_MODE + 1, ustar.size.at],
  [ustar.mtime.at, ustar.checksum.at],
  [ustar.link.at, ustar.prefix.at],
  [ustar.padding.at, blockBytes],
]

/** Of those, what hasWordsOf leaves. */
const FIXED_BESIDE_WORDS: typeof FIXED = [
  [LAST_OF_MODE + 1, ustar.uid.at],
  [ustar.link.at, LINK_WORD],
]

/** All whole words of what is fixed, and the prefix. */
function hasWordsOf(model: Words, words: Words, at: number): boolean {
  for (let i = ustar.uid.at / 4; i < ustar.size.at / 4; i++) if (words[at + i] !== model[i]) return false
  for (let i = ustar.mtime.at / 4; i < ustar.checksum.at / 4; i++) if (words[at + i] !== model[i]) return false
  for (let i = LINK_WORD / 4; i < blockBytes / 4; i++) if (words[at + i] !== model[i]) return false
  return true
}

function isSameAs(model: Uint8Array, bytes: Uint8Array, { at, ranges }: { at: number; ranges: typeof FIXED }): boolean {
  for (const [start, end] of ranges) {
    for (let i = start; i < end; i++) if (bytes[at + i] !== model[i]) return false
  }
  return true
}

function sumOf(bytes: Uint8Array, at: number, count: number): number {
  let sum = 0
  for (let i = at; i < at + count; i++) sum += bytes[i] ?? 0
  return sum
}

/** Of the fields that differ from block to block, and of the checksum, which counts as eight spaces. */
function sumOfOwn(model: Uint8Array): number {
  const { mode, size, prefix, type, checksum } = ustar
  const own = [mode, size, prefix, type, checksum].reduce((sum, field) => sum + sumOf(model, field.at, field.size), 0)
  return own - 8 * 0x20
}

/**
 * Puts prefix, slash and name together. The length; 0 unless the texts end with NUL as they should and are split where encodeHeader
 * splits: not at all up to 100 bytes, else at the last slash, not the one at the end, that leaves a prefix of at most 155.
 */
function nameInto(name: Buffer, bytes: Uint8Array, at: number): number {
  const prefix = textInto(name, 0, bytes, at + ustar.prefix.at, ustar.prefix.size)
  if (prefix < 0) return 0
  const start = prefix === 0 ? 0 : prefix + 1
  if (prefix > 0) name[prefix] = SLASH
  const rest = textInto(name, start, bytes, at, ustar.name.size)
  if (rest <= 0) return 0
  const length = start + rest
  if (prefix === 0) return length
  if (length <= ustar.name.size) return 0
  const last = Math.min(ustar.prefix.size, length - 2)
  for (let i = start; i <= last; i++) if (name[i] === SLASH) return 0
  return length
}

/** Copies a text of ASCII; its length, or -1 where there is anything else. */
function textInto(name: Buffer, to: number, bytes: Uint8Array, at: number, size: number): number {
  const length = textLength(bytes, at, size)
  for (let i = 0; i < length; i++) name[to + i] = bytes[at + i] ?? 0
  return length
}

/** Of a text of ASCII that is filled up with NUL; -1 where there is anything else. */
function textLength(bytes: Uint8Array, at: number, size: number): number {
  let length = 0
  for (; length < size; length++) {
    const byte = bytes[at + length] ?? 0
    if (byte === 0) break
    if (byte >= 0x80) return -1
  }
  for (let i = length; i < size; i++) if (bytes[at + i] !== 0) return -1
  return length
}

/** Begins with the base; then components that are neither empty nor "." or "..", and for a directory a slash at the end. */
function isNameWithin(
  text: Uint8Array,
  from: number,
  to: number,
  { base, isFile }: { base: Uint8Array; isFile: boolean },
): boolean {
  let start = from + base.length
  if (to < start) return false
  for (let i = 0; i < base.length; i++) if (text[from + i] !== base[i]) return false
  if (to === start) return !isFile
  if ((text[to - 1] === SLASH) === isFile) return false
  const end = isFile ? to : to - 1
  for (let i = start; i <= end; i++) {
    if (i < end && text[i] !== SLASH) continue
    const bytes = i - start
    if (bytes === 0 || (text[start] === DOT && (bytes === 1 || (bytes === 2 && text[start + 1] === DOT)))) return false
    start = i + 1
  }
  return true
}

/** Six octal digits, NUL, space. */
function hasChecksum(bytes: Uint8Array, at: number, sum: number): boolean {
  let rest = sum
  for (let i = 5; i >= 0; i--) {
    if (bytes[at + i] !== ZERO + (rest & 7)) return false
    rest >>= 3
  }
  return rest === 0 && bytes[at + 6] === 0 && bytes[at + 7] === 0x20
}
