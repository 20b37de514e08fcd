/**
 * A log whose trees do not fit each other: both notes and the proof go into var/trust/alarms, where they stay until a person takes them
 * away. Nothing of that log counts meanwhile, so that what needs it is built from source.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import type { Evidence, VerifiedEvidence } from '../../trust/evidence.ts'
import { encodePublicKey } from '../../trust/key.ts'
import { parseCheckpoint } from '../../trust/log/checkpoint.ts'
import { encodeNote, type Note } from '../../trust/log/note.ts'
import type { LogTrouble } from '../../trust/log/standing.ts'
import { type LogAlarm, parseAlarm, writeAlarm } from '../log/alarm.ts'
import type { Brought } from './gather.ts'
import type { KnownLogs } from './known-logs.ts'
import { trustDirectoryOf } from './trust-files.ts'

/** Of all logs that are in trouble. `known`: what was seen before, which stands beside what was shown now. */
export function alarmsIn(
  { logs }: Pick<VerifiedEvidence, 'logs'>,
  { known, brought }: { readonly known: KnownLogs; readonly brought: readonly Brought[] },
): readonly LogAlarm[] {
  return [...logs.values()].flatMap(({ log, trouble }): LogAlarm[] => {
    if (trouble === null) return []
    const { kind, shown, proof } = trouble
    const other = trouble.other ?? known.get(encodePublicKey(log))?.checkpoint.note ?? null
    const from = brought.find(({ evidence }) => evidence.some((piece) => has(piece, shown)))?.address
    const alarm = { origin: log.name, kind, says: sayingOf(kind, shown, other), shown, other, proof }
    return [from === undefined || from === '' ? alarm : { ...alarm, from }]
  })
}

/** What is wrong, on a line. */
export function sayingOf(kind: LogTrouble['kind'], shown: Note, other: Note | null): string {
  const size = sizeIn(shown)
  const before = other === null ? 'an earlier one' : `one of ${sizeIn(other)}`
  switch (kind) {
    case 'fork':
      return `it has signed two trees that contradict each other: one of ${size} entries, and ${before}`
    case 'smaller':
      return `it shows a tree of ${size} entries after ${before}`
    case 'proof':
      return `the proof that its tree of ${size} entries has grown from ${before} is wrong`
    case 'unproved':
      return `nobody proves that its tree of ${size} entries and ${before} belong together`
    default:
      return kind satisfies never
  }
}

export type KeptAlarm = {
  readonly alarm: LogAlarm
  /** Undefined when there are too many files already. */
  readonly file: string | undefined
}

export function keepAlarms(store: Store, alarms: readonly LogAlarm[], nowSeconds: number): readonly KeptAlarm[] {
  const directory = alarmDirectoryOf(store)
  return alarms.map((alarm) => {
    const file = withDiskErrors(`cannot write into ${directory}`, () => writeAlarm({ directory, nowSeconds }, alarm))
    return { alarm, file }
  })
}

export type FoundAlarm = { readonly file: string; readonly alarm: ReturnType<typeof parseAlarm> | undefined }

/** All that are kept, sorted by file; undefined for one that cannot be read. */
export function listAlarms(store: Pick<Store, 'root'>): readonly FoundAlarm[] {
  const directory = alarmDirectoryOf(store)
  if (!existsSync(directory)) return []
  const names = readdirSync(directory).filter((name) => name.endsWith('.txt') && !name.startsWith('.'))
  return names.sort().map((name) => {
    const file = join(directory, name)
    try {
      return { file, alarm: parseAlarm(readFileSync(file, 'utf8')) }
    } catch (error) {
      if (error instanceof AbnError || (error instanceof Error && 'code' in error)) return { file, alarm: undefined }
      throw error
    }
  })
}

function alarmDirectoryOf(store: Pick<Store, 'root'>): string {
  return `${trustDirectoryOf(store)}/alarms`
}

function has({ bytes }: Evidence, note: Note): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(encodeNote(note))
}

function sizeIn({ text }: Note): string {
  try {
    return String(parseCheckpoint(text).size)
  } catch (error) {
    if (error instanceof AbnError) return 'unknown size'
    throw error
  }
}
