/**
 * Buffers through which files go to sockets, used again and again: a fresh one for each piece costs more than the copy. What
 * all of them take is bounded: while many are in use (slow readers), the next ones are small.
 */
export type Chunks = {
  take(): Buffer
  give(chunk: Buffer): void
}

const LARGE_BYTES = 256 * 1024
const SMALL_BYTES = 16 * 1024
/** So many large ones at once, and so many of each size kept for the next. */
const MANY = 64

export function createChunks(): Chunks {
  const idle: Record<number, Buffer[]> = { [LARGE_BYTES]: [], [SMALL_BYTES]: [] }
  let inUse = 0
  return {
    take() {
      const bytes = inUse++ < MANY ? LARGE_BYTES : SMALL_BYTES
      return idle[bytes]?.pop() ?? Buffer.allocUnsafeSlow(bytes)
    },
    give(chunk) {
      inUse--
      const same = idle[chunk.length]
      if (same !== undefined && same.length < MANY) same.push(chunk)
    },
  }
}
