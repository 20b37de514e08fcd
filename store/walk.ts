/**
 * Reads a directory as the entries of its canonical archive. Takes the executable bits, names, targets and contents from
 * the disk and nothing else: other mode bits, owners, times, hard links and extended attributes do not count.
 */
import {
  closeSync,
  constants,
  type Dirent,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs'
import { type ArchiveEntry, checkEntry, type LinkEntry } from '../format/archive/entry.ts'
import { AbnError } from '../format/errors.ts'
import { compareBytewise } from '../format/order.ts'
import type { StoreItem } from '../format/store-path.ts'
import { errorCode } from './io-errors.ts'

const CHUNK_BYTES = 1024 * 1024

/**
 * Entries in the order of the archive. The content of a file is read when it is iterated over, into a buffer that the next
 * chunk overwrites. Throws ABN_OUTPUT_*, and ABN_DIRECTORY_CHANGED when a file vanishes.
 */
export function* readEntries(directory: string, item: StoreItem): Generator<ArchiveEntry, void, void> {
  yield { kind: 'directory', path: '' }
  yield* readBelow(directory, '', { item, buffer: Buffer.allocUnsafeSlow(CHUNK_BYTES) })
}

type Walk = { readonly item: StoreItem; readonly buffer: Buffer }

function* readBelow(directory: string, prefix: string, walk: Walk): Generator<ArchiveEntry, void, void> {
  for (const { name, kind } of sortedNames(directory, prefix)) {
    const path = prefix + name
    const at = `${directory}/${name}`
    checkEntry(walk.item, { kind: 'directory', path }, 'ABN_OUTPUT_NAME')
    if (kind === 'directory') {
      yield { kind, path }
      yield* readBelow(at, `${path}/`, walk)
    } else yield readLeaf(at, path, walk)
  }
}

function readLeaf(at: string, path: string, { item, buffer }: Walk): ArchiveEntry {
  const status = lstatSync(at, { throwIfNoEntry: false })
  if (status === undefined) throw changed(path)
  if (status.isSymbolicLink()) return readLink(at, path, item)
  requireOrdinaryFile(status, path)
  const { size } = status
  return { kind: 'file', path, executable: (status.mode & 0o111) !== 0, size, content: readContent(at, path, buffer) }
}

/** Throws ABN_OUTPUT_FILE_KIND or ABN_OUTPUT_SET_UID. */
export function requireOrdinaryFile(status: Stats, path: string): void {
  if (!status.isFile()) {
    throw new AbnError('ABN_OUTPUT_FILE_KIND', `${shown(path)} is neither a file, a directory nor a symbolic link`, {
      hint: 'change the recipe so that the build does not leave it in the output',
    })
  }
  if ((status.mode & 0o6000) !== 0) {
    throw new AbnError('ABN_OUTPUT_SET_UID', `${shown(path)} has a set-user-ID or set-group-ID bit`, {
      hint: 'change the recipe so that the file is installed without it',
    })
  }
}

/** Throws ABN_OUTPUT_NAME or ABN_OUTPUT_LINK. */
export function readLink(at: string, path: string, item: StoreItem): LinkEntry {
  const entry = { kind: 'link', path, target: readTarget(at, path) } as const
  checkEntry(item, entry, 'ABN_OUTPUT_LINK')
  return entry
}

function readTarget(at: string, path: string): string {
  const target = readlinkSync(at, { encoding: 'buffer' })
  const text = target.toString('utf8')
  if (Buffer.from(text).equals(target)) return text
  throw new AbnError('ABN_OUTPUT_NAME', `the target of the symbolic link ${shown(path)} is not valid UTF-8`, {
    hint: 'change the recipe so that the build leaves only links to names in UTF-8',
  })
}

function* readContent(at: string, path: string, buffer: Buffer): Generator<Uint8Array, void, void> {
  const descriptor = openUnfollowed(at, path)
  try {
    // A regular file gives less than was asked for only at its end.
    for (let count = buffer.length; count === buffer.length; ) {
      count = readSync(descriptor, buffer, 0, buffer.length, null)
      if (count > 0) yield buffer.subarray(0, count)
    }
  } finally {
    closeSync(descriptor)
  }
}

function openUnfollowed(at: string, path: string): number {
  try {
    return openSync(at, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ELOOP') throw changed(path)
    throw error
  }
}

export type Listed = { readonly name: string; readonly kind: 'directory' | 'file' | 'link' | 'other' }

/** In the order of the archive. Throws ABN_OUTPUT_NAME. */
export function sortedNames(directory: string, prefix: string): readonly Listed[] {
  const names = readdirSync(directory, { withFileTypes: true }).map((entry) => {
    const kind = kindOf(entry)
    return { name: entry.name, kind, key: kind === 'directory' ? `${entry.name}/` : entry.name }
  })
  // Bytes that are not UTF-8 arrive as U+FFFD, which a name may hold rightfully too.
  if (names.some(({ name }) => name.includes('\ufffd'))) requireUtf8(directory, prefix)
  return names.sort((a, b) => compareBytewise(a.key, b.key))
}

function kindOf(entry: Dirent): Listed['kind'] {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  return entry.isSymbolicLink() ? 'link' : 'other'
}

function requireUtf8(directory: string, prefix: string): void {
  for (const name of readdirSync(directory, { encoding: 'buffer' })) {
    const text = name.toString('utf8')
    if (!Buffer.from(text).equals(name)) {
      throw new AbnError('ABN_OUTPUT_NAME', `the file name ${shown(prefix + text)} is not valid UTF-8`, {
        hint: 'change the recipe so that the build leaves only names in UTF-8',
      })
    }
  }
}

/** What was listed is another thing now. */
export function changed(path: string): AbnError {
  return new AbnError('ABN_DIRECTORY_CHANGED', `${shown(path)} changed while it was being read`)
}

function shown(path: string): string {
  return JSON.stringify(path)
}
