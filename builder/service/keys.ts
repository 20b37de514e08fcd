/**
 * An operator's secret keys on disk: <configuration>/abnpkg/keys/NAME.key, mode 0600, beside NAME.pub, the public line. A key
 * that others than its owner could read is refused, not repaired: whoever could read it may have done so.
 * Specification of the files: docs/formats/key.md.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { errorCode } from '../../store/io-errors.ts'
import { syncPath, writeDurably } from '../../store/write-durably.ts'
import { encodePublicKey, type PublicKey, parsePublicKey } from '../../trust/key.ts'
import { encodeSecretKey, isProtected, parseSecretKey, type SecretKey } from '../../trust/secret-key.ts'
import { configurationDirectories } from '../substitute/configuration.ts'

export type KeyEntry = {
  readonly name: string
  readonly publicKey: PublicKey
  readonly protected: boolean
  readonly path: string
}

/** Asked only when the key is sealed. */
export type PassphraseSource = (name: string) => string | Promise<string>

/** Below the person's own configuration; the system's has no keys. Throws ABN_KEY_DIRECTORY. */
export function keyDirectoryFrom(environment: Readonly<Record<string, string | undefined>>): string {
  const { user } = configurationDirectories(environment)
  if (user !== undefined) return join(user, 'keys')
  throw new AbnError('ABN_KEY_DIRECTORY', 'there is no configuration directory: HOME is not set', {
    hint: 'set XDG_CONFIG_HOME or HOME to a directory of your own',
  })
}

/** Never replaces a key. Throws ABN_KEY_EXISTS, ABN_KEY_NAME or ABN_KEY_DIRECTORY. */
export function writeKey(directory: string, key: SecretKey, passphrase: string | undefined): KeyEntry {
  const { name } = key.publicKey
  const path = pathOf(directory, name)
  return withKeyErrors(directory, () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const temporary = join(directory, `.new-${process.pid}-${Date.now()}`)
    writeSynced(temporary, encodeSecretKey(key, passphrase))
    try {
      // A link, unlike a rename, does not replace what is there.
      linkSync(temporary, path)
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
      throw new AbnError('ABN_KEY_EXISTS', `there is already a key called ${name}`, {
        hint: 'choose another name; a key is never replaced',
      })
    } finally {
      rmSync(temporary, { force: true })
    }
    writeDurably(join(directory, `${name}.pub`), `${encodePublicKey(key.publicKey)}\n`)
    syncPath(directory)
    return { name, publicKey: key.publicKey, protected: passphrase !== undefined, path }
  })
}

/** Sorted by name. */
export function listKeys(directory: string): readonly KeyEntry[] {
  return withKeyErrors(directory, () => {
    const names = namesIn(directory).filter((name) => name.endsWith('.key') && !name.startsWith('.'))
    return names.sort().map((name) => readEntry(directory, name.slice(0, -'.key'.length)))
  })
}

/** The key of that name or, when none is named, the only one. Throws ABN_KEY_UNKNOWN or ABN_KEY_PERMISSIONS. */
export function findKey(directory: string, name: string | undefined): KeyEntry {
  if (name !== undefined) return readEntry(directory, name)
  const names = withKeyErrors(directory, () => namesIn(directory).filter((one) => /^[^.].*\.key$/.test(one)))
  const [only] = names
  if (only !== undefined && names.length === 1) return readEntry(directory, only.slice(0, -'.key'.length))
  throw new AbnError('ABN_KEY_UNKNOWN', names.length === 0 ? 'there is no key yet' : `there are ${names.length} keys`, {
    hint: names.length === 0 ? 'make one with `abnpkg key new NAME`' : 'say which with --key NAME',
  })
}

/** Throws as findKey does, ABN_KEY_FILE_INVALID and ABN_KEY_PASSPHRASE. */
export async function openKey(entry: KeyEntry, passphrase: PassphraseSource): Promise<SecretKey> {
  const text = readPrivately(entry.path, entry.name)
  return parseSecretKey(text, isProtected(text) ? await passphrase(entry.name) : undefined)
}

/** A passphrase kept in a file of its own: its first line. Others must not be able to read it. Throws ABN_KEY_PASSPHRASE. */
export function readPassphraseFile(path: string): string {
  const [line = ''] = readPrivately(path, path).split(/\r?\n/)
  if (line === '') throw new AbnError('ABN_KEY_PASSPHRASE', `${path} holds no passphrase`)
  return line
}

function readEntry(directory: string, name: string): KeyEntry {
  const path = pathOf(directory, name)
  const text = readPrivately(path, name)
  const isSealed = isProtected(text)
  const publicKey = isSealed ? readPublicLine(directory, name) : parseSecretKey(text).publicKey
  return { name, publicKey, protected: isSealed, path }
}

/** For a sealed key, whose own file tells the public half only to who can open it. openKey checks that they belong together. */
function readPublicLine(directory: string, name: string): PublicKey {
  const path = join(directory, `${name}.pub`)
  try {
    return parsePublicKey(readFileSync(path, 'utf8').trimEnd())
  } catch (cause) {
    throw new AbnError('ABN_KEY_FILE_INVALID', `cannot read the public half of the key ${name} in ${path}`, { cause })
  }
}

/** Through one descriptor, so that what was checked is what is read. A pipe, as from `<(…)`, is private by itself. */
function readPrivately(path: string, name: string): string {
  const descriptor = openToRead(path, name)
  try {
    const { mode } = fstatSync(descriptor)
    const isFile = (mode & 0o170000) === 0o100000
    if (isFile && (mode & 0o077) !== 0) {
      throw new AbnError(
        'ABN_KEY_PERMISSIONS',
        `${path} can be read by others: its mode is ${(mode & 0o777).toString(8)}`,
        {
          hint: `chmod 600 ${path}, and make a new key if somebody may have read it`,
        },
      )
    }
    return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
}

function openToRead(path: string, name: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') {
      throw new AbnError('ABN_KEY_UNKNOWN', `there is no key ${name}: ${path} is missing`, {
        hint: '`abnpkg key list` names those that are there',
      })
    }
    throw new AbnError('ABN_KEY_DIRECTORY', `cannot read ${path}`, { cause })
  }
}

function writeSynced(path: string, text: string): void {
  const descriptor = openSync(path, 'wx', 0o600)
  try {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function namesIn(directory: string): string[] {
  return statSync(directory, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(directory)
}

/** Key names may hold a slash, file names may not. */
function pathOf(directory: string, name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new AbnError('ABN_KEY_NAME', `${JSON.stringify(name.slice(0, 80))} cannot be the name of a key`, {
      hint: 'use letters, digits, `.`, `_` and `-`, beginning with a letter or digit',
    })
  }
  return join(directory, `${name}.key`)
}

function withKeyErrors<T>(directory: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    if (cause instanceof AbnError || errorCode(cause) === undefined) throw cause
    throw new AbnError('ABN_KEY_DIRECTORY', `cannot use the directory of keys ${directory}`, { cause })
  }
}
