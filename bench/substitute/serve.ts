/**
 * Serves what generate.ts made, by nginx where it is installed, else by a plain server of Node: `node bench/substitute/serve.ts
 * DATA` answers until it is ended. `node bench/substitute/serve.ts --delay MILLISECONDS PORT` is a wire of that round trip to PORT.
 */
import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { createReadStream, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'

export type Served = AsyncDisposable & {
  readonly what: string
  readonly port: number
  /** Requests for metadata of ours so far; undefined where nobody counts. */
  readonly questions: () => number
}

export async function startServer(data: string): Promise<Served> {
  const hasNginx = spawnSync('nginx', ['-v']).status === 0
  const log = join(data, 'questions.log')
  writeFileSync(log, '')
  const questions = (): number => readFileSync(log, 'utf8').split('\n').length - 1
  if (!hasNginx) {
    const { child, port } = await startRole([data])
    return { what: 'node:http', port, questions, [Symbol.asyncDispose]: () => ended(child) }
  }
  const port = await freePort()
  writeFileSync(join(data, 'nginx.conf'), nginxConfiguration(data, port, log))
  const child = spawn('nginx', ['-p', data, '-c', join(data, 'nginx.conf'), '-g', 'daemon off;'], { stdio: 'ignore' })
  await untilListening(port)
  return { what: 'nginx', port, questions, [Symbol.asyncDispose]: () => ended(child) }
}

/** The same server, so many milliseconds away. */
export async function startDelay(milliseconds: number, port: number): Promise<AsyncDisposable & { port: number }> {
  const { child, port: own } = await startRole(['--delay', String(milliseconds), String(port)])
  return { port: own, [Symbol.asyncDispose]: () => ended(child) }
}

if (process.argv[1] === import.meta.filename) {
  const [first = '', second = '', third = ''] = process.argv.slice(2)
  const server = first === '--delay' ? delayServer(Number(second), Number(third)) : fileServer(first)
  server.listen(0, '127.0.0.1', () => process.send?.(portOf(server)))
}

function fileServer(data: string): Server {
  const log = join(data, 'questions.log')
  return createHttpServer((request, response) => {
    const { url = '' } = request
    request.resume()
    if (url === '/v1/closures') writeFileSync(log, `${url}\n`, { flag: 'a' })
    const path = join(data, url)
    if (!existsSync(path)) response.writeHead(404).end()
    else {
      response.writeHead(200, { 'content-length': statSync(path).size })
      createReadStream(path, { highWaterMark: 1024 * 1024 }).pipe(response)
    }
  })
}

/** Everything arrives half a round trip later, and nothing before the connection would have been made. */
function delayServer(milliseconds: number, port: number): Server {
  return createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true })
    const connected = performance.now() + milliseconds
    late(near, far, { half: milliseconds / 2, connected })
    late(far, near, { half: milliseconds / 2, connected })
  })
}

/** Wide enough that only the round trip is felt. */
const MOST_ON_WIRE = 16 * 1024 * 1024

function late(from: Socket, to: Socket, { half, connected }: { half: number; connected: number }): void {
  const queue: (() => void)[] = []
  const later = (action: () => void): void => {
    queue.push(action)
    setTimeout(() => queue.shift()?.(), Math.max(0, connected - performance.now()) + half)
  }
  from.on('data', (chunk) => {
    later(() => {
      if (to.destroyed || to.write(chunk) || to.writableLength < MOST_ON_WIRE || from.isPaused()) return
      from.pause()
      to.once('drain', () => from.resume())
    })
  })
  from.on('end', () => later(() => to.end()))
  from.on('error', () => to.destroy())
}

/** A POST of ours is answered by the file with the closure. */
function nginxConfiguration(data: string, port: number, log: string): string {
  return `worker_processes 1;
pid ${join(data, 'nginx.pid')};
error_log ${join(data, 'nginx-error.log')};
${process.geteuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000;
  default_type application/octet-stream;
  client_body_temp_path ${join(data, 'nginx-body')};
  proxy_temp_path ${join(data, 'nginx-proxy')};
  fastcgi_temp_path ${join(data, 'nginx-fastcgi')};
  uwsgi_temp_path ${join(data, 'nginx-uwsgi')};
  scgi_temp_path ${join(data, 'nginx-scgi')};
  server {
    listen 127.0.0.1:${port};
    root ${data};
    location = /v1/closures {
      access_log ${log};
      error_page 405 =200 /v1/closures;
    }
  }
}
`
}

async function startRole(args: readonly string[]): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(import.meta.filename, args)
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(Number(message)))
    child.once('exit', () => reject(new Error('a server did not start')))
  })
  return { child, port }
}

async function ended(child: ChildProcess): Promise<void> {
  const isGone = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await isGone
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const port = portOf(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function untilListening(port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1' }, () => resolve(true))
      socket.on('connect', () => socket.destroy())
      socket.on('error', () => resolve(false))
    })
    if (isOpen) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('nginx did not start')
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
