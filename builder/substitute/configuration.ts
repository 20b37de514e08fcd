/**
 * What a person has configured: caches and policy, in $XDG_CONFIG_HOME/abnpkg (~/.config/abnpkg), and below it, system-wide, in
 * /etc/abnpkg. Nothing else is looked at: no channel, project or current directory can add a cache or change the policy.
 * Caches carry no trust, so that both lists count; of the policies the person's own takes the place of the system's.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { below, fieldsOf, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { diskError } from '../../store/io-errors.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { type Policy, parsePolicy } from '../../trust/policy/policy.ts'

export type ConfigurationDirectories = {
  /** Undefined where there is no home directory. */
  readonly user: string | undefined
  readonly system: string | undefined
}

export function configurationDirectories(env: Readonly<Record<string, string | undefined>>): ConfigurationDirectories {
  const { XDG_CONFIG_HOME: given, HOME: home } = env
  // The XDG base directory specification has relative values ignored.
  const base = given && isAbsolute(given) ? given : home && isAbsolute(home) ? join(home, '.config') : undefined
  return { user: base && join(base, 'abnpkg'), system: '/etc/abnpkg' }
}

export type Configuration = { readonly caches: readonly string[]; readonly policy: ConfiguredPolicy | undefined }

export type ConfiguredPolicy = { readonly policy: Policy; readonly file: string }

/** Throws ABN_CONFIGURATION, ABN_CACHE_ADDRESS or ABN_POLICY_INVALID: what cannot be read is never taken for absent. */
export function readConfiguration(directories: ConfigurationDirectories): Configuration {
  const caches = [directories.user, directories.system].flatMap((directory) => (directory ? readCaches(directory) : []))
  return { caches: [...new Set(caches)], policy: readPolicy(directories) }
}

export function readPolicy({ user, system }: ConfigurationDirectories): ConfiguredPolicy | undefined {
  for (const directory of [user, system]) {
    const file = directory && join(directory, 'policy.json')
    const text = file && readText(file)
    if (file && text !== undefined) return { policy: parsePolicy(text ?? ''), file }
  }
  return undefined
}

/** The addresses in one directory's caches.json. */
export function readCaches(directory: string): readonly string[] {
  const file = join(directory, CACHES)
  const text = readText(file)
  if (text === undefined) return []
  const place: Place = { path: '', fail: (reason) => new AbnError('ABN_CONFIGURATION', `${file}: ${reason}`) }
  const fields = fieldsOf(jsonOf(text, file), place, ['caches', 'format'])
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  return listOf(fields.caches, below(place, 'caches'), (one, at) => parseCacheAddress(textOf(one, at)))
}

export function writeCaches(directory: string, caches: readonly string[]): void {
  writeConfiguration(directory, CACHES, `${JSON.stringify({ format: 1, caches }, undefined, 2)}\n`)
}

/** Throws ABN_CONFIGURATION or ABN_DISK_FULL. */
export function writeConfiguration(directory: string, name: string, text: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    writeDurably(join(directory, name), text)
  } catch (cause) {
    const known = diskError(`cannot write ${join(directory, name)}`, cause)
    if (known instanceof AbnError && known.code === 'ABN_DISK_FULL') throw known
    throw new AbnError('ABN_CONFIGURATION', `cannot write ${join(directory, name)}`, { cause })
  }
}

/** Scheme, host, port and perhaps a path, without a slash at the end. Throws ABN_CACHE_ADDRESS. */
export function parseCacheAddress(text: string): string {
  const url = URL.parse(text)
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.hostname !== '' && !/[?#@\\]/.test(text)
  if (text.length > 2000 || !isPlain) {
    const shown = JSON.stringify(text.slice(0, 200))
    throw new AbnError('ABN_CACHE_ADDRESS', `not the address of a cache: ${shown}`, {
      hint: 'write it as https://cache.example.org, without user, query or fragment',
    })
  }
  return url.href.replace(/\/+$/, '')
}

const CACHES = 'caches.json'
const MAXIMUM_BYTES = 1024 * 1024

function readText(file: string): string | undefined {
  if (!existsSync(file)) return undefined
  try {
    const bytes = readFileSync(file)
    if (bytes.length > MAXIMUM_BYTES) throw new Error(`larger than ${MAXIMUM_BYTES} bytes`)
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new AbnError('ABN_CONFIGURATION', `cannot read ${file}`, { cause })
  }
}

function jsonOf(text: string, file: string): JsonValue {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AbnError('ABN_CONFIGURATION', `${file} is not JSON`, { cause })
  }
}
