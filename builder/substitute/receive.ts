/**
 * Fetches one output and has it unpacked into a private directory that nobody else looks at. The output digest, the size and the
 * references are those that the policy accepted, or the directory is removed and the next cache is tried.
 */
import type { Writable } from 'node:stream'
import { createZstdDecompress } from 'node:zlib'
import { AbnError, type ErrorCode } from '../../format/errors.ts'
import type { Candidates } from '../../format/reference-scan.ts'
import { removeDirectory } from '../../store/remove-directory.ts'
import type { Unpacker } from '../../store/unpack-archive.ts'
import { type Answer, type CacheConnection, connectToCache, type Pace, problem, type TakeChunk } from './http.ts'
import { free } from './own-memory.ts'
import {
  checkedUnpacking,
  decompression,
  notZstd,
  oneGoBytes,
  type Receipt,
  type UnpackFetched,
  unpackerOfFetched,
} from './unpack-fetched.ts'

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
  /** In this thread, unless given. */
  readonly unpack?: UnpackFetched | undefined
}

/** One thread's connections and what it looks for. */
export type Receiver = AsyncDisposable & {
  receive(receipt: Receipt, onBytes: (bytes: number) => void): Promise<Received>
}

export type ReceiverOptions = {
  readonly candidates: Candidates
  readonly pace?: Pace | undefined
  readonly signal?: AbortSignal | undefined
  readonly unpack?: UnpackFetched | undefined
}

export function createReceiver({ pace, ...options }: ReceiverOptions): Receiver {
  const connections = new Map<string, Promise<CacheConnection>>()
  const connectionTo = (address: string): Promise<CacheConnection> => {
    const known = connections.get(address) ?? connectToCache(address, pace === undefined ? {} : { pace })
    connections.set(address, known)
    return known
  }
  return {
    receive: (receipt, onBytes) => receiveOutput(receipt, { ...options, connectionTo, onBytes }),
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
  const { candidates, unpack = unpackerOfFetched(candidates) } = options
  // Asked before anything is made: most refusals are that a cache does not have it.
  const download = await openDownload(cache, receipt, options)
  if (receipt.bytes <= oneGoBytes) await unpack({ address: cache.address, packed: await whole(download) }, receipt)
  else await checkedUnpacking(cache.address, receipt, candidates, (unpacker) => unpackWhileItComes(unpacker, download))
  return download.received()
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

async function unpackWhileItComes(unpacker: Unpacker, download: Download): Promise<void> {
  const plain = createZstdDecompress({ chunkSize: CHUNK_BYTES, params: decompression })
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

/** Once the parser that hands it over has returned, which still looks at what is around it. */
function freeSoon(chunk: Uint8Array): void {
  process.nextTick(free, chunk)
}

function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
