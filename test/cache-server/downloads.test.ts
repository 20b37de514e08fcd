// Whole files are answered before fastify sees the request. It must not make a difference to anybody.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { collectGarbage } from '../../cache-server/collect-garbage.ts'
import { createRateLimit } from '../../cache-server/http/rate-limit.ts'
import { defaultLimits } from '../../cache-server/limits.ts'
import { blobPathOf } from '../../cache-server/storage/directory-blobs.ts'
import { type Answer, alice, packageOf, publish, send, startTestCache } from './support.ts'

const hello = packageOf('hello')
const path = `/v1/archives/${hello.digest}`

/** But for what differs from one request to the next. */
function comparable({ status, headers, body }: Answer): object {
  const { date: _, ...others } = headers
  return { status, headers: others, body }
}

test('the quick way and the usual one give the same answer', async (t) => {
  const { url, cache, log } = await startTestCache(t)
  const key = { kind: 'archive', digest: hello.digest } as const
  await publish(url, alice, hello)
  t.is(cache.records.peek(key), undefined)
  const usual = await send(url, { path })
  t.truthy(cache.records.peek(key))
  const quick = await send(url, { path })
  t.deepEqual(comparable(quick), comparable(usual))
  t.is((await send(url, { path, headers: { range: 'bytes=0-1' } })).status, 206)
  t.is((await send(url, { path: `${path}?x` })).status, 200)
  t.is((await send(url, { path, method: 'HEAD' })).body.length, 0)
  t.is((await send(url, { path, headers: { 'if-none-match': String(quick.headers.etag) } })).status, 304)
  const metrics = (await send(url, { path: '/metrics' })).body.toString()
  t.regex(metrics, /abn_cache_requests_total\{route="\/v1\/archives\/:digest",method="GET",status="200"\} 3/)
  const lines = log.map((line) => JSON.parse(line)).filter((line) => line.path === path && line.status === 200)
  t.is(lines.length, 3)
  t.deepEqual(new Set(lines.map((line) => Object.keys(line).join())).size, 1)
})

test('what is collected, or gone from the disk, is served no more', async (t) => {
  const none = { expiredDays: 0, unreferencedHours: 0, uploadHours: 0, everyHours: 0 }
  const { url, cache, data } = await startTestCache(t, { retention: none })
  const lost = packageOf('lost')
  for (const one of [hello, lost]) {
    await publish(url, alice, one)
    for (const _ of [1, 2]) t.is((await send(url, { path: `/v1/archives/${one.digest}` })).status, 200)
  }
  await collectGarbage({ ...cache, nowSeconds: () => cache.nowSeconds() + 10 * 86_400 })
  t.is((await send(url, { path })).status, 404)
  await publish(url, alice, hello)
  rmSync(blobPathOf(join(data, 'blobs'), { kind: 'archive', digest: hello.digest }))
  t.is((await send(url, { path })).status, 404)
})

test('a reader who goes away in the middle harms nobody', async (t) => {
  const { url } = await startTestCache(t)
  const big = packageOf('big', randomBytes(6_000_000))
  await publish(url, alice, big)
  const { hostname, port, host } = new URL(url)
  const question = `GET /v1/archives/${big.digest} HTTP/1.1\r\nhost: ${host}\r\n\r\n`
  for (let i = 0; i < 20; i++) {
    const socket = connect(Number(port), hostname, () => socket.write(question))
    socket.on('error', () => {})
    await once(socket, 'data')
    socket.destroy()
  }
  // Others get their own bytes all the while.
  const answers = await Promise.all(Array.from({ length: 8 }, () => send(url, { path: `/v1/archives/${big.digest}` })))
  for (const { body } of answers) t.true(body.equals(big.compressed))
})

test('too many downloads are refused like too many of anything', async (t) => {
  const { url } = await startTestCache(t, { limits: { ...defaultLimits, requestsPerMinute: 8 } })
  await publish(url, alice, hello)
  const answers = await Promise.all(Array.from({ length: 10 }, () => send(url, { path })))
  const refused = answers.filter(({ status }) => status === 429)
  t.true(refused.length > 0)
  t.is(refused[0]?.json.error.code, 'ABN_CACHE_RATE')
  t.true(Number(refused[0]?.headers['retry-after']) > 0)
})

test('a minute begins with the first request, for each address', (t) => {
  const rate = createRateLimit(2)
  const at = (seconds: number, address = 'a') => rate.secondsToWait(address, seconds * 1000)
  t.deepEqual([at(0), at(1), at(2), at(59.5), at(60), at(61), at(62)], [0, 0, 58, 1, 0, 0, 58])
  t.is(at(62, 'b'), 0)
  // Many addresses do not take memory without end, and none of them is refused for the others.
  for (let i = 0; i < 50_000; i++) t.is(at(63, `${i}`), 0)
})
