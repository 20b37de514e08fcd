// Runs probes in real sandboxes: as the user who runs the tests and, where that is root, as an ordinary one too.
import { spawn } from 'node:child_process'
import { chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultLimits, type SandboxLimits } from '../../../../builder/sandbox/limits.ts'
import type { SandboxMount, SandboxResult, SandboxSpec, SandboxStep } from '../../../../builder/sandbox/spec.ts'
import { writeProbe } from './probes.ts'

export type User = { readonly name: string; readonly ids?: { readonly uid: number; readonly gid: number } }

/** A user id that nothing else has; it needs no account. */
const ordinary: User = { name: 'an ordinary user', ids: { uid: 12345, gid: 12345 } }

export const users: readonly User[] =
  process.getuid?.() === 0 && isReadableByAll(import.meta.dirname)
    ? [{ name: 'root' }, ordinary]
    : [{ name: 'this user' }]

export type Place = { readonly directory: string; readonly build: string; remove(): void }

/** A private directory of that user's with an empty directory for /build. */
export function place(user: User): Place {
  const directory = mkdtempSync(join(tmpdir(), 'abn-sandbox-'))
  const build = join(directory, 'build')
  mkdirSync(build)
  mkdirSync(join(directory, 'scratch'))
  own(directory, user)
  return { directory, build, remove: () => rmSync(directory, { recursive: true, force: true }) }
}

export function own(path: string, { ids }: User): void {
  if (!ids) return
  chownSync(path, ids.uid, ids.gid)
  if (!lstatSync(path).isDirectory()) return
  for (const name of readdirSync(path)) own(join(path, name), { name: '', ids })
}

export type Try = {
  readonly user: User
  readonly programs: Readonly<Record<string, string>> // name in /build → Abl source
  readonly steps?: readonly (readonly string[] | Partial<SandboxStep>)[] // default: each program once
  readonly limits?: Partial<SandboxLimits>
  readonly cores?: number
  readonly env?: Readonly<Record<string, string>>
  readonly readOnly?: readonly SandboxMount[]
  readonly links?: SandboxSpec['links']
  readonly runnerEnv?: Readonly<Record<string, string>>
  readonly wrapper?: readonly string[] // a command in front of the driver's
  readonly onOutput?: (text: string, driver: { kill(): void }) => void
}

export type Outcome = {
  readonly text: string // of standard output and standard error
  readonly started: readonly number[]
  readonly result?: SandboxResult
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string }
}

/** Runs the programs in a sandbox, in a driver process of its own. */
export async function tryInSandbox(at: Place, options: Try): Promise<Outcome> {
  for (const [name, source] of Object.entries(options.programs)) writeProbe(join(at.build, name), source)
  own(at.build, options.user)
  const steps = (options.steps ?? Object.keys(options.programs).map((name) => [`/build/${name}`])).map(stepOf)
  const spec: SandboxSpec = {
    scratch: join(at.directory, 'scratch'),
    cache: join(at.directory, 'cache'),
    readOnly: options.readOnly ?? [],
    writable: [{ source: at.build, target: '/build' }],
    files: [],
    links: options.links ?? [],
    env: options.env ?? {},
    steps,
    cores: options.cores ?? 1,
    limits: { ...defaultLimits(), seconds: 60, ...options.limits },
  }
  return await drive(spec, options)
}

function drive(spec: SandboxSpec, { user, runnerEnv, wrapper = [], onOutput }: Try): Promise<Outcome> {
  const [command = '', ...args] = [...wrapper, process.execPath, join(import.meta.dirname, 'runner.ts')]
  const driver = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: runnerEnv ?? process.env,
    cwd: '/',
    ...user.ids,
  })
  driver.stdin?.end(JSON.stringify(spec))
  let text = ''
  let rest = ''
  const started: number[] = []
  let last: Partial<Outcome> = {}
  driver.stdout?.setEncoding('utf8').on('data', (data: string) => {
    const lines = (rest + data).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const event = JSON.parse(line)
      if (event.kind === 'output') {
        text += event.text
        onOutput?.(text, { kill: () => driver.kill('SIGKILL') })
      } else if (event.kind === 'step') started.push(event.step)
      else if (event.kind === 'result') last = { ...last, result: event.result }
      else last = { ...last, error: { code: event.code, message: event.message, hint: event.hint } }
    }
  })
  return new Promise((resolve, reject) => {
    driver.on('error', reject)
    driver.on('close', () => resolve({ text, started, ...last }))
  })
}

function stepOf(step: readonly string[] | Partial<SandboxStep>): SandboxStep {
  return { args: [], cwd: '/build', env: {}, parallel: false, ...(isArgs(step) ? { args: step } : step) }
}

function isArgs(step: readonly string[] | Partial<SandboxStep>): step is readonly string[] {
  return Array.isArray(step)
}

/** Processes of the whole machine that have `token` among their arguments. */
export function processesWith(token: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => commandLine(pid).split('\0').includes(token))
    .map(Number)
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function isReadableByAll(path: string): boolean {
  return path === '/' || ((lstatSync(path).mode & 0o001) !== 0 && isReadableByAll(join(path, '..')))
}
