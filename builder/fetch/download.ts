// One source from one address: resume, limits, minimum rate, hash. Nothing that the host says is believed: a length only
// lets us stop early, and only the hash decides. RFC 9110 sections 13.1.5 (If-Range) and 14 (Range, Content-Range).

import type { Http, HttpResponse } from './http.ts'
import { discard } from './http.ts'
import type { Candidate } from './mirrors.ts'
import { type Failure, failureOf } from './outcome.ts'
import type { Partial } from './partial.ts'

export type DownloadOptions = {
  readonly http: Http
  readonly signal: AbortSignal
  readonly isDead: (origin: string) => boolean
  readonly size?: number // bytes, when the recipe says
  readonly maxBytes: number
  readonly minRate: { readonly bytes: number; readonly seconds: number }
  readonly onBytes: (bytes: number, total: number | undefined) => void
}

const maxResumes = 5

/**
 * Fills `partial` from one address until its hash is right, or says why not. Goes on where `partial` ends; goes on again
 * after a break if the attempt before it brought something; if the result is wrong and began with bytes from elsewhere,
 * starts once more from nothing. Throws when `signal` aborts and for errors of the file system.
 */
export async function downloadFrom(
  candidate: Candidate,
  partial: Partial,
  options: DownloadOptions,
): Promise<Failure | { readonly kind: 'right' }> {
  let validator: string | undefined
  let isPatchwork = partial.bytes > 0 // bytes from more than one answer: wrong bytes may not be this answer's fault
  let startedOver = false
  for (let resumes = 0; ; resumes += 1) {
    const before = partial.bytes
    const outcome = await transfer(candidate, partial, { ...options, validator })
    options.signal.throwIfAborted()
    if (outcome.kind === 'complete') {
      if (partial.isRight()) return { kind: 'right' }
      isPatchwork &&= !outcome.isWhole
    }
    if (outcome.kind === 'failed' && outcome.why !== 'wrong-size') {
      const isBroken = outcome.why === 'network' && outcome.deadOrigin === undefined
      if (!isBroken || partial.bytes <= before || resumes >= maxResumes) return outcome
      validator = outcome.validator
      isPatchwork = true
      continue
    }
    const { bytes, sha256 } = partial
    await partial.reset()
    if (!isPatchwork || startedOver) {
      if (outcome.kind === 'failed') return outcome
      return { kind: 'failed', why: 'wrong-hash', detail: `got another SHA-256: ${sha256} (${bytes} bytes)` }
    }
    startedOver = true
    isPatchwork = false
    validator = undefined
  }
}

type Transfer =
  | { readonly kind: 'complete'; readonly isWhole: boolean }
  | (Failure & { readonly validator?: string | undefined })

async function transfer(
  candidate: Candidate,
  partial: Partial,
  options: DownloadOptions & { readonly validator: string | undefined },
): Promise<Transfer> {
  const slow = new AbortController()
  const signal = AbortSignal.any([options.signal, slow.signal])
  const headers: Record<string, string> = {}
  if (partial.bytes > 0) {
    headers.range = `bytes=${partial.bytes}-`
    if (options.validator !== undefined) headers['if-range'] = options.validator
  }
  const response = await options.http.get(candidate, { headers, signal, isDead: options.isDead })
  if (response.kind === 'failed') return response
  const refused = await startOf(response, partial, options)
  if (refused !== undefined) {
    discard(response.body)
    return refused
  }

  const validator = validatorOf(response)
  const limit = options.size ?? options.maxBytes
  const total = options.size ?? announcedTotal(response, partial.bytes)
  let isDiskFailure = false
  let counted = partial.bytes
  const timer = setInterval(() => {
    if (partial.bytes - counted < options.minRate.bytes) slow.abort()
    counted = partial.bytes
  }, options.minRate.seconds * 1000)
  try {
    for await (const chunk of response.body) {
      if (partial.bytes + chunk.length > limit) return tooLong(limit)
      await partial.append(chunk).catch((error) => {
        isDiskFailure = true
        throw error
      })
      options.onBytes(partial.bytes, total)
    }
  } catch (error) {
    if (slow.signal.aborted) {
      const detail = `fewer than ${options.minRate.bytes} bytes in ${options.minRate.seconds} s`
      return { kind: 'failed', why: 'slow', detail, deadOrigin: response.url.origin }
    }
    options.signal.throwIfAborted()
    if (isDiskFailure) throw error
    return { ...failureOf(error, response.url), validator }
  } finally {
    clearInterval(timer)
    discard(response.body)
  }
  if (options.size !== undefined && partial.bytes < options.size) {
    const detail = `the answer ended after ${partial.bytes} of ${options.size} bytes`
    return { kind: 'failed', why: 'network', detail, validator }
  }
  return { kind: 'complete', isWhole: response.status === 200 }
}

/** Decides by status and headers; empties `partial` where the host sends the file from its beginning. */
async function startOf(
  response: HttpResponse,
  partial: Partial,
  options: DownloadOptions,
): Promise<Transfer | undefined> {
  const { status } = response
  if (status === 404 || status === 410) return { kind: 'failed', why: 'not-found', detail: `not found (${status})` }
  if (status === 416 && partial.bytes > 0) return { kind: 'complete', isWhole: false } // nothing after what is there
  if (status === 206 && partial.bytes > 0) {
    const start = /^bytes (\d{1,15})-/.exec(response.headers['content-range'] ?? '')?.[1]
    if (start !== String(partial.bytes)) {
      return { kind: 'failed', why: 'wrong-size', detail: 'answered with a range that nobody asked for' }
    }
  } else if (status === 200) await partial.reset()
  else return { kind: 'failed', why: 'status', detail: `answered with status ${status}` }

  const announced = announcedTotal(response, partial.bytes)
  const limit = options.size ?? options.maxBytes
  if (announced !== undefined && announced > limit) return tooLong(limit, announced)
  if (announced !== undefined && options.size !== undefined && announced < options.size) {
    const detail = `${announced} bytes are announced, expected ${options.size}`
    return { kind: 'failed', why: 'wrong-size', detail }
  }
  return undefined
}

function tooLong(limit: number, announced?: number): Failure {
  const detail = `${announced ?? 'more'} bytes${announced === undefined ? '' : ' are announced'}, at most ${limit} expected`
  return { kind: 'failed', why: 'wrong-size', detail }
}

function announcedTotal(response: HttpResponse, begin: number): number | undefined {
  const length = response.headers['content-length']
  return length !== undefined && /^\d{1,15}$/.test(length) ? begin + Number(length) : undefined
}

/** RFC 9110 section 8.8: a strong ETag, else Last-Modified. */
function validatorOf(response: HttpResponse): string | undefined {
  const etag = response.headers.etag
  return etag?.startsWith('"') ? etag : response.headers['last-modified']
}
