/**
 * Who receives outputs: this thread fetches the small ones and shares unpacking them with a few others, when there is much to
 * fetch, as making files is work for a core. Large ones, which are unpacked while they come, are received by any of the threads.
 * A thread that dies fails what it had.
 */
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { AbnError, ERRORS, type ErrorCode } from '../../format/errors.ts'
import { candidatesOf } from '../../format/reference-scan.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { SignedBytes } from '../../trust/ed25519.ts'
import type { Helper } from '../../trust/verify-ahead.ts'
import { slots } from '../realise/slots.ts'
import type { Pace } from './http.ts'
import { ownMemoryOf } from './own-memory.ts'
import { createReceiver, type Received, type Receiver } from './receive.ts'
import { createRoom, type Room } from './room.ts'
import { mostGiven, shareUnpacking } from './share-unpacking.ts'
import { type Fetched, oneGoBytes, type Receipt, type UnpackFetched, unpackerOfFetched } from './unpack-fetched.ts'

export type Pool = AsyncDisposable & {
  /**
   * `bytes`: of the archive that the receipt is about. `receiptNow` is called when its turn has come. Rejects with what receiveOutput
   * throws.
   */
  receive(bytes: number, receiptNow: () => Receipt, onBytes: (bytes: number) => void): Promise<Received>
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
  readonly all: readonly Thread[]
  /** The first of them, as long as it has nothing else to do. */
  readonly helper: Helper
}

/** Below this, starting threads costs more than it brings. */
const WORKER_BYTES = 20 * 1024 * 1024
const MOST_WORKERS = 3
/** Messages with signatures that another thread has at the same time: one to work on, one for when it has done that. */
const MOST_TO_VERIFY = 2
/**
 * Small outputs that are fetched or wait to be unpacked. `archives`: besides those that other threads have; enough for 20 ms away.
 * `bytes`: for each thread, uncompressed; one that is nearly large and one that comes meanwhile, or many that are smaller.
 */
const MOST_SMALL = { archives: 18, bytes: 20 * 1024 * 1024 }
/** Large ones for each thread: each takes the window of a decompressor. */
const MOST_LARGE = 2

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

export async function openPool({ bytes, candidates: paths, pace, signal, threads }: PoolOptions): Promise<Pool> {
  const started = threads ?? (bytes < WORKER_BYTES ? undefined : startWorkers({ candidates: paths, pace }))
  const workers = (await started)?.all ?? []
  const candidates = candidatesOf(paths)
  const sharing = shareUnpacking(
    unpackerOfFetched(candidates),
    workers.map(({ unpack }) => unpack),
  )
  const own = createReceiver({ candidates, pace, signal, unpack: sharing.unpack })
  const all = [own, ...workers].map((receiver) => ({ receiver, large: 0 }))
  const small = createRoom({
    things: MOST_SMALL.archives + mostGiven.archives * workers.length,
    bytes: MOST_SMALL.bytes * all.length,
  })
  const large: Room = slots(MOST_LARGE * all.length)

  async function receiveLarge(receiptNow: () => Receipt, onBytes: (bytes: number) => void): Promise<Received> {
    const least = Math.min(...all.map((one) => one.large))
    const member = all.find((one) => one.large === least)
    if (member === undefined) throw new TypeError('openPool: no thread')
    member.large++
    try {
      return await member.receiver.receive(receiptNow(), onBytes)
    } finally {
      member.large--
    }
  }

  return {
    async receive(bytes, receiptNow, onBytes) {
      const isLarge = bytes > oneGoBytes
      const place = isLarge ? large : small
      await place.take(bytes)
      try {
        signal?.throwIfAborted()
        const received = isLarge ? receiveLarge(receiptNow, onBytes) : own.receive(receiptNow(), onBytes)
        return await unlessAborted(received, signal)
      } finally {
        place.give(bytes)
      }
    },
    async [Symbol.asyncDispose]() {
      sharing[Symbol.dispose]()
      await Promise.all(all.map(({ receiver }) => receiver[Symbol.asyncDispose]()))
    },
  }
}

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
  | { readonly kind: 'unpack'; readonly id: number; readonly fetched: Fetched; readonly receipt: Receipt }
  | { readonly kind: 'verify'; readonly id: number; readonly signed: readonly SignedBytes[] }

export type Reply =
  | { readonly kind: 'bytes'; readonly id: number; readonly bytes: number }
  | { readonly kind: 'received'; readonly id: number; readonly received: Received }
  | { readonly kind: 'unpacked'; readonly id: number }
  | { readonly kind: 'verified'; readonly id: number; readonly valid: readonly boolean[] }
  | {
      readonly kind: 'failed'
      readonly id: number
      readonly message: string
      readonly code: string | undefined
      readonly hint: string | undefined
    }

type Task = {
  readonly done: (reply: Exclude<Reply, { kind: 'bytes' | 'failed' }>) => void
  readonly failed: (error: unknown) => void
  readonly onBytes: (bytes: number) => void
}

type Thread = Receiver & { readonly unpack: UnpackFetched; readonly helper: Helper }

async function startWorkers(options: Pick<PoolOptions, 'candidates' | 'pace'>): Promise<Threads> {
  const count = Math.max(1, Math.min(MOST_WORKERS, availableParallelism() - 1))
  const all = await Promise.all(Array.from({ length: count }, () => startWorker(options)))
  const [first] = all
  if (first === undefined) throw new TypeError('startWorkers: none')
  return {
    all,
    helper: first.helper,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((thread) => thread[Symbol.asyncDispose]()))
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
  /** `given`: memory that goes along with the order. */
  const post = (order: Order, task: Task, given: readonly ArrayBuffer[] = []): void => {
    // Nobody would answer.
    if (hasEnded) task.failed(threadEnded())
    else {
      thread.ref()
      tasks.set(order.id, task)
      thread.postMessage(order, given)
    }
  }
  return {
    receive(receipt, onBytes) {
      const { promise, resolve, reject } = Promise.withResolvers<Received>()
      const done: Task['done'] = (reply) => reply.kind === 'received' && resolve(reply.received)
      post({ kind: 'receive', id: next++, receipt }, { done, failed: reject, onBytes })
      return promise
    },
    unpack(fetched, receipt) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const memory = ownMemoryOf(fetched.packed)
      const task = { done: () => resolve(), failed: reject, onBytes: () => {} }
      post({ kind: 'unpack', id: next++, fetched, receipt }, task, memory === undefined ? [] : [memory])
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
