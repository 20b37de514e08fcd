import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import test from 'ava'
import { cacheOriginOf, openCacheClient } from '../../../builder/service/remote.ts'
import { hasBlob, uploadFile } from '../../../builder/service/upload.ts'
import { sha256Of } from '../../../format/hash.ts'
import { attest } from '../../../trust/attestation.ts'
import { listening } from '../../_support/listening.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { statementFor } from './_support/statement.ts'
import { cacheFor, now, operatorKeys } from './_support/world.ts'

test('an upload that was cut off goes on where it stopped', async (t) => {
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  await using client = openCacheClient({ url: cache.url, signer: alice, nowSeconds: now })
  const source = randomBytes(300_000)
  const blob = { kind: 'source', digest: sha256Of(source) } as const
  const path = `${temporaryDirectory(t)}/source`
  writeFileSync(path, source)
  const options = { path, bytes: source.length }
  await t.throwsAsync(uploadFile(client, blob, options), { code: 'ABN_CACHE_STATEMENT_REFUSED' })

  const { bytes } = attest({ ...statementFor(alice.publicKey.id), sources: [blob.digest] }, alice)
  const body = Buffer.concat([bytes, Buffer.from('\n')])
  await client.write({ method: 'POST', path: '/v1/evidence', body, type: 'application/jsonl' })
  const begun = await client.write({
    method: 'POST',
    path: '/v1/uploads',
    body: Buffer.from(JSON.stringify({ ...blob, bytes: source.length })),
    type: 'application/json',
  })
  await client.write({
    method: 'PATCH',
    path: `/v1/uploads/${String(begun.id)}`,
    body: source.subarray(0, 200_000),
    type: 'application/octet-stream',
    headers: { 'upload-offset': '0' },
  })
  await cache.stop()
  await cache.again()
  t.false(await hasBlob(client, blob))
  t.is(await uploadFile(client, blob, options), 100_000)
  t.true(await hasBlob(client, blob))
  t.is(await uploadFile(client, blob, options), 0)
})

test('a first part that is of another file is sent anew', async (t) => {
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  await using client = openCacheClient({ url: cache.url, signer: alice, nowSeconds: now })
  const source = randomBytes(1000)
  const blob = { kind: 'source', digest: sha256Of(source) } as const
  const path = `${temporaryDirectory(t)}/source`
  writeFileSync(path, source)
  const { bytes } = attest({ ...statementFor(alice.publicKey.id), sources: [blob.digest] }, alice)
  const body = Buffer.concat([bytes, Buffer.from('\n')])
  await client.write({ method: 'POST', path: '/v1/evidence', body, type: 'application/jsonl' })
  const request = Buffer.from(JSON.stringify({ ...blob, bytes: source.length }))
  const begun = await client.write({ method: 'POST', path: '/v1/uploads', body: request, type: 'application/json' })
  const headers = { 'upload-offset': '0' }
  const wrong = { method: 'PATCH', path: `/v1/uploads/${String(begun.id)}`, body: randomBytes(500), headers } as const
  await client.write({ ...wrong, type: 'application/octet-stream' })
  t.is(await uploadFile(client, blob, { path, bytes: source.length }), 1500)
  t.true(await hasBlob(client, blob))
})

test('an upload whose last answer is lost is found to be there', async (t) => {
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const { port } = new URL(cache.url)
  let lost = 0
  // Passes everything on, but the answer to the first `finish`.
  const proxy = createServer((incoming, outgoing) => {
    const { method, url = '', headers } = incoming
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (answer) => {
      if (url.endsWith('/finish') && lost++ === 0) {
        answer.resume().once('end', () => outgoing.destroy())
        return
      }
      outgoing.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(onward)
  })
  const url = await listening(t, proxy)
  await using client = openCacheClient({ url, signer: alice, nowSeconds: now })
  const source = randomBytes(1000)
  const blob = { kind: 'source', digest: sha256Of(source) } as const
  const path = `${temporaryDirectory(t)}/source`
  writeFileSync(path, source)
  const { bytes } = attest({ ...statementFor(alice.publicKey.id), sources: [blob.digest] }, alice)
  const body = Buffer.concat([bytes, Buffer.from('\n')])
  await client.write({ method: 'POST', path: '/v1/evidence', body, type: 'application/jsonl' })
  t.is(await uploadFile(client, blob, { path, bytes: source.length }), 1000)
  // The second time there was no such upload, and asking for it anew told that the file is there.
  t.is(lost, 2)
  t.true(await hasBlob(client, blob))
})

for (const url of [
  '',
  'cache.example.org',
  'ftp://cache.example.org',
  'https://a:b@cache.example.org',
  'https://x.org/path',
  'file:///',
]) {
  test(`${JSON.stringify(url)} is no address of a cache`, (t) => {
    t.throws(() => cacheOriginOf(url), { code: 'ABN_PUBLISH_ADDRESS' })
  })
}
