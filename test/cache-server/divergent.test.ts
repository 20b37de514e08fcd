import test from 'ava'
import { collectGarbage } from '../../cache-server/collect-garbage.ts'
import {
  alice,
  attestationOf,
  bob,
  operatorOf,
  packageOf,
  revocationsOf,
  send,
  sendEvidence,
  startTestCache,
} from './support.ts'

const hello = packageOf('hello')
const other = packageOf('hello', 'another')
const now = Math.floor(Date.now() / 1000)
const divergences = async (url: string) => (await send(url, { path: '/v1/divergent' })).json.divergent

test('a divergence is settled when one side takes its statement back, and opens again by a third', async (t) => {
  const carol = operatorOf('carol')
  const operators = [alice, bob, carol].map(({ name, secret }) => ({ name, keys: [secret.publicKey] }))
  const { url } = await startTestCache(t, { operators })
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  const wrong = attestationOf(other, bob)
  t.true((await sendEvidence(url, bob, [wrong])).json.results[0].divergent)
  t.like(await divergences(url), { length: 1, 0: { recipe: hello.recipe, settled: false } })

  // A stranger's revocation is not even taken; one by another operator is not about this statement.
  const statements = [{ statement: wrong.statementDigest, reason: 'bad memory' }]
  await sendEvidence(url, alice, [revocationsOf(alice, { statements })])
  t.false((await divergences(url))[0].settled)
  await sendEvidence(url, bob, [revocationsOf(bob, { statements })])
  const [settled] = await divergences(url)
  t.true(settled.settled)
  t.deepEqual(
    settled.claims.map(({ operator, revoked }: { operator: string; revoked: boolean }) => [operator, revoked]).sort(),
    [
      ['alice', false],
      ['bob', true],
    ],
  )
  // What agrees with what stands is no new divergence; what contradicts it is.
  const agreeing = await sendEvidence(url, bob, [attestationOf(hello, bob, { invocation: 'again' })])
  t.deepEqual([agreeing.json.results[0].status, agreeing.json.results[0].divergent], ['accepted', undefined])
  t.true((await sendEvidence(url, carol, [attestationOf(other, carol)])).json.results[0].divergent)
  t.false((await divergences(url))[0].settled)
})

test('a divergence is listed until one side is forgotten', async (t) => {
  const none = { expiredDays: 0, unreferencedHours: 0, uploadHours: 0, everyHours: 0 }
  const { url, cache } = await startTestCache(t, { retention: none })
  await sendEvidence(url, alice, [attestationOf(hello, alice)])
  const expires = now + 60
  await sendEvidence(url, bob, [attestationOf(other, bob, { expires })])
  const at = (seconds: number) => ({ ...cache, nowSeconds: () => seconds })
  await collectGarbage(at(expires - 1))
  t.like(await divergences(url), { length: 1, 0: { settled: false } })
  await collectGarbage(at(expires + 1))
  t.deepEqual(await divergences(url), [])
  // It comes back with the next contradiction.
  t.true((await sendEvidence(url, bob, [attestationOf(other, bob)])).json.results[0].divergent)
  t.is((await divergences(url)).length, 1)
})
