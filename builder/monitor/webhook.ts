/**
 * Sends findings to an address, as JSON by POST: `{"findings":[…],"format":1}`. They wait in the state until the address has taken them;
 * a failure is tried again after a pause that doubles, and given up after so many times. Nothing waits for it. The address may
 * be secret: only its host is ever told.
 */
import { canonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { connectToCache, readWhole } from '../substitute/http.ts'
import type { MonitorState } from './state.ts'

export type Webhook = {
  readonly url: URL
  readonly state: MonitorState
  readonly nowSeconds: () => number
  readonly onProblem: (text: string) => void
  readonly ignoresPauses?: boolean
}

/** Throws ABN_USAGE. */
export function parseWebhook(text: string): URL {
  const url = URL.parse(text)
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === '' && text.length <= 2000) return url
  throw new AbnError('ABN_USAGE', 'monitor: option --webhook: expected an address such as https://example.org/hook')
}

/** Sends what is due. Resolves to whether all of it was taken. */
export async function deliver(webhook: Webhook, signal: AbortSignal): Promise<boolean> {
  const { url, state, nowSeconds, onProblem, ignoresPauses = false } = webhook
  for (;;) {
    const batch = state.due(ignoresPauses ? Number.MAX_SAFE_INTEGER : nowSeconds(), MOST_AT_ONCE)
    if (batch.length === 0) return true
    const ids = batch.map(({ id }) => id)
    try {
      await post(url, canonicalJson({ findings: batch.map(({ body }) => JSON.parse(body)), format: 1 }), signal)
      state.atomically(() => state.sent(ids))
    } catch (error) {
      if (signal.aborted) throw signal.reason
      const tries = Math.max(...batch.map((one) => one.tries)) + 1
      const given = batch.filter((one) => one.tries + 1 >= MOST_TRIES).map(({ id }) => id)
      const reason = error instanceof Error ? error.message.replaceAll(url.href, url.origin) : String(error)
      onProblem(
        `webhook at ${url.origin}: ${reason}${given.length > 0 ? `; ${given.length} findings were given up` : ''}`,
      )
      state.atomically(() => {
        state.postpone(ids, nowSeconds() + Math.min(MOST_PAUSE, FIRST_PAUSE * 2 ** (tries - 1)))
        state.sent(given)
      })
      return false
    }
  }
}

const MOST_AT_ONCE = 100
const MOST_TRIES = 100
const FIRST_PAUSE = 10
const MOST_PAUSE = 3600
const ANSWER_BYTES = 64 * 1024

async function post(url: URL, body: string, signal: AbortSignal): Promise<void> {
  using connection = await connectToCache(url.origin, { connections: 1 })
  const limited = AbortSignal.any([signal, AbortSignal.timeout(30_000)])
  const headers = { 'content-type': 'application/json' }
  const answer = await connection.request(`${url.pathname}${url.search}`, { body, headers, signal: limited })
  if (answer.status < 200 || answer.status > 299) {
    answer.drop()
    throw new AbnError('ABN_CACHE_ANSWER', `status ${answer.status}`)
  }
  await readWhole(answer, url.origin, ANSWER_BYTES)
}
