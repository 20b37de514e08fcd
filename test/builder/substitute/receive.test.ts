// How archives come: resumed, from files only, by several threads, from the next cache when one sends something wrong.
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { zstdCompressSync } from 'node:zlib'
import test from 'ava'
import { openPool, startThreads } from '../../../builder/substitute/pool.ts'
import { storeItemOf } from '../../../format/store-path.ts'
import { outputDigestOfDirectory } from '../../../store/output-digest.ts'
import { encodeBundle } from '../../../trust/bundle.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { archives, type Behaviour, bundled, raw, send, startHostileCache } from '../../faults/_support/hostile-cache.ts'
import {
  alice,
  attempt,
  attestationBy,
  base,
  basePath,
  bob,
  carol,
  fileOf,
  honest,
  type Output,
  other,
  outputOf,
  packed,
  pathOf,
  statedOf,
  user,
  userOutput,
  userPath,
} from '../../faults/_support/world.ts'

const everybody = honest(alice, bob, carol)

/**
 * Hangs up after `most` bytes, so many `times`, and goes on where it is asked to. What the client has not looked at when the connection
 * ends is lost to it, so that it may ask for more than the rest.
 */
function breaking(bytes: Buffer, { most, times }: { readonly most: number; readonly times: number }) {
  let left = times
  return (response: ServerResponse, request: IncomingMessage) => {
    const { range, 'if-range': tag } = request.headers
    const from = tag === '"one"' ? Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0) : 0
    const rest = bytes.subarray(from)
    const headers = { etag: '"one"', 'content-length': rest.length }
    const part = { ...headers, 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
    response.writeHead(from === 0 ? 200 : 206, from === 0 ? headers : part)
    if (left-- === 0) response.end(rest)
    else response.write(rest.subarray(0, most), () => response.socket?.end())
  }
}

const requestsFor = ({ digest }: Output, requests: readonly string[]) =>
  requests.filter((one) => one.endsWith(digest)).length

test('a broken download goes on where it stopped', async (t) => {
  const bytes = packed(userOutput)
  const archive = archives({ [userOutput.digest]: breaking(bytes, { most: Math.floor(bytes.length / 3), times: 2 }) })
  await using cache = await startHostileCache({ evidence: bundled(everybody), archive })
  await attempt({ caches: [cache.address] }, ({ came, said, events }) => {
    t.deepEqual(came, ['base', 'user'], said)
    t.false(events.some(({ kind }) => kind === 'substitute-refused'))
  })
  t.is(requestsFor(userOutput, cache.requests), 3)
})

/** Texts that hardly compress, one of them large. */
const largeOutput = outputOf(
  pathOf(other),
  [],
  [
    { kind: 'directory', path: '' },
    fileOf('large', Array.from({ length: 1_300_000 }, (_, i) => `${(i * 2_654_435_761) % 4_294_967_291}\n`).join('')),
    fileOf('small', 'x'),
  ],
)
const largePacked = packed(largeOutput)
const aboutLarge = [alice, bob].map((signer) => attestationBy(signer, other, { outputs: [statedOf(largeOutput)] }))

test('a large one too, which is unpacked while it comes', async (t) => {
  t.true(largeOutput.archive.length > 12 * 1024 * 1024, String(largeOutput.archive.length))
  const most = Math.floor(largePacked.length / 4)
  const archive = archives({ [largeOutput.digest]: breaking(largePacked, { most, times: 3 }) })
  await using cache = await startHostileCache({ evidence: bundled(aboutLarge), archive })
  await attempt({ caches: [cache.address], targets: [other] }, ({ came, said, store }) => {
    t.deepEqual(came, ['other'], said)
    t.is(readFileSync(`${store.physicalPath(largeOutput.path)}/small`, 'utf8'), 'x')
    t.is(store.readItem(largeOutput.path).outputDigest, largeOutput.digest)
  })
  t.is(requestsFor(largeOutput, cache.requests), 4)
})

for (const status of [404, 405, 501]) {
  test(`a web server that has only files (${status}) is asked for the closure as a file`, async (t) => {
    const files = raw(zstdCompressSync(encodeBundle(everybody.map(({ bytes }) => ({ kind: 'attestation', bytes })))))
    const evidence: NonNullable<Behaviour['evidence']> = (request, response) => {
      if (request.method !== 'GET') response.writeHead(status).end()
      else if (request.url === `/v1/closures/${user.recipeHash}/inputs`) files(request, response)
      else response.writeHead(404).end()
    }
    await using cache = await startHostileCache({ evidence, archive: archives() })
    await attempt({ caches: [cache.address] }, ({ came, said }) => t.deepEqual(came, ['base', 'user'], said))
  })
}

const hugeOutput = outputOf(
  pathOf(other),
  [],
  [{ kind: 'directory', path: '' }, fileOf('huge', `${'a line of many\n'.repeat(70)}\n`.repeat(21_000))],
)

test('several threads: what is wrong is refused in each, and taken from the next cache', async (t) => {
  t.true(hugeOutput.archive.length > 20 * 1024 * 1024)
  const hugePacked = zstdCompressSync(hugeOutput.archive)
  const evidence = bundled([
    ...everybody,
    ...[alice, bob].map((signer) => attestationBy(signer, other, { outputs: [statedOf(hugeOutput)] })),
  ])
  const honestArchive = archives({ [hugeOutput.digest]: (response) => send(response, hugePacked) })
  const wrong: NonNullable<Behaviour['archive']> = (_, response) => send(response, zstdCompressSync('not an archive'))
  // Who answers first is asked first.
  const answered = Promise.withResolvers<void>()
  await using liar = await startHostileCache({
    evidence: (request, response) => {
      response.on('finish', () => setTimeout(answered.resolve, 500))
      evidence(request, response)
    },
    archive: wrong,
  })
  await using honestCache = await startHostileCache({
    archive: honestArchive,
    evidence: (request, response) => void answered.promise.then(() => evidence(request, response)),
  })
  const caches = [liar.address, honestCache.address]
  await attempt({ caches, targets: [user, other] }, ({ came, said, events, store }) => {
    t.deepEqual(came, ['base', 'user', 'other'], said)
    const refused = events.flatMap((event) => (event.kind === 'substitute-refused' ? event.path : []))
    t.deepEqual([...refused].sort(), [pathOf(base), pathOf(other), pathOf(user)].sort(), said)
    const bytes = events.reduce((sum, event) => sum + (event.kind === 'substitute-bytes' ? event.bytes : 0), 0)
    t.true(bytes >= hugePacked.length, `${bytes} of at least ${hugePacked.length} bytes were told about`)
    t.is(store.readItem(hugeOutput.path).outputDigest, hugeOutput.digest)
  })
})

test('threads that were started before it was known what would come', async (t) => {
  const few = [basePath, userPath]
  t.is(startThreads({ candidates: few }), undefined, 'so few outputs are received without')
  const many = [...few, ...Array.from({ length: 98 }, () => basePath)]
  const threads = startThreads({ candidates: many })
  if (threads === undefined) return t.fail()
  const { all, helper } = await threads
  t.true(all.length > 0)
  t.true(await helper.isFree())
  const signer = newSecretKey('alice.example/builds', new Uint8Array(32).fill(1))
  const message = Buffer.from('hello')
  const signed = { publicKey: signer.publicKey.bytes, message, signature: signer.sign(message) }
  const other = { ...signed, message: Buffer.from('hallo') }
  t.deepEqual(await helper.verify([signed, other, signed]), [true, false, true])
  await using cache = await startHostileCache({ archive: archives() })
  const directory = temporaryDirectory(t)
  const asked = [...Array(12).keys()].map((i) => ({
    item: storeItemOf(userPath),
    directory: `${directory}/${i}`,
    digest: userOutput.digest,
    bytes: userOutput.archive.length,
    references: userOutput.references,
    caches: [cache.address],
  }))
  {
    await using pool = await openPool({ bytes: 0, candidates: many, threads })
    const received = await Promise.all(
      asked.map((receipt) =>
        pool.receive(
          receipt.bytes,
          () => receipt,
          () => {},
        ),
      ),
    )
    t.deepEqual(new Set(received.map(({ from }) => from)), new Set([cache.address]))
    for (const { item, directory: made } of asked)
      t.is(outputDigestOfDirectory(made, item).outputDigest, userOutput.digest)
  }
  await t.throwsAsync(helper.verify([signed]), { message: /has ended/ }, 'nobody waits for a thread that is gone')
})
