/**
 * Runs the steps of one build in a sandbox: `unshare` makes the namespaces, init (init.abl) does the rest from inside.
 *
 * Trusts the kernel, `unshare`, the compiled init and the caller's scratch directory; nothing that runs inside. Three
 * things end a sandbox with every process in it: init ends (it is process 1); the control socket closes, which happens
 * also when this process dies in any way; unshare dies (--kill-child). Nothing is left to clean up but the scratch
 * directory: mounts and namespaces end with their processes.
 */
import { spawn } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { AbnError } from '../../format/errors.ts'
import { diskFullHint, withDiskErrors } from '../../store/io-errors.ts'
import { freeSpace, watchDisk } from './disk.ts'
import { isBusy, setupError, unshareError } from './errors.ts'
import { giveToSandbox, sandboxIdentity } from './identity.ts'
import { compiledProgram, initSources } from './programs.ts'
import { encodeScript, type ScriptRecord, sandboxScript } from './script.ts'
import type { SandboxEvent, SandboxLimit, SandboxResult, SandboxSpec } from './spec.ts'
import { type Ending, parseStatusLine } from './status.ts'

export type SandboxOptions = {
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: ((event: SandboxEvent) => void) | undefined
}

/**
 * Runs a sandbox to its end. When the promise settles, no process of it is left.
 *
 * Throws AbnError ABN_SANDBOX_… when the sandbox cannot be made here, ABN_DISK_FULL when the disk has no room for a
 * build, and the signal's reason when it is aborted.
 */
export async function runInSandbox(
  spec: SandboxSpec,
  { signal, onEvent }: SandboxOptions = {},
): Promise<SandboxResult> {
  signal?.throwIfAborted()
  const { free, reserve } = await freeSpace(spec.scratch)
  if (free < reserve) throw diskFull(spec.scratch, free)
  const identity = sandboxIdentity()
  const init = await compiledProgram(initSources, spec.cache)
  const [root, tmp, script] = [join(spec.scratch, 'root'), join(spec.scratch, 'tmp'), join(spec.scratch, 'script')]
  const writable = [...spec.writable, { source: tmp, target: '/tmp' }]
  const records = sandboxScript({ ...spec, writable }, { root, identity })
  withDiskErrors(`cannot prepare a sandbox in ${spec.scratch}`, () => {
    for (const directory of [root, tmp]) mkdirSync(directory, { recursive: true })
    chmodSync(tmp, 0o1777) // as everywhere; the scratch directory keeps others out
    for (const { source } of writable) giveToSandbox(source, identity)
    writeFileSync(script, encodeScript(records))
  })
  const run = { spec: { ...spec, writable }, init, script, records, unshareFlags: identity.unshareFlags }
  const result = await whileBusy(() => supervise(run, { signal, onEvent }))
  if (result.kind === 'limit') return result
  // A step that found the disk full may have failed for that reason, or not noticed and left files that end too early.
  const left = await freeSpace(spec.scratch)
  return left.free < left.reserve ? { kind: 'limit', limit: 'free-space', reached: left.free } : result
}

/**
 * A program that was only just written cannot be started while a process holds it open for writing, and for a moment each
 * process that another thread starts does: between fork and exec it has all open files. So this passes.
 */
async function whileBusy<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await start()
    } catch (error) {
      if (!isBusy(error) || tries === BUSY_TRIES) throw error
      await delay(BUSY_MS * tries)
    }
  }
}

const BUSY_TRIES = 20
const BUSY_MS = 10

const namespaceFlags = ['--mount', '--net', '--pid', '--ipc', '--uts', '--cgroup', '--fork', '--kill-child=KILL']

/** After a sandbox was told to end: for processes that the kernel cannot end at once (waiting for a disk). */
const GRACE_MS = 5000

type Run = {
  readonly spec: SandboxSpec
  readonly init: string
  readonly script: string
  readonly records: readonly ScriptRecord[]
  readonly unshareFlags: readonly string[]
}

function supervise(run: Run, { signal, onEvent }: SandboxOptions): Promise<SandboxResult> {
  const { spec } = run
  return new Promise((resolve, reject) => {
    const scriptFd = openSync(run.script, 'r')
    // A session of its own: Ctrl-C on the terminal reaches this process, which ends the sandbox in order.
    const child = spawn('unshare', [...run.unshareFlags, ...namespaceFlags, '--', run.init], {
      stdio: ['ignore', 'pipe', 'pipe', scriptFd, 'pipe', 'pipe'],
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
      cwd: '/',
      detached: true,
    })
    closeSync(scriptFd)
    const streams: readonly (Readable | Writable | null | undefined)[] = child.stdio
    const [, output, complaints, , status, control] = streams

    let ending: Ending | undefined
    let complaint = ''
    let outputBytes = 0
    let lastSignOfLife = Date.now()
    let hardKill: NodeJS.Timeout | undefined

    const stop = (how: Ending): void => {
      ending ??= how
      control?.destroy()
      hardKill ??= setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
    }
    const stopAtLimit = (limit: SandboxLimit, reached: number): void => stop({ kind: 'limit', limit, reached })
    const onAbort = (): void => stop({ kind: 'aborted' })

    const wholeTime = setTimeout(() => stopAtLimit('time', spec.limits.seconds), timerMs(spec.limits.seconds))
    const silence = setInterval(
      () => {
        const silentSeconds = (Date.now() - lastSignOfLife) / 1000
        if (silentSeconds >= spec.limits.silentSeconds) stopAtLimit('silence', Math.floor(silentSeconds))
      },
      Math.min(1000, timerMs(spec.limits.silentSeconds / 2)),
    )
    const disk = watchDisk(
      spec.writable.map(({ source }) => source),
      { limitBytes: spec.limits.diskBytes, onFinding: ({ kind, bytes }) => stopAtLimit(kind, bytes) },
    )
    signal?.addEventListener('abort', onAbort)
    if (signal?.aborted) onAbort() // since the sandbox was prepared

    output?.on('data', (bytes: Buffer) => {
      lastSignOfLife = Date.now()
      if (ending?.kind === 'limit' || ending?.kind === 'aborted') return
      outputBytes += bytes.length
      onEvent?.({ kind: 'output', bytes })
      if (outputBytes > spec.limits.outputBytes) stopAtLimit('output', outputBytes)
    })
    complaints?.on('data', (bytes: Buffer) => {
      if (complaint.length < 10_000) complaint += bytes.toString()
    })
    readLines(status, (line) => {
      const parsed = parseStatusLine(line)
      if (parsed?.kind === 'step') {
        lastSignOfLife = Date.now()
        onEvent?.(parsed)
      } else ending ??= parsed
    })
    for (const stream of streams) stream?.on('error', () => {}) // the other end may be gone; 'close' says how it ended

    const settle = (decide: () => SandboxResult): void => {
      clearTimeout(wholeTime)
      clearTimeout(hardKill)
      clearInterval(silence)
      disk.stop()
      control?.destroy()
      signal?.removeEventListener('abort', onAbort)
      try {
        resolve(decide())
      } catch (error) {
        reject(error)
      }
    }
    child.on('error', (cause) =>
      settle(() => {
        throw unshareError({ complaint: cause.message, cause })
      }),
    )
    child.on('close', (code, killedBy) =>
      settle(() => {
        if (ending === undefined) throw unshareError({ complaint, exit: code ?? killedBy ?? 0 })
        return resultOf(ending, { records: run.records, signal, spec })
      }),
    )
  })
}

type Context = {
  readonly records: readonly ScriptRecord[]
  readonly signal: AbortSignal | undefined
  readonly spec: SandboxSpec
}

function resultOf(ending: Ending, { records, signal, spec }: Context): SandboxResult {
  switch (ending.kind) {
    case 'done':
    case 'limit':
      return ending
    case 'failed':
      return isTooLargeFile(ending) ? { kind: 'limit', limit: 'disk', reached: spec.limits.diskBytes } : ending
    case 'aborted':
      signal?.throwIfAborted()
      throw new AbnError('ABN_INTERRUPTED', 'the build was interrupted')
    case 'setup':
      throw setupError(records[ending.record] ?? ['?'], ending.errno)
    default:
      return ending satisfies never
  }
}

/** SIGXFSZ (25), also as a shell passes it on: the kernel's limit on one file is the limit on all of them. */
function isTooLargeFile({ how }: Extract<Ending, { kind: 'failed' }>): boolean {
  return (how.kind === 'signal' && how.signal === 25) || (how.kind === 'exit' && how.code === 128 + 25)
}

function readLines(stream: NodeJS.EventEmitter | null | undefined, onLine: (line: string) => void): void {
  let rest = ''
  stream?.on('data', (bytes: Buffer) => {
    const lines = (rest + bytes.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
}

/** Node's timers hold 31 bits. */
function timerMs(seconds: number): number {
  return Math.min(Math.ceil(seconds * 1000), 2 ** 31 - 1)
}

function diskFull(path: string, free: number): AbnError {
  return new AbnError('ABN_DISK_FULL', `only ${Math.floor(free / 2 ** 20)} MiB are free for a build in ${path}`, {
    hint: diskFullHint,
  })
}
