/** What a builder does, as it does it. Text comes from builds and servers: strip it before printing it. */
import type { AbnError } from '../../format/errors.ts'
import type { RealiseEvent } from '../realise/events.ts'
import type { SessionStatus } from '../session/status.ts'
import type { Published } from './publish.ts'
import type { Contradiction, Task } from './tasks.ts'

export type ServiceEvent =
  | { readonly kind: 'task-start'; readonly task: Task }
  | { readonly kind: 'realise'; readonly event: RealiseEvent }
  | { readonly kind: 'attested'; readonly task: Task; readonly statements: number; readonly fresh: number }
  | { readonly kind: 'published'; readonly task: Task; readonly cache: string; readonly published: Published }
  /** One that can sign now. */
  | { readonly kind: 'session'; readonly session: SessionStatus }
  /** Somebody else states another result. It is published what was built here all the same. */
  | { readonly kind: 'contradiction'; readonly task: Task; readonly contradiction: Contradiction }
  | { readonly kind: 'task-done'; readonly task: Task }
  | { readonly kind: 'task-failed'; readonly task: Task; readonly error: AbnError }
  /** Something outside a task went wrong, and will be tried again. */
  | { readonly kind: 'problem'; readonly error: AbnError }
  | { readonly kind: 'idle'; readonly seconds: number }
