/**
 * The configuration of a builder: a JSON file. Unknown fields are refused. docs/running-a-builder.md has the table of fields.
 */
import { readFileSync } from 'node:fs'
import type { JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import {
  below,
  booleanOf,
  countOf,
  fieldsOf,
  isObject,
  listOf,
  optionalFieldsOf,
  type Place,
  requireThat,
  textOf,
} from '../../format/fields.ts'
import { type PublicKey, parsePublicKey } from '../../trust/key.ts'
import { refusing, type SessionConfig, sessionConfigOf } from '../session/config.ts'
import { cacheOriginOf } from './remote.ts'

export type BuilderConfig = {
  /** Name of the secret key; undefined: the only one. */
  readonly key: string | undefined
  readonly passphraseFile: string | undefined
  /** Where to publish, and whose statements are compared. */
  readonly caches: readonly string[]
  readonly work: readonly Work[]
  /** "host:port" of metrics, health and status; loopback only. Undefined: none. */
  readonly listen: string | undefined
  /** Between two looks at the channel and at what is wanted. */
  readonly everySeconds: number
  readonly validDays: number
  /** Publish the sources too. */
  readonly sources: boolean
  readonly jobs: number | undefined
  readonly cores: number | undefined
  readonly retry: Retry
  /** Keys of other operators, to tell what they have really signed when results differ. */
  readonly operators: readonly PublicKey[]
  /** Undefined: the operator's key signs, and no session. */
  readonly session: SessionConfig | undefined
}

export type Work =
  | { readonly kind: 'packages'; readonly names: readonly string[] }
  /** Every package of the channel that is not hidden. */
  | { readonly kind: 'channel' }
  /** What was asked of a cache in vain, most asked for first, as far as the channel has it. */
  | { readonly kind: 'wanted'; readonly cache: string; readonly limit: number }

export type Retry = { readonly firstSeconds: number; readonly maximumSeconds: number; readonly attempts: number }

/** Throws ABN_BUILDER_CONFIG. */
export function readBuilderConfig(file: string): BuilderConfig {
  return parseBuilderConfig(textOfFile(file))
}

/** Throws ABN_BUILDER_CONFIG. */
export function parseBuilderConfig(text: string): BuilderConfig {
  const value = jsonOf(text)
  const fields = optionalFieldsOf(value, PLACE, ['format', ...NAMES])
  requireThat(fields.format === 1, below(PLACE, 'format'), 'expected 1')
  const read = <T>(name: (typeof NAMES)[number], parse: (value: JsonValue, place: Place) => T, otherwise: T): T => {
    const given = fields[name]
    return given === undefined ? otherwise : parse(given, below(PLACE, name))
  }
  requireThat(fields.work !== undefined, PLACE, 'expected "work"')
  const config: BuilderConfig = {
    key: read<string | undefined>('key', textOf, undefined),
    passphraseFile: read<string | undefined>('passphraseFile', textOf, undefined),
    caches: read('caches', (value, place) => [...new Set(listOf(value, place, originOf))], []),
    work: read('work', (value, place) => listOf(value, place, workOf), []),
    listen: read<string | undefined>('listen', listenOf, undefined),
    everySeconds: read('everySeconds', positiveOf, 600),
    validDays: read('validDays', (value, place) => positiveOf(value, place, 3650), 365),
    sources: read('sources', booleanOf, false),
    jobs: read<number | undefined>('jobs', (value, place) => positiveOf(value, place, 256), undefined),
    cores: read<number | undefined>('cores', (value, place) => positiveOf(value, place, 1024), undefined),
    retry: read('retry', retryOf, { firstSeconds: 30, maximumSeconds: 3600, attempts: 5 }),
    operators: read('operators', (value, place) => listOf(value, place, keyOf), []),
    session: read<SessionConfig | undefined>('session', sessionConfigOf, undefined),
  }
  requireThat(config.work.length > 0, below(PLACE, 'work'), 'expected at least one kind of work')
  return config
}

const NAMES = [
  'caches',
  'cores',
  'everySeconds',
  'jobs',
  'key',
  'listen',
  'operators',
  'passphraseFile',
  'retry',
  'session',
  'sources',
  'validDays',
  'work',
] as const

export const PLACE: Place = {
  path: '',
  fail: (reason) =>
    new AbnError('ABN_BUILDER_CONFIG', `configuration of the builder: ${reason}`, {
      hint: 'docs/running-a-builder.md lists the fields',
    }),
}

function workOf(value: JsonValue, place: Place): Work {
  switch (isObject(value) ? value.kind : undefined) {
    case 'packages': {
      const { names } = fieldsOf(value, place, ['kind', 'names'])
      return { kind: 'packages', names: listOf(names, below(place, 'names'), textOf) }
    }
    case 'channel':
      fieldsOf(value, place, ['kind'])
      return { kind: 'channel' }
    case 'wanted': {
      const { cache, limit } = optionalFieldsOf(value, place, ['kind', 'cache', 'limit'])
      const most = limit === undefined ? 100 : positiveOf(limit, below(place, 'limit'), 9999)
      return { kind: 'wanted', cache: originOf(cache ?? '', below(place, 'cache')), limit: most }
    }
    default:
      throw place.fail(`${place.path}.kind: expected "packages", "channel" or "wanted"`)
  }
}

function retryOf(value: JsonValue, place: Place): Retry {
  const { firstSeconds, maximumSeconds, attempts } = fieldsOf(value, place, [
    'firstSeconds',
    'maximumSeconds',
    'attempts',
  ])
  return {
    firstSeconds: positiveOf(firstSeconds, below(place, 'firstSeconds')),
    maximumSeconds: positiveOf(maximumSeconds, below(place, 'maximumSeconds')),
    attempts: positiveOf(attempts, below(place, 'attempts'), 1000),
  }
}

/** What it tells is not for everybody, and nothing about it is protected. */
function listenOf(value: JsonValue, place: Place): string {
  const text = textOf(value, place)
  const isLoopback = /^(?:127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|localhost|\[::1\]):[0-9]{1,5}$/.test(text)
  requireThat(isLoopback, place, 'expected HOST:PORT with a loopback host, such as 127.0.0.1:8471')
  return text
}

function positiveOf(value: JsonValue, place: Place, maximum = 31_536_000): number {
  const count = countOf(value, place, maximum)
  requireThat(count > 0, place, 'expected at least 1')
  return count
}

function originOf(value: JsonValue, place: Place): string {
  return refusing(place, () => cacheOriginOf(textOf(value, place)))
}

function keyOf(value: JsonValue, place: Place): PublicKey {
  return refusing(place, () => parsePublicKey(textOf(value, place)))
}

function jsonOf(text: string): JsonValue {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AbnError('ABN_BUILDER_CONFIG', 'the configuration of the builder is not JSON', { cause })
  }
}

function textOfFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new AbnError('ABN_BUILDER_CONFIG', `cannot read ${file}`, { cause })
  }
}
