/**
 * What can go wrong inside the sandbox, as plain data that crosses the thread, and the error that a person sees. Texts come
 * from recipes, so control characters are taken out and lengths capped.
 */
import { AbnError, type ErrorCode } from '../../format/errors.ts'
import { apiModule, apiPrefix } from './resolve.ts'

/** `frames`: positions in the recipes as module:line:column, innermost first. */
export type Problem = {
  readonly kind: 'syntax' | 'import' | 'needs' | 'time' | 'memory' | 'stack' | 'size' | 'pending' | 'thrown' | 'failed'
  /** Of the error that was thrown; for 'needs' the module that is needed. */
  readonly name: string
  readonly message: string
  readonly frames: readonly string[]
  /** Imports that lead back to their beginning, when there are any. */
  readonly cycle?: readonly string[]
}

/** Carries a problem to the end of the evaluation; never leaves the thread. */
export class ProblemError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.message)
    this.problem = problem
  }
}

export function problemError(problem: Problem): AbnError {
  const message = clean(problem.message)
  const at = problem.frames.map(clean)
  const where = at[0] === undefined ? 'a recipe' : at[0]
  const trail = at.length > 1 ? ` (called from ${at.slice(1, 4).join(', ')})` : ''
  const error = (code: ErrorCode, text: string, hint?: string) =>
    new AbnError(code, text, hint === undefined ? {} : { hint })
  switch (problem.kind) {
    case 'syntax':
      return error('ABN_RECIPE_SYNTAX', `${where}: ${message}`, 'recipes are TypeScript with erasable types only')
    case 'import':
      return error(
        'ABN_RECIPE_IMPORT',
        `${where}: ${message}`,
        "recipes import from 'abnpkg', and from modules of their channel by a relative path that ends in .ts",
      )
    case 'needs':
      return error(
        'ABN_RECIPE_NEEDS_BROKEN',
        `${where}: it imports ${clean(problem.name)}, which is broken${message === '' ? '' : `: ${message}`}`,
        'correct that one',
      )
    case 'time':
      return error(
        'ABN_RECIPE_TIME_LIMIT',
        `the recipes did not end in time; ${at.length === 0 ? 'they were in a built-in function' : `they were at ${where}${trail}`}`,
        'look for an endless loop',
      )
    case 'memory':
      return error(
        'ABN_RECIPE_MEMORY_LIMIT',
        `${where}: the recipes need more memory than they may${trail}`,
        'look for a list or a text that grows without end',
      )
    case 'stack':
      return error(
        'ABN_RECIPE_STACK_LIMIT',
        `${where}: calls or brackets are nested too deeply${trail}`,
        'look for a recursion without end',
      )
    case 'size':
      return error('ABN_RECIPE_SIZE_LIMIT', message, 'look for a list or a text that is repeated too often')
    case 'pending':
      return error('ABN_RECIPE_EXCEPTION', `${where}: ${message}`, 'recipes have nothing to wait for: do without await')
    case 'failed':
      return error(
        'ABN_EVALUATOR_FAILED',
        `the evaluation of the recipes failed${at[0] === undefined ? '' : ` at ${where}`}: ${message}`,
        'a recipe may have broken the interpreter: leave out the newest one, and please report it',
      )
    case 'thrown':
      return thrownError(problem, { where, trail, message })
    default: {
      const never: never = problem.kind
      throw new TypeError(`no such problem: ${String(never)}`)
    }
  }
}

function thrownError(problem: Problem, text: { where: string; trail: string; message: string }): AbnError {
  const { where, trail, message } = text
  const name = clean(problem.name)
  if (name === 'RecipeError') {
    return new AbnError('ABN_RECIPE_INVALID', `${where}: ${message}${trail}`, {
      hint: 'docs/recipes-api.md lists every field',
    })
  }
  if (name === 'HermeticError') {
    return new AbnError('ABN_RECIPE_IMPURE', `${where}: ${message}${trail}`, {
      hint: 'a recipe gives the same result everywhere and always: write the value out',
    })
  }
  if (name === 'ReferenceError' && / is not initialized$/.test(message) && problem.cycle !== undefined) {
    return new AbnError(
      'ABN_RECIPE_CYCLE',
      `${where}: ${message}: recipes need each other, ${problem.cycle.map(clean).join(' → ')}`,
      {
        hint: 'nothing can be built before itself: give one of them another recipe to build with',
      },
    )
  }
  return new AbnError(
    'ABN_RECIPE_EXCEPTION',
    `${where}: ${[name, message].filter((part) => part !== '').join(': ')}${trail}`,
    {
      hint: 'correct the recipe there; docs/recipes-api.md tells what recipes can use',
    },
  )
}

/** Text from inside the sandbox, fit to be printed: one line, no control or direction-changing characters, at most 500. */
export function clean(text: string): string {
  const plain = text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
  return plain.length > 500 ? `${plain.slice(0, 500)}…` : plain
}

/** Positions in a stack of QuickJS outside the API, without the frames that repeat; innermost first. */
export function framesOf(stack: string): string[] {
  const frames = new Set<string>()
  for (const line of stack.split('\n')) {
    if (!/^\s*at /.test(line)) continue
    // `at name (place)` or `at place`; a name can be anything.
    const place = line.slice(Math.max(line.lastIndexOf('('), line.lastIndexOf(' ')) + 1).replace(/\)$/, '')
    if (!/^[^\s()]+:\d+:\d+$/.test(place)) continue
    if (!place.startsWith(apiPrefix) && !place.startsWith(`${apiModule}:`)) frames.add(place)
  }
  return [...frames].slice(0, 8)
}
