/** Servers beside the benchmark: each is waited for with a limit, and none outlives it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { encodePublicKey } from '../../trust/key.ts'
import { encodeSecretKey } from '../../trust/secret-key.ts'
import { benchConfig, operator } from './statements.ts'

export type Started = AsyncDisposable & { readonly url: string; readonly pid: number }

const HOUSE = join(import.meta.dirname, '../..')
const START_SECONDS = 60
const children = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

/** The command itself, as it is run anywhere; with a log that has no witnesses. */
export async function startCacheServer(scratch: string, data: string, hasLog = false): Promise<Started> {
  const { listen, operators, limits } = benchConfig
  const file = join(scratch, 'cache.json')
  const keys = operators.map(({ name, keys: own }) => ({ name, keys: own.map(encodePublicKey) }))
  const key = join(scratch, 'log.key')
  if (hasLog) writeFileSync(key, encodeSecretKey(operator), { mode: 0o600 })
  const log = hasLog ? { log: { key } } : {}
  writeFileSync(file, JSON.stringify({ format: 1, listen, operators: keys, limits, ...log }))
  return announced(started(join(HOUSE, 'abnpkg'), ['cache', 'serve', '--data', data, '--config', file]))
}

/** What one would write first. */
export function startPlainServer(directory: string): Promise<Started> {
  return announced(started(process.execPath, [join(import.meta.dirname, 'plain-server.ts'), directory]))
}

/** Its first line has its address. */
async function announced(child: ChildProcess): Promise<Started> {
  const line = once(child.stdout ?? child, 'data', { signal: AbortSignal.timeout(START_SECONDS * 1000) })
  const [text] = await Promise.race([line, ended(child)])
  const url = /http:\/\/\S+/.exec(`${text}`)?.[0]
  if (url === undefined) throw new Error(`a server said ${text}`)
  return serverOf(child, url)
}

/** Undefined when it is not installed. One worker, as the cache is one process. */
export async function startNginx(scratch: string, root: string): Promise<Started | undefined> {
  if (spawnSync('nginx', ['-v']).error !== undefined) return undefined
  const port = await freePort()
  const file = join(scratch, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (one) => `${one}_temp_path ${scratch}/${one};`,
  )
  const lines = [
    'daemon off; worker_processes 1;',
    // Its worker would not be allowed to read what root has made.
    process.getuid?.() === 0 ? 'user root;' : '',
    `error_log ${scratch}/error.log; pid ${scratch}/nginx.pid; events {}`,
    'http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;',
    `${temporary.join(' ')} server { listen 127.0.0.1:${port}; root ${root}; } }`,
  ]
  writeFileSync(file, lines.join('\n'))
  const child = started('nginx', ['-c', file, '-e', join(scratch, 'error.log')])
  const server = serverOf(child, `http://127.0.0.1:${port}`)
  for (let tries = 0; !(await isListening(port)); tries++) {
    if (tries > START_SECONDS * 10 || child.exitCode !== null) {
      await server[Symbol.asyncDispose]()
      throw new Error(`nginx does not start: ${readFileSync(join(scratch, 'error.log'), 'utf8').slice(-500)}`)
    }
    await delay(100)
  }
  return server
}

/** Resident memory of a process in bytes: now, the part that is its own, and the most so far. */
export function memoryOf(pid: number): { readonly now: number; readonly own: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => 1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1])
  return { now: field('VmRSS'), own: field('RssAnon'), peak: field('VmHWM') }
}

function started(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.add(child)
  child.once('close', () => children.delete(child))
  return child
}

function serverOf(child: ChildProcess, url: string): Started {
  return {
    url,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
      await gone
      clearTimeout(timer)
    },
  }
}

async function ended(child: ChildProcess): Promise<never> {
  const [status] = await once(child, 'exit')
  throw new Error(`a server ended with ${status} before it was ready`)
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
