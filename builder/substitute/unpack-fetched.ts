/**
 * From what a cache sent to a directory that the policy accepted: decompress, hash, check, unpack. Runs in the main thread or in a worker
 * (pool.ts): everything that goes in or out is plain data.
 */
import { constants as zlib, zstdDecompressSync } from 'node:zlib'
import { defaultArchiveLimits } from '../../format/archive/decode.ts'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { type Candidates, candidatesOf, createReferenceScanner } from '../../format/reference-scan.ts'
import { type StoreItem, type StorePath, storeHashOf } from '../../format/store-path.ts'
import { createUnpacker, type Unpacker } from '../../store/unpack-archive.ts'
import { free } from './own-memory.ts'

/** What the policy accepted, and where to put it. */
export type Receipt = {
  readonly item: StoreItem
  /** Does not exist yet; its parent does, and is private. */
  readonly directory: string
  readonly digest: Sha256
  readonly bytes: number
  readonly references: readonly StorePath[]
  /** Addresses of the caches to try, in this order. */
  readonly caches: readonly string[]
}

/** An archive as it came, compressed. */
export type Fetched = { readonly address: string; readonly packed: Uint8Array }

/** Makes the directory of the receipt, or throws what is wrong: then removing it is the caller's. Memory of `packed` is given back. */
export type UnpackFetched = (fetched: Fetched, receipt: Receipt) => Promise<void>

/** Archives up to this size are fetched and then decompressed in one go, which is quicker; others while they come. */
export const oneGoBytes = 12 * 1024 * 1024

/** Largest window that a frame may ask for: 128 MiB, that of `zstd --long`. */
export const decompression = { [zlib.ZSTD_d_windowLogMax]: 27 }

/** `candidates`: everything that an output of this run could refer to. */
export function unpackerOfFetched(candidates: Candidates): UnpackFetched {
  return async ({ address, packed }, receipt) => {
    await checkedUnpacking(address, receipt, candidates, async (unpacker) => {
      const compressedBytes = packed.length
      const plain = decompressWhole(packed, receipt.bytes, address)
      free(packed)
      try {
        unpacker.push(plain, compressedBytes)
      } finally {
        free(plain)
      }
    })
  }
}

/** Throws what `fill` throws, and what is wrong with what it has pushed. */
export async function checkedUnpacking(
  address: string,
  { item, directory, digest, bytes, references }: Receipt,
  candidates: Candidates,
  fill: (unpacker: Unpacker) => Promise<void>,
): Promise<void> {
  const isKnown = references.every((path) => candidates.get(storeHashOf(path)) === path)
  const sought = isKnown ? candidates : candidatesOf([...candidates.values(), ...references])
  const scanner = createReferenceScanner(sought, { builds: false })
  const limits = { ...defaultArchiveLimits, bytes: Math.min(bytes, defaultArchiveLimits.bytes) }
  const unpacker = createUnpacker({ item, directory, limits, scanner })
  try {
    await fill(unpacker)
    const unpacked = unpacker.end()
    requireSame(address, 'output digest', { expected: digest, got: unpacked.outputDigest })
    requireSame(address, 'size', { expected: String(bytes), got: String(unpacked.bytes) })
  } finally {
    unpacker.abandon()
  }
  const found = scanner.found()
  if (found.join() !== references.join()) {
    throw new AbnError('ABN_SUBSTITUTE_REFERENCES', `${item} refers to ${list(found)}, attested is ${list(references)}`)
  }
}

export function notZstd(address: string, cause: unknown): AbnError {
  return new AbnError('ABN_SUBSTITUTE_WRONG', `${address}: it is not a zstd frame that can be read`, { cause })
}

function decompressWhole(packed: Uint8Array, bytes: number, address: string): Buffer {
  try {
    // With room for a byte more than there should be, all comes in one piece.
    const chunkSize = bytes + CHUNK_SPARE
    return zstdDecompressSync(packed, { maxOutputLength: Math.max(1, bytes), chunkSize, params: decompression })
  } catch (cause) {
    if (cause instanceof RangeError) {
      throw new AbnError('ABN_ARCHIVE_LIMIT', `${address}: the archive is larger than ${bytes} bytes`, { cause })
    }
    throw notZstd(address, cause)
  }
}

const CHUNK_SPARE = 1024

function requireSame(cache: string, what: string, { expected, got }: { expected: string; got: string }): void {
  if (expected !== got) {
    throw new AbnError('ABN_SUBSTITUTE_WRONG', `${cache}: wrong ${what}: expected ${expected}, got ${got}`)
  }
}

function list(paths: readonly StorePath[]): string {
  return paths.length === 0 ? 'nothing' : paths.slice(0, 20).join(', ')
}
