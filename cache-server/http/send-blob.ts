/**
 * A range of a blob as the body of an answer, piece by piece as the reader takes it. The head is written with the first piece,
 * when it is known that there is one.
 */
import type { ServerResponse } from 'node:http'
import type { BlobKey, BlobStore, ByteRange } from '../storage/blobs.ts'

export type Download = { readonly blobs: BlobStore; readonly key: BlobKey; readonly range: ByteRange }

/**
 * `begin` writes the head. False, and nothing written, when the blob is not there. A reader who goes away is no error; when
 * reading fails after the head, the connection is cut, so that the reader sees that the answer is not whole, and this throws.
 */
export async function sendBlob(
  response: ServerResponse,
  { blobs, key, range }: Download,
  begin: () => void,
): Promise<boolean> {
  let left = range.end - range.start
  let begun = false
  try {
    return await blobs.read(key, range, (chunk) => {
      if (!begun) begin()
      begun = true
      left -= chunk.length
      return written(response, chunk, left === 0)
    })
  } catch (error) {
    if (begun) response.destroy()
    if (error instanceof ReaderGone) return true
    throw error
  }
}

class ReaderGone extends Error {}

/** Resolves when the bytes are the kernel's: until then they must stay as they are. */
function written(response: ServerResponse, chunk: Uint8Array, isLast: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    if (response.destroyed) return reject(new ReaderGone())
    const gone = () => reject(new ReaderGone())
    response.once('close', gone)
    const done = () => {
      response.off('close', gone)
      resolve()
    }
    if (isLast) response.end(chunk, done)
    else response.write(chunk, done)
  })
}
