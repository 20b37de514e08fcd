/**
 * Reads a finished upload once and says whether it is what an accepted statement says: an archive by its digest, size,
 * canonical form and references; a source or a log by its hash. Bounded in memory, whatever the file is.
 */
import { createReadStream } from 'node:fs'
import { createZstdDecompress, constants as zlib } from 'node:zlib'
import { type ArchiveSink, createArchiveDecoder, defaultArchiveLimits } from '../../format/archive/decode.ts'
import { AbnError } from '../../format/errors.ts'
import { type Sha256, sha256Stream } from '../../format/hash.ts'
import { createReferenceScanner } from '../../format/reference-scan.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import type { StatedOutput } from '../../trust/statement.ts'
import type { BlobKey } from '../storage/blobs.ts'

export type VerifiedFile = {
  /** SHA-256 and size of the file as it is. */
  readonly transport: Sha256
  readonly bytes: number
}

/**
 * `candidates`: what the output could refer to, as far as it is known; the references stated are added.
 * Throws ABN_CACHE_UPLOAD_REFUSED, ABN_ARCHIVE_INVALID or ABN_ARCHIVE_LIMIT.
 */
export async function verifyArchive(
  file: string,
  output: StatedOutput,
  candidates: Iterable<StorePath>,
): Promise<VerifiedFile> {
  const scanner = createReferenceScanner([...candidates, ...output.references])
  const item = storeItemOf(output.path)
  const decoder = createArchiveDecoder(item, scanningSink(scanner), { ...defaultArchiveLimits, bytes: output.bytes })
  const content = sha256Stream()
  const transfer = await decompress(file, (chunk, compressedBytes) => {
    content.update(chunk)
    decoder.push(chunk, compressedBytes)
  })
  const { bytes } = decoder.end()
  requireSame('digest of the archive', content.digest(), output.digest)
  requireSame('size of the archive', bytes, output.bytes)
  requireSame('references', scanner.found().join(' '), output.references.join(' '))
  return transfer
}

/** A zstd frame whose content has this hash. Throws ABN_CACHE_UPLOAD_REFUSED. */
export async function verifyLog(file: string, digest: Sha256, maximumBytes: number): Promise<VerifiedFile> {
  const content = sha256Stream()
  let bytes = 0
  const transfer = await decompress(file, (chunk) => {
    content.update(chunk)
    bytes += chunk.length
    if (bytes > maximumBytes) throw refused(`a log of more than ${maximumBytes} bytes`)
  })
  requireSame('hash of the content', content.digest(), digest)
  return transfer
}

/** Throws ABN_CACHE_UPLOAD_REFUSED. */
export async function verifySource(file: string, digest: Sha256): Promise<VerifiedFile> {
  const transfer = await hashFile(file)
  requireSame('hash of the source', transfer.transport, digest)
  return transfer
}

/** The content has the digest by which it is addressed; nothing else is checked. Throws ABN_CACHE_UPLOAD_REFUSED. */
export async function verifyDigest(file: string, { kind, digest }: BlobKey): Promise<void> {
  if (kind === 'source') await verifySource(file, digest)
  else await verifyLog(file, digest, Number.MAX_SAFE_INTEGER)
}

export async function hashFile(file: string): Promise<VerifiedFile> {
  const hash = sha256Stream()
  let bytes = 0
  for await (const chunk of createReadStream(file, { highWaterMark: CHUNK_BYTES })) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { transport: hash.digest(), bytes }
}

const CHUNK_BYTES = 256 * 1024
/** Largest window that a frame may ask for: 128 MiB, that of `zstd --long`. */
const WINDOW_LOG = 27

/** Throws ABN_CACHE_UPLOAD_REFUSED for what is not zstd, and what `take` throws. */
async function decompress(
  file: string,
  take: (chunk: Uint8Array, compressedBytes: number) => void,
): Promise<VerifiedFile> {
  const hash = sha256Stream()
  let bytes = 0
  const source = createReadStream(file, { highWaterMark: CHUNK_BYTES })
  source.on('data', (chunk) => {
    hash.update(Buffer.from(chunk))
    bytes += chunk.length
  })
  const params = { [zlib.ZSTD_d_windowLogMax]: WINDOW_LOG }
  const plain = createZstdDecompress({ chunkSize: CHUNK_BYTES, params })
  source.once('error', (error) => plain.destroy(error))
  try {
    for await (const chunk of source.pipe(plain)) take(chunk, bytes)
  } catch (cause) {
    if (cause instanceof AbnError) throw cause
    throw new AbnError('ABN_CACHE_UPLOAD_REFUSED', 'upload refused: it is not a zstd frame that can be read', { cause })
  } finally {
    source.destroy()
    plain.destroy()
  }
  return { transport: hash.digest(), bytes }
}

/** Names and targets are scanned as well as contents, as when an output is registered in a store. */
function scanningSink(scanner: ReturnType<typeof createReferenceScanner>): ArchiveSink {
  const whole = (text: string) => {
    scanner.scan(Buffer.from(text))
    scanner.endFile()
  }
  return {
    directory: whole,
    directoryEnd: () => {},
    file: whole,
    data: (bytes) => scanner.scan(bytes),
    fileEnd: () => void scanner.endFile(),
    link: (path, target) => {
      whole(path)
      whole(target)
    },
  }
}

function requireSame(what: string, got: string | number, expected: string | number): void {
  if (got !== expected) throw refused(`${what}: expected ${shown(expected)}, got ${shown(got)}`)
}

function shown(value: string | number): string {
  const text = String(value)
  return text === '' ? 'none' : text.length > 500 ? `${text.slice(0, 500)}…` : text
}

function refused(reason: string): AbnError {
  return new AbnError('ABN_CACHE_UPLOAD_REFUSED', `upload refused: ${reason}`)
}
