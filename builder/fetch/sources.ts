// Brings sources into the cache, each under its SHA-256. Trusts no host, no mirror and no file: only a hash that was
// computed here lets a file in, and what is in the cache already is hashed again before it is used.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { makeDirectories } from '../../store/make-directories.ts'
import { readDebianBases } from './apt.ts'
import { downloadFrom } from './download.ts'
import { isFileSystemError, sourceFailure } from './failure.ts'
import type { SourceHint } from './hint.ts'
import { discard, Http, type HttpOptions } from './http.ts'
import { copyLocal } from './local.ts'
import { type Candidate, candidatesOf, parseHttpUrl, showUrl } from './mirrors.ts'
import { type Origins, openOrigins } from './origins.ts'
import type { Failure, Tried } from './outcome.ts'
import { Partial } from './partial.ts'

export type SourceRequest = { readonly sha256: Sha256; readonly hint: SourceHint }

export type FetchProgress =
  | { readonly kind: 'start'; readonly sha256: Sha256; readonly address: string; readonly bytes: number }
  | { readonly kind: 'bytes'; readonly sha256: Sha256; readonly bytes: number; readonly total: number | undefined }
  | { readonly kind: 'failed'; readonly sha256: Sha256; readonly address: string; readonly reason: string }
  | { readonly kind: 'done'; readonly sha256: Sha256; readonly path: string; readonly address: string }

/** Somebody who may have sources by hash, such as a cache server. Asked last, in order; believed no more than a mirror. */
export type SourceSupplier = { readonly name: string; urlsOf(sha256: Sha256): readonly string[] }

export type FetchOptions = {
  readonly cacheDirectory: string // one flat directory, created when missing
  readonly channelRoot: string // where `local` hints are looked up
  readonly signal?: AbortSignal
  readonly onProgress?: (event: FetchProgress) => void
  readonly connections?: number // sources at the same time
  readonly offline?: boolean
  readonly suppliers?: readonly SourceSupplier[]
  readonly debianMirror?: string // $ABNPKG_DEBIAN_MIRROR when not given; addresses separated by white space
  readonly aptDirectory?: string
  readonly aptConfig?: HttpOptions['aptConfig']
  readonly limits?: { readonly [K in keyof FetchLimits]?: FetchLimits[K] }
}

export type FetchLimits = {
  readonly maxBytes: number // of one source whose size the recipe does not say
  readonly connectSeconds: number
  readonly headersSeconds: number
  readonly maxRedirects: number
  readonly minRate: { readonly bytes: number; readonly seconds: number }
}

const defaultLimits: FetchLimits = {
  maxBytes: 4 * 2 ** 30,
  connectSeconds: 3,
  headersSeconds: 10,
  maxRedirects: 8,
  minRate: { bytes: 10_000, seconds: 10 },
}

/**
 * Fetches what is not cached yet, several at a time, and answers with the path of each file. Every source is tried, also
 * after another has failed, so that one run fetches all that can be had. Throws ABN_SOURCE_… that names every address
 * that was tried, ABN_DISK_FULL, or the reason of `signal`.
 */
export async function fetchSources(
  requests: readonly SourceRequest[],
  options: FetchOptions,
): Promise<Map<Sha256, string>> {
  const run = openRun(options)
  const merged = new Map<Sha256, SourceHint[]>()
  for (const { sha256, hint } of requests) merged.set(sha256, [...(merged.get(sha256) ?? []), hint])
  const paths = new Map<Sha256, string>()
  const errors: unknown[] = []
  const queue = [...merged]
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [sha256, hints] = next
      try {
        options.signal?.throwIfAborted()
        paths.set(sha256, await fetchOne(sha256, hints, run))
      } catch (error) {
        if (options.signal?.aborted || !(error instanceof AbnError)) queue.length = 0
        errors.push(error)
      }
    }
  }
  try {
    makeDirectories(options.cacheDirectory)
    await Promise.all(Array.from({ length: Math.max(1, options.connections ?? 4) }, worker))
  } catch (error) {
    throw isFileSystemError(error) ? sourceFailure.ofFileSystem(error, options.cacheDirectory) : error
  } finally {
    await run.http[Symbol.asyncDispose]()
  }
  options.signal?.throwIfAborted()
  if (errors.length > 0) throw sourceFailure.combine(errors, options.cacheDirectory)
  return paths
}

type Run = {
  readonly options: FetchOptions
  readonly limits: FetchLimits
  readonly http: Http
  readonly origins: Origins
  readonly signal: AbortSignal
  debianBases(): Promise<readonly Candidate[]>
}

function openRun(options: FetchOptions): Run {
  const limits = { ...defaultLimits, ...options.limits }
  let bases: Promise<readonly Candidate[]> | undefined
  return {
    options,
    limits,
    http: new Http({ ...limits, aptConfig: options.aptConfig }),
    origins: openOrigins(),
    signal: options.signal ?? new AbortController().signal,
    debianBases: () => (bases ??= findDebianBases(options)),
  }
}

async function fetchOne(sha256: Sha256, hints: readonly SourceHint[], run: Run): Promise<string> {
  const path = join(run.options.cacheDirectory, sha256)
  if (await isCached(path, sha256)) return path
  await using partial = await Partial.open(run.options.cacheDirectory, sha256)
  const tried: Tried[] = []
  for (const hint of hints) {
    if (hint.kind !== 'local') continue
    await copyLocal(run.options.channelRoot, hint.path, partial)
    if (partial.isRight()) return await finish(sha256, partial, { address: hint.path, run })
    const got = partial.sha256
    await partial.reset()
    throw sourceFailure.ofLocal(sha256, { path: hint.path, got })
  }
  if (partial.bytes > 0 && partial.isRight())
    return await finish(sha256, partial, { address: 'an earlier download', run })
  if (run.options.offline) throw sourceFailure.ofOffline(sha256, run.options.cacheDirectory)
  for (const hint of hints) {
    if (hint.kind !== 'git') continue
    const failure = await cloneInto(partial, hint, run)
    if (failure === undefined) return await finish(sha256, partial, { address: `${hint.url} at ${hint.commit}`, run })
    tried.push({ address: hint.url, failure })
  }
  const address = await download(sha256, hints, { run, partial, tried })
  if (address === undefined) throw sourceFailure.ofTried(sha256, tried, run.options.cacheDirectory)
  return await finish(sha256, partial, { address, run })
}

/** Undefined when the commit's archive is right. Asks the host for an answer first: git would wait for it for minutes. */
async function cloneInto(partial: Partial, hint: GitHint, run: Run): Promise<Failure | undefined> {
  const url = parseHttpUrl(hint.url)
  const reason = run.origins.reasonOf(url.origin)
  if (reason !== undefined) return { kind: 'failed', why: 'skipped', detail: `skipped, its host failed: ${reason}` }
  const isDead = run.origins.isDead
  const answer = await run.http.get({ url, via: 'direct' }, { headers: {}, signal: run.signal, isDead })
  run.signal.throwIfAborted()
  if (answer.kind === 'response') discard(answer.body)
  else if (answer.deadOrigin !== undefined) {
    run.origins.markDead(answer.deadOrigin, answer.detail)
    return answer
  }
  const { fetchGit } = await import('./git.ts')
  try {
    await fetchGit(hint, partial, { temporaryDirectory: run.options.cacheDirectory, signal: run.signal })
  } catch (error) {
    run.signal.throwIfAborted()
    if (!(error instanceof AbnError) || error.code !== 'ABN_SOURCE_GIT') throw error
    return { kind: 'failed', why: 'status', detail: error.message }
  }
  if (partial.isRight()) return undefined
  const got = partial.sha256
  await partial.reset()
  return { kind: 'failed', why: 'wrong-hash', detail: `the archive of commit ${hint.commit} has SHA-256 ${got}` }
}

type GitHint = Extract<SourceHint, { readonly kind: 'git' }>
type DownloadContext = { readonly run: Run; readonly partial: Partial; readonly tried: Tried[] }

/** The address that delivered, or undefined when none did. Fills `tried`. */
async function download(
  sha256: Sha256,
  hints: readonly SourceHint[],
  { run, partial, tried }: DownloadContext,
): Promise<string | undefined> {
  const { origins, limits, options } = run
  const urls = hints.flatMap((hint) => (hint.kind === 'urls' ? hint.urls : []))
  const size = hints.find((hint) => hint.kind === 'urls')?.size
  const bases = urls.some((url) => url.startsWith('mirror://debian/')) ? await run.debianBases() : []
  const groups = [candidatesOf(urls, bases)]
  for (const supplier of options.suppliers ?? []) groups.push(candidatesOf(supplier.urlsOf(sha256), []))

  for (const group of groups) {
    const waiting = [...group]
    while (waiting.length > 0) {
      waiting.sort((a, b) => origins.rankOf(a.url.origin) - origins.rankOf(b.url.origin))
      const candidate = waiting.shift()
      if (candidate === undefined) break
      const address = showUrl(candidate.url)
      const reason = origins.reasonOf(candidate.url.origin)
      if (reason !== undefined) {
        const detail = `skipped, ${candidate.url.host} failed earlier in this run: ${reason}`
        tried.push({ address, failure: { kind: 'failed', why: 'skipped', detail } })
        continue
      }
      options.onProgress?.({ kind: 'start', sha256, address, bytes: partial.bytes })
      const outcome = await downloadFrom(candidate, partial, {
        http: run.http,
        signal: run.signal,
        isDead: origins.isDead,
        size,
        maxBytes: limits.maxBytes,
        minRate: limits.minRate,
        onBytes: (bytes, total) => options.onProgress?.({ kind: 'bytes', sha256, bytes, total }),
      })
      if (outcome.kind === 'right') {
        origins.markGood(candidate.url.origin)
        return address
      }
      if (outcome.deadOrigin !== undefined) origins.markDead(outcome.deadOrigin, outcome.detail)
      tried.push({ address, failure: outcome })
      options.onProgress?.({ kind: 'failed', sha256, address, reason: outcome.detail })
    }
  }
  return undefined
}

async function finish(
  sha256: Sha256,
  partial: Partial,
  { address, run }: { readonly address: string; readonly run: Run },
): Promise<string> {
  const path = await partial.promote()
  run.options.onProgress?.({ kind: 'done', sha256, path, address })
  return path
}

/** Whether the cache holds the file, and whole; a damaged one is removed. */
async function isCached(path: string, sha256: Sha256): Promise<boolean> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 })) hash.update(chunk)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
  if (hash.digest('hex') === sha256) return true
  await rm(path, { force: true })
  return false
}

/** Where Debian's archive is: as $ABNPKG_DEBIAN_MIRROR or `options` say, else as apt knows it. */
export async function findDebianBases(
  options: Pick<FetchOptions, 'debianMirror' | 'aptDirectory'>,
): Promise<readonly Candidate[]> {
  const named = (options.debianMirror ?? process.env.ABNPKG_DEBIAN_MIRROR ?? '')
    .split(/\s+/)
    .filter((word) => word !== '')
  const wanted = named.map((address): Candidate => ({ url: parseHttpUrl(withSlash(address)), via: 'direct' }))
  if (wanted.length > 0) return wanted
  const found = await readDebianBases(options.aptDirectory ?? '/etc/apt')
  return found.map((base): Candidate => ({ url: parseHttpUrl(base), via: 'apt' }))
}

function withSlash(address: string): string {
  return address.endsWith('/') ? address : `${address}/`
}
