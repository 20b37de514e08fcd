/** Memory of one array of bytes alone, which can be given back or handed to another thread. */

/** Undefined where others may be in it too, as in that in which Node puts small ones together. */
export function ownMemoryOf({ buffer }: Uint8Array): ArrayBuffer | undefined {
  const isOwn = buffer instanceof ArrayBuffer && !buffer.detached && buffer.byteLength !== SHARED_BYTES
  return isOwn ? buffer : undefined
}

/** At once, rather than when V8 gets to it: what waits for that would be most of what this process has in memory. */
export function free(bytes: Uint8Array): void {
  ownMemoryOf(bytes)?.transfer(0)
}

const SHARED_BYTES = Buffer.allocUnsafe(1).buffer.byteLength
