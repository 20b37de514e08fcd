/**
 * Requests to a cache, by Node's own client. The cache is hostile: redirects are not followed, headers are bounded, an answer
 * that begins too late or drips is given up, and what comes is counted. Proxies are taken from the environment.
 */
import type { Agent as HttpAgent, IncomingMessage } from 'node:http'
import { urlToHttpOptions } from 'node:url'
import { AbnError } from '../../format/errors.ts'

export type Pace = {
  /** Until there are headers. */
  readonly answerSeconds: number
  /** At least so many bytes in each so many seconds, afterwards. */
  readonly bytes: number
  readonly seconds: number
}

export const defaultPace: Pace = { answerSeconds: 15, bytes: 8192, seconds: 10 }

export type CacheConnection = Disposable & {
  /** Without a slash at its end. */
  readonly address: string
  /** Only questions: one may be sent more than once. Throws ABN_CACHE_ANSWER, or the signal's reason. */
  request(path: string, options?: RequestOptions): Promise<Answer>
}

export type RequestOptions = {
  readonly headers?: Readonly<Record<string, string>>
  /** Makes it a POST. */
  readonly body?: string
  readonly signal?: AbortSignal | undefined
}

export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Bytes; undefined where the cache does not say. */
  readonly length: number | undefined
  /**
   * Hands over all that comes. Throws what `take` throws, and ABN_CACHE_ANSWER when the answer is cut off, dropped or too slow.
   * Either this or `drop` is to be called.
   */
  readonly read: (take: TakeChunk) => Promise<void>
  readonly drop: () => void
}

/** No more comes before the promise has resolved, where there is one. */
export type TakeChunk = (chunk: Uint8Array) => Promise<void> | undefined

export async function connectToCache(
  address: string,
  { pace = defaultPace, connections = 16 } = {},
): Promise<CacheConnection> {
  const url = new URL(address)
  const where = urlToHttpOptions(url)
  const base = url.pathname === '/' ? '' : url.pathname
  // An import would have Node make all that the module exports, and some of it loads for long.
  const http = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http')
  const agent: HttpAgent = new http.Agent({
    keepAlive: true,
    maxSockets: connections,
    scheduling: 'lifo',
    proxyEnv: process.env,
  })

  /** Undefined when the connection was one that had been idle, and was gone. `deadline`: as performance.now() counts. */
  function send(
    path: string,
    { headers = {}, body, signal }: RequestOptions,
    deadline: number,
  ): Promise<IncomingMessage | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage | undefined>()
    let isAnswered = false
    const sent = http.request(
      {
        ...where,
        path: `${base}${path}`,
        agent,
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'accept-encoding': 'identity', 'user-agent': 'abnpkg', ...headers },
        maxHeaderSize: 16 * 1024,
        ...(signal === undefined ? {} : { signal }),
      },
      (answer) => {
        isAnswered = true
        clearTimeout(late)
        resolve(answer)
      },
    )
    // What has arrived by then is looked at first: it may be this thread that was busy.
    const late = setTimeout(() => {
      setImmediate(() => {
        if (!isAnswered) sent.destroy(new Error(`no answer in ${pace.answerSeconds} s`))
      })
    }, deadline - performance.now())
    sent.on('error', (error) => {
      clearTimeout(late)
      if (signal?.aborted) reject(signal.reason)
      else if (sent.reusedSocket && isHangUp(error)) resolve(undefined)
      else reject(problem(address, error.message, error))
    })
    sent.end(body)
    return promise
  }

  /** A server may close what is idle just when it is used again; so many can be idle, and a new one is none of them. */
  async function answerTo(path: string, options: RequestOptions): Promise<IncomingMessage> {
    const deadline = performance.now() + pace.answerSeconds * 1000
    for (let attempts = connections + 1; attempts > 0; attempts--) {
      const answer = await send(path, options, deadline)
      if (answer !== undefined) return answer
    }
    throw problem(address, 'it closes every connection that it has kept open')
  }

  async function request(path: string, options: RequestOptions = {}): Promise<Answer> {
    const { signal } = options
    signal?.throwIfAborted()
    const answer = await answerTo(path, options)
    const status = answer.statusCode ?? 0
    const drop = (): void => {
      answer.on('error', () => {})
      answer.destroy()
    }
    const encoding = answer.headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') {
      drop()
      throw problem(
        address,
        `it sent the content encoding ${JSON.stringify(encoding.slice(0, 40))} that nobody asked for`,
      )
    }
    if (status >= 300 && status < 400) {
      drop()
      throw problem(address, `it redirects (${status}), which no cache may do`)
    }
    return {
      status,
      headers: flat(answer),
      length: lengthOf(answer),
      read: (take) => handOver(answer, take, { address, pace, signal }),
      drop,
    }
  }

  return { address, request, [Symbol.dispose]: () => agent.destroy() }
}

/** All of a body that may have at most so many bytes. Throws ABN_CACHE_ANSWER. */
export async function readWhole(answer: Answer, address: string, maximum: number): Promise<Buffer> {
  const tooLong = (): AbnError => problem(address, `it sent more than ${maximum} bytes`)
  if ((answer.length ?? 0) > maximum) {
    answer.drop()
    throw tooLong()
  }
  const parts: Uint8Array[] = []
  let bytes = 0
  await answer.read((chunk) => {
    bytes += chunk.length
    if (bytes > maximum) throw tooLong()
    parts.push(chunk)
    return undefined
  })
  return Buffer.concat(parts)
}

export function problem(address: string, reason: string, cause?: unknown): AbnError {
  return new AbnError('ABN_CACHE_ANSWER', `${address}: ${reason}`, cause === undefined ? {} : { cause })
}

type Paced = { readonly address: string; readonly pace: Pace; readonly signal: AbortSignal | undefined }

/** By events rather than by an iterator, which would take as long as all the rest of a small answer. */
function handOver(body: IncomingMessage, take: TakeChunk, { address, pace, signal }: Paced): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const expected = lengthOf(body)
  let seen = 0
  let counted = 0
  let isTaking = false
  let isOver = false
  // Not while a chunk is being taken: what is slow at this end is not the cache's fault.
  const timer = setInterval(() => {
    const before = counted
    const isSlow = (): boolean => !isTaking && seen - before < pace.bytes
    counted = seen
    if (!isSlow()) return
    // What has arrived by then is looked at first: it may be this thread that was busy.
    setImmediate(() => {
      if (isSlow()) fail(new Error(`fewer than ${pace.bytes} bytes in ${pace.seconds} s`))
    })
  }, pace.seconds * 1000)

  const end = (error?: unknown): void => {
    if (isOver) return
    isOver = true
    clearInterval(timer)
    if (error === undefined) resolve()
    else {
      body.destroy()
      reject(error)
    }
  }
  const fail = (error: Error): void => end(signal?.aborted ? signal.reason : problem(address, error.message, error))

  body.on('data', (chunk: Uint8Array) => {
    if (isOver) return
    seen += chunk.length
    try {
      const taken = take(chunk)
      if (taken === undefined) return
      isTaking = true
      body.pause()
      taken.then(() => {
        isTaking = false
        body.resume()
      }, end)
    } catch (error) {
      end(error)
    }
  })
  body.on('end', () => {
    if (expected !== undefined && seen !== expected) fail(new Error(`${seen} of ${expected} bytes came`))
    else end()
  })
  body.on('error', fail)
  body.on('close', () => fail(new Error('it was cut off')))
  return promise
}

function isHangUp(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

function flat(response: IncomingMessage): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  )
}

function lengthOf({ headers }: IncomingMessage): number | undefined {
  const text = headers['content-length']
  return text !== undefined && /^[0-9]{1,20}$/.test(text) ? Number(text) : undefined
}
