/**
 * What holds for every answer, whoever makes it: the time that it may take, the headers that it carries, its line in the access
 * log and its place in the counters.
 */
import type { ServerResponse } from 'node:http'
import type { Metrics } from './metrics.ts'

export type Answered = {
  /** The pattern of the route, or 'none'. */
  readonly route: string
  readonly method: string
  readonly status: number
  /** Of the body. */
  readonly bytes: number
  readonly milliseconds: number
  readonly address: string
  readonly path: string
}

export type Observation = {
  /** Cuts off a reader who takes too long. */
  limitTime(response: ServerResponse): void
  note(answered: Answered): void
}

export type ObservationOptions = {
  readonly metrics: Metrics
  /** One line of JSON for each request. */
  readonly accessLog: ((line: string) => void) | undefined
  readonly responseSeconds: number
}

/** A browser that is led here must not take a file for a page or a script. */
export const safetyHeaders = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'",
} as const

export function createObservation({ metrics, accessLog, responseSeconds }: ObservationOptions): Observation {
  return {
    limitTime(response) {
      const timer = setTimeout(() => response.socket?.destroy(), responseSeconds * 1000)
      timer.unref()
      response.once('close', () => clearTimeout(timer))
    },
    note({ route, method, status, bytes, milliseconds, address, path }) {
      metrics.observeRequest({ route, method, status, bytes, seconds: milliseconds / 1000 })
      accessLog?.(
        JSON.stringify({
          time: new Date().toISOString(),
          address,
          method,
          path: path.slice(0, 300),
          status,
          bytes,
          milliseconds: Math.round(milliseconds * 10) / 10,
        }),
      )
    },
  }
}
