// Attacks on a cache by those who write to it: operators who want the room, the name or the upload of another one, and strangers.
// test/cache-server/attacks.test.ts has many more, by what a single request can do.
import { zstdCompressSync } from 'node:zlib'
import { sha256Of } from '../../format/hash.ts'
import { storePathOf } from '../../format/store-path.ts'
import {
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
  type TestCache,
  upload,
  write,
} from '../cache-server/support.ts'
import { type LoneAttack, unless, withEnding } from './_support/lone.ts'

const hello = packageOf('hello')
const archiveOfHello = { kind: 'archive', digest: hello.digest } as const

function onCache(
  name: string,
  does: string,
  attempt: (cache: TestCache) => Promise<string | undefined>,
  result = 'refused',
): LoneAttack {
  const make = () =>
    withEnding(async (ending) => {
      const cache = await startTestCache(ending)
      const complaint = await attempt(cache)
      if (complaint !== undefined) return complaint
      const isWell = (await send(cache.url, { path: '/healthz' })).status === 200
      return isWell ? unless([], cache.reports) : 'the cache is not well any more'
    })
  return { name: `cache: ${name}`, does, result, make }
}

const codeOf = ({ json }: { readonly json: { readonly error?: { readonly code?: string } } }) => json.error?.code

async function begunByAlice({ url }: TestCache): Promise<string> {
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  return (await createUpload(url, alice, { ...archiveOfHello, bytes: hello.compressed.length })).json.id
}

/** What alice began, she can finish, and it is what she sent. */
async function finished({ url }: TestCache, id: string): Promise<string | undefined> {
  await sendPiece(url, alice, id, 0, hello.compressed)
  const { json } = await finishUpload(url, alice, id)
  if (json.published !== true) return `alice cannot finish: ${JSON.stringify(json)}`
  const { body } = await send(url, { path: `/v1/archives/${hello.digest}` })
  return unless(sha256Of(hello.compressed), sha256Of(body))
}

export const attacksOnCaches: readonly LoneAttack[] = [
  onCache('cross-tenant poisoning', "bob writes into alice's upload, finishes it, or gives it up", async (cache) => {
    const id = await begunByAlice(cache)
    const path = `/v1/uploads/${id}`
    const codes = [
      codeOf(await sendPiece(cache.url, bob, id, 0, Buffer.from('poison'))),
      codeOf(await finishUpload(cache.url, bob, id)),
      codeOf(await write(cache.url, { method: 'DELETE', path, operator: bob })),
    ]
    return unless(['ABN_CACHE_FOREIGN', 'ABN_CACHE_FOREIGN', 'ABN_CACHE_FOREIGN'], codes) ?? finished(cache, id)
  }),
  onCache(
    'poisoning by digest',
    "bob uploads other bytes under the digest that alice's statement names",
    async (cache) => {
      const id = await begunByAlice(cache)
      await sendEvidence(cache.url, bob, [attestationOf(hello, bob)])
      const answer = await upload(cache.url, bob, archiveOfHello, packageOf('hello', 'poison').compressed)
      const there = await send(cache.url, { path: `/v1/archives/${hello.digest}` })
      return (
        unless([422, 'ABN_CACHE_UPLOAD_REFUSED', 404], [answer.status, codeOf(answer), there.status]) ??
        finished(cache, id)
      )
    },
  ),
  onCache(
    'an upload race',
    'two operators upload one archive at the same time, compressed differently',
    async ({ url }) => {
      for (const one of [alice, bob]) await sendEvidence(url, one, [attestationOf(hello, one)])
      const other = zstdCompressSync(hello.archive, { params: { 100: 19 } })
      const answers = await Promise.all([
        upload(url, alice, archiveOfHello, hello.compressed),
        upload(url, bob, archiveOfHello, other),
      ])
      const { body, headers } = await send(url, { path: `/v1/archives/${hello.digest}` })
      return unless([true, true, `"${sha256Of(body)}"`], [...answers.map(({ json }) => json.published), headers.etag])
    },
    'one of them stays, whole',
  ),
  onCache(
    'a race within an upload',
    'one piece is sent three times at once, with other bytes each time',
    async (cache) => {
      const id = await begunByAlice(cache)
      const pieces = [
        hello.compressed,
        Buffer.alloc(hello.compressed.length, 1),
        Buffer.alloc(hello.compressed.length, 2),
      ]
      const answers = await Promise.all(pieces.map((piece) => sendPiece(cache.url, alice, id, 0, piece)))
      const taken = answers.findIndex(({ status }) => status === 200)
      const end = await finishUpload(cache.url, alice, id)
      const { status } = await send(cache.url, { path: `/v1/archives/${hello.digest}` })
      return unless(
        [1, taken === 0, taken === 0 ? 200 : 404],
        [answers.filter((one) => one.status === 200).length, end.json.published === true, status],
      )
    },
    'one is taken, and verified',
  ),
  onCache(
    'a name squat',
    'bob states something under the recipe hash of another package',
    async ({ url }) => {
      const path = storePathOf(hello.recipe, 'hullo', '1', 'out')
      await sendEvidence(url, bob, [attestationOf({ ...packageOf('hullo'), recipe: hello.recipe, path }, bob)])
      await publish(url, alice, hello)
      const all = envelopesIn(await send(url, { path: `/v1/evidence/${hello.recipe}` }))
      return unless([200, 2], [(await send(url, { path: `/v1/archives/${hello.digest}` })).status, all.length])
    },
    'the rightful one is there too',
  ),
  onCache(
    "another's statement",
    "bob brings a statement that alice has not signed, in alice's name",
    async ({ url }) => {
      const bytes = Buffer.from(attestationOf(hello, alice).bytes)
      const at = bytes.indexOf('"sig":"') + 10
      bytes[at] = bytes[at] === 0x41 ? 0x42 : 0x41
      const [result] = (await sendEvidence(url, alice, [{ bytes }])).json.results
      return unless('ABN_SIGNATURE_INVALID', result.code)
    },
  ),
  onCache('a write by a stranger', 'mallory signs the request with a key that nobody has registered', async ({ url }) =>
    unless(
      [401, 'ABN_CACHE_UNAUTHORISED'],
      statusAndCode(await sendEvidence(url, mallory, [attestationOf(hello, mallory)])),
    ),
  ),
  onCache(
    'a write that is replayed',
    "alice's signed request is sent again by somebody who saw it",
    async ({ url }) => {
      const body = Buffer.concat([attestationOf(hello, alice).bytes, Buffer.from('\n')])
      const about = { method: 'POST', path: '/v1/evidence', operator: alice, type: 'application/jsonl', body } as const
      const head = { origin: url, method: 'POST', path: '/v1/evidence', bodySha256: sha256Of(body) }
      const authorization = authorizationOf(alice, head)
      await write(url, { ...about, authorization })
      return unless('ABN_CACHE_REPLAYED', codeOf(await write(url, { ...about, authorization })))
    },
  ),
  onCache('a compression bomb', 'an archive of 80 MiB under a statement that says so', async ({ url }) => {
    const bomb = packageOf('hello', Buffer.alloc(80 * 1024 * 1024))
    await sendEvidence(url, alice, [attestationOf(bomb, alice)])
    const answer = await upload(url, alice, { kind: 'archive', digest: bomb.digest }, bomb.compressed)
    return unless([422, 'ABN_ARCHIVE_LIMIT'], statusAndCode(answer))
  }),
]

function statusAndCode(answer: Parameters<typeof codeOf>[0] & { readonly status: number }) {
  return [answer.status, codeOf(answer)]
}
