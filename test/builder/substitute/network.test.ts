// Caches by HTTPS and through proxies: certificates and proxies come from the environment, as docs/substitutes.md says.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { archives, bundled } from '../../faults/_support/hostile-cache.ts'
import { alice, bob, honest, packed, user, userOutput } from '../../faults/_support/world.ts'

const tls = join(import.meta.dirname, '../../_support/tls')
const authority = join(tls, 'ca.pem')

function answerAsCache(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  const digest = /^\/v1\/archives\/([0-9a-f]{64})$/.exec(request.url ?? '')?.[1]
  if (digest === undefined) bundled(honest(alice, bob))(request, response)
  else archives()(digest, response, request)
}

const startSecure = (t: ExecutionContext) =>
  listening(
    t,
    createHttpsServer(
      { cert: readFileSync(join(tls, 'server.pem')), key: readFileSync(join(tls, 'server-key.pem')) },
      answerAsCache,
    ),
  )

async function listening(t: ExecutionContext, server: Server & { closeAllConnections?(): void }): Promise<number> {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => open.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

type Asked = {
  readonly reports: readonly { readonly kind: string; readonly reason?: string; readonly pieces?: number }[]
  readonly bytes?: number
}

/** In a process of its own, as Node reads these variables when it starts. */
function ask(address: string, env: Readonly<Record<string, string>>): Promise<Asked> {
  const child = join(import.meta.dirname, 'children/ask.ts')
  return new Promise((resolve, reject) => {
    const args = [child, address, user.recipeHash, userOutput.digest]
    execFile(process.execPath, args, { env: { PATH: process.env.PATH, ...env } }, (error, stdout) => {
      if (error) reject(error)
      else resolve(JSON.parse(stdout))
    })
  })
}

test('HTTPS: with an authority of one’s own, and not without', async (t) => {
  const port = await startSecure(t)
  for (const host of ['127.0.0.1', 'localhost']) {
    const { reports, bytes } = await ask(`https://${host}:${port}`, { NODE_EXTRA_CA_CERTS: authority })
    t.like(reports, [{ kind: 'answered', pieces: 4 }], host)
    t.is(bytes, packed(userOutput).length)
  }
  const [report] = (await ask(`https://127.0.0.1:${port}`, {})).reports
  t.is(report?.kind, 'failed')
  t.regex(report?.reason ?? '', /certificate/)
})

/** A proxy that notes what it is asked for, and sends everything to one port. */
async function startProxy(t: ExecutionContext, to: number) {
  const asked: string[] = []
  const server = createHttpServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    const { pathname } = new URL(request.url ?? '')
    const { method = 'GET', headers } = request
    const onwards = httpRequest({ host: '127.0.0.1', port: to, path: pathname, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    request.pipe(onwards)
  })
  server.on('connect', (request, near: Socket) => {
    asked.push(`CONNECT ${request.url}`)
    const far = connect(to, '127.0.0.1', () => {
      near.write('HTTP/1.1 200 Connection established\r\n\r\n')
      near.pipe(far).pipe(near)
    })
    far.on('error', () => near.destroy())
    near.on('error', () => far.destroy())
  })
  return { port: await listening(t, server), asked }
}

test('HTTPS through a proxy: a tunnel, in which the certificate is still checked', async (t) => {
  const proxy = await startProxy(t, await startSecure(t))
  const env = { https_proxy: `http://127.0.0.1:${proxy.port}`, NODE_EXTRA_CA_CERTS: authority }
  const { reports, bytes } = await ask('https://localhost:4430', env)
  t.like(reports, [{ kind: 'answered', pieces: 4 }])
  t.is(bytes, packed(userOutput).length)
  t.deepEqual(new Set(proxy.asked), new Set(['CONNECT localhost:4430']))
  const [report] = (await ask('https://cache.example:4430', env)).reports
  t.is(report?.kind, 'failed')
  t.regex(report?.reason ?? '', /cache\.example.*altnames/)
})

test('HTTP through a proxy; hosts that are left out; a proxy that is not there', async (t) => {
  const port = await listening(t, createHttpServer(answerAsCache))
  const proxy = await startProxy(t, port)
  const env = { http_proxy: `http://127.0.0.1:${proxy.port}` }
  t.like((await ask('http://cache.example', env)).reports, [{ kind: 'answered' }])
  t.deepEqual(proxy.asked, [
    'POST http://cache.example/v1/closures',
    `GET http://cache.example/v1/archives/${userOutput.digest}`,
  ])
  t.like((await ask(`http://127.0.0.1:${port}`, { ...env, no_proxy: '127.0.0.1' })).reports, [{ kind: 'answered' }])
  t.is(proxy.asked.length, 2)
  const nowhere = { http_proxy: 'http://127.0.0.1:9' }
  t.like((await ask(`http://127.0.0.1:${port}`, nowhere)).reports, [{ kind: 'failed' }])
})
