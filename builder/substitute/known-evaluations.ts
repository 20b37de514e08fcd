/**
 * The newest evaluation of platforms that this machine has seen under each root, in var/trust/tee.json: with each, Intel says anew which
 * platforms are up to date, and who shows an older one hides what was found since. What is kept never goes down.
 */
import { encodeCanonicalJson } from '../../format/canonical-json.ts'
import { below, countOf, fieldsOf, listOf, requireThat, textOf } from '../../format/fields.ts'
import { parseSha256, type Sha256 } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import type { Store } from '../../store/store.ts'
import { readTrustFile, trustDocumentOf, withTrustLock, writeTrustFile } from './trust-files.ts'

/** By the digest of the root. */
export type KnownEvaluations = ReadonlyMap<Sha256, number>

/** Throws ABN_DECISION_INVALID when the file is damaged. */
export function readKnownEvaluations(store: Pick<Store, 'root'>): KnownEvaluations {
  return readTrustFile(store, FILE, { parse: parseEvaluations, lost: 'which evaluations were seen' }) ?? new Map()
}

/** Keeps what is new. */
export function keepKnownEvaluations(store: Store, newest: KnownEvaluations): void {
  if (newest.size === 0) return
  withTrustLock(store, () => {
    const kept = new Map(readKnownEvaluations(store))
    const isNew = [...newest].some(([root, number]) => number > (kept.get(root) ?? -1))
    if (!isNew) return
    for (const [root, number] of newest) kept.set(root, Math.max(number, kept.get(root) ?? 0))
    const roots = [...kept].sort(([a], [b]) => compareBytewise(a, b)).map(([root, number]) => ({ number, root }))
    writeTrustFile(store, FILE, encodeCanonicalJson({ format: 1, roots }))
  })
}

const FILE = 'tee.json'

function parseEvaluations(bytes: Uint8Array): KnownEvaluations {
  const { value, place } = trustDocumentOf(bytes, FILE)
  const fields = fieldsOf(value, place, ['format', 'roots'])
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  const roots = listOf(fields.roots, below(place, 'roots'), (one, at) => {
    const { number, root } = fieldsOf(one, at, ['number', 'root'])
    return [parseSha256(textOf(root, below(at, 'root'))), countOf(number, below(at, 'number'))] as const
  })
  return new Map(roots)
}
