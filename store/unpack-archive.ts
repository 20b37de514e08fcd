/**
 * Unpacks a canonical archive into a private directory while it arrives, with synchronous calls: final modes when a file
 * is opened, times by its descriptor. Nothing in the directory counts until the caller has compared the output digest.
 * The decoder admits only names within the item and reports a directory before what is in it, and nothing is ever opened
 * that existed before, so no symbolic link is followed.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import {
  type ArchiveDecoder,
  type ArchiveLimits,
  type ArchiveSummary,
  createArchiveDecoder,
} from '../format/archive/decode.ts'
import { type Sha256, sha256Stream } from '../format/hash.ts'
import type { ReferenceScanner } from '../format/reference-scan.ts'
import type { StoreItem } from '../format/store-path.ts'
import { finishDirectory } from './canonicalise.ts'
import { withDiskErrors } from './io-errors.ts'

export type Unpacked = ArchiveSummary & { readonly outputDigest: Sha256 }

export type Unpacker = {
  /** As ArchiveDecoder.push. Throws ABN_ARCHIVE_INVALID, ABN_ARCHIVE_LIMIT or ABN_DISK_FULL. */
  push(bytes: Uint8Array, compressedBytes?: number): void
  end(): Unpacked
  /** Closes what is open after an error; removing the directory is the caller's. */
  abandon(): void
}

export type UnpackOptions = {
  readonly item: StoreItem
  /** Does not exist yet; its parent is private to this process. Keeps write permission, as it will be renamed. */
  readonly directory: string
  readonly limits?: ArchiveLimits
  /** Is shown names, contents and targets as register() shows them. */
  readonly scanner?: ReferenceScanner | undefined
}

export function createUnpacker({ item, directory, limits, scanner }: UnpackOptions): Unpacker {
  const hash = sha256Stream()
  let descriptor: number | undefined
  /** Of the file that is open. */
  let bytesOfFile = 0
  const at = (path: string) => (path === '' ? directory : `${directory}/${path}`)
  const decoder: ArchiveDecoder = createArchiveDecoder(
    item,
    {
      directory: (path) => {
        scanner?.scanText(path)
        mkdirSync(at(path), 0o755)
      },
      directoryEnd: (path) => {
        if (path !== '') finishDirectory(at(path))
      },
      file: (path, size, executable) => {
        scanner?.scanText(path)
        bytesOfFile = size
        const mode = executable ? 0o555 : 0o444
        descriptor = openSync(at(path), CREATE, mode)
        if ((mode & UMASK) !== 0) fchmodSync(descriptor, mode)
      },
      data: (bytes) => {
        if (bytes.length === bytesOfFile) scanner?.scanWhole(bytes)
        else scanner?.scan(bytes)
        for (let done = 0; done < bytes.length; ) done += writeSync(descriptor ?? -1, bytes, done)
      },
      fileEnd: () => {
        scanner?.endFile()
        futimesSync(descriptor ?? -1, 1, 1)
        close()
      },
      link: (path, target) => {
        scanner?.scanText(path)
        scanner?.scanText(target)
        symlinkSync(target, at(path))
        lutimesSync(at(path), 1, 1)
      },
    },
    limits,
  )

  function push(bytes: Uint8Array, compressedBytes?: number): void {
    hash.update(bytes)
    withDiskErrors(`cannot unpack ${item}`, () => decoder.push(bytes, compressedBytes))
  }

  function close(): void {
    const open = descriptor
    descriptor = undefined
    if (open !== undefined) closeSync(open)
  }

  return { push, end: () => ({ ...decoder.end(), outputDigest: hash.digest() }), abandon: close }
}

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
/** The bits that this process's umask takes away. */
const UMASK = process.umask()
