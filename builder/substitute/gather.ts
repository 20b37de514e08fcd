/**
 * Asks every cache what is known about some recipes: one request a cache, all at once. Whatever they answer is only a courier's
 * bag; nothing in it counts before trust/ has verified it. A cache that is dead, slow or speaks nonsense is left out and told
 * about, and never an error. That a cache has nothing is not remembered beyond the run.
 */
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { parseTransferSizes, type TransferSizes, transferSizesKind } from '../../format/transfer-sizes.ts'
import { decodeBundle, maximumBundleBytes } from '../../trust/bundle.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { type Answer, type CacheConnection, problem, readWhole } from './http.ts'
import { withFewCheckpoints, withinQuotas } from './quotas.ts'

export type Gathered = {
  /** What each cache has brought, in the order in which they answered. */
  readonly brought: readonly Brought[]
  /** How large an archive is on its way, as the quickest cache that says it says; a hint, for estimates only. */
  readonly transferBytesOf: (archive: Sha256) => number | undefined
  /** In the order in which they answered, quickest first; then those that did not. */
  readonly reports: readonly CacheReport[]
}

export type Brought = { readonly address: string; readonly evidence: readonly Evidence[] }

export type CacheReport =
  | {
      readonly kind: 'answered'
      readonly address: string
      readonly pieces: number
      readonly bytes: number
      readonly seconds: number
    }
  | { readonly kind: 'failed'; readonly address: string; readonly reason: string }

/** `recipes`: everything of interest; `targets`: those for whose sake. */
export type Question = {
  readonly recipes: readonly RecipeHash[]
  readonly targets: readonly RecipeHash[]
  /** Logs of which proofs are wanted, and how large each was when it was seen last; 0 for never. */
  readonly logs?: readonly { readonly origin: string; readonly size: number }[]
}

export type GatherOptions = {
  readonly signal?: AbortSignal | undefined
  /** How long the others are waited for once one has answered. */
  readonly patienceSeconds?: number | undefined
}

/** Throws the signal's reason only. */
export async function gatherEvidence(
  caches: readonly CacheConnection[],
  question: Question,
  { signal, patienceSeconds = 5 }: GatherOptions = {},
): Promise<Gathered> {
  const late = new AbortController()
  const stop = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal])
  const brought: Brought[] = []
  const sizes: TransferSizes[] = []
  const answered: CacheReport[] = []
  const failed: CacheReport[] = []
  let timer: NodeJS.Timeout | undefined
  await Promise.all(
    caches.map(async (cache) => {
      const { address } = cache
      const started = performance.now()
      try {
        const { pieces, bytes } = await askCache(cache, question, stop)
        brought.push({
          address,
          evidence: withFewCheckpoints(pieces.filter(({ kind }) => kind !== transferSizesKind)),
        })
        sizes.push(...pieces.flatMap(sizesIn))
        answered.push({
          kind: 'answered',
          address,
          pieces: pieces.length,
          bytes,
          seconds: (performance.now() - started) / 1000,
        })
        timer ??= setTimeout(() => late.abort(problem('the cache', 'slower than the others')), patienceSeconds * 1000)
      } catch (error) {
        if (signal?.aborted) throw signal.reason
        if (!(error instanceof Error)) throw error
        const reason = late.signal.aborted
          ? `no answer ${patienceSeconds} s after another cache had answered`
          : error.message
        failed.push({ kind: 'failed', address, reason: reason.replace(`${address}: `, '') })
      }
    }),
  ).finally(() => clearTimeout(timer))
  const transferBytesOf = (archive: Sha256): number | undefined =>
    sizes.map((one) => one.sizeOf(archive)).find((bytes) => bytes !== undefined)
  return { brought, transferBytesOf, reports: [...answered, ...failed] }
}

/** A hint that cannot be read is none. */
function sizesIn(one: Evidence): readonly TransferSizes[] {
  if (one.kind !== transferSizesKind) return []
  try {
    return [parseTransferSizes(one.bytes)]
  } catch (error) {
    if (error instanceof AbnError) return []
    throw error
  }
}

const decompress = promisify(zstdDecompress)

async function askCache(cache: CacheConnection, { recipes, targets, logs = [] }: Question, signal: AbortSignal) {
  const answer = await cache.request('/v1/closures', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(logs.length === 0 ? { recipes } : { recipes, logs }),
    signal,
  })
  if (!STATIC.has(answer.status)) return bundleOf(cache, answer)
  answer.drop()
  const pieces: Evidence[] = []
  let bytes = 0
  for (const recipe of targets) {
    const one = await cache.request(`/v1/closures/${recipe}/inputs`, { signal })
    if (one.status === 404) {
      one.drop()
      continue
    }
    const found = await bundleOf(cache, one)
    pieces.push(...found.pieces)
    bytes += found.bytes
  }
  return { pieces, bytes }
}

/** What a web server says that only has files: it holds the closure of each recipe as a file. */
const STATIC: ReadonlySet<number> = new Set([404, 405, 501])

async function bundleOf(cache: CacheConnection, answer: Answer) {
  if (answer.status !== 200) {
    answer.drop()
    throw problem(cache.address, `it answered with status ${answer.status}`)
  }
  const packed = await readWhole(answer, cache.address, maximumBundleBytes)
  return { pieces: withinQuotas(await unpacked(packed, cache.address)), bytes: packed.length }
}

async function unpacked(packed: Buffer, address: string): Promise<readonly Evidence[]> {
  try {
    return decodeBundle(await decompress(packed, { maxOutputLength: maximumBundleBytes }))
  } catch (cause) {
    if (cause instanceof AbnError) throw problem(address, cause.message, cause)
    throw problem(address, 'it sent what is not a bundle compressed by zstd, or is too large', cause)
  }
}
