/** What is told of a session: by events, by /metrics and /status, and, through var/builder/session.json, by `abnpkg builder status`. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { canonicalJson, type JsonValue, parseCanonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { booleanOf, countOf, fieldsOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import { writeDurably } from '../../store/write-durably.ts'
import type { Tee } from '../../trust/session.ts'
import { encodeTime } from '../../trust/time.ts'
import type { OpenSession, ReadySession } from './begin.ts'

export type SessionStatus = {
  readonly format: 1
  /** Key id of the session's key, by which it can be revoked. */
  readonly key: string
  /** SHA-256 of the session as it was signed. */
  readonly session: string
  readonly tee: Tee
  readonly perBuild: boolean
  /** Seconds since 1970. */
  readonly from: number
  readonly until: number
  readonly quote: boolean
  /** Of the quote, by the collateral of that time; '' without one. */
  readonly tcb: string
  readonly configuration: string
  /** What happened to RTMR3. */
  readonly register: string
  /** Which log's, of how many entries, or why there is none. */
  readonly checkpoint: string
}

export function statusOf({ from, until }: OpenSession, ready: ReadySession, perBuild: boolean): SessionStatus {
  const { document, checkpoint, register, judged } = ready
  const { key, tee, configuration } = document.session.session
  const found = checkpoint.kind === 'found' ? checkpoint : undefined
  return {
    format: 1,
    key: key.id,
    session: document.session.digest,
    tee,
    perBuild,
    from,
    until,
    quote: document.quote !== null,
    tcb: judged === undefined ? '' : judged.verdict.tcb.status,
    configuration,
    register: register.kind === 'impossible' ? `not extended: ${register.reason}` : register.kind,
    checkpoint: found
      ? `${found.log}, ${found.size} entries, ${found.verified ? 'verified' : 'not verified here'}`
      : `none: ${checkpoint.kind === 'none' ? checkpoint.reason : ''}`,
  }
}

/** For people, without a line feed. What a cache said is in it: strip it before printing it. */
export function textOfStatus(status: SessionStatus): string {
  const { key, tee, from, until, quote, tcb, checkpoint, register, perBuild } = status
  return [
    `session ${key.slice(0, 16)}`,
    NAMES[tee],
    `${encodeTime(from)} to ${encodeTime(until)}`,
    quote ? `with a quote (${tcb})${perBuild ? ', one for each build' : ''}` : 'without a quote',
    tee === 'none' ? '' : `RTMR3 ${register}`,
    `checkpoint: ${checkpoint}`,
  ]
    .filter((part) => part !== '')
    .join('; ')
}

/** Undefined: there is none. */
export function writeStatus(store: Store, status: SessionStatus | undefined): void {
  const path = pathOf(store)
  if (status === undefined) {
    rmSync(path, { force: true })
    return
  }
  withDiskErrors(`cannot make ${store.root}/var/builder`, () =>
    mkdirSync(`${store.root}/var/builder`, { recursive: true }),
  )
  writeDurably(path, canonicalJson(status))
}

/** Of the service's present session, or of its last one. What is damaged counts as not there. */
export function readStatus(store: Store): SessionStatus | undefined {
  const path = pathOf(store)
  if (!existsSync(path)) return undefined
  try {
    return statusOfJson(parseCanonicalJson(readFileSync(path)))
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
}

const NAMES: Readonly<Record<Tee, string>> = {
  none: 'in no TEE',
  tdx: 'Intel TDX',
  simulated: 'SIMULATED TEE, which proves nothing',
}

function pathOf({ root }: Store): string {
  return `${root}/var/builder/session.json`
}

const PLACE: Place = { path: '', fail: (reason) => new AbnError('ABN_BUILDER_STATE', `session: ${reason}`) }
const TEXTS = ['checkpoint', 'configuration', 'key', 'register', 'session', 'tcb'] as const

function statusOfJson(value: JsonValue): SessionStatus {
  const fields = fieldsOf(value, PLACE, [...TEXTS, 'format', 'from', 'perBuild', 'quote', 'tee', 'until'])
  const { tee } = fields
  requireThat(fields.format === 1, PLACE, 'expected format 1')
  requireThat(tee === 'none' || tee === 'tdx' || tee === 'simulated', PLACE, 'not a kind of TEE')
  return {
    format: 1,
    key: textOf(fields.key, PLACE),
    session: textOf(fields.session, PLACE),
    tee,
    perBuild: booleanOf(fields.perBuild, PLACE),
    from: countOf(fields.from, PLACE),
    until: countOf(fields.until, PLACE),
    quote: booleanOf(fields.quote, PLACE),
    tcb: textOf(fields.tcb, PLACE),
    configuration: textOf(fields.configuration, PLACE),
    register: textOf(fields.register, PLACE),
    checkpoint: textOf(fields.checkpoint, PLACE),
  }
}
