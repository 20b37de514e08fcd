/**
 * The revocation lists that this machine has ever seen from configured operators, in var/trust/revocations.zst. They are put beside what
 * the caches bring: a cache that holds a list back, or shows an older one, changes nothing. Only ever grows.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { Store } from '../../store/store.ts'
import { decodeBundle, encodeBundle, maximumBundleBytes } from '../../trust/bundle.ts'
import type { Evidence, VerifiedEvidence } from '../../trust/evidence.ts'
import { readTrustFile, withTrustLock, writeTrustFile } from './trust-files.ts'

/** Throws ABN_DECISION_INVALID when the file is damaged: not to know what was revoked must not look like nothing was. */
export function rememberedRevocations(store: Pick<Store, 'root'>): readonly Evidence[] {
  const parse = (bytes: Uint8Array) => decodeBundle(zstdDecompressSync(bytes, { maxOutputLength: maximumBundleBytes }))
  return readTrustFile(store, FILE, { parse, lost: 'what operators have revoked' }) ?? []
}

/** Keeps what is new. */
export function rememberRevocations(store: Store, { revocations }: Pick<VerifiedEvidence, 'revocations'>): void {
  const seen = [...revocations.values()].flat().map(({ bytes }): Evidence => ({ kind: 'revocation-list', bytes }))
  if (seen.length === 0) return
  withTrustLock(store, () => {
    const before = rememberedRevocations(store)
    const known = new Set(before.map(textOf))
    const fresh = seen.filter((one) => !known.has(textOf(one)))
    if (fresh.length > 0) writeTrustFile(store, FILE, zstdCompressSync(encodeBundle([...before, ...fresh])))
  })
}

const FILE = 'revocations.zst'

function textOf({ bytes }: Evidence): string {
  return Buffer.from(bytes).toString('latin1')
}
