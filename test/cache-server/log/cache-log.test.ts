import { createServer } from 'node:http'
import test from 'ava'
import { openCache } from '../../../cache-server/cache.ts'
import { collectGarbage } from '../../../cache-server/collect-garbage.ts'
import { allPending } from '../../../cache-server/log/sequencer.ts'
import { sha256Of } from '../../../format/hash.ts'
import { verifyConsistency } from '../../../trust/log/merkle.ts'
import { parseAddCheckpoint } from '../../../trust/log/witness-request.ts'
import { listening } from '../../_support/listening.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import {
  askClosure,
  leafOf,
  logConfig,
  logSecret,
  provedIn,
  readServedLog,
  sendSession,
  sessionOf,
  startTestWitness,
} from '../log-support.ts'
import {
  alice,
  attestationOf,
  bob,
  configOf,
  evidenceIn,
  packageOf,
  publish,
  revocationsOf,
  send,
  sendEvidence,
  startTestCache,
} from '../support.ts'

const hello = packageOf('hello')
const libc = packageOf('libc')
const origin = logSecret.publicKey.name
const hex = (bytes: Uint8Array): string => sha256Of(bytes)
const none = { expiredDays: 0, unreferencedHours: 0, uploadHours: 0, everyHours: 0 }

test('without a log a cache has none, and answers as ever', async (t) => {
  const { url } = await startTestCache(t)
  await publish(url, alice, hello)
  t.is((await send(url, { path: '/v1/log/checkpoint' })).status, 404)
  t.is((await send(url, { path: '/v1/log/tile/0/000.p/1' })).status, 404)
  const answer = await askClosure(url, [hello.recipe], [{ origin, size: 0 }])
  t.deepEqual(
    evidenceIn(answer).map(({ kind }) => kind),
    ['attestation', 'transfer-sizes'],
  )
})

test('what is taken is logged as it came, and served for ever', async (t) => {
  const { url, cache } = await startTestCache(t, { log: logConfig(t) })
  t.is((await send(url, { path: '/v1/log/checkpoint' })).status, 404)
  const first = attestationOf(hello, alice)
  const list = revocationsOf(bob, {})
  const second = attestationOf(libc, bob)
  for (const [operator, one] of [
    [alice, first],
    [bob, list],
    [bob, second],
    [alice, first],
  ] as const)
    await sendEvidence(url, operator, [one])
  t.is((await send(url, { path: '/v1/log/tile/0/000.p/3' })).status, 404)
  await cache.log?.publish()
  const { entries, checkpoint } = await readServedLog(url)
  t.deepEqual(
    entries.map(hex),
    [first, list, second].map(({ bytes }) => hex(bytes)),
  )
  t.true(checkpoint.size === 3)

  const served = await send(url, { path: '/v1/log/checkpoint' })
  t.is(served.headers['cache-control'], 'no-cache')
  const etag = `${served.headers.etag}`
  t.is((await send(url, { path: '/v1/log/checkpoint', headers: { 'if-none-match': etag } })).status, 304)
  const tile = await send(url, { path: '/v1/log/tile/0/000.p/3' })
  t.is(tile.headers['cache-control'], 'public, max-age=31536000, immutable')
  const unchanged = { 'if-none-match': `${tile.headers.etag}` }
  t.is((await send(url, { path: '/v1/log/tile/0/000.p/3', headers: unchanged })).status, 304)
  // Narrower than what is on the disk, as an older checkpoint needs it.
  t.deepEqual((await send(url, { path: '/v1/log/tile/0/000.p/2' })).body, tile.body.subarray(0, 64))
  const narrow = await send(url, { path: '/v1/log/tile/entries/000.p/1' })
  t.deepEqual(narrow.body.subarray(2), Buffer.from(first.bytes))
  t.is((await send(url, { method: 'HEAD', path: '/v1/log/tile/0/000.p/3' })).body.length, 0)
  const { json } = await send(url, { path: '/v1/openapi.json' })
  t.truthy(json.paths['/v1/log/tile/{path}'] && json.paths['/v1/sessions'])
})

for (const path of [
  'tile/0/000',
  'tile/0/000.p/4',
  'tile/0/000.p/0',
  'tile/0/000.p/03',
  'tile/0/0',
  'tile/00/000.p/3',
  'tile/1/000.p/1',
  'tile/0/x000/000.p/3',
  'tile/0/../../../format',
  'tile/0/..%2f..%2f..%2fformat',
  'tile/0/000.p/3/',
  'tile/entries/000',
  'tile/',
  'state',
]) {
  test(`not a file of the log: ${path}`, async (t) => {
    const { url, cache } = await startTestCache(t, { log: logConfig(t) })
    await sendEvidence(url, alice, [attestationOf(hello, alice), attestationOf(libc, alice), revocationsOf(alice, {})])
    await cache.log?.publish()
    const answer = await send(url, { path: `/v1/log/${path}` })
    t.is(answer.status, 404)
    t.is(answer.json.error.code, 'ABN_CACHE_NOT_FOUND')
  })
}

test('an answer has proofs for what it holds, and of growth since what the client has seen', async (t) => {
  const { url, cache } = await startTestCache(t, { log: logConfig(t) })
  const evidence = [attestationOf(hello, alice), attestationOf(hello, bob), revocationsOf(alice, {})]
  await sendEvidence(url, alice, evidence.slice(0, 1))
  await sendEvidence(url, bob, evidence.slice(1, 2))
  await sendEvidence(url, alice, evidence.slice(2))
  const ask = async (size: number) => evidenceIn(await askClosure(url, [hello.recipe, libc.recipe], [{ origin, size }]))
  t.is(provedIn(await ask(0)), undefined)
  const old = await cache.log?.publish()
  const known = provedIn(await ask(0))
  t.deepEqual([...(known?.leaves.keys() ?? [])].sort(), evidence.map(({ bytes }) => leafOf(bytes)).sort())
  // Not published yet, so not proved.
  const late = attestationOf(libc, alice)
  await sendEvidence(url, alice, [late])
  const between = await ask(3)
  t.is(between.filter(({ kind }) => kind === 'attestation').length, 3)
  t.is(provedIn(between)?.leaves.has(leafOf(late.bytes)), false)
  t.false(between.some(({ kind }) => kind === 'log-consistency'))
  const grown = await cache.log?.publish()
  const after = await ask(3)
  t.true(provedIn(after)?.leaves.has(leafOf(late.bytes)))
  const shown = after.find(({ kind }) => kind === 'log-consistency')
  const { old: from, proof } = parseAddCheckpoint(shown?.bytes ?? new Uint8Array())
  t.true(from === 3)
  if (old === undefined || grown === undefined) return t.fail()
  t.notThrows(() => verifyConsistency({ old, new: grown, proof }))
  for (const size of [0, 4, 5, 1_000_000]) t.false((await ask(size)).some(({ kind }) => kind === 'log-consistency'))
  // Who does not ask gets none, and neither does who asks for another log.
  for (const logs of [undefined, [], [{ origin: 'log.example/other', size: 0 }]]) {
    t.is(provedIn(evidenceIn(await askClosure(url, [hello.recipe], logs))), undefined)
  }
  t.is(provedIn(evidenceIn(await send(url, { path: `/v1/closures/${hello.recipe}/inputs` }))), undefined)
  for (const logs of [
    'x',
    [{ origin }],
    [{ origin, size: -1 }],
    [{ origin, size: 1, more: 1 }],
    [{ origin, size: 0.5 }],
  ])
    t.is((await askClosure(url, [hello.recipe], logs as object[])).status, 400)
})

/** What a cache has, in the log or not. */
async function logged(t: { teardown(action: () => unknown): void }, data: string, log = logConfig(t)) {
  const running = await startTestCache(t, { log }, data)
  await running.cache.log?.begin()
  await running.cache.log?.publish()
  const { entries } = await readServedLog(running.url)
  await running.close()
  return entries.map(hex)
}

test('what was here before there was a log is logged when there is one, and what came while there was none', async (t) => {
  const data = temporaryDirectory(t)
  const log = logConfig(t)
  const before = await startTestCache(t, {}, data)
  const session = sessionOf(alice)
  const list = revocationsOf(alice, {})
  const old = Array.from({ length: 700 }, (_, i) => attestationOf(packageOf(`old${i}`), alice))
  t.is((await sendSession(before.url, alice, session)).status, 200)
  await sendEvidence(before.url, alice, [list, ...old.slice(0, 699)])
  await sendEvidence(before.url, alice, old.slice(699))
  await before.close()
  const first = await logged(t, data, log)
  t.is(first.length, 702)
  t.deepEqual(first.slice(0, 2), [hex(session.document), hex(list.bytes)])
  t.deepEqual(first.slice(2).sort(), old.map(({ bytes }) => hex(bytes)).sort())
  // Without its log again, and then with it.
  const between = await startTestCache(t, {}, data)
  const late = attestationOf(hello, bob)
  await sendEvidence(between.url, bob, [late])
  await between.close()
  t.deepEqual(await logged(t, data, log), [...first, hex(late.bytes)])
  t.deepEqual(await logged(t, data, log), [...first, hex(late.bytes)])
})

test('garbage collection keeps what is not logged yet', async (t) => {
  const data = temporaryDirectory(t)
  const soon = attestationOf(hello, alice, { expires: Math.floor(Date.now() / 1000) + 60 })
  const before = await startTestCache(t, {}, data)
  await sendEvidence(before.url, alice, [soon])
  await before.close()
  const config = configOf({ log: logConfig(t), retention: none })
  const cache = await openCache({ data, config })
  const later = { ...cache, nowSeconds: () => cache.nowSeconds() + 100 }
  // The log has not begun to look at what was here.
  t.is((await collectGarbage(later)).attestations, 0)
  await cache.log?.begin()
  t.is((await collectGarbage(later)).attestations, 1)
  const checkpoint = await cache.log?.publish()
  t.true(checkpoint?.size === 1)
  await cache.close()
})

test('garbage collection without a log keeps what is pending from when there was one', async (t) => {
  const data = temporaryDirectory(t)
  const soon = attestationOf(hello, alice, { expires: Math.floor(Date.now() / 1000) + 60 })
  const log = logConfig(t)
  const before = await startTestCache(t, { log }, data)
  // Else what comes now may be taken for what was here before, and be logged.
  await before.cache.log?.begin()
  await sendEvidence(before.url, alice, [soon])
  await before.close()
  const without = await openCache({ data, config: configOf({ retention: none }) })
  const later = { ...without, nowSeconds: () => without.nowSeconds() + 100 }
  t.is((await collectGarbage(later)).attestations, 0)
  await without.close()
  t.deepEqual(await logged(t, data, log), [hex(soon.bytes)])
})

test('a revocation list that a newer one makes needless is logged before it goes', async (t) => {
  const { url, cache } = await startTestCache(t, { log: logConfig(t) })
  const lists = [1, 2, 3].map((version) => revocationsOf(alice, { version }))
  for (const list of lists) await sendEvidence(url, alice, [list])
  const left: string[] = []
  for await (const key of cache.index.keys({ prefix: 'revocation/' })) left.push(key)
  t.is(left.length, 1)
  await cache.log?.publish()
  t.deepEqual(
    (await readServedLog(url)).entries.map(hex),
    lists.map(({ bytes }) => hex(bytes)),
  )
})

test('a list that was here before the log is kept until it is logged, also when a newer one comes first', async (t) => {
  const data = temporaryDirectory(t)
  const before = await startTestCache(t, {}, data)
  const [first, second] = [revocationsOf(alice, { version: 1 }), revocationsOf(alice, { version: 2 })]
  await sendEvidence(before.url, alice, [first])
  await before.close()
  // Opened, and not begun.
  const cache = await openCache({ data, config: configOf({ log: logConfig(t) }) })
  t.is((await cache.acceptor.accept([second.bytes], 'alice'))[0]?.status, 'accepted')
  const keys = async () => (await Array.fromAsync(cache.index.keys({ prefix: 'revocation/' }))).length
  t.is(await keys(), 2)
  await cache.log?.begin()
  await collectGarbage(cache)
  t.is(await keys(), 1)
  t.true((await cache.log?.publish())?.size === 2)
  await cache.close()
})

test('a checkpoint waits for its quorum, and the counters say who did not cosign', async (t) => {
  const [one, two] = [await startTestWitness(t, 'witness.example/1'), await startTestWitness(t, 'witness.example/2')]
  const log = logConfig(t, { witnesses: [one, two], quorum: 2 })
  const { url, cache, reports } = await startTestCache(t, { log })
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  const checkpoint = await cache.log?.publish()
  t.is(checkpoint?.note.signatures.length, 3)
  await two.close()
  await sendEvidence(url, alice, [attestationOf(libc, alice)])
  t.true((await cache.log?.publish())?.size === 1)
  t.regex(reports.join('\n'), /witness\.example\/2[\s\S]*1 of 2 witnesses/)
  const { body } = await send(url, { path: '/metrics' })
  t.regex(`${body}`, /abn_cache_log_entries 2\n/)
  t.regex(`${body}`, /abn_cache_log_published_entries 1\n/)
  t.regex(`${body}`, /abn_cache_log_pending 0\n/)
  t.regex(`${body}`, /abn_cache_log_cosignatures_total\{witness="witness\.example\/2",result="failed"\} 1\n/)
  t.regex(`${body}`, /abn_cache_log_published_seconds [1-9]/)
})

test('a witness that does not answer does not hold up a stop, nor those that do', async (t) => {
  const silent = createServer(() => {})
  const silence = await listening(t, silent)
  const good = await startTestWitness(t, 'witness.example/1')
  const { key } = await startTestWitness(t, 'witness.example/2')
  const witnesses = [good, { key, url: silence }]
  const log = logConfig(t, { witnesses, quorum: 1 })
  const { url, cache, close } = await startTestCache(t, { log })
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  t.is((await cache.log?.publish())?.note.signatures.length, 2)
  await sendEvidence(url, alice, [attestationOf(libc, alice)])
  const publishing = cache.log?.publish()
  await close()
  t.true(((await publishing)?.size ?? 0) >= 1)
})

test('what was acknowledged before a stop is logged after it', async (t) => {
  const data = temporaryDirectory(t)
  const log = logConfig(t)
  const first = await startTestCache(t, { log }, data)
  await sendEvidence(first.url, alice, [attestationOf(hello, alice)])
  t.is((await Array.fromAsync(allPending(first.cache.index))).length, 1)
  await first.close()
  t.is((await logged(t, data, log)).length, 1)
})
