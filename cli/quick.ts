// Answers that are known already. A command that only looks leaves a note of what it has printed and of everything that it looked
// at (remember.ts); as long as all of that is as it was, the answer is too. Whatever is missing or different means: go the long way.
// Deliberately small, for it is on the way of every command: what costs time here is loading modules, not work.
import { areUnchanged, type FileState } from '../builder/evaluate/file-states.ts'
import { storeRootFrom } from '../store/root.ts'

export type Answer = {
  readonly version: 2
  /** Of abnpkg's surroundings: see surroundingsOf. */
  readonly surroundings: string
  /** When the command began, in milliseconds. */
  readonly looked: number
  readonly files: readonly FileState[]
  /** Paths where there was nothing. */
  readonly absent: readonly string[]
  /** Evaluations that were used: what each remembers of the files of its recipes, and the key of its result. */
  readonly evaluations: readonly { readonly path: string; readonly key: string }[]
  readonly lines: readonly string[]
}

/** What the command would print, or undefined. */
export function knownAnswer(argv: readonly string[], env: NodeJS.ProcessEnv): readonly string[] | undefined {
  try {
    if (!isAnswerable(argv)) return undefined
    // As an import it would load far more than this (node:fs/promises).
    const { existsSync, readFileSync } = process.getBuiltinModule('node:fs')
    const answer: Answer = JSON.parse(readFileSync(answerPath(storeRootFrom(env), argv), 'utf8'))
    if (answer.version !== 2 || answer.surroundings !== surroundingsOf(env)) return undefined
    if (!areUnchanged(answer.files, answer.looked) || answer.absent.some((each) => existsSync(each))) return undefined
    const isSame = answer.evaluations.every(({ path, key }) => {
      const state: { key: string; looked: number; files: readonly FileState[] } = JSON.parse(readFileSync(path, 'utf8'))
      return state.key === key && areUnchanged(state.files, state.looked)
    })
    return isSame ? answer.lines : undefined
  } catch {
    return undefined
  }
}

/**
 * Commands that look at recipes, store and profiles and at nothing else, in lines whose words make a file name. `install` is one when
 * it has nothing to do, and its options are about what it does.
 */
export function isAnswerable(argv: readonly string[]): boolean {
  const line = argv.join(' ')
  const isLook = /^(?:list|path|search|show)(?: [a-z0-9-][A-Za-z0-9.+_@^~:=-]*){0,16}$/.test(line)
  return line.length < 200 && (isLook || /^install(?: [a-z0-9][A-Za-z0-9.+_@^~:=-]*){1,16}$/.test(line))
}

export function answerPath(root: string, argv: readonly string[]): string {
  return `${root}/var/cache/answers/${argv.join(' ')}`
}

/** All but files that can change an answer. */
export function surroundingsOf(env: NodeJS.ProcessEnv): string {
  const own = Object.entries(env).filter(([name]) => /^(?:ABNPKG_.*|HOME|XDG_CONFIG_HOME)$/.test(name))
  return JSON.stringify([process.version, process.getuid?.(), process.cwd(), own.sort()])
}
