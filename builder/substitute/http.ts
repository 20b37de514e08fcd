/**
 * Requests to a cache, by Node's own client. The cache is hostile: redirects are not followed, headers are bounded, an answer
 * that begins too late or drips is given up, and what comes is counted. Proxies are taken from the environment.
 */
import type { Agent as HttpAgent, IncomingMessage } from 'node:http'
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
  /** Throws ABN_CACHE_ANSWER, or the signal's reason. */
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
  /** Throws ABN_CACHE_ANSWER when it is cut off or too slow. Read it to its end, or call `drop`. */
  readonly chunks: () => AsyncGenerator<Uint8Array, void, void>
  readonly drop: () => void
}

export async function connectToCache(
  address: string,
  { pace = defaultPace, connections = 16 } = {},
): Promise<CacheConnection> {
  const isSecure = address.startsWith('https:')
  const http = isSecure ? await import('node:https') : await import('node:http')
  const agent: HttpAgent = new http.Agent({
    keepAlive: true,
    maxSockets: connections,
    scheduling: 'lifo',
    proxyEnv: process.env,
  })

  async function request(path: string, { headers = {}, body, signal }: RequestOptions = {}): Promise<Answer> {
    signal?.throwIfAborted()
    let isAnswered = false
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = http.request(
        `${address}${path}`,
        {
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
      }, pace.answerSeconds * 1000)
      sent.on('error', (error) => {
        clearTimeout(late)
        reject(signal?.aborted ? signal.reason : problem(address, error.message, error))
      })
      sent.end(body)
    })
    const status = response.statusCode ?? 0
    const drop = (): void => {
      response.on('error', () => {})
      response.destroy()
    }
    const encoding = response.headers['content-encoding']
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
      headers: flat(response),
      length: lengthOf(response),
      chunks: () => paced(response, { address, pace, signal }),
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
  for await (const chunk of answer.chunks()) {
    bytes += chunk.length
    if (bytes > maximum) throw tooLong()
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}

export function problem(address: string, reason: string, cause?: unknown): AbnError {
  return new AbnError('ABN_CACHE_ANSWER', `${address}: ${reason}`, cause === undefined ? {} : { cause })
}

type Paced = { readonly address: string; readonly pace: Pace; readonly signal: AbortSignal | undefined }

async function* paced(body: IncomingMessage, { address, pace, signal }: Paced): AsyncGenerator<Uint8Array, void, void> {
  let seen = 0
  let counted = 0
  let isWaiting = false
  // Only while we wait for the cache: what is slow at this end is not its fault.
  const timer = setInterval(() => {
    if (isWaiting && seen - counted < pace.bytes) {
      body.destroy(new Error(`fewer than ${pace.bytes} bytes in ${pace.seconds} s`))
    }
    counted = seen
  }, pace.seconds * 1000)
  const expected = lengthOf(body)
  try {
    isWaiting = true
    for await (const chunk of body) {
      isWaiting = false
      const bytes: Uint8Array = chunk
      seen += bytes.length
      yield bytes
      isWaiting = true
    }
    if (expected !== undefined && seen !== expected) throw new Error(`${seen} of ${expected} bytes came`)
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    if (error instanceof AbnError) throw error
    throw problem(address, error instanceof Error ? error.message : String(error), error)
  } finally {
    clearInterval(timer)
    body.on('error', () => {})
    body.destroy()
  }
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
