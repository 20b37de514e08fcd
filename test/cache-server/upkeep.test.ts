import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import { backUpCache } from '../../cache-server/backup.ts'
import { collectGarbage } from '../../cache-server/collect-garbage.ts'
import { defaultConfig, loadConfig, parseConfig } from '../../cache-server/config.ts'
import { checkCache } from '../../cache-server/fsck.ts'
import { exportCache, importCache } from '../../cache-server/static-files.ts'
import { blobPathOf } from '../../cache-server/storage/directory-blobs.ts'
import { encodePublicKey } from '../../trust/key.ts'
import { listening } from '../_support/listening.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import {
  alice,
  attestationOf,
  bob,
  createUpload,
  envelopesIn,
  packageOf,
  publish,
  send,
  sendEvidence,
  startTestCache,
} from './support.ts'

const hello = packageOf('hello')
const libc = packageOf('libc')
const archive = { kind: 'archive', digest: hello.digest } as const
const path = `/v1/archives/${hello.digest}`

test('garbage collection drops what nothing names, and nothing else', async (t) => {
  const none = { expiredDays: 0, unreferencedHours: 0, uploadHours: 0, everyHours: 0 }
  const { url, cache, data } = await startTestCache(t, { retention: none })
  await publish(url, alice, hello)
  await publish(url, alice, libc)
  const soon = attestationOf(packageOf('old'), alice, { expires: Math.floor(Date.now() / 1000) + 2 })
  await sendEvidence(url, alice, [soon])
  await createUpload(url, alice, { kind: 'archive', digest: packageOf('old').digest, bytes: 10 })
  const later = { ...cache, nowSeconds: () => cache.nowSeconds() + 10 }
  t.deepEqual(await collectGarbage(later), { attestations: 1, blobs: 0, bytes: 0, uploads: 1, sessions: 0 })
  t.is((await send(url, { path })).status, 200)
  const longAfter = { ...cache, nowSeconds: () => cache.nowSeconds() + 10 * 86_400 }
  const { attestations, blobs } = await collectGarbage(longAfter)
  t.deepEqual([attestations, blobs], [2, 2])
  t.is((await send(url, { path })).status, 404)
  t.false(existsSync(blobPathOf(join(data, 'blobs'), archive)))
})

test('fsck finds a file that rots and takes it out of service', async (t) => {
  const { url, cache, data } = await startTestCache(t)
  await publish(url, alice, hello)
  await publish(url, alice, libc)
  t.deepEqual((await checkCache(cache, { repair: false })).faults, [])
  appendFileSync(blobPathOf(join(data, 'blobs'), archive), 'rot')
  rmSync(blobPathOf(join(data, 'blobs'), { ...archive, digest: libc.digest }))
  const { faults } = await checkCache(cache, { repair: true })
  t.deepEqual(faults.map(({ reason }) => reason).sort(), [
    'the file is not what was published',
    'there is a record of it, but no file',
  ])
  t.is((await send(url, { path })).status, 404)
  const after = await checkCache(cache, { repair: false })
  t.deepEqual([after.faults, after.absent], [[], 2])
})

test('a backup taken while it runs is a cache', async (t) => {
  const first = await startTestCache(t)
  await publish(first.url, alice, hello)
  const directory = join(temporaryDirectory(t), 'backup')
  const { blobs, missing } = await backUpCache(first.cache, first.data, directory)
  t.deepEqual([blobs, missing], [1, 0])
  await publish(first.url, alice, libc)
  const second = await startTestCache(t, {}, directory)
  t.deepEqual((await send(second.url, { path })).body, hello.compressed)
  t.is((await send(second.url, { path: `/v1/archives/${libc.digest}` })).status, 404)
  t.deepEqual((await checkCache(second.cache, { repair: false })).faults, [])
  await t.throwsAsync(backUpCache(first.cache, first.data, directory), { code: 'ABN_CACHE_DATA' })
})

test('an export is served by any static server, and taken in again only as far as it verifies', async (t) => {
  const { url, cache } = await startTestCache(t)
  await publish(url, alice, hello)
  await publish(url, alice, libc)
  const directory = temporaryDirectory(t)
  t.deepEqual(await exportCache(cache, directory), { recipes: 2, blobs: 2, entries: 0 })
  t.deepEqual(await exportCache(cache, directory), { recipes: 2, blobs: 0, entries: 0 })
  const server = createServer(
    (request, response) => void response.end(readFileSync(join(directory, request.url ?? ''))),
  )
  const files = await listening(t, server)
  for (const one of [path, `/v1/evidence/${hello.recipe}`, `/v1/closures/${hello.recipe}/inputs`]) {
    t.deepEqual((await send(files, { path: one })).body, (await send(url, { path: one })).body)
  }
  writeFileSync(join(directory, path), 'rot')
  const other = await startTestCache(t)
  t.deepEqual(await importCache(other.cache, directory), { accepted: 2, known: 0, refused: 0, blobs: 1, sessions: 0 })
  t.is((await send(other.url, { path })).status, 404)
  t.is((await send(other.url, { path: `/v1/archives/${libc.digest}` })).status, 200)
})

test('a mirror takes from its upstream what verifies, once', async (t) => {
  const upstream = await startTestCache(t)
  await publish(upstream.url, alice, hello)
  const mirror = await startTestCache(t, { mirror: { upstream: upstream.url, refreshSeconds: 60 } })
  t.is((await send(mirror.url, { path })).status, 404)
  t.is(envelopesIn(await send(mirror.url, { path: `/v1/closures/${hello.recipe}/inputs` })).length, 1)
  const answers = await Promise.all([1, 2, 3].map(() => send(mirror.url, { path })))
  for (const { body } of answers) t.deepEqual(body, hello.compressed)
  t.is(upstream.log.filter((line) => JSON.parse(line).path === path).length, 1)
  await upstream.close()
  t.is((await send(mirror.url, { path })).status, 200)
  t.is((await send(mirror.url, { path: `/v1/evidence/${hello.recipe}` })).status, 200)
  t.deepEqual(readdirSync(join(mirror.data, 'uploads')), [])
})

test('a mirror of a lying upstream serves nothing wrong', async (t) => {
  const upstream = await startTestCache(t)
  await publish(upstream.url, alice, hello)
  await publish(upstream.url, bob, libc)
  writeFileSync(blobPathOf(join(upstream.data, 'blobs'), archive), Buffer.alloc(hello.compressed.length))
  // Bob is not known to this mirror.
  const operators = [{ name: 'alice', keys: [alice.secret.publicKey] }]
  const mirror = await startTestCache(t, { operators, mirror: { upstream: upstream.url, refreshSeconds: 60 } })
  t.is((await send(mirror.url, { path: `/v1/evidence/${libc.recipe}` })).status, 404)
  t.is((await send(mirror.url, { path: `/v1/evidence/${hello.recipe}` })).status, 200)
  t.is((await send(mirror.url, { path })).json.error.code, 'ABN_CACHE_UPSTREAM')
  t.is((await send(mirror.url, { path: `/v1/archives/${libc.digest}` })).status, 404)
  t.deepEqual(readdirSync(join(mirror.data, 'uploads')), [])
})

test('a stop ends what is under way', async (t) => {
  const { url, close } = await startTestCache(t)
  await publish(url, alice, hello)
  const reading = send(url, { path })
  const [answer] = await Promise.all([reading, reading.then(() => close())])
  t.deepEqual(answer.body, hello.compressed)
  await t.throwsAsync(send(url, { path }))
})

test('a configuration is read strictly, and the environment overrules it', (t) => {
  const key = encodePublicKey(alice.secret.publicKey)
  const text = JSON.stringify({
    format: 1,
    listen: '[::1]:80',
    operators: [{ name: 'alice', keys: [key] }],
    limits: { bodyBytes: 1 },
  })
  const config = parseConfig(text)
  t.deepEqual(
    [config.listen, config.limits.bodyBytes, config.operators[0]?.keys[0]?.id],
    ['[::1]:80', 1, alice.secret.publicKey.id],
  )
  t.is(config.limits.pieceBytes, defaultConfig.limits.pieceBytes)
  const file = join(temporaryDirectory(t), 'cache.json')
  writeFileSync(file, text)
  const loaded = loadConfig(file, { ABNPKG_CACHE_LISTEN: '0.0.0.0:1', ABNPKG_CACHE_UPSTREAM: 'https://up.example.org' })
  t.deepEqual([loaded.listen, loaded.mirror], ['0.0.0.0:1', { upstream: 'https://up.example.org', refreshSeconds: 60 }])
})

for (const [title, text] of [
  ['no JSON', '{'],
  ['no format', '{}'],
  ['an unknown field', '{"format":1,"colour":"red"}'],
  ['an unknown limit', '{"format":1,"limits":{"speed":1}}'],
  ['a negative limit', '{"format":1,"limits":{"bodyBytes":-1}}'],
  ['a URL with a path', '{"format":1,"publicUrl":"https://example.org/x"}'],
  ['an upstream that is a file', '{"format":1,"mirror":{"upstream":"file:///etc"}}'],
  ['a bad address', '{"format":1,"listen":"80"}'],
  ['an operator without keys', '{"format":1,"operators":[{"name":"a"}]}'],
  ['two operators of one name', '{"format":1,"operators":[{"name":"a","keys":[]},{"name":"a","keys":[]}]}'],
] as const) {
  test(`a configuration with ${title}`, (t) => {
    t.throws(() => parseConfig(text), { code: 'ABN_CACHE_CONFIG' })
  })
}
