/**
 * Follows the logs at some addresses, once or until it is stopped. Each address has a loop of its own, so that one that is slow or lies
 * delays none of the others; what concerns one log is done one at a time, also when several addresses show it.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { canonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { parseCheckpoint } from '../../trust/log/checkpoint.ts'
import { openLogReader } from '../log/read-log.ts'
import type { Pace } from '../substitute/http.ts'
import { type Finding, jsonOfFinding, type Severity, severityOf } from './finding.ts'
import { type Looking, lookAt } from './look.ts'
import { defaultLimits, openMonitorState, type StateLimits } from './state.ts'
import type { Watch } from './watch.ts'
import { deliver, type Webhook } from './webhook.ts'

export type MonitorOptions = {
  /** Where the logs are (logAddressOf). */
  readonly urls: readonly string[]
  readonly watch: Watch
  /** For the state, and for files with proof. */
  readonly directory: string
  readonly once: boolean
  readonly everySeconds: number
  /** How long witnesses may be silent. */
  readonly staleSeconds: number
  /** How long a log may stand still. */
  readonly idleSeconds: number
  readonly webhook?: URL | undefined
  readonly signal: AbortSignal
  readonly nowSeconds: () => number
  /** May be called again with what was told before, when the process was killed in between. */
  readonly onFinding: (finding: Finding) => void
  readonly onProblem: (text: string) => void
  readonly pace?: Pace
  readonly limits?: StateLimits
  /** After how long a look pauses, when there is more to read than it could. */
  readonly lookSeconds?: number
}

export type Monitored = {
  /** How often something was told. */
  readonly told: Readonly<Record<Severity, number>>
  readonly logs: readonly {
    readonly origin: string
    readonly url: string
    readonly size: number
    readonly read: number
  }[]
}

/** Throws ABN_MONITOR_STATE, and what the disk throws. Returns when it is stopped, too. */
export async function runMonitor(options: MonitorOptions): Promise<Monitored> {
  const {
    directory,
    watch,
    once,
    signal,
    nowSeconds,
    webhook,
    onProblem,
    limits = defaultLimits,
    lookSeconds = 300,
  } = options
  using state = openMonitorState(directory, limits)
  const told = { alarm: 0, warning: 0, news: 0 }
  const looking: Looking = {
    state,
    watch,
    nowSeconds,
    alarms: join(directory, 'alarms'),
    repeats: once,
    staleSeconds: options.staleSeconds,
    idleSeconds: options.idleSeconds,
    lookSeconds,
    inTurn: turns(),
    tell(finding) {
      told[severityOf(finding.what)]++
      if (webhook !== undefined) state.enqueue(canonicalJson(jsonOfFinding(finding)))
      options.onFinding(finding)
    },
  }
  const stop = new AbortController()
  const stopped = AbortSignal.any([signal, stop.signal])
  const sending = webhook === undefined ? undefined : { url: webhook, state, nowSeconds, onProblem }
  try {
    const loops = options.urls.map((url) => follow(url, { ...options, lookSeconds, signal: stopped }, looking))
    const sender = sending === undefined || once ? [] : [sendOn(sending, stopped)]
    await Promise.all([...loops, ...sender])
    if (sending !== undefined && once) await sendNow(sending, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    stop.abort()
  }
  const logs = [...watch.logs.values()].flatMap((log) => {
    const { read, note, url } = state.log(log.id)
    return note === null ? [] : [{ origin: log.name, url, size: parseCheckpoint(note.text).size, read: read.size }]
  })
  return { told, logs }
}

type Following = Pick<MonitorOptions, 'once' | 'everySeconds' | 'signal' | 'pace'> & { readonly lookSeconds: number }

async function follow(
  url: string,
  { once, everySeconds, signal, pace, lookSeconds }: Following,
  looking: Looking,
): Promise<void> {
  while (!signal.aborted) {
    // readOn stops by itself after half of this; what takes longer is a log that does not answer.
    const late = new AbortController()
    const reason = new AbnError('ABN_CACHE_ANSWER', `${url}: it took longer than ${2 * lookSeconds} s`)
    const timer = setTimeout(() => late.abort(reason), 2000 * lookSeconds)
    let isDone: boolean
    try {
      using reader = await openLogReader(url, {
        signal: AbortSignal.any([signal, late.signal]),
        ...(pace ? { pace } : {}),
      })
      isDone = await lookAt(reader, looking)
    } finally {
      clearTimeout(timer)
    }
    if (isDone && once) return
    if (isDone) await delay(everySeconds * 1000, undefined, { signal })
  }
}

/** For who does not stay: what waits is tried whatever pause it has. */
async function sendNow(webhook: Webhook, signal: AbortSignal): Promise<void> {
  for (let pause = 1; pause <= 4; pause *= 2) {
    if (await deliver({ ...webhook, ignoresPauses: true }, signal)) return
    if (pause < 4) await delay(pause * 1000, undefined, { signal })
  }
}

async function sendOn(webhook: Webhook, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await deliver(webhook, signal)
    await delay(1000, undefined, { signal })
  }
}

/** What has the same name is done in the order in which it was asked for. */
function turns(): Looking['inTurn'] {
  const last = new Map<string, Promise<unknown>>()
  return async (name, work) => {
    const before = last.get(name) ?? Promise.resolve()
    const mine = before.then(work, work)
    const settled = mine.catch(() => {})
    last.set(name, settled)
    return mine
  }
}
