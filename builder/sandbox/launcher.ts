/**
 * Programs of a store that is not at /abn/store on disk: they are started through launcher.abl, which makes it appear
 * there for that program and its children. Where the store is at /abn/store, programs need nothing of this.
 *
 * A command in a profile is a copy of the launcher that carries store and program at its end: one file that works by
 * whatever name or link it is called, and that needs no table, no shell and no environment variable.
 */
import { spawn } from 'node:child_process'
import { readFileSync, realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { AbnError } from '../../format/errors.ts'
import { passSignals } from './pass-signals.ts'
import { compiledProgram, launcherSources } from './programs.ts'

/** A launcher for each program of one store; reads the compiled launcher once. */
export async function launcherMaker({
  store,
  cache,
}: {
  readonly store: string
  readonly cache: string
}): Promise<LauncherMaker> {
  const launcher = readFileSync(await compiledProgram(launcherSources, cache))
  return (program) => {
    const text = Buffer.from(`${store}\0${program}\0`)
    if (text.length > MAX_TEXT || text.filter((byte) => byte === 0).length !== 2)
      throw new TypeError(`a launcher cannot carry ${JSON.stringify(program)}`)
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(text.length))
    return Buffer.concat([launcher, text, length, MARK])
  }
}

/** The bytes of an executable file (to be written with mode 0555) that runs `program`, a path below /abn/store. */
export type LauncherMaker = (program: string) => Buffer

/** Whether programs of this store (a physical directory) run without a launcher. */
export function isAtItsPlace(store: string): boolean {
  try {
    return realpathSync(store) === LOGICAL_STORE
  } catch {
    return false
  }
}

export type RunWithStore = {
  readonly store: string // the physical directory
  readonly cache: string
  readonly program: string // a path below /abn/store, or any other that exists then
  readonly args: readonly string[]
  readonly argv0?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
}

/**
 * Runs a program with the terminal of this process and the store at /abn/store; gives the exit status that a shell
 * would report (128 + number for a signal). This process passes signals on, and only waits.
 */
export async function runWithStore({ store, cache, program, args, argv0, env, cwd }: RunWithStore): Promise<number> {
  const direct = isAtItsPlace(store)
  const command = direct ? program : await compiledProgram(launcherSources, cache)
  using signals = passSignals()
  const child = spawn(command, direct ? args : [store, program, ...args], {
    stdio: 'inherit',
    argv0: direct ? (argv0 ?? program) : command,
    env: env ?? process.env,
    ...(cwd === undefined ? {} : { cwd }),
  })
  signals.to((signal) => void child.kill(signal))
  return await new Promise((resolve, reject) => {
    child.on('error', (cause) => reject(cannotRun(program, cause)))
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)))
  })
}

const LOGICAL_STORE = '/abn/store'
const MAX_TEXT = 16384
const MARK = Buffer.from('abnrun1\0')

function cannotRun(program: string, cause: Error): AbnError {
  return new AbnError('ABN_PROGRAM_UNKNOWN', `cannot run ${program}: ${cause.message}`, { cause })
}
