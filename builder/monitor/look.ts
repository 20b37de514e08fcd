/**
 * One look at a log at one address: its checkpoint is compared with the trees that were shown before, then the entries that are new are
 * read in order. An entry is judged only when the tree that it makes with all before it is proved to be the beginning of the tree
 * that the log has signed; so the entries that were judged are those that everybody gets, or the log is caught.
 */
import { AbnError } from '../../format/errors.ts'
import { sha256Of } from '../../format/hash.ts'
import { isEqualBytes } from '../../trust/bytes.ts'
import {
  type LogKey,
  parseCheckpoint,
  type VerifiedCheckpoint,
  verifiedCheckpointOf,
} from '../../trust/log/checkpoint.ts'
import { leafHash, type TreeHash, type TreeSize, verifyConsistency } from '../../trust/log/merkle.ts'
import { encodeNote, type Note } from '../../trust/log/note.ts'
import { tileWidth } from '../../trust/log/tile.ts'
import { encodeAddCheckpoint } from '../../trust/log/witness-request.ts'
import { writeAlarm } from '../log/alarm.ts'
import { extendFrontier, type Frontier, rootOfFrontier } from '../log/frontier.ts'
import { consistencyFromTiles, rememberingTiles, rootFromTiles } from '../log/prove-from-tiles.ts'
import { type LogReader, openLogReader } from '../log/read-log.ts'
import type { Finding, What } from './finding.ts'
import { noteHealth } from './health.ts'
import { judgeEntry } from './judge-entry.ts'
import type { LogState, MonitorState } from './state.ts'
import type { Watch } from './watch.ts'

export type Looking = {
  readonly state: MonitorState
  readonly watch: Watch
  readonly nowSeconds: () => number
  /** For files with proof. */
  readonly alarms: string
  /** What is so now and was so before is told again. */
  readonly repeats: boolean
  readonly staleSeconds: number
  readonly idleSeconds: number
  readonly lookSeconds: number
  readonly tell: (finding: Finding) => void
  /** Runs what concerns one log one at a time. */
  readonly inTurn: <T>(log: string, work: () => Promise<T>) => Promise<T>
}

/** Resolves to false when the look ended before all entries were read. Throws what the disk throws, and the signal's reason. */
export async function lookAt(reader: LogReader, looking: Looking): Promise<boolean> {
  const { url } = reader
  const teller = tellerFor({ log: '', url }, looking)
  let note: Note
  try {
    note = await reader.checkpoint()
    teller.unless('unreachable', '')
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    if (error.code === 'ABN_NOTE_INVALID') teller.when('checkpoint', '', { kind: 'checkpoint', reason: error.message })
    else if (error.code === 'ABN_CACHE_ANSWER') {
      teller.when('unreachable', '', { kind: 'unreachable', reason: error.message })
    } else throw error
    return true
  }
  const log = logOf(note, looking.watch, teller)
  if (log === undefined) return true
  return looking.inTurn(log.id, () => lookAtLog(note, { log, reader, looking }))
}

type Place = { readonly log: LogKey; readonly reader: LogReader; readonly looking: Looking }

async function lookAtLog(note: Note, place: Place): Promise<boolean> {
  const { log, reader, looking } = place
  const teller = tellerFor({ log: log.name, url: reader.url }, looking)
  let checkpoint: VerifiedCheckpoint
  try {
    checkpoint = verifiedCheckpointOf(note, log)
    teller.unless('checkpoint', reader.url)
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    teller.when('checkpoint', reader.url, { kind: 'checkpoint', reason: `${error.code}: ${error.message}` })
    return true
  }
  try {
    const trouble = await compare(checkpoint, place)
    if (trouble !== undefined) {
      raise(trouble, place, teller)
      return true
    }
    looking.state.atomically(() => noteHealth(checkpoint, log, { ...looking, teller }))
    const isDone = await readOn(checkpoint, place, teller)
    teller.unless('unreachable', reader.url)
    return isDone
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    if (error.code === 'ABN_LOG_TILE') {
      raise({ kind: 'tiles', says: error.message, shown: note, other: null, proof: null }, place, teller)
    } else if (error.code === 'ABN_CACHE_ANSWER') {
      teller.when('unreachable', reader.url, { kind: 'unreachable', reason: error.message })
    } else throw error
    return true
  } finally {
    teller.end()
  }
}

type Trouble = {
  readonly kind: 'fork' | 'smaller' | 'tiles' | 'entries'
  readonly says: string
  readonly shown: Note
  readonly other: Note | null
  readonly proof: Uint8Array | null
}

/** Undefined when this tree and the largest that was shown before belong together. The larger one is then remembered. */
async function compare(checkpoint: VerifiedCheckpoint, { log, reader, looking }: Place): Promise<Trouble | undefined> {
  const { state, nowSeconds } = looking
  const { url } = reader
  const before = state.log(log.id)
  const last = before.note === null ? undefined : verifiedCheckpointOf(before.note, log)
  const shown = state.shownBy(url, log.id)
  if (last !== undefined) {
    const isOlder = checkpoint.size < last.size
    const [old, grown] = isOlder ? [checkpoint, last] : [last, checkpoint]
    // Who shows the smaller tree may not have the tiles of the larger one.
    using other = isOlder && before.url !== url && before.url !== '' ? await openLogReader(before.url) : undefined
    const trouble = await contradiction(old, grown, { shown: checkpoint.note, reader: other ?? reader })
    if (trouble !== undefined) return trouble
    if (checkpoint.size < shown) {
      const says = `it shows ${checkpoint.size} entries, and has shown ${shown}`
      return { kind: 'smaller', says, shown: checkpoint.note, other: last.note, proof: null }
    }
  }
  state.atomically(() => {
    state.setShownBy(url, log.id, checkpoint.size)
    const hasGrown = last === undefined || checkpoint.size > last.size
    const isNewer = hasGrown || checkpoint.size === last.size
    const grown = hasGrown ? nowSeconds() : before.grown
    if (isNewer) state.setLog(log.id, { ...before, note: checkpoint.note, url, grown })
  })
  return undefined
}

type Compared = { readonly shown: Note; readonly reader: LogReader }

async function contradiction(
  old: VerifiedCheckpoint,
  grown: VerifiedCheckpoint,
  { shown, reader }: Compared,
): Promise<Trouble | undefined> {
  const other = shown === grown.note ? old.note : grown.note
  if (old.size === grown.size) {
    if (isEqualBytes(old.root, grown.root)) return undefined
    return { kind: 'fork', says: `it has signed two trees of ${old.size} entries`, shown, other, proof: null }
  }
  const proof = await consistencyFromTiles(reader, old.size, grown.size)
  if (isConsistent(old, grown, proof)) return undefined
  const bytes = encodeAddCheckpoint({ old: old.size, proof, checkpoint: grown.note })
  const isItsTree = isEqualBytes(await rootFromTiles(reader, grown.size), grown.root)
  if (!isItsTree) {
    const says = `its tiles are not those of the tree of ${grown.size} entries that it has signed`
    return { kind: 'tiles', says, shown, other, proof: bytes }
  }
  const says = `its tree of ${grown.size} entries does not begin with the one of ${old.size} that it has signed`
  return { kind: 'fork', says, shown, other, proof: bytes }
}

/** All that is new, in batches. False when it was stopped before the end. */
async function readOn(
  checkpoint: VerifiedCheckpoint,
  { log, reader, looking }: Place,
  teller: Teller,
): Promise<boolean> {
  const { state } = looking
  const tiles = rememberingTiles(reader)
  const end = performance.now() + looking.lookSeconds * 1000
  for (;;) {
    const before = state.log(log.id)
    if (before.read.size >= checkpoint.size) return true
    const entries = await readBatch(reader, before.read.size, checkpoint.size)
    const read = extendFrontier(before.read, entries.map(leafHash))
    const proof = await consistencyFromTiles(tiles, read.size, checkpoint.size)
    if (!isConsistent({ size: read.size, root: rootOfFrontier(read) }, checkpoint, proof)) {
      const says = `it serves entries from ${before.read.size} to ${read.size} that are not those of its tree`
      raise(
        { kind: 'entries', says, shown: checkpoint.note, other: null, proof: null },
        { log, reader, looking },
        teller,
      )
      return true
    }
    state.atomically(() => judgeBatch(entries, { before, read, log, looking, teller }))
    if (performance.now() > end) return read.size === checkpoint.size
  }
}

type Batch = {
  readonly before: LogState
  readonly read: Frontier
  readonly log: LogKey
  readonly looking: Looking
  readonly teller: Teller
}

function judgeBatch(entries: readonly Uint8Array[], { before, read, log, looking, teller }: Batch): void {
  const { state, watch } = looking
  for (const [i, entry] of entries.entries()) {
    for (const what of judgeEntry(entry, { state, watch })) teller.tell(what, before.read.size + i)
  }
  state.setLog(log.id, { ...before, read })
  const rows = state.trim()
  if (rows > 0) teller.tell({ kind: 'forgotten', rows }, null)
}

const BATCH_BUNDLES = 16
const BATCH_BYTES = 8 * 1024 * 1024

async function readBatch(reader: LogReader, from: number, size: TreeSize): Promise<readonly Uint8Array[]> {
  const entries: Uint8Array[] = []
  let bytes = 0
  for (let bundles = 0; bundles < BATCH_BUNDLES && bytes < BATCH_BYTES && from + entries.length < size; bundles++) {
    const at = from + entries.length
    const index = Math.floor(at / tileWidth)
    const width = Math.min(tileWidth, size - index * tileWidth)
    const bundle = (await reader.entries({ index, width })).slice(at - index * tileWidth)
    entries.push(...bundle)
    bytes += bundle.reduce((sum, { length }) => sum + length, 0)
  }
  return entries
}

type Tree = { readonly size: TreeSize; readonly root: TreeHash }

function isConsistent(old: Tree, grown: Tree, proof: readonly TreeHash[]): boolean {
  try {
    verifyConsistency({ old, new: grown, proof })
    return true
  } catch (error) {
    if (error instanceof AbnError && error.code === 'ABN_LOG_PROOF') return false
    throw error
  }
}

function logOf(note: Note, { logs }: Watch, teller: Teller): LogKey | undefined {
  let origin: string
  try {
    origin = parseCheckpoint(note.text).origin
    teller.unless('checkpoint', '')
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    teller.when('checkpoint', '', { kind: 'checkpoint', reason: `${error.code}: ${error.message}` })
    return undefined
  }
  const log = logs.get(origin)
  if (log === undefined) teller.when('unknown-log', '', { kind: 'unknown-log', origin })
  else teller.unless('unknown-log', '')
  return log
}

/** Keeps the proof, and tells. */
function raise({ kind, says, shown, other, proof }: Trouble, { log, reader, looking }: Place, teller: Teller): void {
  const place = { directory: looking.alarms, nowSeconds: looking.nowSeconds() }
  const file = writeAlarm(place, { origin: log.name, kind, says, from: reader.url, shown, other, proof }) ?? null
  teller.when(kind, sha256Of(encodeNote(shown)), { kind, says, file })
}

export type Teller = {
  tell(what: What, entry: number | null): void
  /** Told when it begins; again only by who looks once. */
  when(kind: string, about: string, what: What): void
  /** It is so no longer. */
  unless(kind: string, about: string): void
  /** Tells how much was left out. */
  end(): void
}

const MOST_OF_A_KIND = 100

function tellerFor(
  { log, url }: { readonly log: string; readonly url: string },
  { state, tell, nowSeconds, repeats }: Looking,
): Teller {
  const counts = new Map<string, number>()
  const say = (what: What, entry: number | null): void => tell({ time: nowSeconds(), log, url, entry, what })
  const place = log === '' ? url : log
  return {
    tell(what, entry) {
      const count = (counts.get(what.kind) ?? 0) + 1
      counts.set(what.kind, count)
      if (count <= MOST_OF_A_KIND) say(what, entry)
    },
    when: (kind, about, what) =>
      state.atomically(() => {
        if (state.begin(place, kind, about) || repeats) say(what, null)
      }),
    unless: (kind, about) =>
      state.atomically(() => {
        if (state.end(place, kind, about)) say({ kind: 'recovered', of: kind, about }, null)
      }),
    end: () =>
      state.atomically(() => {
        for (const [of, count] of counts) {
          if (count > MOST_OF_A_KIND) say({ kind: 'more', of, count: count - MOST_OF_A_KIND }, null)
        }
      }),
  }
}
