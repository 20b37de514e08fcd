/**
 * Event logs: what was measured into the registers of a TDX guest, and in which order. Two forms: CCEL, the log that firmware keeps
 * (TCG, "PC Client Platform Firmware Profile", section 10, in the crypto-agile format; UEFI, "Confidential Computing" gives the registers), and
 * dstack's JSON (event-log-json.ts). A log is what its bearer says, until replaying it gives the registers of a quote. Specification:
 * docs/formats/event-log.md.
 */
import { AbnError } from '../../format/errors.ts'
import { isEqualBytes, utf8 } from '../bytes.ts'
import { parseJsonEventLog } from './event-log-json.ts'
import { bytesIn, type Layout, littleEndian, type Parts, partsOf } from './layout.ts'
import { registerOf } from './measure.ts'

export type LoggedEvent = {
  /** Of which RTMR. */
  readonly register: RegisterNumber
  /** TCG's number of the kind of event. */
  readonly type: number
  /** SHA-384: what was extended. */
  readonly digest: Uint8Array
  /** What the log says about it: vouched for only where checkEvent says so. */
  readonly data: Uint8Array
  /** dstack's name for one of its own events. */
  readonly name: string | undefined
}

export type RegisterNumber = 0 | 1 | 2 | 3
export type RuntimeRegisters = Readonly<Record<'rtmr0' | 'rtmr1' | 'rtmr2' | 'rtmr3', Uint8Array>>

export const maximumLogBytes = 4 * 1024 * 1024
export const maximumEvents = 8192

/** Either form, told apart by the first byte. Throws ABN_TEE_EVENT_LOG. */
export function parseEventLog(bytes: Uint8Array): readonly LoggedEvent[] {
  requireLog(bytes.length <= maximumLogBytes, `${bytes.length} bytes, expected at most ${maximumLogBytes}`)
  return /^\s*[[{]/.test(new TextDecoder('latin1').decode(bytes.subarray(0, 64)))
    ? parseJsonEventLog(bytes)
    : parseCcel(bytes)
}

/** The registers after all events, from zero. */
export function replay(events: readonly LoggedEvent[]): RuntimeRegisters {
  const of = (register: RegisterNumber) =>
    registerOf(events.filter((event) => event.register === register).map(({ digest }) => digest))
  return { rtmr0: of(0), rtmr1: of(1), rtmr2: of(2), rtmr3: of(3) }
}

export function requireLog(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new AbnError('ABN_TEE_EVENT_LOG', `event log: ${reason}`)
}

/** An event that tells something and is not measured. */
const NO_ACTION = 3
const SHA384 = 0x000c
/** Lengths of the digests that TCG numbers. */
const DIGEST_BYTES: Readonly<Record<number, number>> = { 4: 20, 11: 32, 12: 48, 13: 64, 18: 32 }

const FIRST = [
  ['register', 4],
  ['type', 4],
  ['digest', 20],
  ['length', 4],
] as const satisfies Layout

const SPECIFICATION = [
  ['signature', 16],
  ['platformClass', 4],
  ['minor', 1],
  ['major', 1],
  ['errata', 1],
  ['wordBytes', 1],
  ['algorithms', 4],
] as const satisfies Layout

function parseCcel(bytes: Uint8Array): readonly LoggedEvent[] {
  const log = reader(bytes)
  const banks = banksOf(log)
  const events: LoggedEvent[] = []
  while (!isFilling(log.rest())) {
    const register = log.number(4)
    const type = log.number(4)
    const digests = digestsOf(log, banks)
    const data = log.take(log.number(4), 'event')
    if (type === NO_ACTION) continue
    requireLog(events.length < maximumEvents, `more than ${maximumEvents} events`)
    const digest = digests.get(SHA384)
    requireLog(digest !== undefined, 'no SHA-384')
    events.push({ register: registerOfIndex(register), type, digest, data, name: undefined })
  }
  return events
}

/** The first event says which digests each of the others has. */
function banksOf(log: Reader): ReadonlySet<number> {
  const first = log.parts(FIRST, 'first event')
  requireLog(littleEndian(first.type) === NO_ACTION, 'the first event is not the one that describes the log')
  const specification = reader(log.take(littleEndian(first.length), 'first event'))
  const fields = specification.parts(SPECIFICATION, 'first event')
  requireLog(isEqualBytes(fields.signature, utf8('Spec ID Event03\0')), 'not a log with digests of several algorithms')
  const count = littleEndian(fields.algorithms)
  requireLog(count >= 1 && count <= 8, `${count} algorithms`)
  const banks = new Set<number>()
  for (let i = 0; i < count; i++) {
    const algorithm = specification.number(2)
    requireLog(DIGEST_BYTES[algorithm] === specification.number(2), `algorithm ${algorithm} is unknown`)
    banks.add(algorithm)
  }
  specification.take(specification.number(1), 'first event')
  requireLog(specification.rest().length === 0 && banks.size === count, 'the first event is damaged')
  requireLog(banks.has(SHA384), 'no SHA-384')
  return banks
}

function digestsOf(log: Reader, banks: ReadonlySet<number>): ReadonlyMap<number, Uint8Array> {
  const count = log.number(4)
  requireLog(count === banks.size, `an event has ${count} digests, expected ${banks.size}`)
  const digests = new Map<number, Uint8Array>()
  for (let i = 0; i < count; i++) {
    const algorithm = log.number(2)
    requireLog(banks.has(algorithm) && !digests.has(algorithm), `an event has a digest of algorithm ${algorithm}`)
    digests.set(algorithm, log.take(DIGEST_BYTES[algorithm] ?? 0, 'digest'))
  }
  return digests
}

/** CCEL counts MRTD as 0 and RTMR0 as 1; nothing is ever extended into MRTD. */
function registerOfIndex(index: number): RegisterNumber {
  if (index === 1 || index === 2 || index === 3 || index === 4) return REGISTERS[index - 1] ?? 0
  requireLog(false, `an event is in register ${index}, expected 1 to 4`)
}

const REGISTERS: readonly RegisterNumber[] = [0, 1, 2, 3]

/** The log stands in a larger area, of which firmware fills the rest with ones or zeros. */
function isFilling(rest: Uint8Array): boolean {
  const [first] = rest
  return first === undefined || ((first === 0xff || first === 0) && rest.every((byte) => byte === first))
}

type Reader = {
  take(bytes: number, what: string): Uint8Array
  number(bytes: 1 | 2 | 4): number
  parts<L extends Layout>(layout: L, what: string): Parts<L>
  rest(): Uint8Array
}

function reader(bytes: Uint8Array): Reader {
  let at = 0
  const take = (length: number, what: string) => {
    requireLog(length <= bytes.length - at, `cut short in the ${what}`)
    at += length
    return bytes.subarray(at - length, at)
  }
  return {
    take,
    number: (length) => littleEndian(take(length, 'event')),
    parts: (layout, what) => partsOf(layout, take(bytesIn(layout), what)),
    rest: () => bytes.subarray(at),
  }
}
