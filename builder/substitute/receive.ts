/**
 * Fetches one output: download, decompress, hash, check and unpack at once, into a private directory that nobody else looks at.
 * The output digest, the size and the references are those that the policy accepted, or the directory is removed and the next
 * cache is tried. Runs in the main thread or in a worker (pool.ts): everything that goes in or out is plain data.
 */
import { mkdirSync } from 'node:fs'
import { Readable } from 'node:stream'
import { createZstdDecompress, constants as zlib, zstdDecompressSync } from 'node:zlib'
import { defaultArchiveLimits } from '../../format/archive/decode.ts'
import { AbnError, type ErrorCode } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { createReferenceScanner } from '../../format/reference-scan.ts'
import type { StoreItem, StorePath } from '../../format/store-path.ts'
import { removeDirectory } from '../../store/remove-directory.ts'
import { createUnpacker, type Unpacker } from '../../store/unpack-archive.ts'
import { type Answer, type CacheConnection, problem } from './http.ts'

/** What the policy accepted, and where to put it. */
export type Receipt = {
  readonly item: StoreItem
  /** Does not exist; its parent is private. */
  readonly directory: string
  readonly digest: Sha256
  readonly bytes: number
  readonly references: readonly StorePath[]
  /** Addresses of the caches to try, in this order. */
  readonly caches: readonly string[]
}

export type Received = {
  /** The cache that had it; undefined when none did, and then the directory does not exist. */
  readonly from: string | undefined
  /** Compressed, of the one that had it. */
  readonly downloaded: number
  readonly refusals: readonly Refusal[]
}

/** Why the output was not taken from a cache. */
export type Refusal = { readonly cache: string; readonly code: ErrorCode; readonly reason: string }

export type ReceiveOptions = {
  readonly connectionTo: (address: string) => Promise<CacheConnection>
  /** Everything that an output of this run could refer to. */
  readonly candidates: readonly StorePath[]
  readonly signal?: AbortSignal | undefined
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** Throws ABN_DISK_FULL, ABN_STORE_UNUSABLE or the signal's reason; what a cache does is told in `refusals`. */
export async function receiveOutput(receipt: Receipt, options: ReceiveOptions): Promise<Received> {
  const refusals: Refusal[] = []
  for (const cache of receipt.caches) {
    try {
      const downloaded = await receiveFrom(await options.connectionTo(cache), receipt, options)
      return { from: cache, downloaded, refusals }
    } catch (error) {
      removeDirectory(receipt.directory)
      options.signal?.throwIfAborted()
      if (!(error instanceof AbnError) || !REFUSALS.has(error.code)) throw error
      refusals.push({ cache, code: error.code, reason: error.message.replace(`${cache}: `, '') })
    }
  }
  return { from: undefined, downloaded: 0, refusals }
}

/** What is the cache's fault; everything else ends the run. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'ABN_ARCHIVE_INVALID',
  'ABN_ARCHIVE_LIMIT',
  'ABN_CACHE_ANSWER',
  'ABN_CACHE_NOT_FOUND',
  'ABN_OUTPUT_LINK',
  'ABN_OUTPUT_NAME',
  'ABN_SUBSTITUTE_REFERENCES',
  'ABN_SUBSTITUTE_WRONG',
])

async function receiveFrom(cache: CacheConnection, receipt: Receipt, options: ReceiveOptions): Promise<number> {
  const { item, directory, digest, bytes, references } = receipt
  const scanner = createReferenceScanner([...options.candidates, ...references])
  const limits = { ...defaultArchiveLimits, bytes: Math.min(bytes, defaultArchiveLimits.bytes) }
  // Asked before anything is made: most refusals are that a cache does not have it.
  const download = await openDownload(cache, receipt, options)
  mkdirSync(directory.slice(0, directory.lastIndexOf('/')), { recursive: true, mode: 0o700 })
  const unpacker = createUnpacker({ item, directory, limits, scanner })
  try {
    await decompressInto(unpacker, download, bytes)
    const unpacked = unpacker.end()
    requireSame(cache.address, 'output digest', { expected: digest, got: unpacked.outputDigest })
    requireSame(cache.address, 'size', { expected: String(bytes), got: String(unpacked.bytes) })
    const found = scanner.found()
    if (found.join() !== references.join()) {
      throw new AbnError(
        'ABN_SUBSTITUTE_REFERENCES',
        `${item} refers to ${list(found)}, attested is ${list(references)}`,
      )
    }
    return download.received()
  } finally {
    unpacker.abandon()
  }
}

function requireSame(cache: string, what: string, { expected, got }: { expected: string; got: string }): void {
  if (expected !== got) {
    throw new AbnError('ABN_SUBSTITUTE_WRONG', `${cache}: wrong ${what}: expected ${expected}, got ${got}`)
  }
}

function list(paths: readonly StorePath[]): string {
  return paths.length === 0 ? 'nothing' : paths.slice(0, 20).join(', ')
}

type Download = {
  readonly address: string
  /** Bytes, when the cache says. */
  readonly length: number | undefined
  readonly received: () => number
  readonly chunks: () => AsyncGenerator<Uint8Array, void, void>
}

/** zstd never makes more of its input than this. */
function mostCompressed(bytes: number): number {
  return bytes + (bytes >> 7) + 64 * 1024
}

async function openDownload(
  cache: CacheConnection,
  { digest, bytes }: Receipt,
  { signal, onBytes }: ReceiveOptions,
): Promise<Download> {
  const path = `/v1/archives/${digest}`
  const first = await cache.request(path, { signal })
  if (first.status !== 200) {
    first.drop()
    const isMissing = first.status === 404 || first.status === 410
    if (isMissing) throw new AbnError('ABN_CACHE_NOT_FOUND', `${cache.address}: it does not have the archive`)
    throw problem(cache.address, `it answered with status ${first.status}`)
  }
  const limit = mostCompressed(bytes)
  if ((first.length ?? 0) > limit) {
    first.drop()
    throw new AbnError('ABN_ARCHIVE_LIMIT', `${cache.address}: ${first.length} bytes for an archive of ${bytes}`)
  }
  let received = 0

  /** Goes on where the connection broke, as long as each attempt brings something and the file is the same. */
  async function* chunks(): AsyncGenerator<Uint8Array, void, void> {
    let answer: Answer = first
    for (let resumes = 0; ; resumes++) {
      const before = received
      try {
        for await (const chunk of answer.chunks()) {
          received += chunk.length
          if (received > limit) {
            throw new AbnError(
              'ABN_ARCHIVE_LIMIT',
              `${cache.address}: more than ${limit} bytes for an archive of ${bytes}`,
            )
          }
          onBytes?.(chunk.length)
          yield chunk
        }
        return
      } catch (error) {
        const { etag } = first.headers
        const canResume = received > before && resumes < MOST_RESUMES && etag?.startsWith('"') === true
        if (!canResume || !(error instanceof AbnError) || error.code !== 'ABN_CACHE_ANSWER') throw error
        answer = await cache.request(path, { signal, headers: { range: `bytes=${received}-`, 'if-range': etag } })
        const isRest =
          answer.status === 206 && answer.headers['content-range']?.startsWith(`bytes ${received}-`) === true
        if (!isRest || answer.headers.etag !== etag) {
          answer.drop()
          throw error
        }
      }
    }
  }

  return { address: cache.address, length: first.length, received: () => received, chunks }
}

const MOST_RESUMES = 5
const CHUNK_BYTES = 256 * 1024
/** Largest window that a frame may ask for: 128 MiB, that of `zstd --long`. */
const WINDOW_LOG = 27
/** Smaller archives are decompressed in one go, which is quicker. */
const ONE_GO_BYTES = 4 * 1024 * 1024

async function decompressInto(unpacker: Unpacker, download: Download, bytes: number): Promise<void> {
  if (bytes <= ONE_GO_BYTES) {
    const parts: Uint8Array[] = []
    for await (const chunk of download.chunks()) parts.push(chunk)
    unpacker.push(decompressWhole(Buffer.concat(parts), bytes, download.address), download.received())
    return
  }
  const plain = createZstdDecompress({ chunkSize: CHUNK_BYTES, params: { [zlib.ZSTD_d_windowLogMax]: WINDOW_LOG } })
  const source = Readable.from(download.chunks(), { objectMode: false })
  let failure: unknown
  source.once('error', (error) => {
    failure = error
    plain.destroy(error)
  })
  try {
    for await (const chunk of source.pipe(plain)) unpacker.push(chunk, download.received())
  } catch (error) {
    throw failure ?? (error instanceof AbnError || isOfSystem(error) ? error : notZstd(download.address, error))
  } finally {
    source.destroy()
    plain.destroy()
  }
}

function decompressWhole(packed: Buffer, bytes: number, address: string): Uint8Array {
  try {
    const params = { [zlib.ZSTD_d_windowLogMax]: WINDOW_LOG }
    return zstdDecompressSync(packed, { maxOutputLength: Math.max(1, bytes), params })
  } catch (cause) {
    if (cause instanceof RangeError) {
      throw new AbnError('ABN_ARCHIVE_LIMIT', `${address}: the archive is larger than ${bytes} bytes`, { cause })
    }
    throw notZstd(address, cause)
  }
}

function notZstd(address: string, cause: unknown): AbnError {
  return new AbnError('ABN_SUBSTITUTE_WRONG', `${address}: it is not a zstd frame that can be read`, { cause })
}

function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
