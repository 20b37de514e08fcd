/**
 * Build logs: var/log/<item>.log.zst, written while the build runs, so that the log of a build that failed, or that was
 * killed, is there too. Whoever writes one holds the derivation's lock.
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { constants, createZstdCompress, zstdDecompressSync } from 'node:zlib'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import { errorCode, withDiskErrors } from '../../store/io-errors.ts'
import type { Layout } from '../../store/layout.ts'

export type BuildLog = {
  readonly path: string
  /** Calls onLine for each line that is complete. */
  write(bytes: Buffer): void
  /** The last lines, without control characters. */
  tail(): readonly string[]
  /** Resolves when everything is on its way to the disk. */
  close(): Promise<void>
}

/** File name below var/log. `suffix` is for builds whose result is not kept. */
export function logNameOf(path: StorePath, suffix = ''): string {
  return `${storeItemOf(path)}${suffix}.log.zst`
}

export function logPathOf(layout: Layout, path: StorePath, suffix = ''): string {
  return `${layout.log}/${logNameOf(path, suffix)}`
}

/** Replaces a log of that name. Throws ABN_DISK_FULL or ABN_STORE_UNUSABLE. */
export function openLog(path: string, onLine: (line: string) => void): BuildLog {
  const descriptor = withDiskErrors(`cannot write ${path}`, () => {
    mkdirSync(dirname(path), { recursive: true })
    return openSync(path, 'w', 0o644)
  })
  const compress = createZstdCompress()
  compress.on('data', (bytes: Buffer) => writeAll(descriptor, bytes))
  const flushing = setInterval(() => compress.flush(constants.ZSTD_e_flush), FLUSH_MS)
  flushing.unref()
  const decoder = new StringDecoder('utf8')
  const lines: string[] = []
  let rest = ''
  const addLine = (line: string): void => {
    if (lines.push(line) > TAIL_LINES) lines.shift()
    onLine(line)
  }
  return {
    path,
    write(bytes) {
      compress.write(bytes)
      const parts = (rest + decoder.write(bytes)).split('\n')
      rest = (parts.pop() ?? '').slice(-LINE_CHARACTERS)
      for (const part of parts) addLine(part.slice(0, LINE_CHARACTERS))
    },
    tail: () => [...lines, ...(rest === '' ? [] : [rest])].slice(-TAIL_LINES).map(withoutControls),
    async close() {
      clearInterval(flushing)
      await new Promise<void>((resolve) => compress.on('end', resolve).end())
      closeSync(descriptor)
    },
  }
}

/** The text of a log, as far as it was written. */
export function readLog(path: string): Buffer {
  return zstdDecompressSync(readFileSync(path), { finishFlush: constants.ZSTD_e_flush })
}

/** Control characters and escape sequences, which a terminal would obey, become nothing; tabs stay. */
export function withoutControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?/g, '').replace(/[^\P{Cc}\t]/gu, '')
}

const FLUSH_MS = 1000
const TAIL_LINES = 30
const LINE_CHARACTERS = 2000

/** On a full disk the log ends early; the build's own writes meet the full disk too, and that is what is told. */
function writeAll(descriptor: number, bytes: Buffer): void {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at)
  } catch (error) {
    if (errorCode(error) !== 'ENOSPC' && errorCode(error) !== 'EDQUOT') throw error
  }
}
