/**
 * The revocation lists that this machine has ever seen from configured operators, in var/trust/revocations.zst. They are put beside what
 * the caches bring: a cache that holds a list back, or shows an older one, changes nothing. Only ever grows.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { AbnError } from '../../format/errors.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { decodeBundle, encodeBundle, maximumBundleBytes } from '../../trust/bundle.ts'
import type { Evidence, VerifiedEvidence } from '../../trust/evidence.ts'

/** Throws ABN_DECISION_INVALID when the file is damaged: not to know what was revoked must not look like nothing was. */
export function rememberedRevocations(store: Store): readonly Evidence[] {
  const file = fileOf(store)
  if (!existsSync(file)) return []
  try {
    return decodeBundle(zstdDecompressSync(readFileSync(file), { maxOutputLength: maximumBundleBytes }))
  } catch (cause) {
    throw new AbnError('ABN_DECISION_INVALID', `${file} is damaged`, {
      cause,
      hint: 'restore it, or remove it if you accept that what operators have revoked is forgotten',
    })
  }
}

/** Keeps what is new. */
export function rememberRevocations(store: Store, { revocations }: VerifiedEvidence): void {
  const before = rememberedRevocations(store)
  const seen = [...revocations.values()].flat().map(({ bytes }): Evidence => ({ kind: 'revocation-list', bytes }))
  const known = new Set(before.map(({ bytes }) => Buffer.from(bytes).toString('latin1')))
  const fresh = seen.filter(({ bytes }) => !known.has(Buffer.from(bytes).toString('latin1')))
  if (fresh.length === 0) return
  const file = fileOf(store)
  withDiskErrors(`cannot write ${file}`, () => mkdirSync(`${store.root}/var/trust`, { recursive: true }))
  writeDurably(file, zstdCompressSync(encodeBundle([...before, ...fresh])))
}

function fileOf({ root }: Store): string {
  return `${root}/var/trust/revocations.zst`
}
