/**
 * The output digest of a directory, as output-digest.ts defines it, made with less work for each small file: headers and contents are
 * read and written into one buffer, of which a few hundred kilobytes at a time are hashed. Everything unusual in an entry is left to
 * the encoder of archives.
 */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import { endOfArchiveBytes } from '../format/archive/encode.ts'
import { checkEntry, type EntryHeader } from '../format/archive/entry.ts'
import { blockBytes, encodeHeader, paddingOf } from '../format/archive/header.ts'
import { type OrdinaryWriter, ordinaryHeaderWriter } from '../format/archive/write-ordinary.ts'
import { parseSha256, type Sha256 } from '../format/hash.ts'
import type { StoreItem } from '../format/store-path.ts'
import { errorCode } from './io-errors.ts'
import { changed, readLink, requireOrdinaryFile, sortedNames } from './walk.ts'

/** Throws ABN_OUTPUT_* when the directory has no canonical archive, ABN_DIRECTORY_CHANGED. */
export function quickOutputDigest(directory: string, item: StoreItem): Sha256 {
  const gathering = new Gathering(item)
  gathering.header({ kind: 'directory', path: '' })
  readBelow(directory, '', gathering)
  return gathering.finish()
}

const GATHERED_BYTES = 512 * 1024

/** Kept between items of one thread. */
let memory: Buffer | undefined

class Gathering {
  readonly item: StoreItem
  readonly #buffer: Buffer
  readonly #hash: Hash = createHash('sha256')
  readonly #write: OrdinaryWriter
  #used = 0

  constructor(item: StoreItem) {
    memory ??= Buffer.allocUnsafeSlow(GATHERED_BYTES)
    this.#buffer = memory
    this.item = item
    this.#write = ordinaryHeaderWriter(item)
  }

  header(entry: EntryHeader): void {
    this.#reserve(blockBytes)
    const { kind, path } = entry
    const [size, executable] = kind === 'file' ? [entry.size, entry.executable] : [0, false]
    if (
      kind !== 'link' &&
      this.#write(this.#buffer, this.#used, { isDirectory: kind === 'directory', path, size, executable })
    )
      this.#used += blockBytes
    else {
      const header = encodeHeader(this.item, entry)
      this.#reserve(header.length)
      this.#buffer.set(header, this.#used)
      this.#used += header.length
    }
  }

  /** False when there is another number of bytes. */
  content(descriptor: number, size: number): boolean {
    for (let left = size; left > 0; ) {
      const isRoomNeeded = left <= GATHERED_BYTES && this.#used + left > GATHERED_BYTES
      if (this.#used === GATHERED_BYTES || isRoomNeeded) this.#flush()
      const count = readSync(descriptor, this.#buffer, this.#used, Math.min(left, GATHERED_BYTES - this.#used), null)
      if (count === 0) return false
      this.#used += count
      left -= count
    }
    this.#zeros(paddingOf(size))
    return true
  }

  finish(): Sha256 {
    this.#zeros(endOfArchiveBytes)
    this.#flush()
    return parseSha256(this.#hash.digest('hex'))
  }

  #zeros(count: number): void {
    this.#reserve(count)
    this.#buffer.fill(0, this.#used, this.#used + count)
    this.#used += count
  }

  /** `count` is at most GATHERED_BYTES. */
  #reserve(count: number): void {
    if (this.#used + count > GATHERED_BYTES) this.#flush()
  }

  #flush(): void {
    if (this.#used > 0) this.#hash.update(this.#buffer.subarray(0, this.#used))
    this.#used = 0
  }
}

function readBelow(directory: string, prefix: string, gathering: Gathering): void {
  const { item } = gathering
  for (const { name, kind } of sortedNames(directory, prefix)) {
    const path = prefix + name
    const at = `${directory}/${name}`
    checkEntry(item, { kind: 'directory', path }, 'ABN_OUTPUT_NAME')
    if (kind === 'directory') {
      gathering.header({ kind, path })
      readBelow(at, `${path}/`, gathering)
    } else if (kind === 'file') readFile(at, path, gathering)
    else if (kind === 'link') gathering.header(readLink(at, path, item))
    else requireOrdinaryFile(lstatSync(at), path)
  }
}

function readFile(at: string, path: string, gathering: Gathering): void {
  const descriptor = openFile(at, path)
  try {
    const status = fstatSync(descriptor)
    requireOrdinaryFile(status, path)
    const { size, mode } = status
    gathering.header({ kind: 'file', path, size, executable: (mode & 0o111) !== 0 })
    if (!gathering.content(descriptor, size)) throw changed(path)
  } finally {
    closeSync(descriptor)
  }
}

/** Not through a link, and without waiting for the writer of a named pipe: it was a file when it was listed. */
function openFile(at: string, path: string): number {
  try {
    return openSync(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ELOOP' || errorCode(error) === 'ENXIO')
      throw changed(path)
    throw error
  }
}
