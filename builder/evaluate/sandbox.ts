/**
 * Runs recipe modules in QuickJS (WebAssembly), in a thread of its own: the interpreter looks at its limits between
 * instructions, but not inside some built-in functions, and then only ending the thread helps. What comes back is text that
 * has not been checked yet.
 */
import { Worker } from 'node:worker_threads'
import { AbnError } from '../../format/errors.ts'
import type { Channel } from './channel.ts'
import { type Problem, problemError } from './problem.ts'

export type ModuleText = { readonly id: string; readonly text: string }

export type SandboxInput = {
  readonly channels: readonly Channel[]
  /** Recipe modules; all of them are evaluated. */
  readonly modules: readonly ModuleText[]
  /** recipes/api: 'abnpkg' and 'abnpkg:<file>'. */
  readonly api: readonly ModuleText[]
  readonly limits: SandboxLimits
}

export type SandboxLimits = {
  /** Processor time of the thread. */
  readonly seconds: number
  readonly memoryBytes: number
  /** Of the JSON that comes out, in characters. */
  readonly resultLength: number
}

/** JSON texts as recipes/api/registry.ts encodes them, unchecked: `recipes` are lists of some recipes each. */
export type SandboxResult = { readonly exports: string; readonly recipes: readonly string[] }

export type SandboxMessage =
  | { readonly kind: 'result'; readonly result: SandboxResult }
  | { readonly kind: 'problem'; readonly problem: Problem }

export const defaultLimits: SandboxLimits = { seconds: 20, memoryBytes: 512 << 20, resultLength: 256 << 20 }

/**
 * Throws ABN_RECIPE_… for what the recipes did wrong, ABN_EVALUATOR_FAILED when the thread itself failed; the reason of `signal`
 * as soon as it aborts.
 */
export async function runSandbox(input: SandboxInput, signal?: AbortSignal): Promise<SandboxResult> {
  signal?.throwIfAborted()
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: input,
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: {},
    resourceLimits: { stackSizeMb: 16, maxOldGenerationSizeMb: 2048 },
  })
  const { promise, resolve, reject } = Promise.withResolvers<SandboxMessage>()
  worker.once('message', resolve)
  worker.once('error', reject)
  worker.once('exit', (code) => reject(new Error(`the thread ended with status ${code}`)))
  const stop = () => reject(signal?.reason)
  signal?.addEventListener('abort', stop)
  // The thread itself sees that it is late, and where, except inside a built-in function.
  const watch = setInterval(async () => {
    const usage = await worker.cpuUsage().catch(() => undefined)
    if (usage !== undefined && usage.user + usage.system > (input.limits.seconds + 1) * 1e6) {
      resolve({ kind: 'problem', problem: stuck })
    }
  }, 200)
  try {
    const message = await promise.catch((error) => {
      signal?.throwIfAborted()
      return failed(error)
    })
    if (message.kind === 'problem') throw problemError(message.problem)
    return message.result
  } finally {
    clearInterval(watch)
    signal?.removeEventListener('abort', stop)
    await worker.terminate()
  }
}

const stuck: Problem = { kind: 'time', name: '', message: '', frames: [] }

function failed(cause: unknown): never {
  // A thread cannot begin in a directory that was removed; that is not the interpreter's fault.
  if (cause instanceof Error && 'syscall' in cause && cause.syscall === 'uv_cwd') throw cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  throw new AbnError('ABN_EVALUATOR_FAILED', `the evaluation of the recipes failed: ${reason}`, {
    hint: 'a recipe may have broken the interpreter: leave out the newest one, and please report it',
    cause,
  })
}
