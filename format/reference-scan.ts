/**
 * Finds which store paths an output refers to: the hashes of the candidates, looked for in the bytes of every file, in the
 * targets of links and in names, across the borders of chunks. A reference in compressed or otherwise encoded data is not
 * found; a store path that is no candidate cannot occur, as the build could not know it.
 * Also finds references to the build directory.
 */
import { type StorePath, storeHashLength, storeHashOf } from './store-path.ts'

export type ReferenceScanner = {
  /** The next bytes of the current file. */
  scan(bytes: Uint8Array): void
  /** Ends the current file. True when it referred to the build directory. */
  endFile(): boolean
  /** Sorted. */
  found(): readonly StorePath[]
}

const BUILD_DIRECTORY = '/build'
/** Bytes that may stand in a name of a file in front of or behind "/build". */
const NAME_BYTES = bytesWhere((character) => /[A-Za-z0-9_.~+-]/.test(character))
const HASH_BYTES = bytesWhere((character) => /[a-z2-7]/.test(character))
/** So much of a chunk is kept that neither a hash nor "-I/build" with its neighbours can hide on the border. */
const OVERLAP = storeHashLength - 1

export function createReferenceScanner(candidates: Iterable<StorePath>): ReferenceScanner {
  const wanted = new Map<string, StorePath>()
  for (const path of candidates) wanted.set(storeHashOf(path), path)
  const found = new Set<StorePath>()
  /** The last bytes of the current file, and how many there were of it. */
  let tail: Buffer = EMPTY
  let seen = 0
  let build = false

  function scan(bytes: Uint8Array): void {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (tail.length > 0) look(Buffer.concat([tail, chunk.subarray(0, OVERLAP)]), seen === tail.length)
    look(chunk, seen === 0)
    const last = chunk.length >= OVERLAP ? chunk : Buffer.concat([tail, chunk])
    tail = Buffer.from(last.subarray(Math.max(0, last.length - OVERLAP)))
    seen += chunk.length
  }

  function endFile(): boolean {
    const result = build || refersToBuild(tail, { isStart: seen === tail.length, isEnd: true })
    tail = EMPTY
    seen = 0
    build = false
    return result
  }

  function look(bytes: Buffer, isStart: boolean): void {
    build ||= refersToBuild(bytes, { isStart, isEnd: false })
    if (wanted.size > found.size) findHashes(bytes, wanted, found)
  }

  return { scan, endFile, found: () => [...found].sort() }
}

const EMPTY = Buffer.alloc(0)

/** Looks at the last byte of each possible place first: mostly it rules out all places that would hold it. */
function findHashes(bytes: Buffer, wanted: ReadonlyMap<string, StorePath>, found: Set<StorePath>): void {
  for (let start = 0; start + storeHashLength <= bytes.length; ) {
    let at = start + storeHashLength - 1
    while (at >= start && HASH_BYTES[bytes[at] ?? 0] === 1) at--
    if (at >= start) {
      start = at + 1
      continue
    }
    const path = wanted.get(bytes.toString('latin1', start, start + storeHashLength))
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
