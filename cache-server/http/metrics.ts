/**
 * Counters for Prometheus (text exposition format 0.0.4). Names and labels are documented in docs/running-a-cache.md.
 */
export type Metrics = {
  add(name: CounterName, labels: Labels, by?: number): void
  observeSeconds(route: string, seconds: number): void
  text(gauges: Readonly<Record<string, number>>): string
}

export type Labels = Readonly<Record<string, string>>
export type CounterName = keyof typeof COUNTERS

const COUNTERS = {
  abn_cache_requests_total: 'Requests by route, method and status.',
  abn_cache_response_bytes_total: 'Bytes of answers by route.',
  abn_cache_evidence_total: 'Envelopes brought, by operator and result.',
  abn_cache_uploads_total: 'Finished uploads by kind and result.',
  abn_cache_upload_bytes_total: 'Bytes of pieces taken.',
  abn_cache_pulls_total: 'Files asked of the upstream by kind and result.',
  abn_cache_faults_total: 'Failures of the server itself.',
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]

export function createMetrics(): Metrics {
  const counters = new Map<CounterName, Map<string, number>>()
  const durations = new Map<string, { readonly buckets: number[]; sum: number; count: number }>()

  function add(name: CounterName, labels: Labels, by = 1): void {
    const series = counters.get(name) ?? new Map<string, number>()
    counters.set(name, series)
    const key = encodeLabels(labels)
    series.set(key, (series.get(key) ?? 0) + by)
  }

  function observeSeconds(route: string, seconds: number): void {
    const duration = durations.get(route) ?? { buckets: BUCKETS.map(() => 0), sum: 0, count: 0 }
    durations.set(route, duration)
    BUCKETS.forEach((limit, i) => {
      if (seconds <= limit) duration.buckets[i] = (duration.buckets[i] ?? 0) + 1
    })
    duration.sum += seconds
    duration.count++
  }

  function* lines(gauges: Readonly<Record<string, number>>): Generator<string> {
    for (const [name, series] of counters) {
      yield `# HELP ${name} ${COUNTERS[name]}`
      yield `# TYPE ${name} counter`
      for (const [labels, value] of series) yield `${name}${labels} ${value}`
    }
    const histogram = 'abn_cache_request_seconds'
    yield `# HELP ${histogram} Time until an answer was complete, by route.`
    yield `# TYPE ${histogram} histogram`
    for (const [route, { buckets, sum, count }] of durations) {
      for (const [i, le] of BUCKETS.entries())
        yield `${histogram}_bucket${encodeLabels({ route, le: `${le}` })} ${buckets[i]}`
      yield `${histogram}_bucket${encodeLabels({ route, le: '+Inf' })} ${count}`
      yield `${histogram}_sum${encodeLabels({ route })} ${sum}`
      yield `${histogram}_count${encodeLabels({ route })} ${count}`
    }
    for (const [name, value] of Object.entries(gauges)) {
      yield `# TYPE ${name} gauge`
      yield `${name} ${value}`
    }
  }

  return { add, observeSeconds, text: (gauges) => `${[...lines(gauges)].join('\n')}\n` }
}

function encodeLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/["\\\n]/g, '_')}"`)
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}
