// Hostile clients, each with what the server must do. A row of `attacks` is one that a single request can make.
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { zstdCompressSync } from 'node:zlib'
import test from 'ava'
import { defaultLimits } from '../../cache-server/limits.ts'
import { sha256Of } from '../../format/hash.ts'
import { storePathOf } from '../../format/store-path.ts'
import {
  type Answer,
  alice,
  attestationOf,
  authorizationOf,
  bob,
  createUpload,
  envelopesIn,
  finishUpload,
  mallory,
  packageOf,
  publish,
  send,
  sendEvidence,
  sendPiece,
  startTestCache,
  statementOf,
  upload,
  write,
} from './support.ts'

const hello = packageOf('hello')
const EVIDENCE = { method: 'POST', path: '/v1/evidence', operator: alice, type: 'application/jsonl' } as const
const line = Buffer.concat([attestationOf(hello, alice).bytes, Buffer.from('\n')])
const now = () => Math.floor(Date.now() / 1000)

type Attack = {
  readonly title: string
  readonly attempt: (url: string) => Promise<Answer>
  readonly status: number
  readonly code: string
}

const attacks: readonly Attack[] = [
  {
    title: 'a write without a signature',
    attempt: (url) =>
      send(url, { method: 'POST', path: '/v1/evidence', body: line, headers: { 'content-type': 'application/jsonl' } }),
    status: 401,
    code: 'ABN_CACHE_UNAUTHORISED',
  },
  {
    title: 'a write by a stranger',
    attempt: (url) => write(url, { ...EVIDENCE, operator: mallory, body: line }),
    status: 401,
    code: 'ABN_CACHE_UNAUTHORISED',
  },
  {
    title: 'a signature for another path',
    attempt: (url) => write(url, { ...EVIDENCE, body: line, signed: { path: '/v1/uploads' } }),
    status: 401,
    code: 'ABN_CACHE_UNAUTHORISED',
  },
  {
    title: 'a signature for another method',
    attempt: (url) => write(url, { ...EVIDENCE, body: line, signed: { method: 'PUT' } }),
    status: 401,
    code: 'ABN_CACHE_UNAUTHORISED',
  },
  {
    title: 'a write that was signed for another cache',
    attempt: (url) => write(url, { ...EVIDENCE, body: line, signed: { origin: 'https://other.example.org' } }),
    status: 401,
    code: 'ABN_CACHE_UNAUTHORISED',
  },
  {
    title: 'another body than was signed',
    attempt: (url) => write(url, { ...EVIDENCE, body: line, signed: { bodySha256: sha256Of('other') } }),
    status: 401,
    code: 'ABN_CACHE_UNAUTHORISED',
  },
  {
    title: 'a write signed an hour ago',
    attempt: (url) => write(url, { ...EVIDENCE, body: line, signed: { at: now() - 3600 } }),
    status: 401,
    code: 'ABN_CACHE_CLOCK',
  },
  {
    title: 'a write signed for tomorrow',
    attempt: (url) => write(url, { ...EVIDENCE, body: line, signed: { at: now() + 86_400 } }),
    status: 401,
    code: 'ABN_CACHE_CLOCK',
  },
  {
    title: 'a body larger than the limit',
    attempt: (url) => write(url, { ...EVIDENCE, body: Buffer.alloc(defaultLimits.bodyBytes + 1) }),
    status: 413,
    code: 'ABN_CACHE_LIMIT',
  },
  {
    title: 'an upload that nobody attests',
    attempt: (url) => createUpload(url, alice, { kind: 'archive', digest: sha256Of('x'), bytes: 10 }),
    status: 422,
    code: 'ABN_CACHE_STATEMENT_REFUSED',
  },
  {
    title: 'an upload of an unbelievable size',
    attempt: (url) => createUpload(url, alice, { kind: 'archive', digest: sha256Of('x'), bytes: 2 ** 52 }),
    status: 413,
    code: 'ABN_CACHE_LIMIT',
  },
  {
    title: 'an upload of a negative size',
    attempt: (url) => createUpload(url, alice, { kind: 'archive', digest: sha256Of('x'), bytes: -1 }),
    status: 400,
    code: 'ABN_CACHE_REQUEST',
  },
  {
    title: 'an upload id that is a path',
    attempt: (url) => sendPiece(url, alice, '..%2f..%2fformat', 0, Buffer.from('x')),
    status: 400,
    code: 'ABN_CACHE_REQUEST',
  },
  ...['/v1/archives/../../format', '/v1/archives/..%2f..%2fformat', '/v1/archives/%00', '/v1/sources//etc/passwd'].map(
    (path): Attack => ({
      title: `a path that leads out: ${path}`,
      attempt: async (url) => {
        const answer = await send(url, { path })
        return {
          ...answer,
          status: answer.status === 404 ? 400 : answer.status,
          json: { error: { code: 'ABN_CACHE_REQUEST', was: answer.json } },
        }
      },
      status: 400,
      code: 'ABN_CACHE_REQUEST',
    }),
  ),
  {
    title: 'a question about too many recipes',
    attempt: (url) => {
      const recipes = Array.from({ length: defaultLimits.closureRecipes + 1 }, () => hello.recipe)
      const body = Buffer.from(JSON.stringify({ recipes }))
      return send(url, { method: 'POST', path: '/v1/closures', body, headers: { 'content-type': 'application/json' } })
    },
    status: 400,
    code: 'ABN_CACHE_REQUEST',
  },
  {
    title: 'JSON that would change prototypes',
    attempt: (url) =>
      write(url, {
        method: 'POST',
        path: '/v1/uploads',
        operator: alice,
        type: 'application/json',
        body: Buffer.from('{"__proto__":{"kind":"archive"}}'),
      }),
    status: 400,
    code: 'ABN_CACHE_REQUEST',
  },
]

for (const { title, attempt, status, code } of attacks) {
  test(title, async (t) => {
    const { url, reports } = await startTestCache(t)
    const answer = await attempt(url)
    t.deepEqual([answer.status, answer.json?.error?.code], [status, code])
    t.deepEqual(reports, [])
    t.is((await send(url, { path: '/healthz' })).status, 200)
  })
}

test('a signed write that comes twice, also after a restart', async (t) => {
  const first = await startTestCache(t)
  const head = { origin: first.url, method: 'POST', path: '/v1/evidence', bodySha256: sha256Of(line) }
  const authorization = authorizationOf(alice, head)
  t.is((await write(first.url, { ...EVIDENCE, body: line, authorization })).status, 200)
  t.is((await write(first.url, { ...EVIDENCE, body: line, authorization })).json.error.code, 'ABN_CACHE_REPLAYED')
  await first.close()
  const second = await startTestCache(t, { publicUrl: first.url }, first.data)
  t.is((await write(second.url, { ...EVIDENCE, body: line, authorization })).json.error.code, 'ABN_CACHE_REPLAYED')
})

const lies = [
  ['by another operator', attestationOf(hello, bob), 'ABN_CACHE_FOREIGN'],
  ['by a stranger', attestationOf(hello, mallory), 'ABN_CACHE_STATEMENT_REFUSED'],
  ['that has expired', attestationOf(hello, alice, { expires: now() - 1 }), 'ABN_CACHE_STATEMENT_REFUSED'],
  [
    'with the store path of another package',
    attestationOf(hello, alice, { name: 'openssl' }),
    'ABN_CACHE_STATEMENT_REFUSED',
  ],
] as const

for (const [title, attestation, code] of lies) {
  test(`a statement ${title}`, async (t) => {
    const { url } = await startTestCache(t)
    t.is((await sendEvidence(url, alice, [attestation])).json.results[0].code, code)
    t.is((await send(url, { path: `/v1/evidence/${hello.recipe}` })).status, 404)
  })
}

test('a statement with one byte of its signature changed', async (t) => {
  const { url } = await startTestCache(t)
  const bytes = Buffer.from(attestationOf(hello, alice).bytes)
  const at = bytes.indexOf('"sig":"') + 10
  bytes[at] = bytes[at] === 0x41 ? 0x42 : 0x41
  t.is((await sendEvidence(url, alice, [{ bytes }])).json.results[0].code, 'ABN_SIGNATURE_INVALID')
})

test('a name squat neither displaces nor blocks the rightful statement', async (t) => {
  const { url } = await startTestCache(t)
  // The recipe hash of hello under another name: bob's own store path, another digest.
  const squat = { ...packageOf('hullo'), recipe: hello.recipe, path: storePathOf(hello.recipe, 'hullo', '1', 'out') }
  t.is((await sendEvidence(url, bob, [attestationOf(squat, bob)])).json.results[0].status, 'accepted')
  await publish(url, alice, hello)
  t.is((await send(url, { path: `/v1/archives/${hello.digest}` })).status, 200)
  t.is(envelopesIn(await send(url, { path: `/v1/evidence/${hello.recipe}` })).length, 2)
})

test('nobody touches the upload of another operator', async (t) => {
  const { url } = await startTestCache(t)
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  t.is(
    (await createUpload(url, bob, { kind: 'archive', digest: hello.digest, bytes: 10 })).json.error.code,
    'ABN_CACHE_STATEMENT_REFUSED',
  )
  const { json } = await createUpload(url, alice, {
    kind: 'archive',
    digest: hello.digest,
    bytes: hello.compressed.length,
  })
  t.is((await sendPiece(url, bob, json.id, 0, Buffer.from('poison'))).json.error.code, 'ABN_CACHE_FOREIGN')
  t.is((await finishUpload(url, bob, json.id)).json.error.code, 'ABN_CACHE_FOREIGN')
  t.is(
    (await write(url, { method: 'DELETE', path: `/v1/uploads/${json.id}`, operator: bob })).json.error.code,
    'ABN_CACHE_FOREIGN',
  )
})

const libc = packageOf('libc')
const bomb = packageOf('hello', Buffer.alloc(80 * 1024 * 1024))
const contents = [
  ['another archive', packageOf('hello', 'other').compressed, {}, 'ABN_CACHE_UPLOAD_REFUSED'],
  ['no zstd', Buffer.from('not zstd at all'), {}, 'ABN_CACHE_UPLOAD_REFUSED'],
  ['a truncated frame', hello.compressed.subarray(0, -20), {}, 'ABN_CACHE_UPLOAD_REFUSED'],
  [
    'an archive with data after its end',
    zstdCompressSync(Buffer.concat([hello.archive, Buffer.alloc(512)])),
    {},
    'ABN_ARCHIVE_LIMIT',
  ],
  ['a bomb', bomb.compressed, { bytes: bomb.archive.length }, 'ABN_ARCHIVE_LIMIT'],
  ['an archive larger than stated', hello.compressed, { bytes: hello.archive.length - 512 }, 'ABN_ARCHIVE_LIMIT'],
  [
    'an archive smaller than stated',
    hello.compressed,
    { bytes: hello.archive.length + 512 },
    'ABN_CACHE_UPLOAD_REFUSED',
  ],
  ['a reference stated that is not there', hello.compressed, { references: [libc.path] }, 'ABN_CACHE_UPLOAD_REFUSED'],
] as const

for (const [title, content, changes, code] of contents) {
  test(`an upload of ${title} is dropped`, async (t) => {
    const { url } = await startTestCache(t)
    const [output] = statementOf(hello, alice).outputs
    if (output === undefined) return t.fail()
    await sendEvidence(url, alice, [attestationOf(hello, alice, { outputs: [{ ...output, ...changes }] })])
    const answer = await upload(url, alice, { kind: 'archive', digest: hello.digest }, content)
    t.deepEqual([answer.status, answer.json.error.code], [422, code])
    t.is((await send(url, { path: `/v1/archives/${hello.digest}` })).status, 404)
    const again = await createUpload(url, alice, { kind: 'archive', digest: hello.digest, bytes: content.length })
    t.is(again.json.offset, 0)
  })
}

test('a reference that is there and not stated', async (t) => {
  const { url } = await startTestCache(t)
  const lua = packageOf('lua', 'lua', [libc])
  const [output] = statementOf(lua, alice).outputs
  if (output === undefined) return t.fail()
  await sendEvidence(url, alice, [attestationOf(lua, alice, { outputs: [{ ...output, references: [] }] })])
  const answer = await upload(url, alice, { kind: 'archive', digest: lua.digest }, lua.compressed)
  t.is(answer.json.error.code, 'ABN_CACHE_UPLOAD_REFUSED')
})

test('a second statement about an archive that is here cannot state other references', async (t) => {
  const { url } = await startTestCache(t)
  await publish(url, alice, hello)
  const [output] = statementOf(hello, bob).outputs
  if (output === undefined) return t.fail()
  const lying = attestationOf(hello, bob, { outputs: [{ ...output, references: [libc.path] }] })
  t.is((await sendEvidence(url, bob, [lying])).json.results[0].code, 'ABN_CACHE_STATEMENT_REFUSED')
})

test('a piece with another content than was signed changes nothing', async (t) => {
  const { url } = await startTestCache(t)
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  const { json } = await createUpload(url, alice, {
    kind: 'archive',
    digest: hello.digest,
    bytes: hello.compressed.length,
  })
  const poisoned = Buffer.from(hello.compressed)
  poisoned[0] = 0
  const answer = await write(url, {
    method: 'PATCH',
    path: `/v1/uploads/${json.id}`,
    operator: alice,
    type: 'application/octet-stream',
    body: poisoned,
    headers: { 'upload-offset': '0' },
    signed: { bodySha256: sha256Of(hello.compressed) },
  })
  t.is(answer.json.error.code, 'ABN_CACHE_UPLOAD_REFUSED')
  t.is((await sendPiece(url, alice, json.id, 0, hello.compressed)).status, 200)
  t.true((await finishUpload(url, alice, json.id)).json.published)
})

test('a client that goes away in the middle of a piece leaves the upload as it was', async (t) => {
  const { url, reports, log } = await startTestCache(t)
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  const bytes = hello.compressed.length
  const { json } = await createUpload(url, alice, { kind: 'archive', digest: hello.digest, bytes })
  const path = `/v1/uploads/${json.id}`
  const authorization = authorizationOf(alice, {
    origin: url,
    method: 'PATCH',
    path,
    bodySha256: sha256Of(hello.compressed),
  })
  const { host, hostname, port } = new URL(url)
  const head = [
    `host: ${host}`,
    `authorization: ${authorization}`,
    'content-type: application/octet-stream',
    'upload-offset: 0',
  ]
  const socket = connect(Number(port), hostname)
  socket.write(`PATCH ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\ncontent-length: ${bytes}\r\n\r\n`)
  socket.write(hello.compressed.subarray(0, 10))
  await delay(200)
  socket.destroy()
  // The server notices in its own time; until then the upload is busy.
  for (let i = 0; i < 100 && !log.some((one) => JSON.parse(one).method === 'PATCH'); i++) await delay(20)
  t.deepEqual(reports, [])
  t.is((await sendPiece(url, alice, json.id, 0, hello.compressed)).status, 200)
  t.true((await finishUpload(url, alice, json.id)).json.published)
})

test('two uploads of one archive at once', async (t) => {
  const { url } = await startTestCache(t)
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  await sendEvidence(url, bob, [attestationOf(hello, bob)])
  const other = zstdCompressSync(hello.archive, { params: { 100: 19 } })
  const answers = await Promise.all([
    upload(url, alice, { kind: 'archive', digest: hello.digest }, hello.compressed),
    upload(url, bob, { kind: 'archive', digest: hello.digest }, other),
  ])
  t.deepEqual(
    answers.map(({ json }) => json.published),
    [true, true],
  )
  const { body, headers } = await send(url, { path: `/v1/archives/${hello.digest}` })
  t.is(headers.etag, `"${sha256Of(body)}"`)
})

test('two requests that write to one upload at once', async (t) => {
  const { url } = await startTestCache(t)
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  const { json } = await createUpload(url, alice, {
    kind: 'archive',
    digest: hello.digest,
    bytes: hello.compressed.length,
  })
  const answers = await Promise.all([1, 2, 3].map(() => sendPiece(url, alice, json.id, 0, hello.compressed)))
  t.is(answers.filter(({ status }) => status === 200).length, 1)
  t.true((await finishUpload(url, alice, json.id)).json.published)
})

test('an operator cannot flood a recipe with statements', async (t) => {
  const { url } = await startTestCache(t, { limits: { ...defaultLimits, attestationsPerRecipe: 3 } })
  const flood = Array.from({ length: 5 }, (_, i) => attestationOf(hello, alice, { invocation: `${i}` }))
  const { json } = await sendEvidence(url, alice, flood)
  t.is(json.results.filter(({ status }: { status: string }) => status === 'accepted').length, 3)
  t.is((await sendEvidence(url, bob, [attestationOf(hello, bob)])).json.results[0].status, 'accepted')
})

test('too many uploads, too many requests', async (t) => {
  const { url } = await startTestCache(t, { limits: { ...defaultLimits, uploadsPerOperator: 1, requestsPerMinute: 5 } })
  await sendEvidence(url, alice, [attestationOf(hello, alice), attestationOf(libc, alice)])
  t.is((await createUpload(url, alice, { kind: 'archive', digest: hello.digest, bytes: 10 })).status, 201)
  const second = await createUpload(url, alice, { kind: 'archive', digest: libc.digest, bytes: 10 })
  t.is(second.json.error.code, 'ABN_CACHE_LIMIT')
  const many = await Promise.all(Array.from({ length: 6 }, () => send(url, { path: '/healthz' })))
  t.true(many.some(({ status, json }) => status === 429 && json.error.code === 'ABN_CACHE_RATE'))
})

/** What a raw connection is answered; resolves when the server ends it. */
async function raw(url: string, talk: (write: (text: string) => void) => Promise<void> | void): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await talk((text) => void (socket.writable && socket.write(text)))
  await closed
  return answer
}

test('a flood of headers', async (t) => {
  const { url } = await startTestCache(t)
  const answer = await raw(url, (say) =>
    say(`GET /healthz HTTP/1.1\r\nhost: x\r\n${'x: '.padEnd(1000, 'y').concat('\r\n').repeat(40)}\r\n`),
  )
  t.regex(answer, /^HTTP\/1\.1 431 /)
})

test('headers and bodies that drip are cut off', async (t) => {
  const { url } = await startTestCache(t, {
    limits: { ...defaultLimits, headerSeconds: 1, requestSeconds: 2, stopSeconds: 1 },
  })
  const head = await raw(url, async (say) => {
    say('GET /healthz HTTP/1.1\r\nhost: x\r\n')
    for (let i = 0; i < 5; i++) {
      say('x: y\r\n')
      await delay(300)
    }
  })
  t.regex(head, /^HTTP\/1\.1 408 /)
  const body = await raw(url, (say) =>
    say('POST /v1/closures HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{'),
  )
  t.regex(body, /^HTTP\/1\.1 408 |^$/)
})

test('one address cannot take all connections', async (t) => {
  const { url } = await startTestCache(t, { limits: { ...defaultLimits, connectionsPerAddress: 2, stopSeconds: 1 } })
  const { hostname, port } = new URL(url)
  const sockets = [1, 2].map(() => connect(Number(port), hostname))
  t.teardown(() => sockets.map((socket) => socket.destroy()))
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
  t.is(await raw(url, (say) => say('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')), '')
})
