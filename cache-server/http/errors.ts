/**
 * What clients see of failures: {error: {code, message, hint}} with a status. Only the codes in the table are shown; all
 * else, a bug or a disk that fails, is one sentence for the client and a full report for the operator's log.
 */
import type { FastifyError } from 'fastify'
import { AbnError, type ErrorCode } from '../../format/errors.ts'

export type Failure = {
  readonly status: number
  readonly body: { readonly error: { readonly code: ErrorCode; readonly message: string; readonly hint?: string } }
  /** The client is not to blame. */
  readonly isFault: boolean
}

export function failureOf(error: unknown): Failure {
  if (error instanceof AbnError) {
    const status = STATUS[error.code]
    if (status !== undefined) return failure(status, error.code, error.message, error.hint)
  }
  if (isFastifyError(error)) {
    const { statusCode = 500 } = error
    if (statusCode === 413) return failure(413, 'ABN_CACHE_LIMIT', 'the body is larger than this cache allows')
    if (statusCode === 503) return failure(503, 'ABN_CACHE_FAULT', 'the cache is stopping', 'try again later')
    if (statusCode === 404) return failure(404, 'ABN_CACHE_NOT_FOUND', 'there is nothing here')
    if (statusCode < 500) return failure(statusCode, 'ABN_CACHE_REQUEST', printable(error.message))
  }
  if (isAbort(error)) return failure(400, 'ABN_CACHE_REQUEST', 'the request ended before its body was complete')
  if (isDiskFull(error)) {
    return { ...failure(507, 'ABN_CACHE_LIMIT', 'the disk of the cache is full'), isFault: true }
  }
  return { ...failure(500, 'ABN_CACHE_FAULT', 'the cache failed', 'try again later, or another cache'), isFault: true }
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  ABN_ARCHIVE_INVALID: 422,
  ABN_ARCHIVE_LIMIT: 422,
  ABN_BUNDLE_INVALID: 400,
  ABN_CACHE_CLOCK: 401,
  ABN_CACHE_FOREIGN: 403,
  ABN_CACHE_LIMIT: 413,
  ABN_CACHE_NOT_FOUND: 404,
  ABN_CACHE_RANGE: 416,
  ABN_CACHE_RATE: 429,
  ABN_CACHE_REPLAYED: 401,
  ABN_CACHE_REQUEST: 400,
  ABN_CACHE_STATEMENT_REFUSED: 422,
  ABN_CACHE_UNAUTHORISED: 401,
  ABN_CACHE_UPLOAD_BUSY: 409,
  ABN_CACHE_UPLOAD_OFFSET: 409,
  ABN_CACHE_UPLOAD_REFUSED: 422,
  ABN_CACHE_UPSTREAM: 502,
  ABN_ENVELOPE_INVALID: 400,
  ABN_HASH_INVALID: 400,
  ABN_JSON_INVALID: 400,
  ABN_NOTE_INVALID: 400,
  ABN_SESSION_INVALID: 400,
  ABN_SIGNATURE_INVALID: 422,
  ABN_STATEMENT_INVALID: 400,
}

function failure(status: number, code: ErrorCode, message: string, hint?: string): Failure {
  return {
    status,
    body: { error: { code, message: printable(message), ...(hint === undefined ? {} : { hint }) } },
    isFault: false,
  }
}

function printable(text: string): string {
  return text.replace(/\p{C}/gu, '?').slice(0, 1000)
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
}

/** The client went away while its body was being read; nobody sees the answer. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET' && error.message === 'aborted'
}

function isDiskFull(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) {
    if ('code' in one && (one.code === 'ENOSPC' || one.code === 'EDQUOT')) return true
  }
  return false
}
