/**
 * A log that has shown two trees which cannot both be true, or other proof of its misbehaviour, in a file that is kept: both notes as
 * they came, the proof, and what to do with it. Whoever has the log's key can check the file without having been there. It is
 * text for people; the parts between `begin` and `end`, each line of them after two spaces, are read again by `parseAlarm`.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { sha256Of } from '../../format/hash.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { base64Of, bytesOfBase64, utf8 } from '../../trust/bytes.ts'
import { encodeNote, type Note, parseNote } from '../../trust/log/note.ts'
import { encodeTime } from '../../trust/time.ts'

export type LogAlarm = {
  /** The log's name. */
  readonly origin: string
  /** What is wrong, in a word and on a line. */
  readonly kind: string
  readonly says: string
  /** Where `shown` came from, if it is known. */
  readonly from?: string
  readonly shown: Note
  readonly other: Note | null
  /** A request to a witness (trust/log/witness-request.ts) that fails, or other bytes that show it. */
  readonly proof: Uint8Array | null
}

export type AlarmPlace = { readonly directory: string; readonly nowSeconds: number }

/**
 * Old alarms are for a person to remove; beyond so many, nothing more is written. Half of them are left for forks: anybody who carries an
 * old checkpoint can make others, and must not make a log's own lie go unrecorded.
 */
const MOST_FILES = 100
const MOST_OTHERS = 50

/**
 * The file's path; the same alarm goes into one file. Undefined when there are too many files already. Throws what writing throws.
 */
export function writeAlarm({ directory, nowSeconds }: AlarmPlace, alarm: LogAlarm): string | undefined {
  const evidence = evidenceText(alarm)
  // Not of the signatures: anybody can give the same trees others.
  const trees = [alarm.origin, alarm.kind, alarm.shown.text, alarm.other?.text ?? '']
  const id = sha256Of(JSON.stringify(trees)).slice(0, 8)
  const there = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.txt')) : []
  const same = there.find((name) => name.endsWith(`-${id}.txt`))
  if (same !== undefined) return join(directory, same)
  if (there.length >= (alarm.kind === 'fork' ? MOST_FILES : MOST_OTHERS)) return undefined
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const time = encodeTime(nowSeconds).replaceAll(/[-:]/g, '')
  const name = alarm.origin.replaceAll(/[^A-Za-z0-9.-]/g, '_').slice(0, 80)
  const path = join(directory, `${name}-${time}-${id}.txt`)
  writeDurably(path, `${headText(alarm, nowSeconds)}\n${evidence}`)
  return path
}

/** Throws ABN_LOG_ALARM, ABN_NOTE_INVALID. Nothing in the file is believed: notes and proof are as they came. */
export function parseAlarm(text: string): Omit<LogAlarm, 'says' | 'from'> {
  if (text.length > MAXIMUM_CHARACTERS) throw damaged('it is too large')
  const parts = new Map<string, string>()
  for (const [, name = '', lines = ''] of text.matchAll(PART)) {
    if (parts.has(name)) throw damaged(`it has the part '${name}' twice`)
    parts.set(name, lines.replaceAll(/(?<![^\n]) {2}/g, ''))
  }
  const [origin = '', kind = '', ...more] = parts.get('trouble')?.split('\n') ?? []
  if (origin === '' || !/^[a-z]+$/.test(kind) || more.join('') !== '')
    throw damaged('it does not say which log, and what')
  const shown = noteIn(parts.get('shown'))
  if (shown === null) throw damaged("it has no part 'shown'")
  const proof = parts.get('proof')
  const bytes = proof === undefined ? null : bytesOfBase64(proof.replaceAll('\n', ''))
  if (bytes === undefined) throw damaged('its proof is not base 64')
  return { origin, kind, shown, other: noteIn(parts.get('other')), proof: bytes }
}

const MAXIMUM_CHARACTERS = 512 * 1024
/** A line ends in a line feed and in nothing else: what a log has signed may hold other separators, such as U+2028. */
const PART = /(?<![^\n])----- begin (\w+)\n((?: {2}[^\n]*\n)*)----- end \1\n/g

function headText({ origin, kind, says, from }: LogAlarm, nowSeconds: number): string {
  const lines = [
    `${origin}: ${says}`,
    `seen at ${encodeTime(nowSeconds)}${from === undefined ? '' : ` from ${from}`}`,
    '',
    ...(kind === 'fork' ? WHAT_TO_DO.fork : WHAT_TO_DO.others),
    "With the key of the log anybody can check this file: 'abnpkg log check FILE'.",
  ]
  return `${lines.join('\n')}\n`
}

/** Only the log can have signed two trees of one size; an old tree shown again, or a proof left out, may be the work of who carried it. */
const WHAT_TO_DO = {
  fork: [
    'A log signs one tree that only grows; this one has signed two. Keep this file, and send it to the operator of the log, to its',
    'witnesses and to others who use it. Take nothing from the log until its operator has explained it.',
  ],
  others: [
    'This is the work of the log, or of whoever carried it here: look at it through another cache or another network. If it is the same',
    'there, keep this file, and send it to the operator of the log, to its witnesses and to others who use it. Take nothing from the log',
    'until it fits together.',
  ],
}

function evidenceText({ origin, kind, shown, other, proof }: LogAlarm): string {
  return [
    part('trouble', `${origin}\n${kind}\n`),
    part('shown', noteText(shown)),
    other === null ? '' : part('other', noteText(other)),
    proof === null ? '' : part('proof', `${(base64Of(proof).match(/.{1,76}/g) ?? []).join('\n')}\n`),
  ].join('')
}

function part(name: string, text: string): string {
  return `----- begin ${name}\n${text.replaceAll(/[^\n]*\n/g, '  $&')}----- end ${name}\n`
}

function noteText(note: Note): string {
  return Buffer.from(encodeNote(note)).toString('utf8')
}

function noteIn(text: string | undefined): Note | null {
  return text === undefined ? null : parseNote(utf8(text))
}

function damaged(reason: string): AbnError {
  return new AbnError('ABN_LOG_ALARM', `file about a log: ${reason}`)
}
