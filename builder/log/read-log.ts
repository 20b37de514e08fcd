/**
 * Reads a log of somebody else over HTTP (C2SP tlog-tiles): its checkpoint, its tiles, its entries. The server is hostile: what comes
 * is bounded in bytes and time, and nothing of it is believed here. A checkpoint is verified by trust/log/checkpoint.ts, hashes
 * by the proofs that are made of them, entries by their hashes.
 */
import { AbnError } from '../../format/errors.ts'
import type { TreeHash } from '../../trust/log/merkle.ts'
import { maximumNoteBytes, type Note, parseNote } from '../../trust/log/note.ts'
import {
  entriesPath,
  maximumEntryBytes,
  parseEntries,
  parseTile,
  type Tile,
  tilePath,
  tileWidth,
} from '../../trust/log/tile.ts'
import { connectToCache, type Pace, readWhole } from '../substitute/http.ts'

export type LogReader = Disposable & {
  /** Where the log is, without a slash at the end. */
  readonly url: string
  /** As the log shows it now. Throws ABN_CACHE_ANSWER or ABN_NOTE_INVALID. */
  checkpoint(): Promise<Note>
  /** Throws ABN_CACHE_ANSWER or ABN_LOG_TILE. */
  tile(tile: Tile): Promise<readonly TreeHash[]>
  /** Throws ABN_CACHE_ANSWER or ABN_LOG_TILE. */
  entries(bundle: Bundle): Promise<readonly Uint8Array[]>
}

/** Which entries: those of the level 0 tile of the same index and width. */
export type Bundle = Omit<Tile, 'level'>

export type LogReaderOptions = { readonly signal?: AbortSignal | undefined; readonly pace?: Pace }

/** Where a cache has its log. An address that ends like one is taken as it is. */
export function logAddressOf(address: string): string {
  return address.endsWith(LOG_PATH) ? address : `${address}${LOG_PATH}`
}

/** `url` is an address as parseCacheAddress gives it. */
export async function openLogReader(url: string, { signal, pace }: LogReaderOptions = {}): Promise<LogReader> {
  const connection = await connectToCache(url, { connections: 4, ...(pace === undefined ? {} : { pace }) })

  /** Undefined when there is no such file. */
  async function read(path: string, maximum: number): Promise<Uint8Array | undefined> {
    const answer = await connection.request(`/${path}`, { signal })
    if (answer.status === 404 || answer.status === 410) return void answer.drop()
    if (answer.status !== 200) {
      answer.drop()
      throw new AbnError('ABN_CACHE_ANSWER', `${url}/${path}: status ${answer.status}`)
    }
    return readWhole(answer, url, maximum)
  }

  async function readSome(path: string, maximum: number): Promise<Uint8Array> {
    const bytes = await read(path, maximum)
    if (bytes === undefined) throw new AbnError('ABN_CACHE_ANSWER', `${url} has no ${path}`)
    return bytes
  }

  return {
    url,
    checkpoint: async () => parseNote(await readSome('checkpoint', maximumNoteBytes)),
    async tile(tile) {
      const bytes = await read(tilePath(tile), tile.width * HASH_BYTES)
      if (bytes !== undefined || tile.width === tileWidth)
        return parseTile(bytes ?? (await readSome(tilePath(tile), 0)), tile)
      // A log may drop a part of a tile once it has the whole.
      const full = { ...tile, width: tileWidth }
      return parseTile(await readSome(tilePath(full), tileWidth * HASH_BYTES), full).slice(0, tile.width)
    },
    async entries(bundle) {
      const bytes = await read(entriesPath(bundle), maximumBytes(bundle.width))
      if (bytes !== undefined) return parseEntries(bytes, bundle.width)
      const full = { ...bundle, width: tileWidth }
      return parseEntries(await readSome(entriesPath(full), maximumBytes(tileWidth)), tileWidth).slice(0, bundle.width)
    },
    [Symbol.dispose]: () => connection[Symbol.dispose](),
  }
}

const LOG_PATH = '/v1/log'
const HASH_BYTES = 32

function maximumBytes(entries: number): number {
  return entries * (maximumEntryBytes + 2)
}
