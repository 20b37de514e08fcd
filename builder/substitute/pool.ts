/**
 * Who receives outputs: this thread and, when there is much to fetch, a few more, as making files is work for a core. Each takes
 * the next output when it has room; a few at once, so that the wire is busy while files are made. A thread that dies fails what it had.
 */
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { AbnError, ERRORS, type ErrorCode } from '../../format/errors.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { Pace } from './http.ts'
import { createReceiver, mostAtOnce, type Receipt, type Received, type Receiver } from './receive.ts'

export type Pool = AsyncDisposable & {
  /** `receiptNow` is called when its turn has come. Rejects with what receiveOutput throws. */
  receive(receiptNow: () => Receipt, onBytes: (bytes: number) => void): Promise<Received>
}

export type PoolOptions = {
  /** Of all that will be received, uncompressed. */
  readonly bytes: number
  readonly candidates: readonly StorePath[]
  readonly pace?: Pace | undefined
  readonly signal?: AbortSignal | undefined
  /** Those that startThreads has started already. They end with the pool. */
  readonly threads?: Promise<Threads> | undefined
}

/** Other threads that receive, ready before it is known what. They do not keep the process alive while they have nothing to do. */
export type Threads = AsyncDisposable & { readonly receivers: readonly Receiver[] }

/** Below this, starting threads costs more than it brings. */
const WORKER_BYTES = 20 * 1024 * 1024
const MOST_WORKERS = 3
/** Outputs that wait in another thread, for the moments in which this one is busy and hands out no more. */
const WAITING = 4

/** Outputs that may come, from which on threads are started before it is known how large they are: at about half a megabyte each. */
const MANY_OUTPUTS = 100

/**
 * While the caches are asked there is nothing else to do for another core. Undefined where so little may come that it does not pay.
 * To be given to openPool, or disposed of.
 */
export function startThreads(options: Pick<PoolOptions, 'candidates' | 'pace'>): Promise<Threads> | undefined {
  if (options.candidates.length < MANY_OUTPUTS) return undefined
  const started = startWorkers(options)
  // Told to whoever waits for them, which may be nobody.
  started.catch(() => {})
  return started
}

export async function openPool({ bytes, candidates, pace, signal, threads }: PoolOptions): Promise<Pool> {
  const started = threads ?? (bytes < WORKER_BYTES ? undefined : startWorkers({ candidates, pace }))
  const workers = await started
  const members: Member[] = [
    { receiver: createReceiver({ candidates, pace, signal }), most: mostAtOnce, busy: 0 },
    ...(workers?.receivers ?? []).map((receiver) => ({ receiver, most: mostAtOnce + WAITING, busy: 0 })),
  ]
  const waiting: ((member: Member) => void)[] = []

  async function place(): Promise<Member> {
    const free = members.filter(({ busy, most }) => busy < most).sort((a, b) => a.busy - b.busy)[0]
    const member = free ?? (await new Promise<Member>((resolve) => waiting.push(resolve)))
    if (free !== undefined) member.busy++
    return member
  }

  return {
    async receive(receiptNow, onBytes) {
      const member = await place()
      try {
        signal?.throwIfAborted()
        return await unlessAborted(member.receiver.receive(receiptNow(), onBytes), signal)
      } finally {
        // The place goes to whoever waits, and stays taken.
        const next = waiting.shift()
        if (next === undefined) member.busy--
        else next(member)
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map(({ receiver }) => receiver[Symbol.asyncDispose]()))
    },
  }
}

type Member = { readonly receiver: Receiver; readonly most: number; busy: number }

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

export type Order = { readonly id: number; readonly receipt: Receipt }

export type Reply =
  | { readonly kind: 'bytes'; readonly id: number; readonly bytes: number }
  | { readonly kind: 'received'; readonly id: number; readonly received: Received }
  | {
      readonly kind: 'failed'
      readonly id: number
      readonly message: string
      readonly code: string | undefined
      readonly hint: string | undefined
    }

type Task = { readonly done: PromiseWithResolvers<Received>; readonly onBytes: (bytes: number) => void }

async function startWorkers(options: Pick<PoolOptions, 'candidates' | 'pace'>): Promise<Threads> {
  const count = Math.max(1, Math.min(MOST_WORKERS, availableParallelism() - 1))
  const receivers = await Promise.all(Array.from({ length: count }, () => startWorker(options)))
  return {
    receivers,
    async [Symbol.asyncDispose]() {
      await Promise.all(receivers.map((receiver) => receiver[Symbol.asyncDispose]()))
    },
  }
}

async function startWorker(workerData: Pick<PoolOptions, 'candidates' | 'pace'>): Promise<Receiver> {
  const { Worker } = await import('node:worker_threads')
  const thread = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData,
    // What it keeps is little; a small heap is collected before it grows.
    resourceLimits: { maxYoungGenerationSizeMb: 3, maxOldGenerationSizeMb: 32 },
  })
  const tasks = tasksOf(thread)
  thread.unref()
  let next = 0
  return {
    receive(receipt, onBytes) {
      thread.ref()
      const done = Promise.withResolvers<Received>()
      const order: Order = { id: next++, receipt }
      tasks.set(order.id, { done, onBytes })
      thread.postMessage(order)
      return done.promise
    },
    async [Symbol.asyncDispose]() {
      await thread.terminate()
    },
  }
}

function tasksOf(thread: Worker): Map<number, Task> {
  const tasks = new Map<number, Task>()
  thread.on('message', (reply: Reply) => {
    const task = tasks.get(reply.id)
    if (task === undefined) return
    if (reply.kind === 'bytes') return task.onBytes(reply.bytes)
    tasks.delete(reply.id)
    if (reply.kind === 'received') task.done.resolve(reply.received)
    else task.done.reject(errorOf(reply))
  })
  const fail = (error: unknown): void => {
    for (const { done } of tasks.values()) done.reject(error)
    tasks.clear()
  }
  thread.on('error', fail)
  thread.on('exit', () => fail(new Error('a thread that unpacks has ended')))
  return tasks
}

function errorOf({ message, code, hint }: Extract<Reply, { kind: 'failed' }>): Error {
  return isErrorCode(code) ? new AbnError(code, message, hint === undefined ? {} : { hint }) : new Error(message)
}

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(ERRORS, code)
}
