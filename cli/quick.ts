// The short way for `install` when there is nothing to do. An install that found nothing to do leaves a note of what it looked
// at; if all of that is as it was, the answer is too. Whatever is missing or different means: go the long way.
// Deliberately small, for it is on the way of every command: what costs time here is loading modules, not work.
import { existsSync, mkdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs'
import { areUnchanged, type FileState } from '../builder/evaluate/file-states.ts'
import { storeRootFrom } from '../store/root.ts'

type Note = {
  readonly version: 1
  readonly node: string
  readonly channel: string | null
  readonly layout: string
  /** Where the profile's link leads. */
  readonly profile: string
  /** Records of the items, which exist as long as the items do. */
  readonly records: readonly string[]
  /** What the evaluation of the recipes remembers of their files, and the key of its result. */
  readonly state: string
  readonly key: string
  readonly lines: readonly string[]
}

/** What `install` would print, or undefined. */
export function nothingToDo(argv: readonly string[], env: NodeJS.ProcessEnv): readonly string[] | undefined {
  try {
    if (argv[0] !== 'install' || isRelative(env.ABNPKG_CHANNEL)) return undefined
    const root = storeRootFrom(env)
    const path = notePath(root, argv)
    if (path === undefined) return undefined
    const note: Note = JSON.parse(readFileSync(path, 'utf8'))
    const seen = lookAt(root, env)
    if (note.version !== 1 || note.node !== seen.node || note.channel !== seen.channel) return undefined
    if (note.layout !== seen.layout || note.profile !== seen.profile) return undefined
    if (!note.records.every((record) => existsSync(record))) return undefined
    const state: { key: string; looked: number; files: readonly FileState[] } = JSON.parse(
      readFileSync(note.state, 'utf8'),
    )
    return state.key === note.key && areUnchanged(state.files, state.looked) ? note.lines : undefined
  } catch {
    return undefined
  }
}

export type Finding = Pick<Note, 'records' | 'state' | 'key' | 'lines'>

/** Leaves the note; that it cannot be left only costs time. */
export function rememberNothingToDo(argv: readonly string[], env: NodeJS.ProcessEnv, finding: Finding): void {
  try {
    const root = storeRootFrom(env)
    const path = notePath(root, argv)
    if (path === undefined) return
    const note: Note = { version: 1, ...lookAt(root, env), ...finding }
    mkdirSync(directoryOf(root), { recursive: true })
    writeFileSync(`${path}.${process.pid}`, JSON.stringify(note))
    renameSync(`${path}.${process.pid}`, path)
  } catch {
    // A read-only or full store: the next install goes the long way again.
  }
}

function lookAt(root: string, env: NodeJS.ProcessEnv) {
  return {
    node: process.version,
    channel: env.ABNPKG_CHANNEL ?? null,
    layout: readFileSync(`${root}/var/version`, 'latin1'),
    profile: readlinkSync(`${root}/var/profiles/default`),
  }
}

/** Only for lines without options, whose words make a file name. */
function notePath(root: string, argv: readonly string[]): string | undefined {
  const name = argv.join(' ')
  return /^install( [a-z0-9][a-z0-9+._@^~-]*){1,16}$/.test(name) && name.length < 200
    ? `${directoryOf(root)}/${name}`
    : undefined
}

/** What it means depends on the current directory, of which the note says nothing. */
function isRelative(channel: string | undefined): boolean {
  return channel !== undefined && channel !== '' && !channel.startsWith('/')
}

function directoryOf(root: string): string {
  return `${root}/var/cache/nothing-to-do`
}
