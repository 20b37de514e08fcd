/**
 * A cache as a builder sees it: signed writes and a few anonymous questions (docs/cache-api.md). Nothing that comes back is
 * trusted; it only says what to send next. Every request is signed anew, for this cache's address alone; redirects are not
 * followed, because a signature for one address is none for another. undici is loaded with the first request.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import type { JsonObject, JsonValue } from '../../format/canonical-json.ts'
import { AbnError, ERRORS, type ErrorCode } from '../../format/errors.ts'
import { isObject } from '../../format/fields.ts'
import { sha256Of } from '../../format/hash.ts'
import { encodeWriteAuthorization, encodeWriteRequest } from '../../format/write-request.ts'
import { base64Of } from '../../trust/bytes.ts'
import type { Signer } from '../../trust/secret-key.ts'

export type CacheClient = AsyncDisposable & {
  /** Scheme, host and port. */
  readonly origin: string
  /** A signed request. Throws ABN_PUBLISH_UNREACHABLE, ABN_PUBLISH_REFUSED, or what the cache answers (ABN_CACHE_…). */
  write(request: SignedRequest): Promise<JsonObject>
  /** An anonymous one. `found` is false for 404. */
  read(method: 'GET' | 'HEAD' | 'POST', path: string, body?: JsonValue): Promise<Answer>
}

export type SignedRequest = {
  readonly method: 'POST' | 'PATCH' | 'GET'
  readonly path: string
  readonly body?: Uint8Array
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
}

export type Answer = { readonly found: boolean; readonly body: Uint8Array }

export type CacheClientOptions = {
  readonly url: string
  readonly signer: Signer
  readonly nowSeconds: () => number
  readonly signal?: AbortSignal | undefined
  /** How often a request is repeated whose failure may pass. Default 4. */
  readonly retries?: number | undefined
}

/** Opens no connection yet. Throws ABN_PUBLISH_ADDRESS. */
export function openCacheClient({ url, signer, nowSeconds, signal, retries = 4 }: CacheClientOptions): CacheClient {
  const origin = cacheOriginOf(url)
  let dispatcher: Promise<Dispatcher> | undefined

  async function attempt(request: RawRequest): Promise<RawAnswer> {
    const { request: send } = await import('undici')
    dispatcher ??= openDispatcher()
    const timeout = AbortSignal.timeout(REQUEST_SECONDS * 1000)
    try {
      const { statusCode, headers, body } = await send(origin + request.path, {
        dispatcher: await dispatcher,
        method: request.method,
        headers: { 'accept-encoding': 'identity', ...request.headers },
        body: request.body ?? null,
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      })
      return { status: statusCode, retryAfter: Number(headers['retry-after']) || 0, body: await bounded(body) }
    } catch (cause) {
      signal?.throwIfAborted()
      if (cause instanceof AbnError) throw cause
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new AbnError('ABN_PUBLISH_UNREACHABLE', `${origin} could not be reached: ${reason}`, {
        hint: 'what was sent is kept there; run the same command again to go on',
        cause,
      })
    }
  }

  /** `prepare` makes each attempt anew, because a signed request is good for one. */
  async function persistent(prepare: () => RawRequest): Promise<RawAnswer> {
    for (let tries = 0; ; tries++) {
      try {
        const answer = await attempt(prepare())
        const mayPass = answer.status >= 500 || answer.status === 429
        if (!mayPass || tries >= retries) return answer
        await pause(Math.min(60, Math.max(answer.retryAfter, backoffSeconds(tries))), signal)
      } catch (error) {
        const mayPass = error instanceof AbnError && error.code === 'ABN_PUBLISH_UNREACHABLE'
        if (!mayPass || tries >= retries) throw error
        await pause(backoffSeconds(tries), signal)
      }
    }
  }

  const sign = ({ method, path, body, type, headers }: SignedRequest): RawRequest => {
    const bodySha256 = sha256Of(body ?? new Uint8Array())
    const request = { origin, method, path, bodySha256, at: nowSeconds(), nonce: randomBytes(16).toString('hex') }
    const signature = base64Of(signer.sign(encodeWriteRequest(request)))
    const authorization = encodeWriteAuthorization({ ...request, keyId: signer.publicKey.id, signature })
    return { method, path, body, headers: { ...headers, ...(type ? { 'content-type': type } : {}), authorization } }
  }

  return {
    origin,
    async write(request) {
      const { status, body } = await persistent(() => sign(request))
      if (status >= 200 && status < 300) return objectOf(body, origin)
      throw refusalOf(status, body, origin)
    },
    async read(method, path, body) {
      const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
      const headers: Record<string, string> = bytes ? { 'content-type': 'application/json' } : {}
      const answer = await persistent(() => ({ method, path, body: bytes, headers }))
      if (answer.status === 404) return { found: false, body: answer.body }
      if (answer.status >= 200 && answer.status < 300) return { found: true, body: answer.body }
      throw refusalOf(answer.status, answer.body, origin)
    },
    async [Symbol.asyncDispose]() {
      await (await dispatcher)?.destroy()
    },
  }
}

/** The part of a cache's URL that is signed. Throws ABN_PUBLISH_ADDRESS. */
export function cacheOriginOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed && /^https?:$/.test(parsed.protocol) && `${parsed.origin}/` === parsed.href) return parsed.origin
  throw new AbnError('ABN_PUBLISH_ADDRESS', `${JSON.stringify(url.slice(0, 200))} is not the address of a cache`, {
    hint: 'expected http(s)://HOST[:PORT] without a path',
  })
}

/** A failure after which the same may succeed without anybody doing anything. */
export function mayPass(error: unknown): boolean {
  return error instanceof AbnError && PASSING.has(error.code)
}

const PASSING: ReadonlySet<ErrorCode> = new Set([
  'ABN_PUBLISH_UNREACHABLE',
  'ABN_CACHE_FAULT',
  'ABN_CACHE_LIMIT',
  'ABN_CACHE_RATE',
  'ABN_CACHE_REPLAYED',
  'ABN_CACHE_UPLOAD_BUSY',
  'ABN_CACHE_UPLOAD_OFFSET',
  'ABN_CACHE_UPSTREAM',
])

/** 0.2 s, 0.4 s, … up to 10 s, of which a random part is waited, so that many builders do not come back at once. */
function backoffSeconds(tries: number): number {
  return Math.min(10, 0.2 * 2 ** tries) * (0.5 + Math.random() / 2)
}

export async function pause(seconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(seconds * 1000, undefined, signal ? { signal } : {})
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

const REQUEST_SECONDS = 300
const MAXIMUM_ANSWER_BYTES = 64 * 1024 * 1024

type RawRequest = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH'
  readonly path: string
  readonly body?: Uint8Array | undefined
  readonly headers: Readonly<Record<string, string>>
}
type RawAnswer = { readonly status: number; readonly retryAfter: number; readonly body: Uint8Array }

async function openDispatcher(): Promise<Dispatcher> {
  const { EnvHttpProxyAgent } = await import('undici')
  return new EnvHttpProxyAgent({ connect: { timeout: 10_000 }, maxHeaderSize: 16 * 1024 })
}

async function bounded(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > MAXIMUM_ANSWER_BYTES) throw new AbnError('ABN_PUBLISH_REFUSED', 'the answer of the cache is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function objectOf(body: Uint8Array, origin: string): JsonObject {
  const value = jsonOf(body)
  if (value !== undefined && isObject(value)) return value
  throw new AbnError('ABN_PUBLISH_REFUSED', `the answer of ${origin} is not one of a cache`)
}

function jsonOf(body: Uint8Array): JsonValue | undefined {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    return undefined
  }
}

/** The cache's own code where it is one that this version knows. */
function refusalOf(status: number, body: Uint8Array, origin: string): AbnError {
  const value = jsonOf(body)
  const error = value !== undefined && isObject(value) ? value.error : undefined
  const { code, message, hint } = error !== undefined && isObject(error) ? error : {}
  const text = typeof message === 'string' ? message.slice(0, 1000) : `status ${status}`
  return new AbnError(
    typeof code === 'string' && isErrorCode(code)
      ? code
      : status === 404
        ? 'ABN_CACHE_NOT_FOUND'
        : 'ABN_PUBLISH_REFUSED',
    `${origin}: ${text}`,
    {
      ...(typeof hint === 'string' ? { hint: hint.slice(0, 500) } : {}),
    },
  )
}

function isErrorCode(code: string): code is ErrorCode {
  return code.startsWith('ABN_CACHE_') && Object.hasOwn(ERRORS, code)
}
