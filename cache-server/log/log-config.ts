/**
 * The field `log` of a cache's configuration, and the secret key that it names. docs/running-a-cache.md has the table.
 */
import { readFileSync, statSync } from 'node:fs'
import type { JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { below, countOf, listOf, optionalFieldsOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { parseWitnessKey, type WitnessKey } from '../../trust/log/cosignature.ts'
import { isProtected, parseSecretKey, type SecretKey } from '../../trust/secret-key.ts'
import type { WitnessAddress } from './cosignatures.ts'

export type LogConfig = {
  /** File of the secret key, whose name is the log's origin. */
  readonly key: string
  readonly witnesses: readonly WitnessAddress[]
  /** How many of them must cosign before a checkpoint is published. */
  readonly quorum: number
  readonly batchSeconds: number
  readonly refreshSeconds: number
}

export function logOf(value: JsonValue, place: Place): LogConfig {
  const names = ['key', 'witnesses', 'quorum', 'batchSeconds', 'refreshSeconds'] as const
  const { key, witnesses = [], quorum, batchSeconds = 1, refreshSeconds = 3600 } = optionalFieldsOf(value, place, names)
  requireThat(key !== undefined && key !== '', below(place, 'key'), 'expected the file of a secret key')
  const known = listOf(witnesses, below(place, 'witnesses'), witnessOf)
  requireThat(new Set(known.map((one) => one.key.name)).size === known.length, place, 'two witnesses have one name')
  requireThat(known.length <= MAXIMUM_WITNESSES, place, `more than ${MAXIMUM_WITNESSES} witnesses`)
  return {
    key: textOf(key, below(place, 'key')),
    witnesses: known,
    quorum: quorum === undefined ? known.length : countOf(quorum, below(place, 'quorum'), known.length),
    batchSeconds: countOf(batchSeconds, below(place, 'batchSeconds'), 3600),
    refreshSeconds: countOf(refreshSeconds, below(place, 'refreshSeconds'), 30 * 86_400),
  }
}

/** Throws ABN_CACHE_CONFIG, ABN_KEY_FILE_INVALID or ABN_KEY_PERMISSIONS. */
export function readLogKey(file: string): SecretKey {
  const text = textIn(file)
  if (!isProtected(text)) return parseSecretKey(text)
  throw new AbnError('ABN_CACHE_CONFIG', `the key of the log, ${file}, has a passphrase`, {
    hint: 'a log signs by itself: give it a key of its own without one, in a file that only the server can read',
  })
}

/** A checkpoint has at most 64 signatures. */
const MAXIMUM_WITNESSES = 32

function witnessOf(value: JsonValue, place: Place): WitnessAddress {
  const { key, url } = optionalFieldsOf(value, place, ['key', 'url'])
  requireThat(key !== undefined && url !== undefined, place, 'expected key and url')
  const at = below(place, 'url')
  const parsed = URL.canParse(textOf(url, at)) ? new URL(textOf(url, at)) : undefined
  const isPlain = parsed !== undefined && `${parsed.username}${parsed.password}${parsed.search}${parsed.hash}` === ''
  requireThat(isPlain && /^https?:$/.test(parsed.protocol), at, 'expected http(s)://HOST[:PORT][/PATH]')
  return { key: keyOf(textOf(key, below(place, 'key')), below(place, 'key')), url: parsed.href.replace(/\/$/, '') }
}

function keyOf(line: string, place: Place): WitnessKey {
  try {
    return parseWitnessKey(line)
  } catch (error) {
    if (error instanceof AbnError) throw place.fail(`${place.path}: ${error.message}`)
    throw error
  }
}

function textIn(file: string): string {
  try {
    if ((statSync(file).mode & 0o077) === 0) return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new AbnError('ABN_CACHE_CONFIG', `cannot read the key of the log, ${file}`, { cause })
  }
  throw new AbnError('ABN_KEY_PERMISSIONS', `others than the owner of ${file} can read the key of the log`, {
    hint: 'whoever could read it may have done so: make a new key, with a new name',
  })
}
