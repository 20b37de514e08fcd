/**
 * Evaluates recipe modules in QuickJS, one after the other: nothing is given to them but the API, built-in objects without clock
 * and randomness, and each other. Limits: processor time, memory, stack, size of the result. Runs in a thread of its own
 * (sandbox.ts).
 */
import { newQuickJSWASMModuleFromVariant, type QuickJSContext, type QuickJSHandle } from 'quickjs-emscripten-core'
import { Imports } from './imports.ts'
import { prelude } from './prelude.ts'
import { framesOf, type Problem, ProblemError } from './problem.ts'
import { apiPrefix } from './resolve.ts'
import type { ModuleText, SandboxInput, SandboxMessage } from './sandbox.ts'
import { stripTypes } from './strip-types.ts'

/** Never throws for what a recipe does: that is a problem in a message. */
export async function evaluateModules(input: SandboxInput, post: (message: SandboxMessage) => void): Promise<void> {
  const quickjs = await newQuickJSWASMModuleFromVariant(import('@jitl/quickjs-ng-wasmfile-release-sync'))
  const runtime = quickjs.newRuntime()
  const imports = new Imports(input)
  const progress = new Int32Array(input.progress)
  let begun = 0
  let late = false
  runtime.setMemoryLimit(input.limits.memoryBytes)
  runtime.setMaxStackSize(STACK_BYTES)
  runtime.setInterruptHandler(() => {
    late ||= processorTime() > input.limits.seconds
    return late
  })
  runtime.setModuleLoader(
    (id) => imports.load(id),
    (base, request) => imports.resolve(base, request),
  )
  const context = runtime.newContext({ intrinsics: INTRINSICS })
  unwrap(context, context.evalCode(prelude, `${apiPrefix}prelude`))
  const { collect, take } = notesOf(context, input.limits.resultLength)
  let batch: string[] = []
  const flush = () => {
    post({ kind: 'modules', ids: batch, text: take() })
    batch = []
  }
  const attempt = (module: ModuleText, work: () => void): SandboxMessage | undefined => {
    try {
      work()
      return undefined
    } catch (error) {
      const problem = imports.explain(problemOf(error, module.id))
      if (late) {
        const isGuilty = processorTime() - begun > input.limits.seconds / 2
        return { kind: 'ended', module: isGuilty ? module.id : undefined, problem: { ...problem, kind: 'time' } }
      }
      // The interpreter may not be touched again after a limit, nor with modules in it that were loaded by half.
      const ends = ENDING.has(problem.kind) || imports.loadedOnTheWay().length > 0
      if (ends) return { kind: 'ended', module: imports.culprit(problem), problem }
      imports.breaks(module.id)
      return { kind: 'broken', module: module.id, problem }
    }
  }
  for (const [i, module] of input.modules.entries()) {
    if (input.broken.includes(module.id)) continue
    Atomics.store(progress, 0, i)
    begun = processorTime()
    imports.begin(module.id)
    const message = attempt(module, () => {
      collect(evaluateModule(context, module, imports))
      batch.push(module.id)
      if (batch.length === BATCH || module === input.modules.at(-1)) flush()
    })
    // Also when the module has caught the error.
    const wanted = imports.wanted()
    if (wanted !== undefined) return post({ kind: 'wanted', module: wanted })
    if (message !== undefined) post(message)
    if (message?.kind === 'ended') return
  }
  if (batch.length > 0) flush()
  post({ kind: 'done' })
  // Nothing is disposed of: the thread ends.
}

/** Modules whose notes leave the interpreter at a time. */
const BATCH = 64
/** Calls nested too deeply for QuickJS; the thread's own stack is larger. */
const STACK_BYTES = 512 * 1024

const ENDING: ReadonlySet<Problem['kind']> = new Set(['time', 'memory', 'size', 'failed'])

/** No Date, Proxy, typed arrays or weak references: recipes are data. */
const INTRINSICS = {
  BaseObjects: true,
  BigInt: true,
  Eval: true,
  JSON: true,
  MapSet: true,
  Promise: true,
  RegExp: true,
  RegExpCompiler: true,
  StringNormalize: true,
}

function evaluateModule(context: QuickJSContext, module: ModuleText, imports: Imports): QuickJSHandle {
  if (imports.isLoaded(module.id)) {
    const again = `export * from ${JSON.stringify(`module:${module.id}`)}`
    return settle(context, unwrap(context, context.evalCode(again, `${apiPrefix}entry`, { type: 'module' })))
  }
  const evaluate = (text: string) =>
    settle(context, unwrap(context, context.evalCode(text, module.id, { type: 'module' })))
  // What is JavaScript and has no `<` means the same as TypeScript, so that most recipes need no other parser.
  if (module.text.includes('<')) return evaluate(stripTypes(module))
  try {
    return evaluate(module.text)
  } catch (error) {
    if (!(error instanceof ProblemError && error.problem.kind === 'syntax')) throw error
    const text = stripTypes(module)
    if (text === module.text) throw error
    return evaluate(text)
  }
}

/** What recipes/api/noting.ts gives out: a module's exports are noted as soon as it is evaluated, all notes fetched now and then. */
function notesOf(context: QuickJSContext, limit: number) {
  const entry = `export { collect, take } from '${apiPrefix}noting.ts'`
  const exports = settle(context, unwrap(context, context.evalCode(entry, `${apiPrefix}entry`, { type: 'module' })))
  const [collect, take] = [context.getProp(exports, 'collect'), context.getProp(exports, 'take')]
  let length = 0
  return {
    collect: (namespace: QuickJSHandle) => {
      unwrap(context, context.callFunction(collect, context.undefined, namespace)).dispose()
      namespace.dispose()
    },
    take: () => {
      const left = context.newNumber(limit - length)
      const text = unwrap(context, context.callFunction(take, context.undefined, left))
      if (context.typeof(text) !== 'string') throw tooLong(limit, context.getString(context.getProp(text, 'stack')))
      length += context.getNumber(context.getProp(text, 'length'))
      if (length > limit) throw tooLong(limit, '')
      return text.consume((handle) => context.getString(handle))
    },
  }
}

/** The module's exports, once everything it waits for has happened. */
function settle(context: QuickJSContext, module: QuickJSHandle): QuickJSHandle {
  const jobs = context.runtime.executePendingJobs()
  if (jobs.error) throw thrown(context, jobs.error)
  const state = context.getPromiseState(module)
  if (state.type === 'rejected') throw thrown(context, state.error)
  if (state.type === 'fulfilled') return state.value
  throw new ProblemError({
    kind: 'pending',
    name: '',
    message: 'it waits for something that never happens',
    frames: [],
  })
}

type Outcome = { readonly error: QuickJSHandle } | { readonly error?: undefined; readonly value: QuickJSHandle }

function unwrap(context: QuickJSContext, outcome: Outcome): QuickJSHandle {
  if (outcome.error) throw thrown(context, outcome.error)
  return outcome.value
}

/** What was thrown while the module was evaluated; any error that is not a problem is the interpreter's own. */
function problemOf(error: unknown, module: string): Problem {
  if (error instanceof RangeError) return { kind: 'stack', name: 'RangeError', message: '', frames: [`${module}:1:1`] }
  if (!(error instanceof ProblemError)) {
    const message = error instanceof Error ? error.message : String(error)
    return { kind: 'failed', name: '', message, frames: [module] }
  }
  const { problem } = error
  if (problem.frames.length > 0 || problem.kind === 'time') return problem
  return { ...problem, frames: [problem.kind === 'stack' ? `${module}:1:1` : module] }
}

function thrown(context: QuickJSContext, error: QuickJSHandle): ProblemError {
  const field = (name: string): string => {
    const value = context.getProp(error, name)
    return context.typeof(value) === 'string' ? context.getString(value).slice(0, 10_000) : ''
  }
  const type = context.typeof(error)
  const name = type === 'object' ? field('name') : ''
  const message = type === 'object' ? field('message') : type === 'string' ? context.getString(error) : ''
  if (type !== 'object' || (name === '' && message === '')) {
    const text = message || `${describe(context, error)} was thrown`
    return new ProblemError({ kind: 'thrown', name: '', message: text.slice(0, 10_000), frames: [] })
  }
  return new ProblemError({ kind: kindOf(name, message), name, message, frames: framesOf(field('stack')) })
}

/** What was thrown without a name and a message. */
function describe(context: QuickJSContext, thrown: QuickJSHandle): string {
  const type = context.typeof(thrown)
  if (type !== 'object') return type === 'undefined' ? type : `a ${type}`
  const isNull = context.evalCode('(value) => value === null', `${apiPrefix}null`)
  const answer = isNull.error ? isNull : context.callFunction(isNull.value, context.undefined, thrown)
  return !answer.error && context.dump(answer.value) === true ? 'null' : 'an object without a message'
}

function kindOf(name: string, message: string): Problem['kind'] {
  if (name === 'SyntaxError') return message.startsWith('Could not find export') ? 'import' : 'syntax'
  if (name === 'RangeError' && message === 'Maximum call stack size exceeded') return 'stack'
  if (name === 'InternalError' && message === 'out of memory') return 'memory'
  if (name === 'InternalError' && message === 'stack overflow') return 'stack'
  return 'thrown'
}

/** `stack`: where the longest one of the last recipes was made. */
function tooLong(limit: number, stack: string): ProblemError {
  const message = `the recipes come to more than ${limit} characters`
  return new ProblemError({ kind: 'size', name: '', message, frames: framesOf(stack) })
}

/** Of this thread, in seconds. */
function processorTime(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1e6
}
