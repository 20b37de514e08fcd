// One GET over HTTP(S): proxies, connect timeout, redirects. Follows only http and https, at most `maxRedirects` times.
// Trusts nothing that comes back; bodies are bounded and hashed by download.ts. undici is loaded on the first request.

import type { Dispatcher } from 'undici'
import { type AptProxies, parseAptProxies, readAptConfig } from './apt.ts'
import { type Candidate, showUrl } from './mirrors.ts'
import { type Failure, failureOf } from './outcome.ts'

export type HttpOptions = {
  readonly connectSeconds: number
  readonly headersSeconds: number
  readonly maxRedirects: number
  readonly aptConfig?: () => Promise<string>
}

export type HttpResponse = {
  readonly kind: 'response'
  readonly status: number
  readonly url: URL // the last of the redirects
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: AsyncIterable<Uint8Array> & { destroy(): unknown; on(event: 'error', listener: () => void): unknown }
}

export type GetOptions = {
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly isDead: (origin: string) => boolean
}

export class Http {
  readonly #options: HttpOptions
  readonly #dispatchers = new Map<string, Promise<Dispatcher>>()
  #aptProxies: Promise<AptProxies> | undefined

  constructor(options: HttpOptions) {
    this.#options = options
  }

  /** Answers with headers, or with why there were none. `failure.origin` names the host that is to blame. */
  async get(candidate: Candidate, options: GetOptions): Promise<HttpResponse | Failure> {
    const { request } = await import('undici')
    let url = candidate.url
    for (let redirects = 0; ; redirects += 1) {
      let response: Dispatcher.ResponseData
      try {
        response = await request(showUrl(url), {
          dispatcher: await this.#dispatcherFor(url, candidate.via),
          headers: { 'accept-encoding': 'identity', ...options.headers, ...authorizationOf(url, candidate.url) },
          signal: options.signal,
        })
      } catch (error) {
        return failureOf(error, url)
      }
      const headers = flatten(response.headers)
      if (response.statusCode < 300 || response.statusCode > 399 || headers.location === undefined) {
        return { kind: 'response', status: response.statusCode, url, headers, body: response.body }
      }
      discard(response.body)
      const next = URL.parse(headers.location, url)
      if (next === null || (next.protocol !== 'http:' && next.protocol !== 'https:')) {
        return { kind: 'failed', why: 'redirect', detail: 'redirected to an address that is not http or https' }
      }
      if (redirects === this.#options.maxRedirects) {
        const detail = `redirected more than ${redirects} times, last to ${showUrl(next)}`
        return { kind: 'failed', why: 'redirect', detail }
      }
      if (options.isDead(next.origin)) {
        return {
          kind: 'failed',
          why: 'skipped',
          detail: `redirected to ${next.host}, which failed earlier in this run`,
        }
      }
      url = next
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const dispatcher of this.#dispatchers.values()) await (await dispatcher).destroy()
    this.#dispatchers.clear()
  }

  async #dispatcherFor(url: URL, via: Candidate['via']): Promise<Dispatcher> {
    let proxy: string | undefined
    if (via === 'apt') {
      this.#aptProxies ??= (this.#options.aptConfig ?? readAptConfig)().then(parseAptProxies)
      proxy = (await this.#aptProxies).proxyOf(url)
    }
    const key = proxy ?? 'environment'
    const known = this.#dispatchers.get(key)
    if (known) return known
    const made = this.#openDispatcher(proxy)
    this.#dispatchers.set(key, made)
    return made
  }

  async #openDispatcher(proxy: string | undefined): Promise<Dispatcher> {
    const { Agent, EnvHttpProxyAgent, ProxyAgent } = await import('undici')
    const settings = {
      connect: { timeout: this.#options.connectSeconds * 1000 },
      headersTimeout: this.#options.headersSeconds * 1000,
      bodyTimeout: 0, // download.ts watches the rate instead
      maxHeaderSize: 16 * 1024,
    }
    if (proxy === undefined) return new EnvHttpProxyAgent(settings)
    return proxy === 'DIRECT' ? new Agent(settings) : new ProxyAgent({ uri: proxy, ...settings })
  }
}

/** Drops what is left of a body without waiting for it. */
export function discard(body: HttpResponse['body']): void {
  body.on('error', () => {})
  body.destroy()
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string | undefined> {
  const single = Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value])
  return Object.fromEntries(single)
}

/** Credentials in an address go to that address's own origin, never to where it redirects. */
function authorizationOf(url: URL, first: URL): Record<string, string> {
  if (url.origin !== first.origin || first.username === '') return {}
  const pair = `${decodeURIComponent(first.username)}:${decodeURIComponent(first.password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}
