/**
 * Removes many directories of the store, two at a time where there are two cores: what takes long is the kernel's work on each file.
 * For root the machine's `rm` does it, which takes a third less of the processor than Node; it cannot empty read-only directories
 * of an ordinary user, whose directories are removed by threads. Few are removed in this thread.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { removeDirectory } from './remove-directory.ts'

export type RemoveOptions = {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((done: number, of: number) => void) | undefined
}

/**
 * Removes all that is in these directories, and then them. Nobody else changes them meanwhile. Stops early when it is aborted. Throws
 * the first error of the file system.
 */
export async function removeBatches(batches: readonly string[], options: RemoveOptions = {}): Promise<void> {
  const count = countIn(batches)
  const told = () => options.onProgress?.(count - countIn(batches), count)
  const timer = options.onProgress === undefined ? undefined : setInterval(told, PROGRESS_MS)
  try {
    const left = [...batches]
    const one = process.geteuid?.() === 0 ? removeByProgram : removeInThread
    const takeAll = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined && !options.signal?.aborted; next = left.shift()) {
        if (count < LEAST_FOR_HELP) removeDirectory(next)
        else await one(next, options.signal)
        await delay(0) // so that a signal is heard
      }
    }
    await Promise.all(Array.from({ length: Math.min(MOST_AT_ONCE, availableParallelism()) }, takeAll))
    if (!options.signal?.aborted) told()
  } finally {
    clearInterval(timer)
  }
}

const LEAST_FOR_HELP = 24
const MOST_AT_ONCE = 2
const PROGRESS_MS = 200

/** What the program leaves, for whatever reason, is removed here, which says why it cannot be. */
async function removeByProgram(directory: string, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const child = spawn('rm', ['-rf', '--', directory], { stdio: 'ignore', ...(signal && { signal }) })
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
  if (!signal?.aborted) removeDirectory(directory)
}

async function removeInThread(directory: string, signal: AbortSignal | undefined): Promise<void> {
  const { Worker } = await import('node:worker_threads')
  const worker = new Worker(new URL('./remove-worker.ts', import.meta.url), { workerData: directory })
  const stop = () => void worker.terminate()
  signal?.addEventListener('abort', stop)
  try {
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject)
      worker.once('exit', () => resolve())
    })
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

function countIn(directories: readonly string[]): number {
  return directories.reduce((sum, directory) => sum + namesIn(directory).length, 0)
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
