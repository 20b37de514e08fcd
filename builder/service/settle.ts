/** How a task that failed goes on: what passes by itself is tried for ever, what does not a few times, what cannot pass not at all. */
import { AbnError, type ErrorCode } from '../../format/errors.ts'
import { mayPass } from './remote.ts'
import type { Service } from './run.ts'
import type { Task } from './tasks.ts'

/** Anything that was thrown, as something that can be shown. A mistake of ours ends a task, and not the service. */
export function problemOf(error: unknown): AbnError {
  if (error instanceof AbnError) return error
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new AbnError('ABN_BUG', `something that should not happen: ${text}`, { cause: error })
}

/** About the machine: every other task would meet it too. */
export function isFatal(error: unknown): boolean {
  return error instanceof AbnError && (error.code === 'ABN_DISK_FULL' || error.code === 'ABN_STORE_UNUSABLE')
}

/** A person has to do something first. */
const PERMANENT: ReadonlySet<ErrorCode> = new Set(['ABN_ATTEST_REVOKED', 'ABN_ATTEST_SUBSTITUTED'])

/** Goes on when a cache is updated, or when the host gives quotes again: the session's key is kept for so long. */
const WAITED_FOR: ReadonlySet<ErrorCode> = new Set([
  'ABN_PUBLISH_SESSIONS',
  'ABN_TEE_FETCH',
  'ABN_TEE_GUEST',
  'ABN_TEE_UNAVAILABLE',
])

export function afterFailure(
  task: Task,
  error: AbnError,
  { config: { retry }, nowSeconds }: Pick<Service, 'config' | 'nowSeconds'>,
): Partial<Task> {
  const attempts = task.attempts + 1
  const seconds = Math.min(retry.maximumSeconds, retry.firstSeconds * 2 ** Math.min(20, attempts - 1))
  const isWaitedFor = mayPass(error) || WAITED_FOR.has(error.code)
  const isOver = PERMANENT.has(error.code) || (!isWaitedFor && attempts >= retry.attempts)
  return {
    state: isOver ? 'failed' : 'waiting',
    attempts,
    notBefore: nowSeconds() + seconds,
    error: { code: error.code, message: error.message.slice(0, 4000).replaceAll('\0', '') },
  }
}
