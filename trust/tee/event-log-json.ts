/**
 * dstack's event log (dstack, "guest-agent" reports): a JSON list of { imr, event_type, digest, event, event_payload }, or a report whose
 * `event_log` is that list as a text. The other members of a report are not looked at.
 */
import type { JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { below, countOf, fieldsOf, isObject, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { parseHumanJson } from '../../format/human-json.ts'
import { bytesOfHex } from '../bytes.ts'
import type { LoggedEvent, RegisterNumber } from './event-log.ts'

/** Throws ABN_TEE_EVENT_LOG. */
export function parseJsonEventLog(bytes: Uint8Array): readonly LoggedEvent[] {
  const json = jsonOf(textOfUtf8(bytes))
  const nested = isObject(json) ? json.event_log : json
  requireThat(nested !== undefined, PLACE, 'no member event_log')
  const list = typeof nested === 'string' ? jsonOf(nested) : nested
  requireThat(Array.isArray(list) && list.length <= maximumEvents, PLACE, `expected at most ${maximumEvents} events`)
  return listOf(list, PLACE, eventOf)
}

const MEMBERS = ['digest', 'event', 'event_payload', 'event_type', 'imr'] as const
const PLACE: Place = { path: '', fail: (reason) => new AbnError('ABN_TEE_EVENT_LOG', `event log: ${reason}`) }
const maximumBytes = 4 * 1024 * 1024
const maximumEvents = 8192
const REGISTERS: readonly RegisterNumber[] = [0, 1, 2, 3]

function eventOf(value: JsonValue, place: Place): LoggedEvent {
  const fields = fieldsOf(value, place, MEMBERS)
  const octets = (name: 'digest' | 'event_payload') => {
    const bytes = bytesOfHex(textOf(fields[name], below(place, name)))
    requireThat(bytes !== undefined, below(place, name), 'expected hexadecimal')
    return bytes
  }
  const digest = octets('digest')
  requireThat(digest.length === 48, below(place, 'digest'), 'expected 48 bytes')
  const register = REGISTERS[countOf(fields.imr, below(place, 'imr'), 3)] ?? 0
  const type = countOf(fields.event_type, below(place, 'event_type'), 0xffff_ffff)
  const name = textOf(fields.event, below(place, 'event'))
  return { register, type, digest, data: octets('event_payload'), name: name === '' ? undefined : name }
}

function jsonOf(text: string): JsonValue {
  return parseHumanJson(text, { maximumBytes, fail: (reason) => PLACE.fail(reason) })
}

function textOfUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw PLACE.fail('not UTF-8')
  }
}
