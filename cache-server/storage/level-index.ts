/**
 * The index in a LevelDB, which admits one process: opening it is also the lock on the data directory.
 */
import type { Level } from 'level'
import { AbnError } from '../../format/errors.ts'
import type { Change, Index, IndexReader, Scan } from './index.ts'

/** Throws ABN_CACHE_DATA when another process has it open, or it is damaged. */
export async function openLevelIndex(directory: string): Promise<Index> {
  const { Level } = await import('level')
  const database = new Level<string, Uint8Array>(directory, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    cacheSize: 8 * 1024 * 1024,
    writeBufferSize: 4 * 1024 * 1024,
    // 64 tables are open at a time (74 is the least that LevelDB takes), each mapped into memory: small ones bound what a large
    // index takes.
    maxFileSize: 1024 * 1024,
    maxOpenFiles: 74,
  })
  try {
    await database.open()
  } catch (cause) {
    const busy = cause instanceof Error && isCode(cause.cause, 'LEVEL_LOCKED')
    throw new AbnError(
      'ABN_CACHE_DATA',
      busy ? `${directory} is in use by another cache server` : `cannot open the index ${directory}`,
      { hint: busy ? 'stop that server first' : 'restore the last backup into a new data directory', cause },
    )
  }
  return {
    ...readerOf(database),
    write: (changes, { durable }) => database.batch(changes.map(operationOf), { sync: durable }),
    async snapshot() {
      const snapshot = database.snapshot()
      return { ...readerOf(database, snapshot), close: () => snapshot.close() }
    },
    close: () => database.close(),
  }
}

type Database = Level<string, Uint8Array>

function readerOf(database: Database, snapshot?: ReturnType<Database['snapshot']>): IndexReader {
  return {
    get: (key) => database.get(key, { snapshot }),
    getMany: (keys) => database.getMany([...keys], { snapshot }),
    entries: (scan) => database.iterator({ ...boundsOf(scan), snapshot }),
    keys: (scan) => database.keys({ ...boundsOf(scan), snapshot }),
  }
}

function boundsOf({ prefix, after, limit }: Scan) {
  // Keys are ASCII, so that no key that begins with the prefix sorts behind this.
  const lt = `${prefix}\u{7f}`
  const lower = after === undefined ? { gte: prefix } : { gt: after }
  return { ...lower, lt, limit: limit ?? -1 }
}

function operationOf(change: Change) {
  return change.kind === 'put'
    ? { type: 'put' as const, key: change.key, value: change.value }
    : { type: 'del' as const, key: change.key }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
