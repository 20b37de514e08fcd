/**
 * Finds which store paths an output refers to: the hashes of the candidates, looked for in the bytes of every file, in the
 * targets of links and in names, across the borders of chunks. A reference in compressed or otherwise encoded data is not
 * found; a store path that is no candidate cannot occur, as the build could not know it.
 * Also finds references to the build directory.
 */
import { type StorePath, storeHashLength, storeHashOf } from './store-path.ts'

export type ReferenceScanner = {
  /** The next bytes of the current file. They are not kept. */
  scan(bytes: Uint8Array): void
  /** Ends the current file. True when it referred to the build directory. */
  endFile(): boolean
  /** A file of its own that is there as a whole; the result is that of endFile. */
  scanWhole(bytes: Uint8Array): boolean
  /** A name or the target of a link, as a file of its own. */
  scanText(text: string): boolean
  /** Sorted. */
  found(): readonly StorePath[]
}

/** Candidates by their hash: made once where many outputs are scanned for the same. */
export type Candidates = ReadonlyMap<string, StorePath>

export function candidatesOf(paths: Iterable<StorePath>): Candidates {
  const wanted = new Map<string, StorePath>()
  for (const path of paths) wanted.set(storeHashOf(path), path)
  return wanted
}

const BUILD_DIRECTORY = '/build'
/** Bytes that may stand in a name of a file in front of or behind "/build". */
const NAME_BYTES = bytesWhere((character) => /[A-Za-z0-9_.~+-]/.test(character))
const HASH_BYTES = bytesWhere((character) => /[a-z2-7]/.test(character))
/** So much of a chunk is kept that neither a hash nor "-I/build" with its neighbours can hide on the border. */
const OVERLAP = storeHashLength - 1

/** `builds`: false for who has no use for references to the build directory; none is told then. */
export function createReferenceScanner(
  candidates: Iterable<StorePath> | Candidates,
  { builds = true }: { readonly builds?: boolean } = {},
): ReferenceScanner {
  const wanted = isIndex(candidates) ? candidates : candidatesOf(candidates)
  const found = new Set<StorePath>()
  /** The last bytes of the current file, so many, with room for what follows; and how many bytes it has had. */
  const border = Buffer.alloc(2 * OVERLAP)
  let kept = 0
  let seen = 0
  let build = false

  function scan(bytes: Uint8Array): void {
    if (kept > 0) {
      const more = Math.min(OVERLAP, bytes.length)
      for (let i = 0; i < more; i++) border[kept + i] = bytes[i] ?? 0
      look(border.subarray(0, kept + more), seen === kept)
    }
    look(bytes, seen === 0)
    keep(bytes)
    seen += bytes.length
  }

  function keep(bytes: Uint8Array): void {
    const stay = Math.min(kept, Math.max(0, OVERLAP - bytes.length))
    for (let i = 0; i < stay; i++) border[i] = border[kept - stay + i] ?? 0
    const from = Math.max(0, bytes.length - OVERLAP)
    for (let i = from; i < bytes.length; i++) border[stay + i - from] = bytes[i] ?? 0
    kept = stay + bytes.length - from
  }

  function endFile(): boolean {
    const result = build || (builds && refersToBuild(border.subarray(0, kept), { isStart: seen === kept, isEnd: true }))
    kept = 0
    seen = 0
    build = false
    return result
  }

  function look(bytes: Uint8Array, isStart: boolean): void {
    if (builds && !build) build = refersToBuild(bufferOf(bytes), { isStart, isEnd: false })
    if (wanted.size > found.size) findHashes(bytes, wanted, found)
  }

  function scanWhole(bytes: Uint8Array): boolean {
    if (wanted.size > found.size) findHashes(bytes, wanted, found)
    return builds && refersToBuild(bufferOf(bytes), { isStart: true, isEnd: true })
  }

  function scanText(text: string): boolean {
    // Too short for a hash, however it is encoded.
    if (!builds && text.length < storeHashLength) return false
    return scanWhole(Buffer.from(text))
  }

  return { scan, endFile, scanWhole, scanText, found: () => [...found].sort() }
}

function isIndex(candidates: Iterable<StorePath> | Candidates): candidates is Candidates {
  return candidates instanceof Map
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Looks at the last byte of each possible place first: mostly it rules out all places that would hold it. */
function findHashes(bytes: Uint8Array, wanted: ReadonlyMap<string, StorePath>, found: Set<StorePath>): void {
  for (let start = 0; start + storeHashLength <= bytes.length; ) {
    let at = start + storeHashLength - 1
    while (at >= start && HASH_BYTES[bytes[at] ?? 0] === 1) at--
    if (at >= start) {
      start = at + 1
      continue
    }
    const path = wanted.get(bufferOf(bytes).toString('latin1', start, start + storeHashLength))
    if (path !== undefined) found.add(path)
    start++
  }
}

/**
 * "/build" as a path of its own: not the end or the beginning of a longer name. "-I/build" and "-L/build" count.
 * Where the bytes are not the start or the end of the file, what touches their border is left to the call that sees more.
 */
function refersToBuild(bytes: Buffer, { isStart, isEnd }: { isStart: boolean; isEnd: boolean }): boolean {
  for (let at = bytes.indexOf(BUILD_DIRECTORY); at !== -1; at = bytes.indexOf(BUILD_DIRECTORY, at + 1)) {
    if (at === 0 && !isStart) continue
    const after = bytes[at + BUILD_DIRECTORY.length]
    if (after === undefined ? !isEnd : NAME_BYTES[after] === 1) continue
    const before = bytes[at - 1]
    if (before === undefined || NAME_BYTES[before] === 0) return true
    const isFlag = before === 0x49 || before === 0x4c
    if (isFlag && bytes[at - 2] === 0x2d) return true
  }
  return false
}

function bytesWhere(condition: (character: string) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (condition(String.fromCharCode(byte)) ? 1 : 0))
}
