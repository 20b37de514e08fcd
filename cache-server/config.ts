/**
 * The configuration of a cache: a JSON file, overruled by variables of the environment. Unknown fields are refused.
 * docs/running-a-cache.md has the table of fields.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { JsonValue } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import {
  below,
  booleanOf,
  countOf,
  listOf,
  optionalFieldsOf,
  type Place,
  requireThat,
  textOf,
} from '../format/fields.ts'
import { type PublicKey, parsePublicKey } from '../trust/key.ts'
import { defaultLimits, type Limits } from './limits.ts'
import { type LogConfig, logOf } from './log/log-config.ts'

export type CacheConfig = {
  /** "host:port"; port 0 takes a free one. */
  readonly listen: string
  /** Scheme, host and port under which clients reach the cache, when a proxy stands before it; writes are signed for it. */
  readonly publicUrl: string | undefined
  /** Who may write. Reading needs nobody's leave. */
  readonly operators: readonly Operator[]
  readonly limits: Limits
  readonly retention: Retention
  readonly mirror: Mirror | undefined
  /** Take the client's address from X-Forwarded-For; only behind a proxy that sets it. */
  readonly trustProxy: boolean
  /** Keep count of the recipes that were asked for and are missing. */
  readonly wanted: boolean
  /** Keep a transparency log of the evidence. */
  readonly log: LogConfig | undefined
}

export type Operator = { readonly name: string; readonly keys: readonly PublicKey[] }

export type Retention = {
  /** How long after its expiry an attestation is kept. */
  readonly expiredDays: number
  /** How long a file that nothing refers to is kept. */
  readonly unreferencedHours: number
  /** How long an unfinished upload waits for its next piece. */
  readonly uploadHours: number
  /** Between two runs of the garbage collection; 0 for never. */
  readonly everyHours: number
}

export type Mirror = {
  readonly upstream: string
  /** How long an answer of the upstream about a recipe is good. */
  readonly refreshSeconds: number
}

export const defaultConfig: CacheConfig = {
  listen: '127.0.0.1:8470',
  publicUrl: undefined,
  operators: [],
  limits: defaultLimits,
  retention: { expiredDays: 90, unreferencedHours: 24, uploadHours: 24, everyHours: 24 },
  mirror: undefined,
  trustProxy: false,
  wanted: true,
  log: undefined,
}

/** `file` undefined: the environment and the defaults alone. Throws ABN_CACHE_CONFIG. */
export function loadConfig(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): CacheConfig {
  const config = file === undefined ? defaultConfig : configIn(file)
  const listen = environment.ABNPKG_CACHE_LISTEN
  const publicUrl = environment.ABNPKG_CACHE_PUBLIC_URL
  const upstream = environment.ABNPKG_CACHE_UPSTREAM
  return {
    ...config,
    ...(listen === undefined ? {} : { listen: listenOf(listen, below(PLACE, 'ABNPKG_CACHE_LISTEN')) }),
    ...(publicUrl === undefined ? {} : { publicUrl: originOf(publicUrl, below(PLACE, 'ABNPKG_CACHE_PUBLIC_URL')) }),
    ...(upstream === undefined ? {} : { mirror: mirrorOf({ upstream }, below(PLACE, 'ABNPKG_CACHE_UPSTREAM')) }),
  }
}

/** Names of files in it are relative to where it stands. */
function configIn(file: string): CacheConfig {
  const config = parseConfig(readText(file))
  const { log } = config
  return log === undefined ? config : { ...config, log: { ...log, key: resolve(dirname(file), log.key) } }
}

/** Throws ABN_CACHE_CONFIG. */
export function parseConfig(text: string): CacheConfig {
  const fields = optionalFieldsOf(jsonOf(text), PLACE, ['format', ...Object.keys(defaultConfig)])
  requireThat(fields.format === 1, below(PLACE, 'format'), 'expected 1')
  const read = <T>(name: keyof CacheConfig, parse: (value: JsonValue, place: Place) => T, otherwise: T): T => {
    const value = fields[name]
    return value === undefined ? otherwise : parse(value, below(PLACE, name))
  }
  const { limits, retention } = defaultConfig
  return {
    listen: read('listen', listenOf, defaultConfig.listen),
    publicUrl: read<string | undefined>('publicUrl', originOf, undefined),
    operators: read('operators', operatorsOf, []),
    limits: read('limits', (value, place) => countsOf(value, place, limits), limits),
    retention: read('retention', (value, place) => countsOf(value, place, retention), retention),
    mirror: read<Mirror | undefined>('mirror', mirrorOf, undefined),
    trustProxy: read('trustProxy', booleanOf, false),
    wanted: read('wanted', booleanOf, true),
    log: read<LogConfig | undefined>('log', logOf, undefined),
  }
}

const PLACE: Place = {
  path: '',
  fail: (reason) =>
    new AbnError('ABN_CACHE_CONFIG', `configuration of the cache: ${reason}`, {
      hint: 'docs/running-a-cache.md lists the fields',
    }),
}

function operatorsOf(value: JsonValue, place: Place): readonly Operator[] {
  const operators = listOf(value, place, (one, at) => {
    const { name, keys } = optionalFieldsOf(one, at, ['name', 'keys'])
    requireThat(name !== undefined && keys !== undefined, at, 'expected name and keys')
    return {
      name: textOf(name, below(at, 'name')),
      keys: listOf(keys, below(at, 'keys'), (key, keyAt) => parsePublicKey(textOf(key, keyAt))),
    }
  })
  const names = new Set(operators.map(({ name }) => name))
  requireThat(names.size === operators.length, place, 'two operators have one name')
  const keys = operators.flatMap((operator) => operator.keys.map(({ id }) => id))
  requireThat(new Set(keys).size === keys.length, place, 'a key is registered twice')
  return operators
}

function mirrorOf(value: JsonValue, place: Place): Mirror {
  const { upstream, refreshSeconds } = optionalFieldsOf(value, place, ['upstream', 'refreshSeconds'])
  return {
    upstream: originOf(upstream ?? '', below(place, 'upstream')),
    refreshSeconds: refreshSeconds === undefined ? 60 : countOf(refreshSeconds, below(place, 'refreshSeconds')),
  }
}

function countsOf<T extends Readonly<Record<string, number>>>(value: JsonValue, place: Place, defaults: T): T {
  const fields = optionalFieldsOf(value, place, Object.keys(defaults))
  const given = Object.entries(fields).map(([name, one]) => [name, countOf(one ?? null, below(place, name))])
  return { ...defaults, ...Object.fromEntries(given) }
}

function listenOf(value: JsonValue, place: Place): string {
  const text = textOf(value, place)
  requireThat(/^(?:\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):[0-9]{1,5}$/.test(text), place, 'expected HOST:PORT')
  return text
}

/** A URL without a path. */
function originOf(value: JsonValue, place: Place): string {
  const text = textOf(value, place)
  const url = URL.canParse(text) ? new URL(text) : undefined
  const whole = url !== undefined && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href
  requireThat(whole, place, 'expected http(s)://HOST[:PORT] without a path')
  return url.origin
}

function jsonOf(text: string): JsonValue {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AbnError('ABN_CACHE_CONFIG', 'the configuration of the cache is not JSON', { cause })
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new AbnError('ABN_CACHE_CONFIG', `cannot read ${file}`, { cause })
  }
}
