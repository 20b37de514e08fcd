/**
 * Who receives outputs: this thread when there is little to fetch, else a few workers, as making files is work for a core.
 * Every output is received once; a worker that dies fails what it had.
 */
import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { AbnError, ERRORS, type ErrorCode } from '../../format/errors.ts'
import type { StorePath } from '../../format/store-path.ts'
import { type CacheConnection, connectToCache, type Pace } from './http.ts'
import { type Receipt, type Received, receiveOutput } from './receive.ts'

export type Pool = AsyncDisposable & { receive(receipt: Receipt, onBytes: (bytes: number) => void): Promise<Received> }

export type PoolOptions = {
  /** Of all that will be received, uncompressed. */
  readonly bytes: number
  readonly candidates: readonly StorePath[]
  readonly pace?: Pace | undefined
  readonly signal?: AbortSignal | undefined
}

/** Below this, starting threads costs more than it brings. */
const WORKER_BYTES = 20 * 1024 * 1024

export async function openPool(options: PoolOptions): Promise<Pool> {
  return options.bytes < WORKER_BYTES ? poolInThread(options) : await poolOfWorkers(options)
}

function poolInThread({ candidates, pace, signal }: PoolOptions): Pool {
  const connections = new Map<string, Promise<CacheConnection>>()
  const connectionTo = (address: string): Promise<CacheConnection> => {
    const known = connections.get(address) ?? connectToCache(address, pace === undefined ? {} : { pace })
    connections.set(address, known)
    return known
  }
  return {
    receive: (receipt, onBytes) => receiveOutput(receipt, { connectionTo, candidates, signal, onBytes }),
    async [Symbol.asyncDispose]() {
      for (const connection of connections.values()) (await connection)[Symbol.dispose]()
    },
  }
}

type Reply =
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

async function poolOfWorkers({ candidates, pace, signal }: PoolOptions): Promise<Pool> {
  const { Worker } = await import('node:worker_threads')
  const count = Math.max(2, Math.min(3, availableParallelism() - 1))
  const workers = Array.from({ length: count }, () =>
    startWorker(
      new Worker(new URL('./worker.ts', import.meta.url), {
        workerData: { candidates, pace },
        resourceLimits: { maxYoungGenerationSizeMb: 4 },
      }),
    ),
  )
  let next = 0
  return {
    async receive(receipt, onBytes) {
      signal?.throwIfAborted()
      const [worker] = [...workers].sort((a, b) => a.tasks.size - b.tasks.size)
      if (worker === undefined) throw new TypeError('poolOfWorkers: no worker')
      const id = next++
      const done = Promise.withResolvers<Received>()
      worker.tasks.set(id, { done, onBytes })
      const abort = (): void => done.reject(signal?.reason)
      signal?.addEventListener('abort', abort, { once: true })
      worker.thread.postMessage({ id, receipt })
      return await done.promise.finally(() => signal?.removeEventListener('abort', abort))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(workers.map(({ thread }) => thread.terminate()))
    },
  }
}

function startWorker(thread: Worker): { readonly thread: Worker; readonly tasks: Map<number, Task> } {
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
  return { thread, tasks }
}

function errorOf({ message, code, hint }: Extract<Reply, { kind: 'failed' }>): Error {
  return isErrorCode(code) ? new AbnError(code, message, hint === undefined ? {} : { hint }) : new Error(message)
}

function isErrorCode(code: string | undefined): code is ErrorCode {
  return code !== undefined && Object.hasOwn(ERRORS, code)
}
