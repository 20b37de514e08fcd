/**
 * A strict decoder of canonical archives that is fed chunk by chunk and trusts nothing: whatever it has accepted is the one
 * possible encoding of the entries that it reported. It holds at most one header and the open directories in memory.
 * What it reports is not yet verified as a whole: whoever unpacks does so into a private directory and looks at the output
 * digest before anybody else can see it. Specification: docs/formats/archive.md, "Decoding".
 */
import { AbnError } from '../errors.ts'
import { compareBytewise } from '../order.ts'
import type { StoreItem } from '../store-path.ts'
import { endOfArchiveBytes } from './encode.ts'
import { checkEntry, type EntryHeader, maximumPathBytes, maximumTargetBytes } from './entry.ts'
import { blockBytes, encodeHeader, paddingOf, readPaxRecords, ustar } from './header.ts'
import { type OrdinaryHeader, ordinaryHeaderReader, type Words, wordsOf } from './ordinary-header.ts'

/** What the decoder reports, in the order of the archive. A file's `data` calls end with `fileEnd`. */
export type ArchiveSink = {
  /** Entries of a directory follow it at once; `directoryEnd` comes after the last of them. */
  directory(path: string): void
  directoryEnd(path: string): void
  file(path: string, size: number, executable: boolean): void
  /** The chunk is valid during the call only. */
  data(bytes: Uint8Array): void
  fileEnd(): void
  link(path: string, target: string): void
}

export type ArchiveLimits = {
  /** Of the archive, uncompressed. */
  readonly bytes: number
  readonly entries: number
  /** Uncompressed bytes for each compressed byte, judged once the archive is larger than `ratioFreeBytes`. */
  readonly ratio: number
}

export const defaultArchiveLimits: ArchiveLimits = { bytes: 64 * 1024 ** 3, entries: 4_000_000, ratio: 1000 }

/** Below this size no ratio is suspicious. */
export const ratioFreeBytes = 64 * 1024 * 1024

export type ArchiveSummary = { readonly entries: number; readonly bytes: number }

export type ArchiveDecoder = {
  /**
   * `compressedBytes`: how much has been received so far in compressed form, if it was compressed.
   * Throws ABN_ARCHIVE_INVALID or ABN_ARCHIVE_LIMIT, and what the sink throws; the decoder is of no use afterwards.
   */
  push(bytes: Uint8Array, compressedBytes?: number): void
  /** Throws ABN_ARCHIVE_INVALID when the archive is not complete. */
  end(): ArchiveSummary
}

export function createArchiveDecoder(
  item: StoreItem,
  sink: ArchiveSink,
  limits = defaultArchiveLimits,
): ArchiveDecoder {
  /** What comes next; `need` bytes of it are still to come. */
  let state: 'header' | 'pax' | 'extended' | 'content' | 'padding' | 'end' | 'done' = 'header'
  let need = blockBytes
  let held: Buffer[] = []
  /** The blocks of a pax header that belongs to the next entry. */
  let pax: Buffer | undefined
  let padding = 0
  let bytes = 0
  let entries = 0
  let previous = ''
  const open: OpenDirectory[] = []
  const readOrdinary = ordinaryHeaderReader(item)

  function push(chunk: Uint8Array, compressedBytes?: number): void {
    bytes += chunk.length
    if (bytes > limits.bytes) throw new AbnError('ABN_ARCHIVE_LIMIT', `archive larger than ${limits.bytes} bytes`)
    if (compressedBytes !== undefined && bytes > ratioFreeBytes && bytes > compressedBytes * limits.ratio) {
      throw new AbnError('ABN_ARCHIVE_LIMIT', `archive expands to more than ${limits.ratio} times its compressed size`)
    }
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    const words = wordsOf(buffer)
    for (let at = 0; at < buffer.length; ) {
      if (state === 'done') throw invalid('data after its end')
      if (state === 'header' && need === blockBytes && at + blockBytes <= buffer.length) {
        const ordinary = readOrdinary(buffer, at, words)
        if (ordinary !== undefined) {
          at += blockBytes
          accept(ordinary)
          continue
        }
      } else if (state === 'padding' && held.length === 0 && at + need <= buffer.length) {
        requireZero(buffer, at, at + need, words)
        at += need
        expect('header', blockBytes)
        continue
      }
      const taken = buffer.subarray(at, at + need)
      at += taken.length
      need -= taken.length
      if (state === 'content') sink.data(taken)
      else if (need > 0 || held.length > 0) held.push(Buffer.from(taken))
      if (need === 0) next(state === 'content' ? taken : held.length > 0 ? takeHeld() : taken)
    }
  }

  function takeHeld(): Buffer {
    const all = Buffer.concat(held)
    held = []
    return all
  }

  /** Called with the complete piece that the state waited for. */
  function next(piece: Buffer): void {
    switch (state) {
      case 'header':
        beforeEntry(piece)
        break
      case 'pax':
        pax = Buffer.concat([pax ?? piece, piece])
        expect('extended', blockBytes)
        break
      case 'extended':
        header(piece)
        break
      case 'content':
        sink.fileEnd()
        if (padding > 0) expect('padding', padding)
        else expect('header', blockBytes)
        break
      case 'padding':
        requireZero(piece, 0, piece.length)
        expect('header', blockBytes)
        break
      case 'end':
        requireZero(piece, 0, piece.length)
        if (entries === 0) throw invalid('it is empty')
        closeDirectories(0)
        expect('done', 0)
        break
      case 'done':
        throw new TypeError('unreachable')
      default:
        throw unreachable(state)
    }
  }

  /** A block between entries: the first zero block, a pax header, or the header itself. */
  function beforeEntry(block: Buffer): void {
    if (block[0] === 0) {
      requireZero(block, 0, block.length)
      expect('end', endOfArchiveBytes - blockBytes)
    } else if (block[ustar.type.at] === PAX_TYPE) {
      const size = readOctal(block, 'size')
      if (size === 0 || size > MAXIMUM_PAX_BYTES) throw invalid(`a pax header of ${size} bytes`)
      pax = Buffer.from(block)
      expect('pax', size + paddingOf(size))
    } else header(block)
  }

  function expect(what: typeof state, size: number): void {
    state = what
    need = size
  }

  function header(block: Buffer): void {
    const entry = readEntry(item, block, pax)
    checkEntry(item, entry, 'ABN_ARCHIVE_INVALID')
    const expected = encodeHeader(item, entry)
    const got = pax === undefined ? block : Buffer.concat([pax, block])
    if (!got.equals(expected)) throw invalid(`header of ${JSON.stringify(entry.path)} is not in its canonical form`)
    pax = undefined
    accept(entry)
  }

  /** An entry whose header is the canonical one. */
  function accept(entry: EntryHeader | OrdinaryHeader): void {
    if (++entries > limits.entries)
      throw new AbnError('ABN_ARCHIVE_LIMIT', `archive of more than ${limits.entries} entries`)
    place(entry)
    if (entry.kind === 'file') {
      sink.file(entry.path, entry.size, entry.executable)
      padding = paddingOf(entry.size)
      if (entry.size === 0) sink.fileEnd()
    } else if (entry.kind === 'link') sink.link(entry.path, entry.target)
    else sink.directory(entry.path)
    if (entry.kind === 'file' && entry.size > 0) expect('content', entry.size)
    else expect('header', blockBytes)
  }

  /** Checks order, that the entry's directory is open, and that its name is new there. */
  function place(entry: EntryHeader): void {
    // Every name in the archive has the same beginning, so that the rest decides their order.
    const name = entry.kind === 'directory' && entry.path !== '' ? `${entry.path}/` : entry.path
    if (entries === 1 ? name !== '' : compareBytewise(previous, name) >= 0) {
      throw invalid(`${JSON.stringify(entry.path)} is out of order`)
    }
    previous = name
    if (entry.path !== '') placeIn(parentOf(entry.path), entry)
    if (entry.kind === 'directory') open.push({ path: entry.path, shorter: [] })
  }

  /** The open directory that an entry stands in; those within it are closed. */
  function parentOf(path: string): OpenDirectory {
    const slash = path.lastIndexOf('/')
    const isWithin = (directory: OpenDirectory): boolean =>
      slash === -1 ? directory.path === '' : directory.path.length === slash && path.startsWith(directory.path)
    for (let parent = open.at(-1); parent !== undefined; parent = open.at(-1)) {
      if (isWithin(parent)) return parent
      closeDirectories(open.length - 1)
    }
    throw invalid(`no directory for ${JSON.stringify(path)}`)
  }

  /** A directory "a/" sorts after a file "a" with others between them; two of one kind cannot pass the order. */
  function placeIn({ shorter }: OpenDirectory, { kind, path }: EntryHeader): void {
    for (let last = shorter.at(-1); last !== undefined && !path.startsWith(last); last = shorter.at(-1)) shorter.pop()
    if (kind !== 'directory') shorter.push(path)
    else if (shorter.at(-1) === path) throw invalid(`${JSON.stringify(path)} occurs twice`)
  }

  function closeDirectories(depth: number): void {
    while (open.length > depth) sink.directoryEnd(open.pop()?.path ?? '')
  }

  function end(): ArchiveSummary {
    if (state !== 'done') throw invalid(`it ends early, after ${bytes} bytes`)
    return { entries, bytes }
  }

  return { push, end }
}

type OpenDirectory = {
  readonly path: string
  /** Of the files and links in it, those whose path is the beginning of the last entry's, and so may be that of a directory yet. */
  readonly shorter: string[]
}

/** Type flag 'x'. */
const PAX_TYPE = 0x78

/** Two records at their longest. */
const MAXIMUM_PAX_BYTES = maximumPathBytes + 512 + maximumTargetBytes + 512

/** Reads loosely: the caller makes the header again and compares. */
function readEntry(item: StoreItem, block: Buffer, pax: Buffer | undefined): EntryHeader {
  const records = pax === undefined ? undefined : paxRecordsOf(pax)
  const prefix = readText(block, 'prefix')
  const short = prefix === '' ? readText(block, 'name') : `${prefix}/${readText(block, 'name')}`
  const name = records?.has('path') ? utf8(records.get('path')) : short
  const base = `abn/store/${item}`
  const type = String.fromCharCode(block[ustar.type.at] ?? 0)
  const directory = type === '5'
  if (name !== `${base}/` && !(name.startsWith(`${base}/`) && name.endsWith('/') === directory)) {
    throw invalid(`${JSON.stringify(name.slice(0, 300))} is not a name within ${item}`)
  }
  const path = name.slice(base.length + 1, directory ? -1 : undefined)
  switch (type) {
    case '0': {
      const size = records?.has('size') ? Number(utf8(records.get('size'))) : readOctal(block, 'size')
      return { kind: 'file', path, size, executable: (readOctal(block, 'mode') & 1) !== 0 }
    }
    case '2':
      return {
        kind: 'link',
        path,
        target: records?.has('linkpath') ? utf8(records.get('linkpath')) : readText(block, 'link'),
      }
    case '5':
      return { kind: 'directory', path }
    default:
      throw invalid(
        `${JSON.stringify(path)} is of type ${JSON.stringify(type)}: neither file, directory nor symbolic link`,
      )
  }
}

function paxRecordsOf(pax: Buffer): ReadonlyMap<string, Buffer> {
  const size = readOctal(pax, 'size')
  const records = readPaxRecords(pax.subarray(blockBytes, blockBytes + size))
  if (records === undefined) throw invalid('a pax header is malformed')
  return records
}

function readText(block: Buffer, field: 'name' | 'prefix' | 'link'): string {
  const { at, size } = ustar[field]
  const bytes = block.subarray(at, at + size)
  const end = bytes.indexOf(0)
  return utf8(end === -1 ? bytes : bytes.subarray(0, end))
}

function utf8(bytes: Buffer | undefined): string {
  // A byte sequence that is not UTF-8 gets replacement characters here and differs when it is encoded again.
  return (bytes ?? Buffer.alloc(0)).toString('utf8')
}

function readOctal(block: Buffer, field: 'mode' | 'size'): number {
  const { at, size } = ustar[field]
  const digits = block.toString('latin1', at, at + size - 1)
  if (!/^[0-7]+$/.test(digits)) throw invalid(`a header with a malformed ${field}`)
  return Number.parseInt(digits, 8)
}

function requireZero(bytes: Uint8Array, start: number, end: number, words?: Words): void {
  const firstWord = Math.ceil(start / 4)
  const lastWord = Math.floor(end / 4)
  const hasWords = words !== undefined && firstWord < lastWord
  let isZero = true
  for (let i = start; i < (hasWords ? firstWord * 4 : end); i++) isZero &&= bytes[i] === 0
  if (hasWords) {
    for (let i = firstWord; i < lastWord; i++) isZero &&= words[i] === 0
    for (let i = lastWord * 4; i < end; i++) isZero &&= bytes[i] === 0
  }
  if (!isZero) throw invalid('bytes that should be zero are not')
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_ARCHIVE_INVALID', `not a canonical archive: ${reason}`)
}

function unreachable(value: never): TypeError {
  return new TypeError(`unreachable: ${String(value)}`)
}
