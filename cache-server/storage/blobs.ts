/**
 * What a cache asks of the place where it keeps large immutable files. Any backend (a directory, an object store) that
 * passes test/cache-server/conformance will do. Trusts nothing about contents: those were verified before `put`.
 */
import type { Sha256 } from '../../format/hash.ts'

/**
 * `archive`: a zstd frame, addressed by the output digest, which is the SHA-256 of what is in it. `source`: a file as
 * published, by its own SHA-256. `log`: a zstd frame, by the SHA-256 of the frame.
 */
export type BlobKind = 'archive' | 'source' | 'log'
export const blobKinds: readonly BlobKind[] = ['archive', 'source', 'log']

export type BlobKey = { readonly kind: BlobKind; readonly digest: Sha256 }
/** `end` is exclusive. */
export type ByteRange = { readonly start: number; readonly end: number }

/** The bytes are the taker's only until what it returns has resolved. */
export type TakeChunk = (chunk: Uint8Array) => Promise<void>

export type BlobStore = {
  /** In bytes; undefined when it is not there. */
  size(key: BlobKey): Promise<number | undefined>
  /**
   * Hands a range within the blob to `take`, piece after piece, each after the one before was taken. False, and nothing taken,
   * when the blob is not there. Rejects when it is shorter than the range, and with what `take` rejects.
   */
  read(key: BlobKey, range: ByteRange, take: TakeChunk): Promise<boolean>
  /**
   * Takes over a file of the local disk, which may be gone afterwards. When it resolves, the blob is durable and whole for
   * every reader; before, and when it rejects, readers see either nothing or the whole. Repeating it does no harm.
   */
  put(key: BlobKey, file: string): Promise<void>
  /** Does nothing when it is not there. */
  remove(key: BlobKey): Promise<void>
  list(kind: BlobKind): AsyncIterable<BlobListing>
  close(): Promise<void>
}

export type BlobListing = { readonly digest: Sha256; readonly bytes: number; readonly modifiedSeconds: number }
