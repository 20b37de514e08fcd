/**
 * What a builder tells on its loopback address: /healthz, /metrics (Prometheus), /status (its tasks as JSON). Reads only.
 */
import type { AddressInfo } from 'node:net'
import { AbnError } from '../../format/errors.ts'
import type { Store } from '../../store/store.ts'
import type { RealiseEvent } from '../realise/events.ts'
import type { SessionStatus } from '../session/status.ts'
import type { ServiceEvent } from './service-events.ts'
import { readTasks } from './tasks.ts'

export type Observer = AsyncDisposable & {
  /** http://host:port */
  readonly url: string
}

export type Counters = {
  note(event: ServiceEvent): void
  /** In the text format of Prometheus. */
  text(store: Store): string
  status(store: Store): unknown
}

export function createCounters(nowSeconds: () => number): Counters {
  const started = nowSeconds()
  const counts = new Map<string, number>()
  /** What is being built, by recipe. */
  const building = new Map<string, string>()
  let session: SessionStatus | undefined
  const note = (event: ServiceEvent): void => {
    if (event.kind === 'session') session = event.session
    if (event.kind === 'realise') noteBuilding(event.event, building)
    for (const [name, by] of countedBy(event)) counts.set(name, (counts.get(name) ?? 0) + by)
  }
  const text = (store: Store): string => {
    const tasks = readTasks(store)
    const gauges = ['waiting', 'done', 'failed'].map(
      (state) => `abn_builder_tasks{state="${state}"} ${tasks.filter((task) => task.state === state).length}`,
    )
    gauges.push(`abn_builder_contradicted ${tasks.filter((task) => task.contradictions.length > 0).length}`)
    gauges.push(`abn_builder_started_seconds ${started}`)
    if (session) gauges.push(...sessionGauges(session))
    return [...gauges, ...[...counts].sort().map(([name, count]) => `${name} ${count}`), ''].join('\n')
  }
  const status = (store: Store) => ({
    started,
    session: session ?? null,
    building: [...building.values()],
    tasks: readTasks(store),
  })
  return { note, text, status }
}

function sessionGauges({ key, tee, quote, perBuild, from, until }: SessionStatus): readonly string[] {
  const labels = Object.entries({ key, tee, quote, per_build: perBuild }).map(([name, value]) => `${name}="${value}"`)
  return [
    `abn_builder_session{${labels.join()}} 1`,
    `abn_builder_session_from_seconds ${from}`,
    `abn_builder_session_until_seconds ${until}`,
  ]
}

function noteBuilding(event: RealiseEvent, building: Map<string, string>): void {
  if (event.kind !== 'build-start' && event.kind !== 'build-done' && event.kind !== 'build-failed') return
  const { recipeHash, derivation } = event.build.package
  if (event.kind === 'build-start') building.set(recipeHash, `${derivation.name} ${derivation.version}`)
  else building.delete(recipeHash)
}

/** Which counters an event moves, and how far. */
function countedBy(event: ServiceEvent): readonly (readonly [string, number])[] {
  switch (event.kind) {
    case 'task-done':
      return [['abn_builder_tasks_ended_total{result="done"}', 1]]
    case 'task-failed':
      return [['abn_builder_tasks_ended_total{result="failed"}', 1]]
    case 'realise':
      return buildCountedBy(event.event)
    case 'attested':
      return [['abn_builder_statements_signed_total', event.fresh]]
    case 'published': {
      const { sent, bytes } = event.published
      return [
        ['abn_builder_files_sent_total', sent],
        ['abn_builder_bytes_sent_total', bytes],
      ]
    }
    case 'contradiction':
      return [['abn_builder_contradictions_total', 1]]
    case 'session':
      return [['abn_builder_sessions_total', 1]]
    case 'problem':
      return [['abn_builder_problems_total', 1]]
    case 'task-start':
    case 'idle':
      return []
    default:
      return event satisfies never
  }
}

function buildCountedBy(event: RealiseEvent): readonly (readonly [string, number])[] {
  if (event.kind === 'build-done' && event.how === 'built') return [['abn_builder_builds_total{result="done"}', 1]]
  return event.kind === 'build-failed' ? [['abn_builder_builds_total{result="failed"}', 1]] : []
}

/** Throws ABN_BUILDER_LISTEN. */
export async function startObserver(listen: string, store: Store, counters: Counters): Promise<Observer> {
  const { createServer } = await import('node:http')
  const server = createServer((request, response) => {
    const answer = answerTo(request.method ?? '', request.url ?? '', store, counters)
    response.writeHead(answer.status, { 'content-type': answer.type, 'cache-control': 'no-store' }).end(answer.body)
  })
  const colon = listen.lastIndexOf(':')
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '')
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const hint = 'choose another port in the field "listen", or leave the field out'
      reject(new AbnError('ABN_BUILDER_LISTEN', `cannot listen on ${listen}: ${cause.message}`, { hint, cause }))
    })
    server.listen(Number(listen.slice(colon + 1)), host, resolve)
  })
  return {
    url: urlOf(server.address()),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type Answered = { readonly status: number; readonly type: string; readonly body: string }

function answerTo(method: string, path: string, store: Store, counters: Counters): Answered {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: 'text/plain', body: 'only GET\n' }
  switch (path) {
    case '/healthz':
      return { status: 200, type: 'application/json', body: '{"status":"ok"}\n' }
    case '/metrics':
      return { status: 200, type: 'text/plain; version=0.0.4', body: counters.text(store) }
    case '/status':
      return { status: 200, type: 'application/json', body: `${JSON.stringify(counters.status(store))}\n` }
    default:
      return { status: 404, type: 'text/plain', body: 'there is /healthz, /metrics and /status\n' }
  }
}

function urlOf(address: string | AddressInfo | null): string {
  if (address === null || typeof address === 'string') throw new TypeError('urlOf: not a TCP address')
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${host}:${address.port}`
}
