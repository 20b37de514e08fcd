/**
 * Who receives outputs: this thread and, when there is much to fetch, a few more, as making files is work for a core. Each takes
 * the next output when it has room; a few at once, so that the wire is busy while files are made. A thread that dies fails what it had.
 */
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { AbnError, ERRORS, type ErrorCode } from '../../format/errors.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { SignedBytes } from '../../trust/ed25519.ts'
import type { Helper } from '../../trust/verify-ahead.ts'
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
export type Threads = AsyncDisposable & {
  readonly receivers: readonly Receiver[]
  /** The first of them, as long as it receives nothing. */
  readonly helper: Helper
}

/** Below this, starting threads costs more than it brings. */
const WORKER_BYTES = 20 * 1024 * 1024
const MOST_WORKERS = 3
/** Messages with signatures that another thread has at the same time: one to work on, one for when it has done that. */
const MOST_TO_VERIFY = 2
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

export type Order =
  | { readonly kind: 'receive'; readonly id: number; readonly receipt: Receipt }
  | { readonly kind: 'verify'; readonly id: number; readonly signed: readonly SignedBytes[] }

export type Reply =
  | { readonly kind: 'bytes'; readonly id: number; readonly bytes: number }
  | { readonly kind: 'received'; readonly id: number; readonly received: Received }
  | { readonly kind: 'verified'; readonly id: number; readonly valid: readonly boolean[] }
  | {
      readonly kind: 'failed'
      readonly id: number
      readonly message: string
      readonly code: string | undefined
      readonly hint: string | undefined
    }

type Task = {
  readonly done: (reply: Extract<Reply, { kind: 'received' | 'verified' }>) => void
  readonly failed: (error: unknown) => void
  readonly onBytes: (bytes: number) => void
}

type Thread = Receiver & { readonly helper: Helper }

async function startWorkers(options: Pick<PoolOptions, 'candidates' | 'pace'>): Promise<Threads> {
  const count = Math.max(1, Math.min(MOST_WORKERS, availableParallelism() - 1))
  const receivers = await Promise.all(Array.from({ length: count }, () => startWorker(options)))
  const [first] = receivers
  if (first === undefined) throw new TypeError('startWorkers: none')
  return {
    receivers,
    helper: first.helper,
    async [Symbol.asyncDispose]() {
      await Promise.all(receivers.map((receiver) => receiver[Symbol.asyncDispose]()))
    },
  }
}

async function startWorker(workerData: Pick<PoolOptions, 'candidates' | 'pace'>): Promise<Thread> {
  const { Worker } = await import('node:worker_threads')
  const thread = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData,
    // What it keeps is little; a small heap is collected before it grows. What is young has three times the launcher's semi-space.
    resourceLimits: { maxYoungGenerationSizeMb: 12, maxOldGenerationSizeMb: 32 },
  })
  const tasks = tasksOf(thread)
  thread.unref()
  let next = 0
  let hasEnded = false
  thread.on('exit', () => {
    hasEnded = true
  })
  const post = (order: Order, task: Task): void => {
    // Nobody would answer.
    if (hasEnded) task.failed(threadEnded())
    else {
      thread.ref()
      tasks.set(order.id, task)
      thread.postMessage(order)
    }
  }
  return {
    receive(receipt, onBytes) {
      const { promise, resolve, reject } = Promise.withResolvers<Received>()
      const done: Task['done'] = (reply) => reply.kind === 'received' && resolve(reply.received)
      post({ kind: 'receive', id: next++, receipt }, { done, failed: reject, onBytes })
      return promise
    },
    helper: {
      isFree: async () => {
        await new Promise((resolve) => setImmediate(resolve))
        return tasks.size < MOST_TO_VERIFY
      },
      verify(all) {
        const { promise, resolve, reject } = Promise.withResolvers<readonly boolean[]>()
        const done: Task['done'] = (reply) => reply.kind === 'verified' && resolve(reply.valid)
        // By themselves: with a part of some memory, all of it would be copied.
        const signed = all.map(({ publicKey, message, signature }) => ({
          publicKey: publicKey.slice(),
          message: message.slice(),
          signature: signature.slice(),
        }))
        post({ kind: 'verify', id: next++, signed }, { done, failed: reject, onBytes: () => {} })
        return promise
      },
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
    if (reply.kind === 'failed') task.failed(errorOf(reply))
    else task.done(reply)
  })
  const fail = (error: unknown): void => {
    for (const { failed } of tasks.values()) failed(error)
    tasks.clear()
  }
  thread.on('error', fail)
  thread.on('exit', () => fail(threadEnded()))
  return tasks
}

function threadEnded(): Error {
  return new Error('a thread that unpacks has ended')
}

function errorOf({ message, code, hint }: Extract<Reply, { kind: 'failed' }>): Error {
  return isErrorCode(code) ? new AbnError(code, message, hint === undefined ? {} : { hint }) : new Error(message)
}

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(ERRORS, code)
}
