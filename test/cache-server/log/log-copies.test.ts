// Copies of a log, and damage: backups and other keys, exports, mirrors, what fsck finds.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import { backUpCache } from '../../../cache-server/backup.ts'
import { openCache } from '../../../cache-server/cache.ts'
import { checkCache } from '../../../cache-server/fsck.ts'
import { openTreeFiles } from '../../../cache-server/log/tree-files.ts'
import { exportCache, importCache } from '../../../cache-server/static-files.ts'
import { sha256Of } from '../../../format/hash.ts'
import { encodeSecretKey } from '../../../trust/secret-key.ts'
import { listening } from '../../_support/listening.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import {
  askClosure,
  keyOf,
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

test('a backup is whole, and its log does not go on under the same key', async (t) => {
  const log = logConfig(t)
  const first = await startTestCache(t, { log })
  for (let i = 0; i < 300; i++) {
    const one = await first.cache.acceptor.accept([attestationOf(packageOf(`p${i}`), alice).bytes], 'alice')
    if (i % 100 === 50) await first.cache.log?.publish()
    t.is(one[0]?.status, 'accepted')
  }
  const directory = join(temporaryDirectory(t), 'backup')
  const [backup] = await Promise.all([
    backUpCache(first.cache, first.data, directory),
    publish(first.url, bob, hello).then(() => first.cache.log?.publish()),
  ])
  t.true(backup.entries >= 251)
  const served = (await readServedLog(first.url)).entries.map(hex)
  await t.throwsAsync(openCache({ data: directory, config: configOf({ log }) }), {
    code: 'ABN_CACHE_DATA',
    message: /copy/,
  })
  const without = await startTestCache(t, {}, directory)
  t.deepEqual((await checkCache(without.cache, { repair: false })).faults, [])
  await without.close()
  // Its refusals leave no trace: the same again, and then a log of another name.
  await t.throwsAsync(openCache({ data: directory, config: configOf({ log }) }), { code: 'ABN_CACHE_DATA' })
  const secret = keyOf('log.example/second')
  const second = await startTestCache(t, { log: logConfig(t, {}, secret) }, directory)
  await second.cache.log?.begin()
  await second.cache.log?.publish()
  const { entries } = await readServedLog(second.url, secret)
  t.deepEqual(new Set([...entries.map(hex), ...served]).size, Math.max(entries.length, served.length))
  t.deepEqual((await checkCache(second.cache, { repair: false })).faults, [])
  const old = readdirSync(join(directory, 'log')).filter((name) => name.startsWith('checkpoint-'))
  t.is(old.length, 1)
})

test('another key under the same name is refused, and so is an index that is older than what was published', async (t) => {
  const data = temporaryDirectory(t)
  const log = logConfig(t)
  const first = await startTestCache(t, { log }, data)
  await sendEvidence(first.url, alice, [attestationOf(hello, alice)])
  await first.cache.log?.publish()
  await first.close()
  const copy = join(temporaryDirectory(t), 'copy')
  cpSync(data, copy, { recursive: true })
  const key = join(temporaryDirectory(t), 'other.key')
  const other = keyOf('another').seed
  const { newSecretKey } = await import('../../../trust/secret-key.ts')
  writeFileSync(key, encodeSecretKey(newSecretKey(origin, other)), { mode: 0o600 })
  await t.throwsAsync(openCache({ data, config: configOf({ log: { ...log, key } }) }), { code: 'ABN_CACHE_DATA' })
  const second = await startTestCache(t, { log }, data)
  await sendEvidence(second.url, alice, [attestationOf(libc, alice)])
  await second.cache.log?.publish()
  await second.close()
  rmSync(join(data, 'index'), { recursive: true })
  cpSync(join(copy, 'index'), join(data, 'index'), { recursive: true })
  await t.throwsAsync(openCache({ data, config: configOf({ log }) }), { code: 'ABN_CACHE_DATA', message: /2 entries/ })
})

test('a copy that was made by other means is stopped by the witnesses', async (t) => {
  const data = temporaryDirectory(t)
  const witness = await startTestWitness(t, 'witness.example/1')
  const late = await startTestWitness(t, 'witness.example/2')
  // One is enough, and one has been away since the beginning.
  const log = logConfig(t, { witnesses: [witness, { ...late, url: 'http://127.0.0.1:1' }], quorum: 1 })
  const first = await startTestCache(t, { log }, data)
  await sendEvidence(first.url, alice, [attestationOf(hello, alice)])
  await first.cache.log?.publish()
  await first.close()
  const copy = join(temporaryDirectory(t), 'copy')
  cpSync(data, copy, { recursive: true })
  const second = await startTestCache(t, { log }, data)
  await sendEvidence(second.url, alice, [attestationOf(libc, alice), revocationsOf(alice, {})])
  t.true((await second.cache.log?.publish())?.size === 3)
  const third = await startTestCache(t, { log: { ...log, witnesses: [witness, late] } }, copy)
  // Smaller, as large, and larger.
  for (const name of ['other', 'another', 'third']) {
    await sendEvidence(third.url, alice, [attestationOf(packageOf(name), alice)])
    t.true((await third.cache.log?.publish())?.size === 1)
  }
  const said = third.reports.join('\n')
  t.regex(said, /3 entries, and here are 2: is this data directory an old copy/)
  t.regex(said, /another tree of this size was cosigned/)
  t.is(said.match(/witness\.example\/1 has seen another tree of this log/g)?.length, 3)
})

test('an export has the log, and proofs under its checkpoint', async (t) => {
  const { url, cache } = await startTestCache(t, { log: logConfig(t) })
  await publish(url, alice, hello)
  await publish(url, alice, libc)
  await sendSession(url, alice, sessionOf(alice))
  const directory = temporaryDirectory(t)
  t.deepEqual(await exportCache(cache, directory), { recipes: 2, blobs: 2, entries: 3 })
  await publish(url, bob, hello)
  t.deepEqual(await exportCache(cache, directory), { recipes: 2, blobs: 0, entries: 4 })
  const server = createServer((request, response) => {
    const file = join(directory, request.url ?? '')
    if (existsSync(file)) response.end(readFileSync(file))
    else response.writeHead(404).end()
  })
  const files = await listening(t, server)
  const { entries } = await readServedLog(files)
  t.deepEqual(entries.map(hex), (await readServedLog(url)).entries.map(hex))
  const closure = evidenceIn(await send(files, { path: `/v1/closures/${hello.recipe}/inputs` }))
  t.is(provedIn(closure)?.leaves.size, 2)
  // Taken in elsewhere, it is logged by the log there.
  const secret = keyOf('log.example/mirror')
  const other = await startTestCache(t, { log: logConfig(t, {}, secret) })
  await importCache(other.cache, directory)
  await other.cache.log?.publish()
  t.is((await readServedLog(other.url, secret)).entries.length, 3)
})

test('a mirror logs what it pulls, and speaks for its own log only', async (t) => {
  const upstream = await startTestCache(t, { log: logConfig(t) })
  await publish(upstream.url, alice, hello)
  await upstream.cache.log?.publish()
  const secret = keyOf('log.example/mirror')
  const mirror = await startTestCache(t, {
    log: logConfig(t, {}, secret),
    mirror: { upstream: upstream.url, refreshSeconds: 3600 },
  })
  const logs = [
    { origin, size: 0 },
    { origin: 'log.example/mirror', size: 0 },
  ]
  await askClosure(mirror.url, [hello.recipe], logs)
  await mirror.cache.log?.publish()
  const evidence = evidenceIn(await askClosure(mirror.url, [hello.recipe], logs))
  t.is(provedIn(evidence, secret)?.leaves.size, 1)
})

const damages: readonly (readonly [string, RegExp, (files: ReturnType<typeof openTreeFiles>) => void])[] = [
  ['a tile', /not what its entries make/, (files) => flip(files.pathOf('tile/0/000'))],
  ['a missing tile', /missing/, (files) => rmSync(files.pathOf('tile/1/000.p/1'))],
  ['an entry', /not found under its digest/, (files) => flip(files.pathOf('tile/entries/000'), 50)],
  [
    'a cut bundle',
    /ends within an entry|expected 256 entries/,
    (files) => writeFileSync(files.pathOf('tile/entries/000'), 'x'),
  ],
  ['a checkpoint of another key', /not signed/, (files) => swapCheckpoint(files.pathOf('checkpoint'))],
]

for (const [title, expected, damage] of damages) {
  test(`fsck finds ${title}`, async (t) => {
    const { cache, data } = await startTestCache(t, { log: logConfig(t) })
    const envelopes = Array.from({ length: 260 }, (_, i) => attestationOf(packageOf(`p${i}`), alice).bytes)
    await cache.acceptor.accept(envelopes, 'alice')
    await cache.log?.publish()
    const whole = await checkCache(cache, { repair: false })
    t.deepEqual([whole.entries, whole.faults], [260, []])
    damage(openTreeFiles(join(data, 'log')))
    const { faults } = await checkCache(cache, { repair: false })
    t.true(
      faults.some(({ what, reason }) => what.startsWith('log') && expected.test(reason)),
      JSON.stringify(faults),
    )
  })
}

function flip(path: string, at = 3): void {
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.with(at, (bytes[at] ?? 0) ^ 1))
}

function swapCheckpoint(path: string): void {
  writeFileSync(path, readFileSync(path, 'utf8').replace(`\u2014 ${origin} `, '\u2014 log.example/other '))
}
