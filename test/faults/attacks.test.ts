// Every attack of the table, on a client of its own.
import test from 'ava'
import { type Attack, complaintOf } from './_support/attack.ts'
import { archives, bundled, startHostileCache } from './_support/hostile-cache.ts'
import { alice, attempt, bob, carol, honest, violations } from './_support/world.ts'
import { attacksOnClients, loneAttacks } from './all-attacks.ts'

test('an honest cache: one question, and both outputs come', async (t) => {
  await using cache = await startHostileCache({ evidence: bundled(honest(alice, bob, carol)), archive: archives() })
  await attempt({ caches: [cache.address] }, (result) => {
    t.deepEqual(result.planned, { base: 'substitute', user: 'substitute' }, result.said)
    t.deepEqual(result.came, ['base', 'user'], result.said)
    t.deepEqual(violations(result), [])
    t.is(cache.requests.filter((one) => one.startsWith('POST')).length, 1)
  })
})

const withstood = test.macro(async (t, attack: Attack) => {
  t.is(await complaintOf(attack), undefined)
})

for (const attack of attacksOnClients) test.serial(attack.name, withstood, attack)

for (const { name, make } of loneAttacks) {
  test.serial(name, async (t) => {
    t.is(await make(), undefined)
  })
}
