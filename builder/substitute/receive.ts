/**
 * Fetches one output: download, decompress, hash, check and unpack at once, into a private directory that nobody else looks at.
 * The output digest, the size and the references are those that the policy accepted, or the directory is removed and the next
 * cache is tried. Runs in the main thread or in a worker (pool.ts): everything that goes in or out is plain data.
 */
import { mkdirSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { createZstdDecompress, constants as zlib, zstdDecompressSync } from 'node:zlib'
import { defaultArchiveLimits } from '../../format/archive/decode.ts'
import { AbnError, type ErrorCode } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { type Candidates, candidatesOf, createReferenceScanner } from '../../format/reference-scan.ts'
import { type StoreItem, type StorePath, storeHashOf } from '../../format/store-path.ts'
import { removeDirectory } from '../../store/remove-directory.ts'
import { createUnpacker, type Unpacker } from '../../store/unpack-archive.ts'
import { slots } from '../realise/slots.ts'
import { type Answer, type CacheConnection, connectToCache, type Pace, problem, type TakeChunk } from './http.ts'

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
  readonly candidates: Candidates
  readonly signal?: AbortSignal | undefined
  /** Told now and then, and in the end, of what has come since it was last told. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

/** One thread's connections and what it looks for. */
export type Receiver = AsyncDisposable & {
  receive(receipt: Receipt, onBytes: (bytes: number) => void): Promise<Received>
}

export type ReceiverOptions = {
  readonly candidates: readonly StorePath[]
  readonly pace?: Pace | undefined
  readonly signal?: AbortSignal | undefined
}

/** Outputs that one thread fetches at the same time: enough to be busy with one while others come from 20 ms away. */
export const mostAtOnce = 12
/** Of them, so many large ones, which take room in memory: as a whole, or for the window of a decompressor. */
const MOST_LARGE = 2
const LARGE_BYTES = 2 * 1024 * 1024

export function createReceiver({ candidates: paths, pace, signal }: ReceiverOptions): Receiver {
  const candidates = candidatesOf(paths)
  const connections = new Map<string, Promise<CacheConnection>>()
  const connectionTo = (address: string): Promise<CacheConnection> => {
    const known = connections.get(address) ?? connectToCache(address, pace === undefined ? {} : { pace })
    connections.set(address, known)
    return known
  }
  const places = slots(mostAtOnce)
  const largePlaces = slots(MOST_LARGE)
  return {
    async receive(receipt, onBytes) {
      const taken = receipt.bytes > LARGE_BYTES ? [largePlaces, places] : [places]
      for (const one of taken) await one.take()
      try {
        return await receiveOutput(receipt, { connectionTo, candidates, signal, onBytes })
      } finally {
        for (const one of taken) one.give()
      }
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections.values()) (await connection)[Symbol.dispose]()
    },
  }
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
  const { candidates } = options
  const isKnown = references.every((path) => candidates.get(storeHashOf(path)) === path)
  const sought = isKnown ? candidates : candidatesOf([...candidates.values(), ...references])
  const scanner = createReferenceScanner(sought, { builds: false })
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
  /** As Answer.read. */
  readonly read: (take: TakeChunk) => Promise<void>
  readonly drop: () => void
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
  let told = 0
  let toldAt = performance.now()
  const tell = (): void => {
    onBytes?.(received - told)
    told = received
    toldAt = performance.now()
  }

  let answer: Answer = first

  /** Goes on where the connection broke, as long as each attempt brings something and the file is the same. */
  async function read(take: TakeChunk): Promise<void> {
    for (let resumes = 0; ; resumes++) {
      const before = received
      try {
        await answer.read((chunk) => {
          received += chunk.length
          if (received > limit) {
            throw new AbnError(
              'ABN_ARCHIVE_LIMIT',
              `${cache.address}: more than ${limit} bytes for an archive of ${bytes}`,
            )
          }
          if (performance.now() - toldAt > TELL_MILLISECONDS) tell()
          return take(chunk)
        })
        tell()
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

  return { address: cache.address, length: first.length, received: () => received, read, drop: () => answer.drop() }
}

const MOST_RESUMES = 5
/** How often it is told what has come: a message wakes another thread. */
const TELL_MILLISECONDS = 100
/** What goes into a decompressor and what comes out of it at a time: each time wakes another thread, and is waited for. */
const PACKED_CHUNK_BYTES = 256 * 1024
const CHUNK_BYTES = 512 * 1024
/** Largest window that a frame may ask for: 128 MiB, that of `zstd --long`. */
const WINDOW_LOG = 27
/** Smaller archives are decompressed in one go, which is quicker. */
const ONE_GO_BYTES = 12 * 1024 * 1024

async function decompressInto(unpacker: Unpacker, download: Download, bytes: number): Promise<void> {
  if (bytes <= ONE_GO_BYTES) {
    const packed = await whole(download)
    const plain = decompressWhole(packed, bytes, download.address)
    free(packed)
    try {
      unpacker.push(plain, download.received())
    } finally {
      free(plain)
    }
    return
  }
  const plain = createZstdDecompress({ chunkSize: CHUNK_BYTES, params: { [zlib.ZSTD_d_windowLogMax]: WINDOW_LOG } })
  let failure: unknown
  readInto(plain, download).catch((error: unknown) => {
    failure = error
    plain.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  try {
    for await (const chunk of plain) {
      unpacker.push(chunk, download.received())
      // Several chunks may share a buffer; the one that ends it is the last of them.
      if (chunk.byteOffset + chunk.byteLength === chunk.buffer.byteLength) free(chunk)
    }
  } catch (error) {
    throw failure ?? (error instanceof AbnError || isOfSystem(error) ? error : notZstd(download.address, error))
  } finally {
    plain.destroy()
    download.drop()
  }
}

/** What comes from the wire, several chunks put together. */
async function readInto(plain: Writable, { read, length }: Download): Promise<void> {
  let room = Buffer.allocUnsafeSlow(PACKED_CHUNK_BYTES)
  let filled = 0
  await read((chunk) => {
    let isFull = false
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + room.length - filled)
      room.set(part, filled)
      filled += part.length
      at += part.length
      if (filled < room.length) continue
      isFull = !plain.write(room)
      room = Buffer.allocUnsafeSlow(PACKED_CHUNK_BYTES)
      filled = 0
    }
    // Where no length was said, several chunks may share the memory that was read.
    if (length !== undefined) freeSoon(chunk)
    return isFull ? new Promise((resolve) => plain.once('drain', resolve)) : undefined
  })
  plain.end(room.subarray(0, filled))
}

async function whole({ address, read, length }: Download): Promise<Buffer> {
  const parts: Uint8Array[] = []
  const all = length === undefined ? undefined : Buffer.allocUnsafeSlow(length)
  let at = 0
  await read((chunk) => {
    if (all === undefined) parts.push(chunk)
    // Where the download was resumed, the rest may be longer than was said.
    else if (at + chunk.length > all.length) throw problem(address, `more than the ${length} bytes that it announced`)
    else {
      all.set(chunk, at)
      freeSoon(chunk)
    }
    at += chunk.length
    return undefined
  })
  return all?.subarray(0, at) ?? Buffer.concat(parts)
}

function decompressWhole(packed: Buffer, bytes: number, address: string): Buffer {
  try {
    // With room for a byte more than there should be, all comes in one piece.
    const chunkSize = bytes + CHUNK_SPARE
    const params = { [zlib.ZSTD_d_windowLogMax]: WINDOW_LOG }
    return zstdDecompressSync(packed, { maxOutputLength: Math.max(1, bytes), chunkSize, params })
  } catch (cause) {
    if (cause instanceof RangeError) {
      throw new AbnError('ABN_ARCHIVE_LIMIT', `${address}: the archive is larger than ${bytes} bytes`, { cause })
    }
    throw notZstd(address, cause)
  }
}

const CHUNK_SPARE = 1024

/** At once, rather than when V8 gets to it: what waits for that would be most of what this process has in memory. */
function free({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength !== SHARED_BYTES) buffer.transfer(0)
}

/** Once the parser that hands it over has returned, which still looks at what is around it. */
function freeSoon(chunk: Uint8Array): void {
  process.nextTick(free, chunk)
}

/** Of the memory in which Node puts small buffers together. */
const SHARED_BYTES = Buffer.allocUnsafe(1).buffer.byteLength

function notZstd(address: string, cause: unknown): AbnError {
  return new AbnError('ABN_SUBSTITUTE_WRONG', `${address}: it is not a zstd frame that can be read`, { cause })
}

function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
