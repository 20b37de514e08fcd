/**
 * Appraisal: whether a verified quote is good enough for a session, by conditions that a policy sets. Pure; every objection is
 * named, and without any the result is an AppraisedQuote, which is what counts as "this session runs in a TEE". Debugging, an open
 * TD, a revoked platform, another key in REPORTDATA cannot be allowed by any condition. A TEE is one factor of a policy, never
 * the only one.
 */
import { hexOf } from '../bytes.ts'
import { reportDataOf, type VerifiedSession } from '../session.ts'
import { maximumTime } from '../time.ts'
import type { TeeRoot } from './chain.ts'
import type { TcbStatus } from './tcb-status.ts'
import { type RegisterName, type Registers, registerNames } from './verdict.ts'
import type { VerifiedQuote } from './verify.ts'

declare const appraised: unique symbol

export type AppraisedQuote = VerifiedQuote & {
  readonly session: VerifiedSession
  /** Name of the measurement that it matches. */
  readonly measurement: string
  readonly [appraised]: true
}

export type TeeConditions = {
  /** A simulated root counts where it is named here, and nowhere else. */
  readonly roots: readonly TeeRoot[]
  readonly statuses: readonly AcceptableStatus[]
  readonly measurements: readonly Measurement[]
  readonly minimumEvaluationNumber: number
  /** MRSERVICETD of migration and other service TDs that are believed; none besides. Hexadecimal, 48 bytes. */
  readonly serviceTds: readonly string[]
  /** How old a session may be, in seconds, counted from this. */
  readonly age: { readonly since: 'session' | 'checkpoint'; readonly maximum: number }
}

export type AcceptableStatus = Exclude<TcbStatus, 'Revoked'>

/** What a machine may run. Each register is named: hexadecimal of 48 bytes, or null for any. MRTD is never any. */
export type Measurement = {
  readonly name: string
  readonly registers: Readonly<Record<Exclude<RegisterName, 'mrTd'>, string | null>> & { readonly mrTd: string }
}

export type AppraisalInput = {
  readonly session: VerifiedSession
  /** Seconds since 1970: the present, or the time at which the evidence was logged. */
  readonly now: number
  /** The highest evaluation number that was seen here before under the same root; 0 for none. */
  readonly seenEvaluationNumber: number
  /** When the checkpoint that the session names was cosigned, if the caller has verified that. */
  readonly checkpointTime?: number
  /** Whether a session that is over may do: what it signed in its time stays signed. */
  readonly mayBeOver?: boolean
}

export type Appraisal =
  | { readonly kind: 'accepted'; readonly quote: AppraisedQuote }
  | { readonly kind: 'refused'; readonly objections: readonly [Objection, ...Objection[]] }

export type Objection =
  | 'root'
  | 'quote-time'
  | 'tcb-status'
  | 'tcb-revoked'
  | 'evaluation-number'
  | 'evaluation-rollback'
  | 'debug'
  | 'open-attributes'
  | 'unknown-attributes'
  | 'sept-ve-disable'
  | 'migratable'
  | 'service-td'
  | 'measurement'
  | 'report-data'
  | 'session-tee'
  | 'session-time'
  | 'session-age'
  | 'checkpoint'

/** Throws a TypeError for a time or a number that is none. */
export function appraise(quote: VerifiedQuote, conditions: TeeConditions, input: AppraisalInput): Appraisal {
  const { now, seenEvaluationNumber, checkpointTime = 0 } = input
  requireCounts(now, seenEvaluationNumber, checkpointTime, conditions.minimumEvaluationNumber, conditions.age.maximum)
  const measurement = conditions.measurements.find((one) => isMeasured(quote.registers, one))
  const [first, ...more] = [
    ...objectionsToRoot(quote, conditions.roots),
    ...objectionsToTcb(quote, conditions, input),
    ...objectionsToTd(quote, conditions.serviceTds),
    ...(measurement === undefined ? ['measurement' as const] : []),
    ...objectionsToSession(quote, conditions, input),
  ]
  if (first !== undefined) return { kind: 'refused', objections: [first, ...more] }
  return { kind: 'accepted', quote: appraisedOf(quote, input.session, measurement?.name ?? '') }
}

/** What no condition can allow, and what a caution would say about a TD that may have service TDs of these names. */
export function objectionsToTd({ attributes, serviceTd }: VerifiedQuote, serviceTds: readonly string[]): Objection[] {
  const { debug, isOpen, unknown, septVeDisable, migratable } = attributes
  const isServed = serviceTd !== null && serviceTd !== NO_SERVICE_TD
  const isServiceKnown = serviceTd !== null && serviceTds.includes(serviceTd)
  return objections({
    debug,
    'open-attributes': isOpen && !debug,
    'unknown-attributes': unknown,
    'sept-ve-disable': !septVeDisable,
    // A report of the old form does not say who may migrate it.
    migratable: migratable && !isServiceKnown,
    'service-td': isServed && !isServiceKnown,
  })
}

export function objectionsToTcbStatus({ tcb }: VerifiedQuote, statuses: readonly AcceptableStatus[]): Objection[] {
  if (tcb.status === 'Revoked') return ['tcb-revoked']
  return statuses.includes(tcb.status) ? [] : ['tcb-status']
}

/** The number to remember as seenEvaluationNumber. */
export function newestEvaluationNumber(quotes: readonly VerifiedQuote[], seen: number): number {
  return Math.max(seen, ...quotes.map(({ evaluationNumber }) => evaluationNumber))
}

/** Quotes of the same machine together: of one PPID, or of one instance of a machine with several packages. */
export function groupByPlatform<Q extends VerifiedQuote>(quotes: readonly Q[]): readonly (readonly Q[])[] {
  const namesOf = ({ root, platform: { ppid, instance } }: Q) =>
    [`ppid ${ppid}`, ...(instance === null || /^0+$/.test(instance) ? [] : [`instance ${instance}`])].map(
      (name) => `${root.digest} ${name}`,
    )
  let groups: { readonly names: ReadonlySet<string>; readonly quotes: readonly Q[] }[] = []
  for (const quote of quotes) {
    const names = namesOf(quote)
    const isSame = (group: { readonly names: ReadonlySet<string> }) => names.some((name) => group.names.has(name))
    const same = groups.filter(isSame)
    const merged = {
      names: new Set([...same.flatMap((group) => [...group.names]), ...names]),
      quotes: [...same.flatMap((group) => group.quotes), quote],
    }
    groups = [...groups.filter((group) => !isSame(group)), merged]
  }
  return groups.map((group) => group.quotes)
}

const NO_SERVICE_TD = '00'.repeat(48)

function objectionsToRoot({ root }: VerifiedQuote, roots: readonly TeeRoot[]): Objection[] {
  return objections({ root: !roots.some(({ kind, digest }) => kind === root.kind && digest === root.digest) })
}

function objectionsToTcb(
  quote: VerifiedQuote,
  { statuses, minimumEvaluationNumber }: TeeConditions,
  { now, seenEvaluationNumber }: AppraisalInput,
): Objection[] {
  const { evaluationNumber, at, until } = quote
  const outdated = objections({
    // The verdict is about the time that it was made for; collateral that has expired since says nothing.
    'quote-time': now < at || now > until,
    'evaluation-number': evaluationNumber < minimumEvaluationNumber,
    'evaluation-rollback': evaluationNumber < seenEvaluationNumber,
  })
  return [...outdated, ...objectionsToTcbStatus(quote, statuses)]
}

function objectionsToSession(
  { root, reportData }: VerifiedQuote,
  { age }: TeeConditions,
  { session: verified, now, checkpointTime, mayBeOver = false }: AppraisalInput,
): Objection[] {
  const { session } = verified
  const { from, until, tee, checkpoint } = session
  // A quote is made after the checkpoint that it names; when it was made, only the operator says.
  const since = age.since === 'session' ? from : checkpoint === null ? undefined : checkpointTime
  return objections({
    'report-data': reportData !== hexOf(reportDataOf(session)),
    'session-tee': tee !== (root.kind === 'intel' ? 'tdx' : 'simulated'),
    'session-time': now < from || (now > until && !mayBeOver),
    checkpoint: since === undefined || since > now,
    'session-age': since !== undefined && now - since > age.maximum,
  })
}

function isMeasured(registers: Registers, { registers: wanted }: Measurement): boolean {
  return registerNames.every((name) => {
    const value: string | null | undefined = wanted[name]
    return value === registers[name] || (value === null && name !== 'mrTd')
  })
}

function objections(found: Partial<Record<Objection, boolean>>): Objection[] {
  return objectionNames.filter((name) => found[name] === true)
}

export const objectionTexts: Readonly<Record<Objection, string>> = {
  root: 'its root is not one that the policy names',
  'quote-time': 'the collateral is not valid at this time',
  'tcb-revoked': 'the platform is revoked',
  'tcb-status': 'the platform is not as up to date as the policy wants',
  'evaluation-number': 'the collateral is older than the policy wants',
  'evaluation-rollback': 'newer collateral was seen before',
  debug: 'the TD can be debugged by its host',
  'open-attributes': 'the TD is open to its host',
  'unknown-attributes': 'the TD has attributes that are not known',
  'sept-ve-disable': 'the TD can be surprised by missing pages (SEPT_VE_DISABLE is off)',
  migratable: 'the TD may be migrated',
  'service-td': 'the TD is served by another one that the policy does not name',
  measurement: 'what runs in the TD is none of the measurements of the policy',
  'report-data': 'the quote is for another session',
  'session-tee': 'the session claims another kind of TEE',
  'session-time': 'the session is not valid at this time',
  checkpoint: 'the checkpoint that the session names is not known, so that its age is not',
  'session-age': 'the session is too old',
}

const objectionNames: readonly Objection[] = objectionsOf(objectionTexts)

function objectionsOf(texts: Readonly<Record<Objection, string>>): readonly Objection[] {
  return Object.keys(texts) as Objection[]
}

function appraisedOf(quote: VerifiedQuote, session: VerifiedSession, measurement: string): AppraisedQuote {
  return { ...quote, session, measurement } as AppraisedQuote
}

function requireCounts(...counts: readonly number[]): void {
  const wrong = counts.find((count) => !Number.isSafeInteger(count) || count < 0 || count > maximumTime)
  if (wrong !== undefined) throw new TypeError(`appraise: ${wrong} is not a count or a time in seconds`)
}
