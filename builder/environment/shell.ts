/**
 * Runs a program, or a shell, in an environment of packages: among the programs of the host, or without them (`pure`), or in a
 * container. The caller holds the packages (store/hold.ts) as long as it runs.
 */
import { existsSync, lstatSync, readFileSync, realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { type StorePath, storeDirectory } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import { runWithStore } from '../sandbox/launcher.ts'
import type { ContainerMount, Network } from './container.ts'
import { bashStartupFile, isProgram, shellArguments, userShell } from './shells.ts'
import { searchVariables } from './variables.ts'

export type Environment = {
  readonly store: Store
  readonly cache: string // where compiled programs are kept
  readonly items: readonly StorePath[] // in the order of PATH
  readonly label: string // what ABNPKG_SHELL says
  readonly keep: readonly string[] // variables that a pure environment and a container keep
  readonly env: Readonly<Record<string, string | undefined>> // the caller's
  /** None: an interactive shell. */
  readonly command: readonly string[]
}

/** What a pure environment keeps of the caller's variables; programs ask for these wherever they run. */
export const keptVariables: readonly string[] = ['HOME', 'USER', 'LOGNAME', 'TERM', 'LANG', 'TZ']

/** Gives the exit status that a shell would report. Throws ABN_PROGRAM_UNKNOWN or ABN_SHELL_MISSING. */
export async function runInEnvironment(
  environment: Environment,
  { pure }: { readonly pure: boolean },
): Promise<number> {
  const { store, cache, items, env, command } = environment
  const outer = pure ? only(env, [...keptVariables, ...environment.keep]) : env
  const inherited = pure ? undefined : env
  const search = searchVariables(items, { physicalPath: (item) => store.physicalPath(item), inherited })
  const variables = { ...outer, ...search, ABNPKG_SHELL: labelOf(environment, pure) }
  const [name, ...args] = command
  if (name !== undefined) {
    const program = name.includes('/') ? name : programOn(search.PATH ?? '', name, store)
    if (program === undefined) throw unknownProgram(name, pure)
    return await runWithStore({ store: store.layout.store, cache, program, args, env: variables })
  }
  const shell = userShell(env.SHELL)
  return await runWithStore({
    store: store.layout.store,
    cache,
    program: shell,
    args: shellArguments(shell, { pure, startup: bashStartupFile }),
    env: { ...variables, ...startupVariables(shell, environment, pure) },
  })
}

export type ContainerOptions = {
  readonly network: Extract<Network, 'loopback' | 'host'>
  readonly directory: string
  /** What runs when there is no command. */
  readonly shell: ContainerShell | undefined
}

export type ContainerShell = { readonly item: StorePath; readonly path: string }

/** The same in a container, in which only the closure of the items and `directory` are visible; that is also where it runs. */
export async function runInClosure(
  environment: Environment,
  { network, directory, shell }: ContainerOptions,
): Promise<number> {
  const { store, cache, items, env, keep } = environment
  const search = searchVariables(items, { physicalPath: (item) => store.physicalPath(item), inherited: undefined })
  const roots = shell === undefined ? items : [...items, shell.item]
  const links = [
    { path: '/bin/sh', target: programOf(roots, ['bin/sh', 'bin/bash'], store)?.path },
    { path: '/usr/bin/env', target: programOf(items, ['bin/env'], store)?.path },
  ].flatMap(({ path, target }) => (target === undefined ? [] : [{ path, target }]))
  const { runInContainer } = await import('./container.ts')
  const { networkFiles, networkVariables } = await import('./network.ts')
  return await runInContainer({
    cache,
    mounts: [...closureMounts(roots, store), { source: directory, target: directory, writable: true }],
    files: [
      ...(network === 'host' ? networkFiles() : []),
      ...(shell === undefined ? [] : [{ path: startup, text: readFileSync(bashStartupFile, 'utf8') }]),
    ],
    links,
    home,
    network,
    env: {
      HOME: home,
      USER: 'abn',
      LOGNAME: 'abn',
      ...(network === 'host' ? networkVariables : {}),
      ...only(env, ['TERM', 'LANG', 'TZ', ...keep]),
      ...search,
      ABNPKG_SHELL: environment.label,
      ...(shell === undefined ? {} : { SHELL: shell.path, ...startupVariables(shell.path, environment, true) }),
    },
    cwd: directory,
    args:
      shell === undefined ? environment.command : [shell.path, ...shellArguments(shell.path, { pure: true, startup })],
  })
}

/** Below /abn no directory of a user's is shown, so that it hides none. */
const home = '/abn/home'
const startup = '/etc/abnpkg.bashrc'

/**
 * Throws ABN_CONTAINER_DIRECTORY for a directory that would take the place of what the container is made of, and for one through which
 * programs inside could write to the store.
 */
export function requireShowable(directory: string, { root }: Store): void {
  const store = existsSync(root) ? realpathSync(root) : root
  const reserved = ['/dev', '/proc', '/sys', '/abn', store]
  const reason = reserved.some((each) => isWithin(directory, each))
    ? 'it is not for work'
    : isWithin(store, directory)
      ? `the store is in it (${store})`
      : undefined
  if (directory !== '/' && reason === undefined) return
  const why = directory === '/' ? 'everything is in it' : reason
  throw new AbnError('ABN_CONTAINER_DIRECTORY', `${directory} cannot be shown in a container: ${why}`, {
    hint: 'change to the directory that you want to work in',
  })
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}

/** The items and all that they refer to, read-only, where they belong. */
export function closureMounts(items: readonly StorePath[], store: Store): readonly ContainerMount[] {
  const mountOf = (path: StorePath) => ({ source: store.physicalPath(path), target: path, writable: false })
  return store.closureOf(items).map(mountOf)
}

/** The shell of the first item that has one, bash before others. */
export function shellAmong(items: readonly StorePath[], store: Store): ContainerShell | undefined {
  return programOf(items, ['bin/bash', 'bin/sh'], store)
}

/** What makes the prompt say where one is; for bash it is done by bashrc, which unsets these. */
function startupVariables(
  shell: string,
  { items, store }: Environment,
  pure: boolean,
): Readonly<Record<string, string>> {
  if (basename(shell) !== 'bash') return pure ? { PS1: '[abn] $ ' } : {}
  const { PATH = '' } = searchVariables(items, {
    physicalPath: (item) => store.physicalPath(item),
    inherited: undefined,
  })
  return { ABNPKG_SHELL_PATH: PATH, ...(pure ? { ABNPKG_SHELL_PURE: '1' } : {}) }
}

/** Within another environment its packages are there too, and said so. */
function labelOf({ label, env }: Environment, pure: boolean): string {
  return [label, ...(pure || !env.ABNPKG_SHELL ? [] : [env.ABNPKG_SHELL])].join(' ')
}

function only(env: Readonly<Record<string, string | undefined>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
}

/** Looked for here, because only here it can be said what is missing; as the program will be named there. */
function programOn(path: string, name: string, store: Store): string | undefined {
  return path
    .split(':')
    .filter((directory) => directory !== '')
    .map((directory) => `${directory}/${name}`)
    .find((program) => isThere(program, store))
}

function programOf(items: readonly StorePath[], programs: readonly string[], store: Store): ContainerShell | undefined {
  return programs
    .flatMap((program) => items.map((item) => ({ item, path: `${item}/${program}` })))
    .find(({ path }) => isThere(path, store))
}

/** Also where the store is elsewhere on disk. Links of packages may lead to /abn/store, so that they are not followed. */
function isThere(program: string, { layout }: Store): boolean {
  if (!program.startsWith(`${storeDirectory}/`)) return isProgram(program)
  const place = `${layout.store}${program.slice(storeDirectory.length)}`
  return isProgram(place) || lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() === true
}

function unknownProgram(name: string, pure: boolean): AbnError {
  return new AbnError('ABN_PROGRAM_UNKNOWN', `there is no program called ${name} in this environment`, {
    hint: pure
      ? 'with --pure there are only programs of the packages that you name; add the one that has it'
      : 'add the package that has it; abnpkg search looks for packages',
  })
}
