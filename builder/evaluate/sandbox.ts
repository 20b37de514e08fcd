/**
 * Runs recipe modules in QuickJS (WebAssembly), in a thread of its own: the interpreter looks at its limits between
 * instructions, but not inside some built-in functions, and then only ending the thread helps. A module that fails is broken,
 * and so is what imports it; one that ends the thread is left out of another attempt. What comes back is text that has not been
 * checked yet, as soon as it is there.
 */
import { Worker } from 'node:worker_threads'
import type { Channel } from './channel.ts'
import { type Problem, problemError } from './problem.ts'

export type ModuleText = { readonly id: string; readonly text: string }

export type SandboxModules = {
  readonly channels: readonly Channel[]
  /** Recipe modules in the order of their evaluation. */
  readonly modules: readonly ModuleText[]
  /** Modules that are read without being evaluated. If one is imported after all, there is no result. */
  readonly others: readonly string[]
  /** recipes/api: 'abnpkg' and 'abnpkg:<file>', of which 'abnpkg:noting.ts' has `take`. */
  readonly api: readonly ModuleText[]
  readonly limits: SandboxLimits
}

export type SandboxInput = SandboxModules & {
  /** Modules that are not evaluated, and that none can import. */
  readonly broken: readonly string[]
  /** An Int32: which module is being evaluated; -1 before the first. */
  readonly progress: SharedArrayBuffer
}

export type SandboxLimits = {
  /** Processor time of the thread. */
  readonly seconds: number
  readonly memoryBytes: number
  /** Of the JSON that comes out, in characters. */
  readonly resultLength: number
}

export type SandboxMessage =
  /** Some modules that were evaluated, and JSON from recipes/api/noting.ts about them, unchecked. */
  | { readonly kind: 'modules'; readonly ids: readonly string[]; readonly text: string }
  | { readonly kind: 'broken'; readonly module: string; readonly problem: Problem }
  /** `module` is to blame, if one is. */
  | { readonly kind: 'ended'; readonly module: string | undefined; readonly problem: Problem }
  /** One of the others is imported. */
  | { readonly kind: 'wanted'; readonly module: string }
  | { readonly kind: 'done' }

/** `broken`: modules that are. `wanted`: one of the others that must be evaluated too, for there is no result without it. */
export type SandboxResult = { readonly broken: Map<string, Problem>; readonly wanted: string | undefined }

/** Takes what comes out of one attempt. */
export type Receiver = (ids: readonly string[], text: string) => void

export const defaultLimits: SandboxLimits = { seconds: 20, memoryBytes: 512 << 20, resultLength: 256 << 20 }

/** How many modules may end the thread, each of them costing an attempt. */
const ATTEMPTS = 5

/**
 * `begin` is called for each attempt anew. Throws
 * ABN_RECIPE_… or ABN_EVALUATOR_FAILED when the thread ended and no single module is to blame, or too many are; the reason of
 * `signal` as soon as it aborts.
 */
export async function runSandbox(
  given: SandboxModules,
  begin: () => Receiver,
  signal?: AbortSignal,
): Promise<SandboxResult> {
  const leftOut = new Map<string, Problem>()
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    const broken = new Map(leftOut)
    const worker = new Worker(new URL('./worker.ts', import.meta.url), WORKER)
    try {
      const input = { ...given, broken: [...leftOut.keys()], progress: new SharedArrayBuffer(4) }
      const last = await converse(worker, { input, receive: begin(), broken, signal })
      if (last.kind === 'done') return { broken, wanted: undefined }
      if (last.kind === 'wanted') return { broken, wanted: last.module }
      if (last.module === undefined || attempt === ATTEMPTS) throw problemError(last.problem)
      leftOut.set(last.module, last.problem)
    } finally {
      await worker.terminate()
    }
  }
}

const WORKER = {
  execArgv: ['--disable-warning=ExperimentalWarning'],
  env: {},
  resourceLimits: { stackSizeMb: 16, maxOldGenerationSizeMb: 2048 },
}

type Conversation = {
  readonly input: SandboxInput
  readonly receive: Receiver
  readonly broken: Map<string, Problem>
  readonly signal: AbortSignal | undefined
}

type Last = Extract<SandboxMessage, { kind: 'done' | 'ended' | 'wanted' }>

async function converse(worker: Worker, { input, receive, broken, signal }: Conversation): Promise<Last> {
  const { promise, resolve, reject } = Promise.withResolvers<Last>()
  const progress = new Int32Array(input.progress).fill(-1)
  const ended = (problem: Problem) => {
    resolve({ kind: 'ended', module: input.modules[Atomics.load(progress, 0)]?.id, problem })
  }
  worker.on('message', (message: SandboxMessage) => {
    try {
      if (message.kind === 'modules') receive(message.ids, message.text)
      else if (message.kind === 'broken') broken.set(message.module, message.problem)
      else resolve(message)
    } catch (error) {
      reject(error)
    }
  })
  worker.once('error', (error: Error) => (isOfDirectory(error) ? reject(error) : ended(failed(error.message))))
  worker.once('exit', (code) => ended(failed(`the thread ended with status ${code}`)))
  const stop = () => reject(signal?.reason)
  signal?.addEventListener('abort', stop)
  // The thread itself sees that it is late, and where, except inside a built-in function.
  const watch = setInterval(async () => {
    const usage = await worker.cpuUsage().catch(() => undefined)
    if (usage !== undefined && usage.user + usage.system > (input.limits.seconds + 1) * 1e6) ended(STUCK)
  }, 200)
  try {
    worker.postMessage(input)
    return await promise
  } finally {
    clearInterval(watch)
    signal?.removeEventListener('abort', stop)
  }
}

const STUCK: Problem = { kind: 'time', name: '', message: '', frames: [] }

function failed(message: string): Problem {
  return { kind: 'failed', name: '', message, frames: [] }
}

/** A thread cannot begin in a directory that was removed; that is not the interpreter's fault. */
function isOfDirectory(error: Error): boolean {
  return 'syscall' in error && error.syscall === 'uv_cwd'
}
