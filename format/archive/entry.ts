/**
 * What an archive holds, and the rules on names and link targets that its encoder and its decoder share.
 * Specification: docs/formats/archive.md, "Entries".
 */
import { AbnError, type ErrorCode } from '../errors.ts'
import { parseStoreItem, type StoreItem, storeDirectory } from '../store-path.ts'

/** `path` is relative to the item, without a trailing slash; '' is the item's own directory, which comes first. */
export type ArchiveEntry = DirectoryEntry | FileEntry | LinkEntry
export type DirectoryEntry = { readonly kind: 'directory'; readonly path: string }
export type LinkEntry = { readonly kind: 'link'; readonly path: string; readonly target: string }
export type FileEntry = FileHeader & {
  /** Chunks that make `size` bytes together. Read once, when the entry's turn has come. */
  readonly content: Iterable<Uint8Array>
}
/** `size` in bytes. */
export type FileHeader = {
  readonly kind: 'file'
  readonly path: string
  readonly executable: boolean
  readonly size: number
}
export type EntryHeader = DirectoryEntry | LinkEntry | FileHeader

/** Longest path within an item, in bytes: leaves room for the physical root below Linux's PATH_MAX. */
export const maximumPathBytes = 2048
/** Longest component of a path, in bytes (NAME_MAX). */
export const maximumNameBytes = 255
/** Longest target of a symbolic link, in bytes. */
export const maximumTargetBytes = 4095

/** The name that an entry has in the archive. */
export function archiveNameOf(item: StoreItem, entry: EntryHeader): string {
  const path = entry.path === '' ? '' : `/${entry.path}`
  return `abn/store/${item}${path}${entry.kind === 'directory' ? '/' : ''}`
}

/** Throws an AbnError with the code given. */
export function checkEntry(item: StoreItem, entry: EntryHeader, code: ErrorCode): void {
  if (entry.path === '') {
    if (entry.kind !== 'directory') throw new AbnError(code, `${item}: expected a directory, got a ${entry.kind}`)
    return
  }
  checkPath(entry.path, code)
  if (entry.kind === 'file' && !(Number.isSafeInteger(entry.size) && entry.size >= 0)) {
    throw new AbnError(code, `${shown(entry.path)}: ${entry.size} is no size of a file`)
  }
  if (entry.kind === 'link') checkTarget(item, entry, code)
}

function checkPath(path: string, code: ErrorCode): void {
  const reason = badPath(path)
  if (reason !== undefined) throw new AbnError(code, `${shown(path)}: ${reason}`)
}

function badPath(path: string): string | undefined {
  if (!path.isWellFormed() || path.includes('\0')) return 'not a file name'
  // UTF-8 has at most three bytes for a UTF-16 unit, so that most paths need no exact count.
  if (path.length * 3 > maximumPathBytes && Buffer.byteLength(path) > maximumPathBytes) return 'path too long'
  for (const name of path.split('/')) {
    if (name === '' || name === '.' || name === '..') return 'not a path within the item'
    if (name.length * 3 > maximumNameBytes && Buffer.byteLength(name) > maximumNameBytes) return 'file name too long'
  }
  return undefined
}

/**
 * A link may lead to any place in the store, by a relative path or by one that begins with /abn/store/, judged by its text
 * alone: so no archive can point at files of the machine on which it is unpacked.
 */
function checkTarget(item: StoreItem, { path, target }: LinkEntry, code: ErrorCode): void {
  if (!leadsIntoStore(item, path, target)) {
    throw new AbnError(code, `${shown(path)}: symbolic link to ${shown(target)} leads out of the store`, {
      hint: `link to a file of the package itself or of another package, by a relative path or one below ${storeDirectory}`,
    })
  }
}

function leadsIntoStore(item: StoreItem, path: string, target: string): boolean {
  if (target === '' || target.includes('\0') || !target.isWellFormed()) return false
  if (Buffer.byteLength(target) > maximumTargetBytes) return false
  const absolute = target.startsWith('/')
  if (absolute && !target.startsWith(`${storeDirectory}/`)) return false
  const at = absolute ? [] : [item, ...path.split('/').slice(0, -1)]
  for (const name of (absolute ? target.slice(storeDirectory.length) : target).split('/')) {
    if (name === '' || name === '.') continue
    if (name !== '..') at.push(name)
    else if (at.pop() === undefined) return false
  }
  return at[0] !== undefined && isStoreItem(at[0])
}

function isStoreItem(name: string): boolean {
  try {
    parseStoreItem(name)
    return true
  } catch {
    return false
  }
}

function shown(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}
