/**
 * `.abnpkg-channel.json` at the top of a channel's repository: who may commit to it next. Specification and worked example:
 * docs/formats/channel.md. A later version of the file, or a field that is not known, is refused: what it means for the right
 * to commit cannot be guessed.
 */
import type { JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { below, fieldsOf, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { parseSshKey, type SshKey } from './ssh-key.ts'

export const channelFileName = '.abnpkg-channel.json'

export type ChannelFile = { readonly summary: string; readonly keys: readonly ChannelKey[] }

export type ChannelKey = { readonly name: string; readonly key: SshKey }

/** Throws ABN_CHANNEL_FILE. */
export function parseChannelFile(bytes: Uint8Array): ChannelFile {
  const fields = fieldsOf(jsonOf(bytes), PLACE, ['format', 'keys', 'summary'])
  requireThat(fields.format === 1, below(PLACE, 'format'), 'expected 1')
  const keys = listOf(fields.keys, below(PLACE, 'keys'), keyIn)
  requireThat(keys.length > 0 && keys.length <= MOST_KEYS, below(PLACE, 'keys'), `expected 1 to ${MOST_KEYS} keys`)
  for (const field of ['name', 'key'] as const) {
    const values = new Set(keys.map((one) => one[field]))
    requireThat(values.size === keys.length, below(PLACE, 'keys'), `the same ${field} twice`)
  }
  const summary = textOf(fields.summary, below(PLACE, 'summary'))
  requireThat(/^[^\p{Cc}\p{Cf}]{0,200}$/u.test(summary), below(PLACE, 'summary'), 'expected one line of text')
  return { summary, keys }
}

export function encodeChannelFile({ summary, keys }: ChannelFile): string {
  return `${JSON.stringify({ format: 1, summary, keys }, undefined, 2)}\n`
}

export const maximumChannelFileBytes = 64 * 1024
const MOST_KEYS = 100

const PLACE: Place = { path: '', fail: (reason) => invalid(reason) }

function keyIn(value: JsonValue, place: Place): ChannelKey {
  const { name, key } = fieldsOf(value, place, ['key', 'name'])
  const text = textOf(name, below(place, 'name'))
  requireThat(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text),
    below(place, 'name'),
    'expected letters, digits and . _ -',
  )
  return { name: text, key: parseSshKey(textOf(key, below(place, 'key'))) }
}

/** JSON.parse keeps the last of several members with one name, and readers differ: such a file is refused. */
function jsonOf(bytes: Uint8Array): JsonValue {
  if (bytes.length > maximumChannelFileBytes) throw invalid(`it is larger than ${maximumChannelFileBytes} bytes`)
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const value: JsonValue = JSON.parse(text)
    const names = (text.match(/"(?:[^"\\]|\\.)*"\s*:?/g) ?? []).filter((one) => one.endsWith(':'))
    if (names.length !== countMembers(value)) throw new Error('a member is there twice')
    return value
  } catch (cause) {
    throw invalid('it is not JSON', cause)
  }
}

function countMembers(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 0
  const inside = Object.values(value)
  return (Array.isArray(value) ? 0 : inside.length) + inside.reduce((sum: number, one) => sum + countMembers(one), 0)
}

function invalid(reason: string, cause?: unknown): AbnError {
  return new AbnError('ABN_CHANNEL_FILE', `${channelFileName}: ${reason}`, {
    hint: 'docs/formats/channel.md says what stands in it',
    cause,
  })
}
