/**
 * A container: one program with the caller's terminal, the directories that it is given, and nothing else of the host. Its
 * first processes are container.abl, which carries out the script that is put together here.
 *
 * Inside, user 1000 `abn` is the caller, so that files made in a writable directory are the caller's. No capability, no way to
 * get one, no descriptor but 0 to 2, processes of its own. Trusts the kernel and the compiled program; nothing that runs inside.
 */
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { AbnError } from '../../format/errors.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { setupError } from '../sandbox/errors.ts'
import { containerFilter, noUnixSockets } from '../sandbox/filter.ts'
import { passSignals } from '../sandbox/pass-signals.ts'
import { compiledProgram } from '../sandbox/programs.ts'
import { encodeScript, type ScriptRecord } from '../sandbox/script.ts'
import type { SandboxMount } from '../sandbox/spec.ts'
import { parseStatusLine } from '../sandbox/status.ts'

export type ContainerSpec = {
  readonly cache: string // where compiled programs are kept
  readonly mounts: readonly ContainerMount[] // in this order, so that one may lie in another
  readonly files: readonly { readonly path: string; readonly text: string }[] // read-only
  readonly links: readonly { readonly path: string; readonly target: string }[]
  readonly home: string | undefined // an empty directory that ends with the container
  readonly network: Network
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly args: readonly string[] // the program is looked up on PATH unless it holds a slash
}

export type ContainerMount = SandboxMount & { readonly writable: boolean }

/** 'loopback': its own, on which nobody else is. 'host': that of the host, its loopback included. */
export type Network = 'none' | 'loopback' | 'host'

/**
 * Gives the exit status that a shell would report (128 + number for a signal). When it resolves, no process is left inside; the
 * same when this process dies, in whatever way.
 *
 * Throws ABN_SANDBOX_… where no container can be made, ABN_CONTAINER_DIRECTORY for a directory that cannot be shown inside,
 * ABN_PROGRAM_UNKNOWN when there is no such program.
 */
export async function runInContainer(spec: ContainerSpec): Promise<number> {
  const program = await compiledProgram(containerSources, spec.cache)
  const scratch = withDiskErrors('cannot prepare a container', () => mkdtempSync(join(tmpdir(), 'abnpkg-container-')))
  const remove = (): void => rmSync(scratch, { recursive: true, force: true })
  try {
    const root = join(scratch, 'root')
    const records = containerScript(spec, root)
    const script = withDiskErrors('cannot prepare a container', () => {
      mkdirSync(root)
      writeFileSync(join(scratch, 'script'), encodeScript(records), { mode: 0o600 })
      return openSync(join(scratch, 'script'), 'r')
    })
    // Once it runs it needs neither, so that nothing stays however it ends.
    return await supervise({ program, script, onStart: remove }, { spec, records })
  } finally {
    remove()
  }
}

const containerSources = ['system.abl', 'setup.abl', join(import.meta.dirname, 'container.abl')]

/** `root` is an empty directory of the host, on which the new root is mounted. Binds come last: nothing is written into them. */
export function containerScript(spec: ContainerSpec, root: string): ScriptRecord[] {
  const home = spec.home === undefined ? [] : [spec.home]
  const early = ['/dev/shm', '/dev/pts', '/proc', '/etc', '/tmp', ...home]
  const files = [...accounts(spec.home ?? '/homeless'), ...spec.files]
  const parents = [...files, ...spec.links].map(({ path }) => posix.dirname(path))
  return [
    ['namespaces', String(spec.network === 'host' ? NAMESPACES : NAMESPACES | CLONE_NEWNET)],
    ...(spec.network === 'loopback' ? [['loopback'] as const] : []),
    ['root', root],
    ...directories([...early, ...parents]),
    ['tmpfs', 'dev/shm', 'mode=1777'],
    ['tmpfs', 'tmp', 'mode=1777'],
    // Made by user 0 of the outer namespace, who is the user inside.
    ...home.map((path): ScriptRecord => ['tmpfs', relative(path), 'mode=0700']),
    ['ptys', 'dev/pts'],
    ...devices.map((name): ScriptRecord => ['device', `/dev/${name}`, `dev/${name}`]),
    ...deviceLinks.map(([path, target]): ScriptRecord => ['link', target, path]),
    ['proc', 'proc'],
    ...files.map(({ path, text }): ScriptRecord => ['file', relative(path), text]),
    ...spec.links.map(({ path, target }): ScriptRecord => ['link', target, relative(path)]),
    ...spec.mounts.flatMap(bound),
    ['pivot', 'abn'],
    ['user', '1000', '0'],
    ...(spec.network === 'host' ? [withCount('scope', noUnixSockets().map(String))] : [withCount('scope', allowAll)]),
    withCount('filter', containerFilter().map(String)),
    ['cwd', spec.cwd],
    withCount(
      'env',
      Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    ),
    withCount('run', spec.args),
  ]
}

const CLONE_NEWNET = 0x40000000
/** mount, cgroup, uts, ipc, pid; the user namespace comes with them in any case. */
const NAMESPACES = 0x20000 + 0x02000000 + 0x04000000 + 0x08000000 + 0x20000000

const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty']
const deviceLinks = [
  ['dev/fd', '/proc/self/fd'],
  ['dev/stdin', '/proc/self/fd/0'],
  ['dev/stdout', '/proc/self/fd/1'],
  ['dev/stderr', '/proc/self/fd/2'],
  ['dev/ptmx', 'pts/ptmx'],
] as const

function accounts(home: string) {
  return [
    { path: '/etc/passwd', text: `root:x:0:0:root:/homeless:/bin/sh\nabn:x:1000:1000:abn:${home}:/bin/sh\n` },
    { path: '/etc/group', text: 'root:x:0:\nabn:x:1000:\n' },
    { path: '/etc/hosts', text: '127.0.0.1 localhost\n' },
  ]
}

function bound({ source, target, writable }: ContainerMount): ScriptRecord[] {
  return [...directories([target]), [writable ? 'writable' : 'bind', source, relative(target)]]
}

/** With their parents, each once. */
function directories(paths: readonly string[]): ScriptRecord[] {
  const found = new Set<string>()
  const add = (path: string): void => {
    if (path === '.' || found.has(path)) return
    add(posix.dirname(path))
    found.add(path)
  }
  for (const path of paths) if (path !== '/') add(relative(path))
  return [...found].map((path) => ['dir', path])
}

/** Throws a TypeError for a path that is not absolute or not in its shortest form. */
function relative(path: string): string {
  if (!path.startsWith('/') || posix.normalize(path) !== path || path === '/')
    throw new TypeError(`a path in a container must be absolute and normal: ${JSON.stringify(path)}`)
  return path.slice(1)
}

function withCount(word: string, fields: readonly string[]): ScriptRecord {
  return [word, String(fields.length), ...fields]
}

/** A filter that refuses nothing: BPF_RET, SECCOMP_RET_ALLOW. */
const allowAll = [String(0x06n | (0x7fff0000n << 32n))]

type Started = { readonly program: string; readonly script: number; readonly onStart: () => void }
type Context = { readonly spec: ContainerSpec; readonly records: readonly ScriptRecord[] }

function supervise({ program, script, onStart }: Started, { spec, records }: Context): Promise<number> {
  // Its directory is where it can always be; that of the program inside is in the script.
  const signals = passSignals()
  const child = spawn(program, [], {
    stdio: ['inherit', 'inherit', 'inherit', script, 'pipe', 'pipe'],
    cwd: '/',
    env: {},
  })
  closeSync(script)
  const streams: readonly (Readable | Writable | null | undefined)[] = child.stdio
  const [, , , , status, control] = streams
  signals.to((signal) => {
    if (control && 'write' in control) control.write(Buffer.of(constants.signals[signal]))
  })
  const release = (): void => {
    signals[Symbol.dispose]()
    control?.destroy()
  }
  let said = ''
  let decided: (() => number) | undefined
  status?.on('data', (bytes: Buffer) => {
    const lines = (said + bytes.toString('latin1')).split('\n')
    said = lines.pop() ?? ''
    for (const line of lines) {
      const parsed = parseStatusLine(line)
      if (parsed?.kind === 'step') onStart()
      else if (parsed?.kind === 'setup') decided ??= () => failSetup(parsed, { spec, records })
      else if (parsed?.kind === 'failed') {
        const { how } = parsed
        decided ??= () => (how.kind === 'not-executed' ? failExecution(how.errno, spec) : statusOf(how))
      }
    }
  })
  for (const stream of streams) stream?.on('error', () => {}) // the other end may be gone; 'close' says how it ended
  return new Promise((resolve, reject) => {
    child.on('error', (cause) => {
      release()
      reject(cannotStart(cause))
    })
    child.on('close', (code, signal) => {
      release()
      try {
        resolve(decided ? decided() : failEnding(code ?? signal))
      } catch (error) {
        reject(error)
      }
    })
  })
}

function statusOf(how: { kind: 'exit'; code: number } | { kind: 'signal'; signal: number }): number {
  return how.kind === 'exit' ? how.code : 128 + how.signal
}

const [ENOENT, EACCES] = [2, 13]

function failSetup({ record, errno }: { record: number; errno: number }, { spec, records }: Context): never {
  const failed = records[record] ?? ['?']
  const directory = failed[1] ?? ''
  if (failed[0] === 'writable' && (errno === EACCES || errno === ENOENT)) {
    throw new AbnError('ABN_CONTAINER_DIRECTORY', `${directory} cannot be shown in a container`, {
      hint: 'it must belong to you, and be reachable without the powers of root',
    })
  }
  if (failed[0] === 'cwd' || failed[0] === 'run') throw new TypeError(`a container in ${spec.cwd} failed: ${errno}`)
  throw setupError(failed, errno)
}

function failExecution(errno: number, { args, cwd }: ContainerSpec): never {
  const program = args[0] ?? ''
  if (errno === ENOENT) {
    throw new AbnError('ABN_PROGRAM_UNKNOWN', `there is no program called ${program} in the container`, {
      hint: 'add the package that has it: in a container there are only programs of the packages that you name',
    })
  }
  const reason = errno === EACCES ? `it is not executable, or ${cwd} may not be entered` : `error ${errno}`
  throw new AbnError('ABN_PROGRAM_UNKNOWN', `cannot run ${program}: ${reason}`)
}

function failEnding(how: number | NodeJS.Signals | null): never {
  throw new AbnError('ABN_SANDBOX_ENDED', `the container was ended from outside (${String(how)})`, {
    hint: 'the kernel may have run out of memory: see dmesg',
  })
}

function cannotStart(cause: Error): AbnError {
  return new AbnError('ABN_SANDBOX_SETUP', `a container could not be started: ${cause.message}`, {
    hint: 'put the store (ABNPKG_ROOT) on a file system that is not mounted noexec',
    cause,
  })
}
