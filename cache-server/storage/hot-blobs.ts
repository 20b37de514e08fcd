/**
 * The beginnings of small blobs that are asked for again and again, in memory: to read one of 64 KiB from the kernel's costs as much as
 * all else about its answer. Bounded in bytes; what was asked for longest ago goes first. A blob under one name may be replaced
 * by one that is compressed otherwise, so that what was read before a change is never kept after it.
 */
export type HotBlobs = {
  /** The first `end` bytes and perhaps more; never written to. */
  get(name: string, end: number): Buffer | undefined
  /** Call before reading; what was read may then be offered, and is kept unless something was forgotten meanwhile. */
  begin(): Reading
  /** To be called when the file was replaced or removed. */
  forget(name: string): void
}

export type Reading = {
  /** `bytes` are those from the start of the file; they are copied. */
  offer(name: string, bytes: Buffer): void
}

/** The largest that is kept. */
const MAXIMUM_BYTES = 256 * 1024

export function createHotBlobs(maximumBytes: number): HotBlobs {
  const kept = new Map<string, Buffer>()
  let bytesKept = 0
  let changes = 0

  function drop(name: string): void {
    bytesKept -= kept.get(name)?.length ?? 0
    kept.delete(name)
  }

  function keep(name: string, bytes: Buffer): void {
    drop(name)
    kept.set(name, Buffer.from(bytes))
    bytesKept += bytes.length
    for (const oldest of kept.keys()) {
      if (bytesKept <= maximumBytes) break
      drop(oldest)
    }
  }

  return {
    get(name, end) {
      const found = kept.get(name)
      if (found === undefined || found.length < end) return undefined
      kept.delete(name)
      kept.set(name, found)
      return found
    },
    begin() {
      const started = changes
      return {
        offer(name, bytes) {
          if (changes === started && bytes.length <= MAXIMUM_BYTES) keep(name, bytes)
        },
      }
    },
    forget(name) {
      changes++
      drop(name)
    },
  }
}
