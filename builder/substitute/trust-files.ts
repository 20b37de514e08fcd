/**
 * What this machine has learnt of others and must not forget, in var/trust: small documents that are read before a decision and written
 * after it. Who writes holds a lock, reads again and adds: two processes that learn at once both have learnt. A damaged file is an
 * error: not to know must not look like there was nothing to be known.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { type JsonValue, parseCanonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import type { Place } from '../../format/fields.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { takeBriefLock } from '../../store/lock.ts'
import type { Store } from '../../store/store.ts'
import { writeDurably } from '../../store/write-durably.ts'

export function trustDirectoryOf({ root }: Pick<Store, 'root'>): string {
  return `${root}/var/trust`
}

/** Undefined when there is none. `parse` throws what it likes; `lost` says what is forgotten when the file is removed. */
export function readTrustFile<T>(
  store: Pick<Store, 'root'>,
  name: string,
  { parse, lost }: { readonly parse: (bytes: Uint8Array) => T; readonly lost: string },
): T | undefined {
  const file = `${trustDirectoryOf(store)}/${name}`
  if (!existsSync(file)) return undefined
  try {
    return parse(readFileSync(file))
  } catch (cause) {
    throw new AbnError('ABN_DECISION_INVALID', `${file} is damaged`, {
      cause,
      hint: `restore it, or remove it if you accept that ${lost} is forgotten`,
    })
  }
}

/** Reads and writes as one step for all processes. */
export function withTrustLock<T>({ layout }: Store, change: () => T): T {
  using _ = takeBriefLock(`${layout.locks}/trust`)
  return change()
}

/** Hold the lock. Throws ABN_DISK_FULL or ABN_STORE_UNUSABLE. */
export function writeTrustFile(store: Store, name: string, content: Uint8Array): void {
  const directory = trustDirectoryOf(store)
  withDiskErrors(`cannot write ${directory}/${name}`, () => mkdirSync(directory, { recursive: true }))
  writeDurably(`${directory}/${name}`, content)
}

/** Canonical JSON of limited size, and the place that its complaints name. */
export function trustDocumentOf(bytes: Uint8Array, name: string): { readonly value: JsonValue; readonly place: Place } {
  const place: Place = { path: '', fail: (reason) => new AbnError('ABN_DECISION_INVALID', `${name}: ${reason}`) }
  return { value: parseCanonicalJson(bytes, { bytes: MAXIMUM_BYTES, depth: 4 }), place }
}

const MAXIMUM_BYTES = 16 * 1024 * 1024
