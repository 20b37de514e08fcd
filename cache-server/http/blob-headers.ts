/** What is said of a file that never changes. */
import type { BlobRecord } from '../catalogue.ts'
import type { BlobKind } from '../storage/blobs.ts'

export function blobRoute(kind: BlobKind): string {
  return `/v1/${kind}s/:digest`
}

export function blobHeaders(kind: BlobKind, { transport }: BlobRecord) {
  return {
    etag: `"${transport}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'public, max-age=31536000, immutable',
    'content-type': kind === 'source' ? 'application/octet-stream' : 'application/zstd',
  }
}
