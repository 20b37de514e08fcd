import test from 'ava'
import { collectGarbage } from '../../cache-server/collect-garbage.ts'
import { checkCache } from '../../cache-server/fsck.ts'
import { defaultLimits } from '../../cache-server/limits.ts'
import { exportCache, importCache } from '../../cache-server/static-files.ts'
import { sha256Of } from '../../format/hash.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import {
  alice,
  attestationOf,
  bob,
  envelopesIn,
  packageOf,
  revocationsOf,
  send,
  sendEvidence,
  startTestCache,
} from './support.ts'

const statement = (text: string) => ({ statement: sha256Of(text), reason: '' })
const sorted = (...texts: readonly string[]) =>
  texts.map(statement).sort((a, b) => (a.statement < b.statement ? -1 : 1))
const key = ({ secret }: typeof alice) => ({ key: secret.publicKey.id, reason: 'lost' })

async function listsAt(url: string): Promise<readonly string[]> {
  return [...envelopesIn(await send(url, { path: '/v1/revocations' }))].sort()
}

const digests = (lists: readonly { readonly digest: string }[]) => lists.map(({ digest }) => digest).sort()

test('a list goes when a newer one of its key names all that it names', async (t) => {
  const { url } = await startTestCache(t)
  const first = revocationsOf(alice, { version: 1, statements: sorted('a') })
  const second = revocationsOf(alice, { version: 2, statements: sorted('a', 'b') })
  const others = revocationsOf(bob, { version: 1 })
  for (const [operator, list] of [
    [alice, first],
    [bob, others],
    [alice, second],
  ] as const)
    t.is((await sendEvidence(url, operator, [list])).json.results[0].status, 'accepted')
  t.deepEqual(await listsAt(url), digests([second, others]))
  // What is contained in a newer one is as good as known.
  t.is((await sendEvidence(url, alice, [first])).json.results[0].status, 'known')
  t.deepEqual(await listsAt(url), digests([second, others]))
})

test('a newer list that leaves out a revocation does not take it away', async (t) => {
  const { url, cache } = await startTestCache(t)
  const honest = revocationsOf(alice, { version: 5, keys: [key(alice)] })
  const thief = revocationsOf(alice, { version: 2 ** 53 - 1 })
  for (const list of [honest, thief]) await sendEvidence(url, alice, [list])
  t.deepEqual(await listsAt(url), digests([honest, thief]))
  // Also the other way round: no version is so high that a revocation comes too late.
  const more = revocationsOf(alice, { version: 6, keys: [key(alice)], statements: sorted('x') })
  t.is((await sendEvidence(url, alice, [more])).json.results[0].status, 'accepted')
  t.deepEqual(await listsAt(url), digests([more, thief]))
  t.deepEqual((await checkCache(cache, { repair: false })).faults, [])
})

test('an operator cannot crowd the answers with revocations, and merging them makes room', async (t) => {
  const limits = { ...defaultLimits, revocationBytesPerOperator: 3000 }
  const { url } = await startTestCache(t, { limits })
  const list = (version: number, ...texts: readonly string[]) =>
    revocationsOf(alice, { version, statements: sorted(...texts) })
  const results: string[] = []
  for (let version = 1; version < 8; version++) {
    const { json } = await sendEvidence(url, alice, [list(version, `${version}`)])
    results.push(json.results[0].code ?? json.results[0].status)
  }
  t.is(results[0], 'accepted')
  t.is(results.at(-1), 'ABN_CACHE_LIMIT')
  t.is((await sendEvidence(url, bob, [revocationsOf(bob, {})])).json.results[0].status, 'accepted')
  const all = results.flatMap((result, i) => (result === 'accepted' ? [`${i + 1}`] : []))
  const merged = list(9, ...all, 'new')
  t.is((await sendEvidence(url, alice, [merged])).json.results[0].status, 'accepted')
  t.true((await listsAt(url)).includes(merged.digest))
  t.is((await listsAt(url)).length, 2)
})

test('expired lists stay while they can matter', async (t) => {
  const none = { expiredDays: 0, unreferencedHours: 0, uploadHours: 0, everyHours: 0 }
  const first = await startTestCache(t, { retention: none })
  const issued = Math.floor(Date.now() / 1000) - 100
  const old = revocationsOf(alice, { issued, expires: issued + 10, statements: sorted('a') })
  const bobs = revocationsOf(bob, { issued, expires: issued + 10, statements: sorted('b') })
  await sendEvidence(first.url, alice, [old])
  await sendEvidence(first.url, bob, [bobs, attestationOf(packageOf('hello'), bob)])
  await collectGarbage(first.cache)
  t.deepEqual(await listsAt(first.url), digests([old, bobs]))
  await first.close()
  // Bob may write here no more, but what he said is still here.
  const operators = [{ name: 'alice', keys: [alice.secret.publicKey] }]
  const second = await startTestCache(t, { retention: none, operators }, first.data)
  await collectGarbage(second.cache)
  t.deepEqual(await listsAt(second.url), digests([old, bobs]))
  const later = { ...second.cache, nowSeconds: () => second.cache.nowSeconds() + 2 * 86_400 }
  await collectGarbage(later)
  t.deepEqual(await listsAt(second.url), digests([old]))
})

test('an import takes what a mirror of revocations would, and no roll-back', async (t) => {
  const first = await startTestCache(t)
  await sendEvidence(first.url, alice, [revocationsOf(alice, { version: 1 })])
  const directory = temporaryDirectory(t)
  await exportCache(first.cache, directory)
  const second = await startTestCache(t)
  const newer = revocationsOf(alice, { version: 2, keys: [key(alice)] })
  await sendEvidence(second.url, alice, [newer])
  await importCache(second.cache, directory)
  t.deepEqual(await listsAt(second.url), digests([newer]))
})
