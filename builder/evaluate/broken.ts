/** What a person is told of recipes that are broken: they take themselves out, and what needs them, and nothing else. */
import type { AbnError, ErrorCode } from '../../format/errors.ts'
import type { ModuleId } from './channel.ts'
import { type Problem, problemError } from './problem.ts'
import type { ModuleText } from './sandbox.ts'

export type BrokenModule = {
  readonly module: ModuleId
  /** Packages that are probably missing because of it. */
  readonly names: readonly string[]
  readonly code: ErrorCode
  /** Says where in the module it is. */
  readonly message: string
  readonly hint?: string
}

/** One recipe that came out of the sandbox and is none. */
export type BrokenRecipe = { readonly module: ModuleId; readonly name: string; readonly error: AbnError }

/** In the order of the modules. `failed`: those whose evaluation ended with a problem. */
export function brokenModules(
  modules: readonly ModuleText[],
  failed: ReadonlyMap<ModuleId, Problem>,
  recipes: readonly BrokenRecipe[],
): readonly BrokenModule[] {
  const whole = modules.flatMap(({ id, text }) => {
    const problem = failed.get(id)
    return problem === undefined ? [] : [broken(id, namesIn(id, text), problemError(explained(problem, failed)))]
  })
  return [...whole, ...recipes.map(({ module, name, error }) => broken(module, [name], error))]
}

/** Whether the same modules would always be broken, as far as the cache can tell. */
export function isLasting({ code }: BrokenModule): boolean {
  return code !== 'ABN_RECIPE_TIME_LIMIT' && code !== 'ABN_RECIPE_LOCAL_FILE' && code !== 'ABN_EVALUATOR_FAILED'
}

/** Of a module that imports a broken one: with what is wrong with that. */
function explained(problem: Problem, failed: ReadonlyMap<ModuleId, Problem>): Problem {
  if (problem.kind !== 'needs') return problem
  let root = problem
  for (let next = failed.get(root.name); next !== undefined; next = failed.get(root.name)) {
    root = next
    if (root.kind !== 'needs') return { ...problem, message: problemError(root).message }
  }
  return problem
}

function broken(module: ModuleId, names: readonly string[], { code, message, hint }: AbnError): BrokenModule {
  return { module, names, code, message, ...(hint === undefined ? {} : { hint }) }
}

/** Only a guess, because it was not evaluated: its own name, and every text that stands where a recipe has its name. */
function namesIn(id: ModuleId, text: string): readonly string[] {
  const own = /([^/:]*)\.ts$/.exec(id)?.[1] ?? ''
  const written = [...text.matchAll(/\bname:\s*['"`]([a-z0-9][a-z0-9+._-]{0,63})['"`]/g)].map(([, name = '']) => name)
  return [...new Set([own, ...written])].slice(0, 100)
}
