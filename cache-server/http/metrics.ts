/**
 * Counters for Prometheus (text exposition format 0.0.4). Names and labels are documented in docs/running-a-cache.md.
 */
export type Metrics = {
  add(name: CounterName, labels: Labels, by?: number): void
  observeRequest(request: Observed): void
  text(gauges: Readonly<Record<string, number>>): string
}

export type Observed = {
  readonly route: string
  readonly method: string
  readonly status: number
  readonly bytes: number
  readonly seconds: number
}

export type Labels = Readonly<Record<string, string>>
export type CounterName = keyof typeof COUNTERS

const COUNTERS = {
  abn_cache_evidence_total: 'Envelopes brought, by operator and result.',
  abn_cache_sessions_total: 'Sessions of builders brought, by operator and result.',
  abn_cache_uploads_total: 'Finished uploads by kind and result.',
  abn_cache_upload_bytes_total: 'Bytes of pieces taken.',
  abn_cache_pulls_total: 'Files asked of the upstream by kind and result.',
  abn_cache_log_cosignatures_total: 'What came of asking a witness, by witness and result.',
  abn_cache_faults_total: 'Failures of the server itself.',
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]

export function createMetrics(): Metrics {
  const counters = new Map<CounterName, Map<string, number>>()
  /** By route, method and status; labels are made only when they are read. */
  const requests = new Map<string, Omit<Observed, 'seconds' | 'bytes'> & { count: number; bytes: number }>()
  const durations = new Map<string, { readonly buckets: number[]; sum: number; count: number }>()

  function add(name: CounterName, labels: Labels, by = 1): void {
    const series = counters.get(name) ?? new Map<string, number>()
    counters.set(name, series)
    const key = encodeLabels(labels)
    series.set(key, (series.get(key) ?? 0) + by)
  }

  function observeRequest({ route, method, status, bytes, seconds }: Observed): void {
    const key = `${method} ${status} ${route}`
    const series = requests.get(key) ?? { route, method, status, count: 0, bytes: 0 }
    if (series.count === 0) requests.set(key, series)
    series.count++
    series.bytes += bytes
    const duration = durations.get(route) ?? { buckets: [...BUCKETS, 0].map(() => 0), sum: 0, count: 0 }
    if (duration.count === 0) durations.set(route, duration)
    const { buckets } = duration
    const first = BUCKETS.findIndex((limit) => seconds <= limit)
    const at = first === -1 ? BUCKETS.length : first
    buckets[at] = (buckets[at] ?? 0) + 1
    duration.sum += seconds
    duration.count++
  }

  function* requestLines(): Generator<string> {
    yield* headOf('abn_cache_requests_total', 'Requests by route, method and status.')
    for (const { route, method, status, count } of requests.values())
      yield `abn_cache_requests_total${encodeLabels({ route, method, status: `${status}` })} ${count}`
    yield* headOf('abn_cache_response_bytes_total', 'Bytes of answers by route.')
    for (const [route, all] of Map.groupBy(requests.values(), (one) => one.route))
      yield `abn_cache_response_bytes_total${encodeLabels({ route })} ${all.reduce((sum, one) => sum + one.bytes, 0)}`
  }

  function* lines(gauges: Readonly<Record<string, number>>): Generator<string> {
    yield* requestLines()
    for (const [name, series] of counters) {
      yield* headOf(name, COUNTERS[name])
      for (const [labels, value] of series) yield `${name}${labels} ${value}`
    }
    const histogram = 'abn_cache_request_seconds'
    yield* headOf(histogram, 'Time until an answer was complete, by route.', 'histogram')
    for (const [route, { buckets, sum, count }] of durations) {
      let until = 0
      for (const [i, le] of BUCKETS.entries()) {
        until += buckets[i] ?? 0
        yield `${histogram}_bucket${encodeLabels({ route, le: `${le}` })} ${until}`
      }
      yield `${histogram}_bucket${encodeLabels({ route, le: '+Inf' })} ${count}`
      yield `${histogram}_sum${encodeLabels({ route })} ${sum}`
      yield `${histogram}_count${encodeLabels({ route })} ${count}`
    }
    for (const [name, value] of Object.entries(gauges)) {
      yield `# TYPE ${name} gauge`
      yield `${name} ${value}`
    }
  }

  return { add, observeRequest, text: (gauges) => `${[...lines(gauges)].join('\n')}\n` }
}

function headOf(name: string, help: string, type = 'counter'): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]
}

function encodeLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/["\\\n]/g, '_')}"`)
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}
