// What happens to connections that are kept open between two questions.
import { createServer, type Server, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { connectToCache, readWhole } from '../../../builder/substitute/http.ts'
import { listening } from '../../_support/listening.ts'

/** Told of each request: how many there were before, on its connection and on all. */
type Reply = (socket: Socket, before: { readonly here: number; readonly all: number }) => void

async function cacheThat(
  t: ExecutionContext,
  reply: Reply,
): Promise<{ readonly url: string; readonly asked: string[] }> {
  const asked: string[] = []
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    let here = 0
    open.add(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes: Buffer) => {
      reply(socket, { here: here++, all: asked.length })
      asked.push(bytes.toString('latin1').split(' HTTP/')[0] ?? '')
    })
  })
  const closeAllConnections = (): void => {
    for (const socket of open) socket.destroy()
  }
  return { url: await listening(t, Object.assign(server as Server, { closeAllConnections })), asked }
}

const well: Reply = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')

async function text(cache: Awaited<ReturnType<typeof connectToCache>>, path: string, body?: string): Promise<string> {
  const answer = await cache.request(path, body === undefined ? {} : { body })
  return String(await readWhole(answer, cache.address, 100))
}

for (const [how, close] of [
  ['closed', (socket: Socket) => socket.end()],
  ['reset', (socket: Socket) => socket.resetAndDestroy()],
] as const) {
  test(`a connection that was idle and is ${how} when it is used again: asked on another`, async (t) => {
    const { url, asked } = await cacheThat(t, (socket, before) =>
      before.here === 1 ? close(socket) : well(socket, before),
    )
    using cache = await connectToCache(url)
    t.is(await text(cache, '/a'), 'ok')
    t.is(await text(cache, '/b'), 'ok')
    t.is(await text(cache, '/c', '{}'), 'ok')
    t.deepEqual(asked, ['GET /a', 'GET /b', 'GET /b', 'POST /c', 'POST /c'])
  })
}

test('a new connection that is reset is not tried again', async (t) => {
  const { url, asked } = await cacheThat(t, (socket) => socket.resetAndDestroy())
  using cache = await connectToCache(url)
  await t.throwsAsync(cache.request('/a'), { code: 'ABN_CACHE_ANSWER' })
  t.deepEqual(asked, ['GET /a'])
})

test('many that were idle and are all gone: each is tried once at most', async (t) => {
  let isGone = false
  const { url, asked } = await cacheThat(t, (socket, before) =>
    isGone ? socket.resetAndDestroy() : well(socket, before),
  )
  using cache = await connectToCache(url, { connections: 4 })
  await Promise.all(['/a', '/b', '/c', '/d'].map((path) => text(cache, path)))
  isGone = true
  await t.throwsAsync(cache.request('/e'), { code: 'ABN_CACHE_ANSWER', message: /reset|hang up/i })
  const again = asked.filter((one) => one === 'GET /e').length
  t.true(again >= 2 && again <= 5, `${again}`)
})

test('an answer that is begun and then cut off is not asked for again', async (t) => {
  const { url, asked } = await cacheThat(t, (socket, before) => {
    if (before.all === 0) return well(socket, before)
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no', () => socket.resetAndDestroy())
  })
  using cache = await connectToCache(url)
  t.is(await text(cache, '/a'), 'ok')
  await t.throwsAsync(text(cache, '/b'), { code: 'ABN_CACHE_ANSWER' })
  t.deepEqual(asked, ['GET /a', 'GET /b'])
})

test('connections that hang for a while before they are gone have no more time together than one', async (t) => {
  let isGone = false
  const { url, asked } = await cacheThat(t, (socket, before) => {
    if (isGone) setTimeout(() => socket.resetAndDestroy(), 2000)
    else well(socket, before)
  })
  using cache = await connectToCache(url, { connections: 4, pace: { answerSeconds: 3, bytes: 1, seconds: 60 } })
  await Promise.all(['/a', '/b', '/c', '/d'].map((path) => text(cache, path)))
  isGone = true
  await t.throwsAsync(cache.request('/e'), { code: 'ABN_CACHE_ANSWER', message: /no answer in 3 s/ })
  t.true(asked.filter((one) => one === 'GET /e').length <= 2)
})
