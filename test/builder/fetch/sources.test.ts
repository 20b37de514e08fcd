import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type FetchOptions, type FetchProgress, fetchSources } from '../../../builder/fetch/sources.ts'
import { AbnError, type ErrorCode } from '../../../format/errors.ts'
import { parseSha256, type Sha256 } from '../../../format/hash.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

for (const name of ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY']) delete process.env[name]

const content = randomBytes(300_000)
const other = randomBytes(1000)
const sha256 = hashOf(content)

function hashOf(bytes: Uint8Array): Sha256 {
  return parseSha256(createHash('sha256').update(bytes).digest('hex'))
}

/** A real server; answers with its address and the requests that it saw. */
async function serve(t: ExecutionContext, listener: RequestListener, port = 0) {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    listener(request, response)
  })
  await listen(t, server, port)
  return { origin: originOf(server), port: portOf(server), seen }
}

async function listen(t: ExecutionContext, server: Server | ReturnType<typeof createTcpServer>, port = 0) {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
}

function portOf(server: Server | ReturnType<typeof createTcpServer>): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

const originOf = (server: Server | ReturnType<typeof createTcpServer>) => `http://127.0.0.1:${portOf(server)}`

/** Serves `bytes` with ranges, as a well-behaved mirror does. */
function withRanges(bytes: Uint8Array): RequestListener {
  return (request, response) => {
    const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (begin >= bytes.length) return void response.writeHead(416).end()
    const headers = { 'content-length': bytes.length - begin, etag: '"one"' }
    if (begin === 0) response.writeHead(200, headers)
    else response.writeHead(206, { ...headers, 'content-range': `bytes ${begin}-${bytes.length - 1}/${bytes.length}` })
    response.end(bytes.subarray(begin))
  }
}

async function fetchFrom(
  t: ExecutionContext,
  urls: readonly string[],
  options: Partial<FetchOptions> & { readonly size?: number } = {},
) {
  const cacheDirectory = options.cacheDirectory ?? join(temporaryDirectory(t), 'sources')
  const events: FetchProgress[] = []
  const { size, ...rest } = options
  const hint = { kind: 'urls' as const, urls, ...(size === undefined ? {} : { size }) }
  const paths = await fetchSources([{ sha256, hint }], {
    cacheDirectory,
    channelRoot: '/nonexistent',
    onProgress: (event) => events.push(event),
    ...rest,
  })
  return { path: paths.get(sha256) ?? '', cacheDirectory, events }
}

async function failing(t: ExecutionContext, work: Promise<unknown>): Promise<AbnError> {
  const error = await t.throwsAsync(work)
  if (!(error instanceof AbnError)) throw error
  t.truthy(error.hint)
  return error
}

const names = async (directory: string) => (await readdir(directory)).sort()

test('a file arrives under its hash, with progress, and is not downloaded again', async (t) => {
  const { origin, seen } = await serve(t, withRanges(content))
  const { path, cacheDirectory, events } = await fetchFrom(t, [`${origin}/a.tar`])
  t.deepEqual(await readFile(path), content)
  t.deepEqual(await names(cacheDirectory), [sha256])
  t.deepEqual(events.at(-1), { kind: 'done', sha256, path, address: `${origin}/a.tar` })
  const last = events.filter((event) => event.kind === 'bytes').at(-1)
  t.like(last, { bytes: content.length, total: content.length })
  await fetchFrom(t, [`${origin}/a.tar`], { cacheDirectory })
  t.is(seen.length, 1)
})

test('a damaged file in the cache is replaced', async (t) => {
  const { origin } = await serve(t, withRanges(content))
  const cacheDirectory = temporaryDirectory(t)
  await writeFile(join(cacheDirectory, sha256), content.subarray(1))
  const { path } = await fetchFrom(t, [`${origin}/a`], { cacheDirectory })
  t.deepEqual(await readFile(path), content)
})

test('a wrong file from one mirror is dropped and the next mirror is asked', async (t) => {
  const bad = await serve(t, withRanges(other))
  const good = await serve(t, withRanges(content))
  const { path, events } = await fetchFrom(t, [`${bad.origin}/a`, `${good.origin}/a`])
  t.deepEqual(await readFile(path), content)
  const failure = events.find((event) => event.kind === 'failed')
  t.like(failure, { address: `${bad.origin}/a`, reason: `got another SHA-256: ${hashOf(other)} (1000 bytes)` })
})

test('a wrong file everywhere is an error of its own, and nothing is kept', async (t) => {
  const { origin } = await serve(t, withRanges(other))
  const cacheDirectory = temporaryDirectory(t)
  const error = await failing(t, fetchFrom(t, [`${origin}/a`], { cacheDirectory }))
  t.is(error.code, 'ABN_SOURCE_WRONG_HASH')
  const expected = `no address has the source that the recipe names: expected SHA-256 ${sha256}:`
  t.is(error.message, `${expected}\n  ${origin}/a: got another SHA-256: ${hashOf(other)} (1000 bytes)`)
  t.deepEqual(await names(cacheDirectory), [])
})

test('not found and not reachable are told apart, and every address is named', async (t) => {
  const { origin } = await serve(t, (_, response) => void response.writeHead(404).end())
  const dead = 'http://127.0.0.1:1'
  const absent = await failing(t, fetchFrom(t, [`${origin}/a`, `${origin}/b`]))
  t.is(absent.code, 'ABN_SOURCE_NOT_FOUND')
  const unreachable = await failing(t, fetchFrom(t, [`${origin}/a`, `${dead}/a`]))
  t.is(unreachable.code, 'ABN_SOURCE_UNREACHABLE')
  t.regex(unreachable.message, /\/a: not found \(404\)\n {2}http:\/\/127\.0\.0\.1:1\/a: connection refused/)
  const nameless = await failing(t, fetchFrom(t, ['http://no-such-host.invalid/a']))
  t.is(nameless.code, 'ABN_SOURCE_UNREACHABLE')
  t.is((await failing(t, fetchFrom(t, []))).code, 'ABN_SOURCE_NOT_FOUND')
})

test('a dead host is asked once in a run', async (t) => {
  const connections: Socket[] = []
  const server = createTcpServer((socket) => {
    connections.push(socket)
    socket.on('error', () => {})
  })
  await listen(t, server)
  const mute = originOf(server)
  const limits = { headersSeconds: 1 }
  const error = await failing(
    t,
    fetchFrom(
      t,
      [1, 2, 3].map((n) => `${mute}/${n}`),
      { limits, connections: 1 },
    ),
  )
  t.is(connections.length, 1)
  t.is(error.message.match(/failed earlier in this run: no answer in time/g)?.length, 2)
})

test('a host that delivered is preferred for the next source', async (t) => {
  const good = await serve(t, (request, response) =>
    withRanges(request.url === '/other' ? other : content)(request, response),
  )
  const poor = await serve(t, (_, response) => void response.writeHead(500).end())
  const cacheDirectory = temporaryDirectory(t)
  const hint = (name: string) => ({ kind: 'urls' as const, urls: [`${poor.origin}/${name}`, `${good.origin}/${name}`] })
  const requests = [
    { sha256, hint: hint('a') },
    { sha256: hashOf(other), hint: hint('other') },
  ]
  const paths = await fetchSources(requests, { cacheDirectory, channelRoot: '/', connections: 1 })
  t.is(paths.size, 2)
  t.is(poor.seen.length, 1)
})

test('a broken download is resumed where it ended', async (t) => {
  const { origin, seen } = await serve(t, (request, response) => {
    if (request.headers.range !== undefined) return withRanges(content)(request, response)
    response.writeHead(200, { 'content-length': content.length, etag: '"one"' })
    response.write(content.subarray(0, 100_000), () => response.destroy())
  })
  const { path } = await fetchFrom(t, [`${origin}/a`])
  t.deepEqual(await readFile(path), content)
  t.is(seen.length, 2)
  t.regex(seen[1]?.headers.range ?? '', /^bytes=[1-9]\d*-$/)
  t.is(seen[1]?.headers['if-range'], '"one"')
})

test('a server that ignores the range is read from the beginning', async (t) => {
  let answers = 0
  const { origin } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': content.length })
    answers += 1
    if (answers === 1) response.write(content.subarray(0, 100_000), () => response.destroy())
    else response.end(content)
  })
  t.deepEqual(await readFile((await fetchFrom(t, [`${origin}/a`])).path), content)
})

test('what a failed run left is taken up by the next run', async (t) => {
  const cacheDirectory = temporaryDirectory(t)
  const cut = await serve(t, (request, response) => {
    if (request.headers.range !== undefined) return void response.writeHead(404).end()
    response.writeHead(200, { 'content-length': content.length })
    response.write(content.subarray(0, 100_000), () => response.destroy())
  })
  await failing(t, fetchFrom(t, [`${cut.origin}/a`], { cacheDirectory }))
  t.deepEqual(await names(cacheDirectory), [`.partial-${sha256}`])
  const good = await serve(t, withRanges(content))
  t.deepEqual(await readFile((await fetchFrom(t, [`${good.origin}/a`], { cacheDirectory })).path), content)
  t.regex(good.seen[0]?.headers.range ?? '', /^bytes=[1-9]/)
  t.deepEqual(await names(cacheDirectory), [sha256])
})

for (const [title, left] of [
  ['corrupted bytes', Buffer.alloc(1000)],
  ['more bytes than the file has', Buffer.alloc(content.length + 5)],
] as const) {
  test(`${title} of an earlier run lead to one clean download`, async (t) => {
    const cacheDirectory = temporaryDirectory(t)
    await writeFile(join(cacheDirectory, `.partial-${sha256}`), left)
    const { origin, seen } = await serve(t, withRanges(content))
    t.deepEqual(await readFile((await fetchFrom(t, [`${origin}/a`], { cacheDirectory })).path), content)
    t.deepEqual(
      seen.map((request) => request.headers.range),
      [`bytes=${left.length}-`, undefined],
    )
  })
}

test('a finished file of a killed run needs no request', async (t) => {
  const cacheDirectory = temporaryDirectory(t)
  await writeFile(join(cacheDirectory, `.partial-${sha256}`), content)
  t.deepEqual(await readFile((await fetchFrom(t, ['http://127.0.0.1:1/a'], { cacheDirectory })).path), content)
})

test('an answer for another range is not used', async (t) => {
  const cacheDirectory = temporaryDirectory(t)
  await writeFile(join(cacheDirectory, `.partial-${sha256}`), content.subarray(0, 1000))
  const { origin } = await serve(t, (request, response) => {
    if (request.headers.range === undefined) return void response.end(content)
    response
      .writeHead(206, { 'content-range': `bytes 5-${content.length - 1}/${content.length}` })
      .end(content.subarray(5))
  })
  t.deepEqual(await readFile((await fetchFrom(t, [`${origin}/a`], { cacheDirectory })).path), content)
})

const badBodies: readonly [string, (response: ServerResponse) => void, ErrorCode, RegExp][] = [
  ['an endless body', endless, 'ABN_SOURCE_WRONG_HASH', /more bytes, at most 300000 expected/],
  [
    'a length that is announced too large',
    (response) => void response.writeHead(200, { 'content-length': 2 ** 40 }).write('x'),
    'ABN_SOURCE_WRONG_HASH',
    /1099511627776 bytes are announced, at most 300000 expected/,
  ],
  [
    'a short body',
    (response) => void response.end(content.subarray(0, 100)),
    'ABN_SOURCE_WRONG_HASH',
    /100 bytes are announced, expected 300000/,
  ],
  [
    'a chunked body that ends early',
    (response) => void response.writeHead(200).write(content.subarray(0, 100), () => response.end()),
    'ABN_SOURCE_UNREACHABLE',
    /ended after 100 of 300000 bytes/,
  ],
  [
    'a flood of headers',
    (response) => void response.writeHead(200, { 'x-flood': 'x'.repeat(60_000) }).end(content),
    'ABN_SOURCE_UNREACHABLE',
    /too many headers/,
  ],
  [
    'a slow drip',
    (response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('x'), 100)
      response.on('close', () => clearInterval(timer))
    },
    'ABN_SOURCE_UNREACHABLE',
    /fewer than 10000 bytes in 0.5 s/,
  ],
]

function endless(response: ServerResponse): void {
  const more = () => {
    while (!response.destroyed && response.write(content)) {}
    if (!response.destroyed) response.once('drain', more)
  }
  more()
}

for (const [title, answer, code, message] of badBodies) {
  test(`${title} is given up`, async (t) => {
    const { origin } = await serve(t, (_, response) => answer(response))
    const cacheDirectory = temporaryDirectory(t)
    const limits = { minRate: { bytes: 10_000, seconds: 0.5 } }
    const error = await failing(t, fetchFrom(t, [`${origin}/a`], { cacheDirectory, limits, size: content.length }))
    t.is(error.code, code)
    t.regex(error.message, message)
    t.false((await names(cacheDirectory)).includes(sha256))
  })
}

test('without a size, the limit for all sources holds', async (t) => {
  const { origin } = await serve(t, (_, response) => endless(response))
  const error = await failing(t, fetchFrom(t, [`${origin}/a`], { limits: { maxBytes: 1_000_000 } }))
  t.regex(error.message, /more bytes, at most 1000000 expected/)
})

for (const [title, location, message] of [
  ['in a circle', '/a', /redirected more than 8 times/],
  ['to a file', 'file:///etc/passwd', /not http or https/],
  ['to nowhere', 'http://[', /not http or https/],
  ['to a dead host', 'http://127.0.0.1:1/', /connection refused/],
] as const) {
  test(`a redirect ${title} is a failure`, async (t) => {
    const { origin } = await serve(t, (_, response) => void response.writeHead(302, { location }).end())
    t.regex((await failing(t, fetchFrom(t, [`${origin}/a`]))).message, message)
  })
}

test('a redirect is followed, without credentials to another host', async (t) => {
  const target = await serve(t, withRanges(content))
  const first = await serve(t, (_, response) => void response.writeHead(301, { location: `${target.origin}/b` }).end())
  const address = `http://user:secret@127.0.0.1:${first.port}/a`
  const { path, events } = await fetchFrom(t, [address])
  t.deepEqual(await readFile(path), content)
  t.is(first.seen[0]?.headers.authorization, `Basic ${Buffer.from('user:secret').toString('base64')}`)
  t.is(target.seen[0]?.headers.authorization, undefined)
  t.false(JSON.stringify(events).includes('secret'))
})

for (const address of ['file:///etc/passwd', 'ftp://127.0.0.1/a', 'mirror://nobody/a', 'mirror://__proto__/a', 'a']) {
  test(`the address ${address} is refused`, async (t) => {
    t.is((await failing(t, fetchFrom(t, [address]))).code, 'ABN_SOURCE_ADDRESS')
  })
}

test('sources arrive at the same time, at most as many as allowed', async (t) => {
  let most = 0
  const waiting: (() => void)[] = []
  const files = Array.from({ length: 6 }, () => randomBytes(1000))
  const { origin } = await serve(t, (request, response) => {
    waiting.push(() => response.end(files[Number(request.url?.slice(1))]))
    most = Math.max(most, waiting.length)
    if (waiting.length === 3) for (const answer of waiting.splice(0)) setTimeout(answer, 20)
  })
  const requests = files.map((file, n) => ({
    sha256: hashOf(file),
    hint: { kind: 'urls' as const, urls: [`${origin}/${n}`] },
  }))
  const cacheDirectory = temporaryDirectory(t)
  t.is((await fetchSources(requests, { cacheDirectory, channelRoot: '/', connections: 3 })).size, 6)
  t.is(most, 3)
})

test('one missing source does not keep the others from being fetched', async (t) => {
  const { origin } = await serve(t, withRanges(content))
  const cacheDirectory = temporaryDirectory(t)
  const missing = hashOf(Buffer.from('missing'))
  const requests = [
    { sha256: missing, hint: { kind: 'urls' as const, urls: ['http://127.0.0.1:1/x'] } },
    { sha256, hint: { kind: 'urls' as const, urls: [`${origin}/a`] } },
  ]
  await failing(t, fetchSources(requests, { cacheDirectory, channelRoot: '/', connections: 1 }))
  t.deepEqual(await names(cacheDirectory), [sha256])
})

test('several processes fetch the same file at once', async (t) => {
  const { origin } = await serve(t, (_, response) => {
    response.write(content.subarray(0, 1000))
    setTimeout(() => response.end(content.subarray(1000)), 300)
  })
  const cacheDirectory = temporaryDirectory(t)
  const runs = [1, 2, 3].map(() => fetchInChild(`${origin}/a`, cacheDirectory))
  t.deepEqual(await Promise.all(runs), [0, 0, 0])
  t.deepEqual(await names(cacheDirectory), [sha256])
  t.deepEqual(await readFile(join(cacheDirectory, sha256)), content)
})

/** Exit status of another process that fetches `content`. */
async function fetchInChild(url: string, cacheDirectory: string, env: NodeJS.ProcessEnv = {}): Promise<unknown> {
  const module = new URL('../../../builder/fetch/sources.ts', import.meta.url).href
  const request = JSON.stringify([{ sha256, hint: { kind: 'urls', urls: [url] } }])
  const script = `const { fetchSources } = await import(${JSON.stringify(module)})
    await fetchSources(${request}, { cacheDirectory: ${JSON.stringify(cacheDirectory)}, channelRoot: '/' })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...env },
  })
  const [status] = await once(child, 'exit')
  return status
}

test('a proxy of the environment is used', async (t) => {
  const { origin, seen } = await serve(t, withRanges(content))
  const url = 'http://upstream.invalid/a'
  t.is(await fetchInChild(url, temporaryDirectory(t), { http_proxy: origin, no_proxy: '' }), 0)
  t.is(seen[0]?.url, url)
})

test('an abort stops the run with its reason and keeps what arrived', async (t) => {
  const controller = new AbortController()
  const { origin } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': content.length })
    response.write(content.subarray(0, 1000))
  })
  const cacheDirectory = temporaryDirectory(t)
  const reason = new Error('stop')
  const onProgress = (event: FetchProgress) => event.kind === 'bytes' && controller.abort(reason)
  const work = fetchFrom(t, [`${origin}/a`], { cacheDirectory, signal: controller.signal, onProgress })
  t.is(await t.throwsAsync(work), reason)
  t.deepEqual(await names(cacheDirectory), [`.partial-${sha256}`])
})

test('offline, only the cache and the channel are used', async (t) => {
  const { origin, seen } = await serve(t, withRanges(content))
  const error = await failing(t, fetchFrom(t, [`${origin}/a`], { offline: true }))
  t.is(error.code, 'ABN_SOURCE_OFFLINE')
  t.is(seen.length, 0)
})

test('a supplier by hash is asked after all addresses, and its files are checked too', async (t) => {
  const { origin, seen } = await serve(t, withRanges(content))
  const suppliers = [
    { name: 'liar', urlsOf: () => [`${origin}/wrong`] },
    { name: 'cache', urlsOf: (hash: Sha256) => [`${origin}/sources/${hash}`] },
  ]
  const liar = await serve(t, withRanges(randomBytes(9)))
  suppliers[0] = { name: 'liar', urlsOf: () => [`${liar.origin}/x`] }
  const { path } = await fetchFrom(t, ['http://127.0.0.1:1/a'], { suppliers })
  t.deepEqual(await readFile(path), content)
  t.is(seen[0]?.url, `/sources/${sha256}`)
  t.is(liar.seen.length, 1)
})

test('a local source is copied from below the channel only', async (t) => {
  const channelRoot = temporaryDirectory(t)
  const cacheDirectory = join(temporaryDirectory(t), 'cache')
  await mkdir(join(channelRoot, 'recipes/patches'), { recursive: true })
  await writeFile(join(channelRoot, 'recipes/patches/a.patch'), content)
  await writeFile(join(channelRoot, 'secret'), content)
  await symlink('../../secret', join(channelRoot, 'recipes/patches/inside'))
  await symlink('/etc/passwd', join(channelRoot, 'recipes/patches/outside'))
  const local = (path: string, hash: Sha256 = sha256) =>
    fetchSources([{ sha256: hash, hint: { kind: 'local', path } }], { cacheDirectory, channelRoot, offline: true })
  for (const path of [
    'secret',
    'recipes/../secret',
    '/etc/passwd',
    'recipes//x',
    'recipes/patches/outside',
    'recipes/none',
    'recipes/patches',
  ]) {
    t.is((await failing(t, local(path))).code, 'ABN_SOURCE_LOCAL', path)
  }
  const wrong = await failing(t, local('recipes/patches/a.patch', hashOf(Buffer.from('x'))))
  t.is(wrong.code, 'ABN_SOURCE_WRONG_HASH')
  t.regex(wrong.message, /expected SHA-256 2d711642b726[0-9a-f]{52}, got [0-9a-f]{64}$/)
  t.deepEqual(await readFile((await local('recipes/patches/a.patch')).get(sha256) ?? ''), content)
})

test("apt's proxy is used for addresses from apt", async (t) => {
  const proxied: string[] = []
  const { origin } = await serve(t, (request, response) => {
    proxied.push(request.url ?? '')
    withRanges(content)(request, response)
  })
  const aptDirectory = temporaryDirectory(t)
  await writeFile(join(aptDirectory, 'sources.list'), 'deb http://debian.invalid/debian stable main\n')
  const aptConfig = async () => `Acquire::http::Proxy "${origin}/";\n`
  await fetchFrom(t, ['mirror://debian/pool/main/a/a/a.tar'], { aptDirectory, aptConfig, debianMirror: '' })
  t.deepEqual(proxied, ['http://debian.invalid/debian/pool/main/a/a/a.tar'])
})

test('ABNPKG_DEBIAN_MIRROR comes before the configuration of apt', async (t) => {
  const { origin, seen } = await serve(t, withRanges(content))
  await fetchFrom(t, ['mirror://debian/pool/a.tar'], { debianMirror: `${origin}/copy`, aptDirectory: '/nonexistent' })
  t.is(seen[0]?.url, '/copy/pool/a.tar')
})

test('a cache directory that cannot be made is an error with a hint', async (t) => {
  const directory = temporaryDirectory(t)
  await writeFile(join(directory, 'file'), '')
  const error = await failing(
    t,
    fetchFrom(t, ['http://127.0.0.1:1/a'], { cacheDirectory: join(directory, 'file/cache') }),
  )
  t.is(error.code, 'ABN_SOURCE_CACHE')
})
