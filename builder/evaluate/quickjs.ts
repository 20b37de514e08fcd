/**
 * Evaluates recipe modules in QuickJS: nothing is given to them but the API, built-in objects without clock and randomness,
 * and each other. Limits: processor time, memory, stack, size of the result. Runs in a thread of its own (sandbox.ts).
 */
import { newQuickJSWASMModuleFromVariant, type QuickJSContext, type QuickJSHandle } from 'quickjs-emscripten-core'
import { Imports } from './imports.ts'
import { prelude } from './prelude.ts'
import { type Problem, ProblemError } from './problem.ts'
import { apiModule, apiPrefix } from './resolve.ts'
import type { SandboxInput, SandboxMessage, SandboxResult } from './sandbox.ts'
import { stripTypes } from './strip-types.ts'

/** Never throws for what a recipe does: that is a problem in the answer. */
export async function evaluateModules(input: SandboxInput): Promise<SandboxMessage> {
  const texts = new Map<string, string>()
  try {
    for (const module of [...input.api, ...input.modules]) texts.set(module.id, stripTypes(module))
  } catch (error) {
    if (error instanceof ProblemError) return { kind: 'problem', problem: error.problem }
    throw error
  }
  const quickjs = await newQuickJSWASMModuleFromVariant(import('@jitl/quickjs-ng-wasmfile-release-sync'))
  const runtime = quickjs.newRuntime()
  const imports = new Imports(input, texts)
  let late = false
  runtime.setMemoryLimit(input.limits.memoryBytes)
  runtime.setMaxStackSize(STACK_BYTES)
  runtime.setInterruptHandler(() => {
    const { user, system } = process.threadCpuUsage()
    late ||= user + system > input.limits.seconds * 1e6
    return late
  })
  runtime.setModuleLoader(
    (id) => imports.load(id),
    (base, request) => imports.resolve(base, request),
  )
  const context = runtime.newContext({ intrinsics: INTRINSICS })
  try {
    const result = run(context, input)
    return { kind: 'result', result }
  } catch (error) {
    if (!(error instanceof ProblemError) && !(error instanceof RangeError)) throw error
    const thrown = error instanceof ProblemError ? error.problem : STACK
    if (late) return { kind: 'problem', problem: { ...thrown, kind: 'time' } }
    const problem = imports.explain(thrown)
    const from =
      problem.kind === 'thrown' && problem.frames.length === 0 ? culprit(context, imports.order()) : undefined
    return { kind: 'problem', problem: from === undefined ? problem : { ...problem, frames: [from] } }
  }
  // Nothing is disposed of: the thread ends, and an interpreter that has run into a limit may not be touched again.
}

/** Calls nested too deeply for QuickJS; the thread's own stack is larger. */
const STACK_BYTES = 512 * 1024
const STACK: Problem = { kind: 'stack', name: 'RangeError', message: '', frames: [] }
/** Recipes that are encoded at a time. */
const BATCH = 64

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

function run(context: QuickJSContext, input: SandboxInput): SandboxResult {
  unwrap(context, context.evalCode(prelude, `${apiPrefix}prelude`))
  const names = input.modules.map(({ id }) => id)
  const entry = [
    `import { encodeExports, encodeRecipes } from '${apiPrefix}registry.ts'`,
    ...names.map((id, i) => `import * as m${i} from ${JSON.stringify(`module:${id}`)}`),
    `const modules = [${names.map((id, i) => `[${JSON.stringify(id)}, m${i}]`).join(', ')}]`,
    'export const exports = () => encodeExports(modules)',
    'export const recipes = encodeRecipes',
  ].join('\n')
  const module = settle(context, unwrap(context, context.evalCode(entry, `${apiPrefix}entry`, { type: 'module' })))
  let length = 0
  const call = (name: string, ...args: readonly number[]) => {
    const handles = args.map((arg) => context.newNumber(arg))
    const text = unwrap(context, context.callFunction(context.getProp(module, name), context.undefined, ...handles))
    length += context.getNumber(context.getProp(text, 'length'))
    if (length > input.limits.resultLength) throw tooLong(input.limits.resultLength)
    return context.getString(text)
  }
  const exported = call('exports')
  const { count } = JSON.parse(exported)
  const recipes: string[] = []
  for (let first = 0; first < count; first += BATCH) recipes.push(call('recipes', first, BATCH))
  return { exports: exported, recipes }
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

/**
 * The module whose evaluation threw, for what was thrown without a stack. `order` is that in which modules are evaluated, and
 * importing one again gives what it gave before, so that nothing is evaluated that has not been.
 */
function culprit(context: QuickJSContext, order: readonly string[]): string | undefined {
  return order.find((id) => {
    const request = JSON.stringify(`module:${id}`)
    const outcome = context.evalCode(`import ${request}`, `${apiPrefix}entry`, { type: 'module' })
    if (outcome.error || context.runtime.executePendingJobs().error) return true
    return context.getPromiseState(outcome.value).type === 'rejected'
  })
}

type Outcome = { readonly error: QuickJSHandle } | { readonly error?: undefined; readonly value: QuickJSHandle }

function unwrap(context: QuickJSContext, outcome: Outcome): QuickJSHandle {
  if (outcome.error) throw thrown(context, outcome.error)
  return outcome.value
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

/** Positions outside the API, without the frames that repeat. */
function framesOf(stack: string): string[] {
  const frames = [...stack.matchAll(/at (?:.*? \()?([^\s()]+:\d+:\d+)\)?$/gm)].map((match) => match[1] ?? '')
  return [
    ...new Set(frames.filter((frame) => !frame.startsWith(apiPrefix) && !frame.startsWith(`${apiModule}:`))),
  ].slice(0, 8)
}

function tooLong(limit: number): ProblemError {
  const message = `the recipes come to more than ${limit} characters`
  return new ProblemError({ kind: 'size', name: '', message, frames: [] })
}
