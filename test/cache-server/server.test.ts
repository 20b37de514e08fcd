import { createHash } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import test from 'ava'
import { sha256Of } from '../../format/hash.ts'
import { parseTransferSizes } from '../../format/transfer-sizes.ts'
import { signRevocationList } from '../../trust/revocation.ts'
import {
  alice,
  attestationOf,
  bob,
  createUpload,
  envelopesIn,
  evidenceIn,
  finishUpload,
  packageOf,
  publish,
  send,
  sendEvidence,
  sendPiece,
  startTestCache,
  upload,
  write,
} from './support.ts'

test('what an operator publishes, anybody can read', async (t) => {
  const { url, log } = await startTestCache(t)
  const hello = packageOf('hello')
  const path = `/v1/archives/${hello.digest}`
  t.is((await send(url, { path })).status, 404)
  t.is((await send(url, { path: `/v1/evidence/${hello.recipe}` })).status, 404)
  await publish(url, alice, hello)
  const answer = await send(url, { path })
  t.is(answer.status, 200)
  t.deepEqual(zstdDecompressSync(answer.body), hello.archive)
  t.is(answer.headers.etag, `"${sha256Of(answer.body)}"`)
  t.is(answer.headers['cache-control'], 'public, max-age=31536000, immutable')
  const { headers: read } = answer
  t.is((await send(url, { path, headers: { 'if-none-match': String(read.etag) } })).status, 304)
  const head = await send(url, { path, method: 'HEAD' })
  t.deepEqual(
    [head.status, head.headers['content-length'], head.body.length],
    [200, String(hello.compressed.length), 0],
  )
  const evidence = await send(url, { path: `/v1/evidence/${hello.recipe}` })
  t.is(envelopesIn(evidence).length, 1)
  const lines = log.map((line) => JSON.parse(line))
  t.true(lines.some((line) => line.path === path && line.status === 200 && line.bytes === hello.compressed.length))
})

for (const [range, status, expected] of [
  ['bytes=0-3', 206, [0, 4]],
  ['bytes=10-', 206, [10, undefined]],
  ['bytes=-5', 206, [-5, undefined]],
  ['bytes=0-1,4-5', 200, [0, undefined]],
  ['chapters=1-2', 200, [0, undefined]],
  ['bytes=99999999-', 416, undefined],
  ['bytes=5-2', 200, [0, undefined]],
] as const) {
  test(`a range of an archive: ${range}`, async (t) => {
    const { url } = await startTestCache(t)
    const hello = packageOf('hello')
    await publish(url, alice, hello)
    const answer = await send(url, { path: `/v1/archives/${hello.digest}`, headers: { range } })
    t.is(answer.status, status)
    if (expected !== undefined) t.deepEqual(answer.body, hello.compressed.subarray(...expected))
    const other = await send(url, { path: `/v1/archives/${hello.digest}`, headers: { range, 'if-range': '"other"' } })
    t.deepEqual(other.body, hello.compressed)
  })
}

test('one request answers for a closure, listed or known here', async (t) => {
  const { url } = await startTestCache(t)
  const libc = packageOf('libc')
  const gcc = packageOf('gcc', 'gcc', [libc])
  // lua refers to libc, which it got by gcc.
  const lua = { ...packageOf('lua', `lua ${libc.path}`), inputs: [gcc], references: [libc.path] }
  for (const one of [libc, gcc, lua]) await publish(url, alice, one)
  await sendEvidence(url, bob, [attestationOf(lua, bob)])
  const body = Buffer.from(JSON.stringify({ recipes: [lua.recipe, libc.recipe, sha256Of('nothing')] }))
  const listed = await send(url, {
    method: 'POST',
    path: '/v1/closures',
    body,
    headers: { 'content-type': 'application/json' },
  })
  t.is(envelopesIn(listed).length, 3)
  const references = await send(url, { path: `/v1/closures/${lua.recipe}/references` })
  t.is(envelopesIn(references).length, 3)
  const inputs = await send(url, { path: `/v1/closures/${lua.recipe}/inputs` })
  t.is(envelopesIn(inputs).length, 4)
  const again = await send(url, {
    path: `/v1/closures/${lua.recipe}/inputs`,
    headers: { 'if-none-match': String(inputs.headers.etag) },
  })
  t.is(again.status, 304)
  const wanted = await send(url, { path: '/v1/wanted' })
  t.deepEqual(
    wanted.json.wanted.map(({ recipe }: { recipe: string }) => recipe),
    [sha256Of('nothing')],
  )
})

test('an upload goes on where it was cut off', async (t) => {
  const { url } = await startTestCache(t)
  const big = packageOf(
    'big',
    Buffer.from(Array.from({ length: 5000 }, (_, i) => createHash('sha256').update(`${i}`).digest('hex')).join('')),
  )
  await sendEvidence(url, alice, [attestationOf(big, alice)])
  const declared = { kind: 'archive', digest: big.digest, bytes: big.compressed.length } as const
  const { json, status } = await createUpload(url, alice, declared)
  t.is(status, 201)
  t.is((await sendPiece(url, alice, json.id, 0, big.compressed.subarray(0, 1000))).json.offset, 1000)
  t.is((await finishUpload(url, alice, json.id)).json.error.code, 'ABN_CACHE_UPLOAD_OFFSET')
  t.is(
    (await sendPiece(url, alice, json.id, 500, big.compressed.subarray(500))).json.error.code,
    'ABN_CACHE_UPLOAD_OFFSET',
  )
  const found = await createUpload(url, alice, declared)
  t.deepEqual([found.json.id, found.json.offset], [json.id, 1000])
  const shown = await write(url, { method: 'GET', path: `/v1/uploads/${json.id}`, operator: alice })
  t.is(shown.json.offset, 1000)
  t.is((await sendPiece(url, alice, json.id, 1000, big.compressed.subarray(1000))).status, 200)
  t.is((await send(url, { path: `/v1/archives/${big.digest}` })).status, 404)
  t.deepEqual((await finishUpload(url, alice, json.id)).json, { published: true, fresh: true })
  t.is((await send(url, { path: `/v1/archives/${big.digest}` })).status, 200)
  t.deepEqual((await createUpload(url, alice, declared)).json, { published: true })
})

test('logs and sources that a statement names', async (t) => {
  const { url } = await startTestCache(t)
  const source = Buffer.from('int main;')
  const text = Buffer.from('cc main.c\n')
  const hello = packageOf('hello')
  await sendEvidence(url, alice, [attestationOf(hello, alice, { sources: [sha256Of(source)], log: sha256Of(text) })])
  t.true((await upload(url, alice, { kind: 'source', digest: sha256Of(source) }, source)).json.published)
  t.true((await upload(url, alice, { kind: 'log', digest: sha256Of(text) }, zstdCompressSync(text))).json.published)
  t.deepEqual((await send(url, { path: `/v1/sources/${sha256Of(source)}` })).body, source)
  t.deepEqual(zstdDecompressSync((await send(url, { path: `/v1/logs/${sha256Of(text)}` })).body), text)
})

test('a divergence is kept and listed', async (t) => {
  const { url } = await startTestCache(t)
  const hello = packageOf('hello')
  const other = packageOf('hello', 'another')
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  t.deepEqual((await send(url, { path: '/v1/divergent' })).json, { divergent: [] })
  const { json } = await sendEvidence(url, bob, [attestationOf(other, bob)])
  t.true(json.results[0].divergent)
  const [divergence] = (await send(url, { path: '/v1/divergent' })).json.divergent
  t.is(divergence.recipe, hello.recipe)
  t.deepEqual(divergence.claims.map(({ operator }: { operator: string }) => operator).sort(), ['alice', 'bob'])
  t.is(envelopesIn(await send(url, { path: `/v1/evidence/${hello.recipe}` })).length, 2)
})

test('revocation lists are taken once and are part of every answer', async (t) => {
  const { url } = await startTestCache(t)
  const now = Math.floor(Date.now() / 1000)
  const { publicKey } = alice.secret
  const list = (reason: string, version: number) =>
    signRevocationList(
      {
        format: 1,
        signer: publicKey.id,
        version,
        issued: now,
        expires: now + 60,
        keys: [{ key: publicKey.id, reason }],
        statements: [],
      },
      alice.secret,
    )
  t.is((await sendEvidence(url, alice, [list('lost', 1)])).json.results[0].status, 'accepted')
  t.is((await sendEvidence(url, alice, [list('lost', 1)])).json.results[0].status, 'known')
  t.is((await sendEvidence(url, alice, [list('found', 1)])).json.results[0].code, 'ABN_CACHE_STATEMENT_REFUSED')
  t.is(envelopesIn(await send(url, { path: '/v1/revocations' })).length, 1)
})

test('it describes itself', async (t) => {
  const { url } = await startTestCache(t)
  const api = (await send(url, { path: '/v1/openapi.json' })).json
  t.is(api.openapi, '3.1.0')
  t.true(Object.keys(api.paths).includes('/v1/uploads/{id}/finish'))
  t.deepEqual(api.paths['/v1/uploads/{id}'].patch.security, [{ write: [] }])
  t.deepEqual((await send(url, { path: '/healthz' })).json, { status: 'ok' })
  const operators = (await send(url, { path: '/v1/operators' })).json.operators
  t.deepEqual(
    operators.map(({ name }: { name: string }) => name),
    ['alice', 'bob'],
  )
  const metrics = (await send(url, { path: '/metrics' })).body.toString()
  t.regex(metrics, /abn_cache_requests_total\{route="\/healthz",method="GET",status="200"\} 1/)
})

test('answers say how large the archives are that are here, as a hint', async (t) => {
  const { url } = await startTestCache(t)
  const [hello, libc] = [packageOf('hello'), packageOf('libc')]
  await publish(url, alice, hello)
  await sendEvidence(url, alice, [attestationOf(libc, alice)])
  const sizes = async () => {
    const body = Buffer.from(JSON.stringify({ recipes: [hello.recipe, libc.recipe] }))
    const headers = { 'content-type': 'application/json' }
    const answer = evidenceIn(await send(url, { method: 'POST', path: '/v1/closures', body, headers }))
    const hints = answer.filter(({ kind }) => kind === 'transfer-sizes').map(({ bytes }) => parseTransferSizes(bytes))
    t.is(hints.length, 1)
    return [hello, libc].map(({ digest }) => hints[0]?.sizeOf(digest))
  }
  t.deepEqual(await sizes(), [hello.compressed.length, undefined])
  // An answer that was kept is made anew when an archive has come.
  await upload(url, alice, { kind: 'archive', digest: libc.digest }, libc.compressed)
  t.deepEqual(await sizes(), [hello.compressed.length, libc.compressed.length])
})

test('a large closure is made in a thread, once for all who ask at the same time', async (t) => {
  const { url } = await startTestCache(t)
  const packages = Array.from({ length: 120 }, (_, i) => packageOf(`p${i}`))
  await sendEvidence(
    url,
    alice,
    packages.map((one) => attestationOf(one, alice)),
  )
  const body = Buffer.from(JSON.stringify({ recipes: packages.map(({ recipe }) => recipe) }))
  const headers = { 'content-type': 'application/json' }
  const answers = await Promise.all(
    [1, 2, 3].map(() => send(url, { method: 'POST', path: '/v1/closures', body, headers })),
  )
  for (const answer of answers) t.is(envelopesIn(answer).length, 120)
})
