/** From TypeScript to JavaScript by erasing types, with Node's own parser. */
import { stripTypeScriptTypes } from 'node:module'
import { type Problem, ProblemError } from './problem.ts'
import type { ModuleText } from './sandbox.ts'

/** Positions stay as they are: types become white space. Throws ProblemError. */
export function stripTypes({ id, text }: ModuleText): string {
  try {
    return stripTypeScriptTypes(text, { mode: 'strip' })
  } catch (error) {
    const expected = error instanceof SyntaxError && 'code' in error
    // Any other error is the parser's own, which runs out of stack before it says so.
    if (!expected) throw new ProblemError({ ...TOO_DEEP, frames: [`${id}:1:1`] })
    const frames = [`${id}:${syntaxPosition(error.stack ?? '', text)}`]
    throw new ProblemError({ kind: 'syntax', name: 'SyntaxError', message: error.message, frames })
  }
}

/** The stack begins with ':<line>', then come some lines of the text and one with a caret; tabs are shown as four spaces. */
function syntaxPosition(stack: string, text: string): string {
  const lines = stack.split('\n')
  const line = /:(\d+)$/.exec(lines[0] ?? '')?.[1] ?? '1'
  const shown = lines.find((each) => /^ *\^/.test(each))?.indexOf('^') ?? 0
  let column = 0
  for (let width = 0; width < shown; column++) width += text.split('\n')[Number(line) - 1]?.[column] === '\t' ? 4 : 1
  return `${line}:${column + 1}`
}

/** The parser does not say where. */
const TOO_DEEP: Problem = { kind: 'stack', name: '', message: '', frames: [] }
