/**
 * Compares the contents of items with the digests in their records, several at once: each thread reads and hashes whole items. Others
 * begin with the largest; this one, which is there already but has to listen too, with the smallest. Trusts the records, not the
 * contents. Nothing is changed.
 */
import { getCompileCacheDir } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { AbnError } from '../format/errors.ts'
import type { Sha256 } from '../format/hash.ts'
import type { StorePath } from '../format/store-path.ts'
import type { Item } from './item.ts'
import { physicalPathOf } from './layout.ts'
import type { Store } from './store.ts'
import { type Checked, checkContents, takeOne, type VerifyWork } from './verify-contents.ts'

export type Problem = { readonly path: StorePath } & (
  | { readonly kind: 'record'; readonly reason: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly reason: string }
  | { readonly kind: 'content'; readonly expected: Sha256; readonly got: Sha256 }
  | { readonly kind: 'reference'; readonly reference: StorePath }
)

export type Verified = {
  readonly items: number
  /** Of the archives of those whose contents were compared. */
  readonly bytes: number
  /** Sorted by path. */
  readonly problems: readonly Problem[]
}

export type VerifyOptions = {
  readonly signal?: AbortSignal | undefined
  /** Unless told, as many as there are cores for much, one for little. */
  readonly threads?: number | undefined
  /** Called when another item is done. */
  readonly onItem?: ((done: number, of: number) => void) | undefined
}

/** Hold the store's shared lock meanwhile, so that nothing is collected. Throws the signal's reason. */
export async function verifyItems(
  store: Store,
  paths: readonly StorePath[],
  { signal, threads, onItem }: VerifyOptions = {},
): Promise<Verified> {
  const problems: Problem[] = []
  const items = paths.flatMap((path) => readOrReport(store, path, problems))
  for (const { path, references } of items) {
    for (const reference of references) if (!store.has(reference)) problems.push({ path, kind: 'reference', reference })
  }
  const work: Checked[] = items
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ path, outputDigest, bytes }) => ({
      path,
      outputDigest,
      bytes,
      directory: physicalPathOf(store.layout, path),
    }))
  let done = 0
  const finish = (problem: Problem | undefined) => {
    if (problem) problems.push(problem)
    onItem?.(++done, work.length)
  }
  const bytes = work.reduce((sum, one) => sum + one.bytes, 0)
  const count = threads ?? (bytes < LEAST_FOR_THREADS ? 1 : Math.min(8, availableParallelism()))
  if (count < 2 || work.length < 2) {
    for (const one of work) {
      signal?.throwIfAborted()
      finish(checkContents(one))
      await eventsHandled()
    }
  } else await inThreads(work, { signal, threads: count, finish })
  return {
    items: paths.length,
    bytes,
    problems: problems.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)),
  }
}

const LEAST_FOR_THREADS = 30e6
/** What takes longer would keep this thread from listening. */
const MOST_BESIDE_EVENTS = 50e6

function eventsHandled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function readOrReport(store: Store, path: StorePath, problems: Problem[]): Item[] {
  try {
    return [store.readItem(path)]
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    problems.push({ path, kind: 'record', reason: error.message })
    return []
  }
}

type Threads = {
  readonly signal: AbortSignal | undefined
  readonly threads: number
  readonly finish: (problem: Problem | undefined) => void
}

async function inThreads(work: readonly Checked[], { signal, threads, finish }: Threads): Promise<void> {
  signal?.throwIfAborted()
  const workerData: VerifyWork = { work, taken: new Int32Array(new SharedArrayBuffer(12)) }
  const env = environmentOfWorkers()
  const workers = Array.from(
    { length: Math.min(threads, work.length) - 1 },
    () => new Worker(new URL('./verify-worker.ts', import.meta.url), { workerData, env }),
  )
  const stop = () => {
    Atomics.store(workerData.taken, 0, work.length)
    for (const worker of workers) void worker.terminate()
  }
  signal?.addEventListener('abort', stop)
  try {
    await Promise.all([
      workHere(workerData, { signal, finish }),
      ...workers.map(
        (worker) =>
          new Promise<void>((resolve, reject) => {
            worker.on('message', (problem: Problem | null) => finish(problem ?? undefined))
            worker.once('error', reject)
            worker.once('exit', () => resolve())
          }),
      ),
    ])
  } finally {
    signal?.removeEventListener('abort', stop)
    stop()
  }
  signal?.throwIfAborted()
}

async function workHere(work: VerifyWork, { signal, finish }: Omit<Threads, 'threads'>): Promise<void> {
  for (;;) {
    await eventsHandled()
    if (signal?.aborted) return
    const next = work.work[work.work.length - 1 - Atomics.load(work.taken, 2)]
    if (next === undefined || next.bytes > MOST_BESIDE_EVENTS) return
    const one = takeOne(work, 'back')
    if (one === undefined) return
    finish(checkContents(one))
  }
}

/** Compiled code is found by a variable, which the programs that abnpkg runs do not inherit. */
function environmentOfWorkers(): NodeJS.ProcessEnv {
  const compiled = getCompileCacheDir()
  return compiled === undefined ? process.env : { ...process.env, NODE_COMPILE_CACHE: dirname(compiled) }
}
