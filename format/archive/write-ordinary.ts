/**
 * Writes the header blocks that nearly all entries have into memory of the caller: of a file or a directory with a name in ASCII that
 * needs no pax header. What it writes is what encodeHeader makes (tested); of all others it says that it cannot.
 * Specification: docs/formats/archive.md, "Headers".
 */
import type { StoreItem } from '../store-path.ts'
import { blockBytes, encodeHeader, ustar } from './header.ts'

export type OrdinaryEntry = {
  readonly isDirectory: boolean
  readonly path: string
  /** 0 for a directory. */
  readonly size: number
  readonly executable: boolean
}

/** Writes one block at `at`, or nothing that counts: false. The caller has checked the entry. */
export type OrdinaryWriter = (bytes: Uint8Array, at: number, entry: OrdinaryEntry) => boolean

export function ordinaryHeaderWriter(item: StoreItem): OrdinaryWriter {
  const base = `abn/store/${item}/`
  const model = modelFor(item)
  const modelSum = model.reduce((sum, byte) => sum + byte, 0) + 8 * SPACE

  return (bytes, at, { isDirectory, path, size, executable }) => {
    const end = isDirectory && path !== '' ? '/' : ''
    const length = base.length + path.length + end.length
    if (size > LARGEST) return false
    bytes.set(model, at)
    let sum = modelSum
    if (length <= ustar.name.size) {
      const own = textSum(bytes, at, base + path + end)
      if (own < 0) return false
      sum += own
    } else {
      // At the last slash, not the one at the end, that leaves a prefix that fits.
      const name = base + path + end
      const slash = name.lastIndexOf('/', Math.min(ustar.prefix.size, length - 2))
      if (slash <= 0 || length - slash - 1 > ustar.name.size) return false
      const [prefix, rest] = [
        textSum(bytes, at + ustar.prefix.at, name.slice(0, slash)),
        textSum(bytes, at, name.slice(slash + 1)),
      ]
      if (prefix < 0 || rest < 0) return false
      sum += prefix + rest
    }
    const type = isDirectory ? DIRECTORY : FILE
    bytes[at + ustar.type.at] = type
    sum += type
    if (isDirectory || executable) {
      // 0555 instead of 0444.
      for (let i = MODE_END - 3; i < MODE_END; i++) bytes[at + i] = ZERO + 5
      sum += 3
    }
    let left = size
    for (let i = SIZE_END - 1; left > 0; i--) {
      const digit = left % 8
      bytes[at + i] = ZERO + digit
      sum += digit
      left = (left - digit) / 8
    }
    for (let i = at + ustar.checksum.at + 5; i >= at + ustar.checksum.at; i--) {
      bytes[i] = ZERO + (sum & 7)
      sum >>= 3
    }
    bytes[at + ustar.checksum.at + 7] = SPACE
    return true
  }
}

/** A file's block without name, with mode 0444 and size 0; no checksum. */
function modelFor(item: StoreItem): Uint8Array {
  const model = Uint8Array.from(
    encodeHeader(item, { kind: 'file', path: 'a', size: 0, executable: false }).subarray(0, blockBytes),
  )
  model.fill(0, ustar.name.at, ustar.name.at + ustar.name.size)
  model.fill(0, ustar.prefix.at, ustar.prefix.at + ustar.prefix.size)
  model[ustar.type.at] = 0
  model.fill(0, ustar.checksum.at, ustar.checksum.at + ustar.checksum.size)
  return model
}

const FILE = 0x30
const DIRECTORY = 0x35
const ZERO = 0x30
const SPACE = 0x20
/** Of the digits, before the NUL. */
const MODE_END = ustar.mode.at + ustar.mode.size - 1
const SIZE_END = ustar.size.at + ustar.size.size - 1
const LARGEST = 0o77777777777

/** The sum of its bytes; -1 when it is not ASCII. */
function textSum(bytes: Uint8Array, at: number, text: string): number {
  let sum = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0x80) return -1
    bytes[at + i] = unit
    sum += unit
  }
  return sum
}
