/**
 * A mirror asks its upstream for what it does not have. The upstream is trusted with nothing: evidence is taken only when it
 * verifies under the operators registered here, a file only when evidence here names it and it is what that says. Readers
 * see a file when it is verified and whole.
 */
import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { AbnError } from '../format/errors.ts'
import type { RecipeHash } from '../format/hash.ts'
import { decodeBundle, maximumBundleBytes } from '../trust/bundle.ts'
import { envelopesOf } from './answers.ts'
import type { Cache } from './cache.ts'
import { type BlobRecord, blobRecord } from './catalogue.ts'
import type { Depth } from './closure.ts'
import type { Mirror } from './config.ts'
import type { Metrics } from './http/metrics.ts'
import { createQueues } from './queues.ts'
import type { BlobKey } from './storage/blobs.ts'

export type Puller = {
  /** Asks the upstream about those that it was not asked about lately. A failure is reported, not thrown. */
  refresh(recipes: readonly RecipeHash[]): Promise<void>
  refreshClosure(root: RecipeHash, depth: Depth): Promise<void>
  /** Undefined when nothing here names the blob, or the upstream does not have it. Throws ABN_CACHE_UPSTREAM. */
  pull(key: BlobKey): Promise<BlobRecord | undefined>
}

export type PullerOptions = {
  readonly metrics: Metrics
  readonly report: (what: string, error: unknown) => void
}

export function createPuller(cache: Cache, mirror: Mirror, { metrics, report }: PullerOptions): Puller {
  /** When the upstream was last asked, by path or recipe. */
  const asked = new Map<string, number>()
  const oneByOne = createQueues()
  const { limits } = cache.config

  function isDue(name: string): boolean {
    const now = cache.nowSeconds()
    if (now - (asked.get(name) ?? 0) < mirror.refreshSeconds) return false
    asked.delete(name)
    asked.set(name, now)
    for (const oldest of asked.keys()) {
      if (asked.size <= MAXIMUM_ASKED) break
      asked.delete(oldest)
    }
    return true
  }

  async function refresh(recipes: readonly RecipeHash[]): Promise<void> {
    const due = recipes.filter(isDue)
    if (due.length > 0) await takeEvidence('/v1/closures', { recipes: due })
  }

  async function refreshClosure(root: RecipeHash, depth: Depth): Promise<void> {
    const path = `/v1/closures/${root}/${depth}`
    if (isDue(path)) await takeEvidence(path)
  }

  async function takeEvidence(path: string, question?: { readonly recipes: readonly RecipeHash[] }): Promise<void> {
    try {
      const response = await ask(path, EVIDENCE_SECONDS, question)
      if (response === undefined) return
      const packed = await readLimited(response, maximumBundleBytes)
      const bundle = await decompress(packed, { maxOutputLength: maximumBundleBytes })
      const evidence = decodeBundle(bundle)
      await cache.sessions.take(evidence)
      const envelopes = envelopesOf(evidence)
      for (let at = 0; at < envelopes.length; at += 500) {
        await cache.acceptor.accept(envelopes.slice(at, at + 500), undefined)
      }
    } catch (error) {
      report(`asking the upstream for ${path}`, error)
    }
  }

  async function pull(key: BlobKey): Promise<BlobRecord | undefined> {
    return oneByOne(`${key.kind} ${key.digest}`, async () => {
      // It may have come while this waited.
      const known = await blobRecord(cache.index, key)
      if (known !== undefined) return known
      try {
        await cache.publisher.requireNamed(key, undefined)
      } catch (error) {
        if (error instanceof AbnError && error.code === 'ABN_CACHE_STATEMENT_REFUSED') return undefined
        throw error
      }
      const record = await download(key)
      metrics.add('abn_cache_pulls_total', { kind: key.kind, result: record === undefined ? 'missing' : 'taken' })
      return record
    })
  }

  async function download(key: BlobKey): Promise<BlobRecord | undefined> {
    const maximum = { archive: limits.archiveBytes, source: limits.sourceBytes, log: limits.logBytes }[key.kind]
    const response = await ask(`/v1/${key.kind}s/${key.digest}`, limits.responseSeconds)
    if (response === undefined) return undefined
    const file = join(cache.uploadsDirectory, `pull-${randomUUID()}`)
    try {
      await pipeline(limited(response, maximum), createWriteStream(file, { flags: 'wx', mode: 0o600 }))
      return (await cache.publisher.publish(key, file, undefined)).record
    } catch (cause) {
      metrics.add('abn_cache_pulls_total', { kind: key.kind, result: 'refused' })
      report(`taking the ${key.kind} ${key.digest} from the upstream`, cause)
      throw new AbnError(
        'ABN_CACHE_UPSTREAM',
        `the upstream did not give the ${key.kind} ${key.digest} whole and right`,
        { cause },
      )
    } finally {
      await rm(file, { force: true })
    }
  }

  /** Undefined for 404. Throws ABN_CACHE_UPSTREAM. */
  async function ask(path: string, seconds: number, question?: object): Promise<Response | undefined> {
    const url = new URL(path, mirror.upstream)
    try {
      const response = await fetch(url, {
        redirect: 'error',
        signal: AbortSignal.timeout(seconds * 1000),
        headers: question === undefined ? {} : { 'content-type': 'application/json' },
        ...(question === undefined ? {} : { method: 'POST', body: JSON.stringify(question) }),
      })
      if (response.status === 404) {
        await response.body?.cancel()
        return undefined
      }
      if (response.status === 200) return response
      await response.body?.cancel()
      throw new Error(`status ${response.status}`)
    } catch (cause) {
      throw new AbnError('ABN_CACHE_UPSTREAM', `the upstream did not answer ${path}`, { cause })
    }
  }

  return { refresh, refreshClosure, pull }
}

const decompress = promisify(zstdDecompress)
const EVIDENCE_SECONDS = 60
const MAXIMUM_ASKED = 200_000

async function readLimited(response: Response, maximum: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of limited(response, maximum)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function* limited(response: Response, maximum: number): AsyncGenerator<Uint8Array> {
  let bytes = 0
  if (response.body === null) return
  for await (const chunk of Readable.fromWeb(response.body)) {
    bytes += chunk.length
    if (bytes > maximum) throw new AbnError('ABN_CACHE_UPSTREAM', `the upstream sends more than ${maximum} bytes`)
    yield chunk
  }
}
