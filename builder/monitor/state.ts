/**
 * What a monitor remembers, in one SQLite database: how far each log has been read, which trees it has shown, who has stated what for
 * which recipe, and what is still to be sent. A batch of entries and what was found in it are one transaction, so that a crash
 * loses no finding; it may tell one again. One process at a time: the lock ends with it.
 *
 * The table of what was stated is bounded. When it is full, rows that nobody known has signed go first, then the oldest.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { type Lock, tryLock } from '../../store/lock.ts'
import { concat } from '../../trust/bytes.ts'
import { encodePublicKey, type KeyId, type PublicKey, parseKeyId, parsePublicKey } from '../../trust/key.ts'
import { treeSizeOf } from '../../trust/log/merkle.ts'
import { encodeNote, type Note, parseNote } from '../../trust/log/note.ts'
import { emptyFrontier, encodeFrontier, type Frontier, frontierOf } from '../log/frontier.ts'

export type LogState = {
  /** All entries that have been looked at. */
  readonly read: Frontier
  /** The largest checkpoint that was shown and proved. */
  readonly note: Note | null
  /** Who showed it. */
  readonly url: string
  /** When the log was last seen to grow, in seconds since 1970. */
  readonly grown: number
}

/** That somebody states a digest for an output of a recipe. */
export type Stated = {
  readonly recipe: string
  readonly output: string
  readonly digest: string
  /** The operator's name, or the key's id when nobody knows it. */
  readonly signer: string
  /** The same for the same inputs. */
  readonly inputs: string
  readonly verified: boolean
}

export type KnownSession = {
  /** Of the session as its operator signed it. */
  readonly digest: Sha256
  readonly key: PublicKey
  /** The operator's key. */
  readonly operator: KeyId
  readonly from: number
  readonly until: number
  /** Whether the operator's signature was verified. */
  readonly verified: boolean
}

export type Outgoing = { readonly id: number; readonly body: string; readonly tries: number }

export type MonitorState = Disposable & {
  log(key: KeyId): LogState
  setLog(key: KeyId, state: LogState): void
  /** How many entries an address has shown of a log. */
  shownBy(url: string, key: KeyId): number
  setShownBy(url: string, key: KeyId, size: number): void
  /** Those who state something about the same output; empty when exactly this was known already. */
  note(stated: Stated): readonly Stated[]
  session(digest: Sha256): KnownSession | undefined
  /** True the first time. What was verified is never replaced by what was not. */
  noteSession(session: KnownSession): boolean
  /** True the first time. */
  noteKey(key: KeyId): boolean
  /** True when it was not so before. */
  begin(log: string, kind: string, about: string): boolean
  /** True when it was so before. */
  end(log: string, kind: string, about: string): boolean
  cosigned(key: KeyId, witness: KeyId): number | undefined
  setCosigned(key: KeyId, witness: KeyId, time: number): void
  /** Puts something into the queue of what is to be sent; the oldest goes when it is full. */
  enqueue(body: string): void
  due(now: number, most: number): readonly Outgoing[]
  sent(ids: readonly number[]): void
  postpone(ids: readonly number[], due: number): void
  /** How many rows were given up to keep the bounds. */
  trim(): number
  /** All or nothing. */
  atomically<T>(change: () => T): T
}

export type StateLimits = { readonly stated: number; readonly keys: number; readonly outgoing: number }

export const defaultLimits: StateLimits = { stated: 2_000_000, keys: 100_000, outgoing: 10_000 }

/** Throws ABN_MONITOR_STATE. */
export function openMonitorState(directory: string, limits: StateLimits = defaultLimits): MonitorState {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const lock = tryLock(join(directory, 'lock'), 'exclusive')
  if (lock === undefined) {
    const hint = 'end it, or give this one a directory of its own with --state'
    throw new AbnError('ABN_MONITOR_STATE', `another monitor uses ${directory}`, { hint })
  }
  try {
    return stateIn(openDatabase(join(directory, 'monitor.sqlite')), { lock, limits })
  } catch (cause) {
    lock.release()
    if (cause instanceof AbnError) throw cause
    throw new AbnError('ABN_MONITOR_STATE', `cannot use the state in ${directory}`, { hint: HINT, cause })
  }
}

const HINT = 'remove the directory to begin anew: all entries are read again, and older trees are forgotten'
const VERSION = 1

const SCHEMA = `
CREATE TABLE logs(key TEXT PRIMARY KEY, size INTEGER, frontier BLOB, note BLOB, url TEXT, grown INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE places(url TEXT, key TEXT, size INTEGER, PRIMARY KEY(url, key)) STRICT, WITHOUT ROWID;
CREATE TABLE stated(id INTEGER PRIMARY KEY, recipe BLOB, output TEXT, digest BLOB, signer TEXT, inputs BLOB, verified INTEGER) STRICT;
CREATE UNIQUE INDEX stated_once ON stated(recipe, output, digest, signer, inputs);
CREATE INDEX stated_unverified ON stated(id) WHERE verified = 0;
CREATE TABLE sessions(id TEXT PRIMARY KEY, key TEXT, operator TEXT, since INTEGER, until INTEGER, verified INTEGER) STRICT;
CREATE TABLE keys(id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE conditions(log TEXT, kind TEXT, about TEXT, PRIMARY KEY(log, kind, about)) STRICT, WITHOUT ROWID;
CREATE TABLE cosigned(log TEXT, witness TEXT, time INTEGER, PRIMARY KEY(log, witness)) STRICT, WITHOUT ROWID;
CREATE TABLE outgoing(id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT, tries INTEGER, due INTEGER) STRICT;
`

function openDatabase(path: string): DatabaseSync {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
  const database = new DatabaseSync(path)
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16000')
    const version = database.prepare('PRAGMA user_version').get()?.user_version
    if (version === 0) database.exec(`BEGIN; ${SCHEMA} PRAGMA user_version = ${VERSION}; COMMIT`)
    else if (version !== VERSION)
      throw new AbnError('ABN_MONITOR_STATE', `${path} is of version ${version}`, { hint: HINT })
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

type Row = Readonly<Record<string, SQLOutputValue>>

function stateIn(
  database: DatabaseSync,
  { lock, limits }: { readonly lock: Lock; readonly limits: StateLimits },
): MonitorState {
  const prepared = new Map<string, StatementSync>()
  const sql = (text: string): StatementSync => {
    const known = prepared.get(text) ?? database.prepare(text)
    prepared.set(text, known)
    return known
  }
  const count = (table: 'stated' | 'keys' | 'outgoing' | 'sessions' | 'conditions'): number =>
    numberIn(sql(`SELECT COUNT(*) AS n FROM ${table}`).get(), 'n')
  let stated = count('stated')
  let keys = count('keys')
  let sessions = count('sessions')
  let conditions = count('conditions')
  let nesting = 0

  return {
    log(key) {
      const row = sql('SELECT * FROM logs WHERE key = ?').get(key)
      if (row === undefined) return { read: emptyFrontier, note: null, url: '', grown: 0 }
      const note = bytesIn(row, 'note')
      return {
        read: frontierOf(treeSizeOf(numberIn(row, 'size')), bytesIn(row, 'frontier')),
        note: note.length === 0 ? null : parseNote(note),
        url: textIn(row, 'url'),
        grown: numberIn(row, 'grown'),
      }
    },
    setLog(key, { read, note, url, grown }) {
      const bytes = note === null ? new Uint8Array() : encodeNote(note)
      sql('INSERT OR REPLACE INTO logs VALUES (?, ?, ?, ?, ?, ?)').run(
        key,
        read.size,
        encodeFrontier(read),
        bytes,
        url,
        grown,
      )
    },
    shownBy(url, key) {
      const row = sql('SELECT size FROM places WHERE url = ? AND key = ?').get(url, key)
      return row === undefined ? 0 : numberIn(row, 'size')
    },
    setShownBy: (url, key, size) => void sql('INSERT OR REPLACE INTO places VALUES (?, ?, ?)').run(url, key, size),
    note(one) {
      const recipe = Uint8Array.fromHex(one.recipe)
      const { changes } = sql(
        'INSERT OR IGNORE INTO stated(recipe, output, digest, signer, inputs, verified) VALUES (?, ?, ?, ?, ?, ?)',
      ).run(
        recipe,
        one.output,
        Uint8Array.fromHex(one.digest),
        one.signer,
        Uint8Array.fromHex(one.inputs),
        one.verified ? 1 : 0,
      )
      if (changes === 0) return []
      stated++
      const rows = sql('SELECT * FROM stated WHERE recipe = ? AND output = ? ORDER BY verified DESC, id LIMIT 200').all(
        recipe,
        one.output,
      )
      return rows.map(statedIn)
    },
    session(digest) {
      const row = sql('SELECT * FROM sessions WHERE id = ?').get(digest)
      if (row === undefined) return undefined
      return {
        digest,
        key: parsePublicKey(textIn(row, 'key')),
        operator: parseKeyId(textIn(row, 'operator')),
        from: numberIn(row, 'since'),
        until: numberIn(row, 'until'),
        verified: numberIn(row, 'verified') === 1,
      }
    },
    noteSession({ digest, key, operator, from, until, verified }) {
      if (!verified && sessions >= limits.keys) return false
      const line = encodePublicKey(key)
      const { changes } = sql(
        'INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET verified = 1 WHERE excluded.verified > verified',
      ).run(digest, line, operator, from, until, verified ? 1 : 0)
      if (changes === 1) sessions++
      return changes === 1
    },
    noteKey(key) {
      if (keys >= limits.keys) return false
      const isNew = sql('INSERT OR IGNORE INTO keys VALUES (?)').run(key).changes === 1
      if (isNew) keys++
      return isNew
    },
    begin(log, kind, about) {
      // When there is no room, it is told each time.
      if (conditions >= limits.keys) return true
      const isNew = sql('INSERT OR IGNORE INTO conditions VALUES (?, ?, ?)').run(log, kind, about).changes === 1
      if (isNew) conditions++
      return isNew
    },
    end(log, kind, about) {
      const was =
        sql('DELETE FROM conditions WHERE log = ? AND kind = ? AND about = ?').run(log, kind, about).changes === 1
      if (was) conditions--
      return was
    },
    cosigned(key, witness) {
      const row = sql('SELECT time FROM cosigned WHERE log = ? AND witness = ?').get(key, witness)
      return row === undefined ? undefined : numberIn(row, 'time')
    },
    setCosigned: (key, witness, time) =>
      void sql('INSERT OR REPLACE INTO cosigned VALUES (?, ?, ?)').run(key, witness, time),
    enqueue(body) {
      sql('INSERT INTO outgoing(body, tries, due) VALUES (?, 0, 0)').run(body)
      const over = count('outgoing') - limits.outgoing
      if (over > 0) sql('DELETE FROM outgoing WHERE id IN (SELECT id FROM outgoing ORDER BY id LIMIT ?)').run(over)
    },
    due: (now, most) =>
      sql('SELECT * FROM outgoing WHERE due <= ? ORDER BY id LIMIT ?')
        .all(now, most)
        .map((row) => ({ id: numberIn(row, 'id'), body: textIn(row, 'body'), tries: numberIn(row, 'tries') })),
    sent(ids) {
      for (const id of ids) sql('DELETE FROM outgoing WHERE id = ?').run(id)
    },
    postpone(ids, due) {
      for (const id of ids) sql('UPDATE outgoing SET tries = tries + 1, due = ? WHERE id = ?').run(due, id)
    },
    trim() {
      // Some at once, so that it is not done for each entry.
      const over = stated > limits.stated ? stated - Math.floor(limits.stated * 0.95) : 0
      if (over === 0) return 0
      const strangers = sql(
        'DELETE FROM stated WHERE id IN (SELECT id FROM stated WHERE verified = 0 ORDER BY id LIMIT ?)',
      ).run(over)
      const rest = over - Number(strangers.changes)
      if (rest > 0) sql('DELETE FROM stated WHERE id IN (SELECT id FROM stated ORDER BY id LIMIT ?)').run(rest)
      stated = count('stated')
      return over
    },
    atomically(change) {
      if (nesting > 0) return change()
      nesting++
      database.exec('BEGIN IMMEDIATE')
      try {
        const result = change()
        database.exec('COMMIT')
        return result
      } catch (error) {
        database.exec('ROLLBACK')
        stated = count('stated')
        keys = count('keys')
        sessions = count('sessions')
        conditions = count('conditions')
        throw diskError(error)
      } finally {
        nesting--
      }
    },
    [Symbol.dispose]() {
      database.close()
      lock.release()
    },
  }
}

/** A full disk, a file that is damaged. */
function diskError(error: unknown): unknown {
  const isOfDatabase = error instanceof Error && Reflect.get(error, 'code') === 'ERR_SQLITE_ERROR'
  return isOfDatabase
    ? new AbnError('ABN_MONITOR_STATE', `cannot keep the state: ${error.message}`, { cause: error })
    : error
}

function statedIn(row: Row): Stated {
  return {
    recipe: bytesIn(row, 'recipe').toHex(),
    output: textIn(row, 'output'),
    digest: bytesIn(row, 'digest').toHex(),
    signer: textIn(row, 'signer'),
    inputs: bytesIn(row, 'inputs').toHex(),
    verified: numberIn(row, 'verified') === 1,
  }
}

function numberIn(row: Row | undefined, name: string): number {
  const value = row?.[name]
  if (typeof value !== 'number') throw damaged(name)
  return value
}

function textIn(row: Row, name: string): string {
  const value = row[name]
  if (typeof value !== 'string') throw damaged(name)
  return value
}

function bytesIn(row: Row, name: string): Uint8Array {
  const value = row[name]
  if (!(value instanceof Uint8Array)) throw damaged(name)
  return concat([value])
}

function damaged(column: string): AbnError {
  return new AbnError('ABN_MONITOR_STATE', `the state of the monitor is damaged: ${column}`, { hint: HINT })
}
