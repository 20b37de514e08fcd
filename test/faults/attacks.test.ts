// Every attack of the table, on a client of its own.
import test from 'ava'
import { type Attack, complaintOf } from './_support/attack.ts'
import { archives, bundled, startHostileCache } from './_support/hostile-cache.ts'
import { alice, attempt, bob, carol, honest, violations } from './_support/world.ts'
import { attacksInArchives } from './attacks-archive.ts'
import { attacksOnEvidence } from './attacks-evidence.ts'
import { attacksOnForm } from './attacks-form.ts'
import { attacksOnLogs } from './attacks-log.ts'
import { attacksByMirrors } from './attacks-mirror.ts'
import { moreAttacks } from './attacks-more.ts'
import { attacksOnCaches } from './attacks-server.ts'
import { attacksOnSessions } from './attacks-session.ts'
import { attacksOnTees } from './attacks-tee.ts'
import { attacksInTransport } from './attacks-transport.ts'

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

const attacks = [
  ...attacksOnEvidence,
  ...attacksOnForm,
  ...attacksInTransport,
  ...attacksInArchives,
  ...attacksOnLogs,
  ...attacksOnTees,
  ...attacksOnSessions,
  ...moreAttacks,
]
for (const attack of attacks) test.serial(attack.name, withstood, attack)

for (const { name, make } of [...attacksByMirrors, ...attacksOnCaches]) {
  test.serial(name, async (t) => {
    t.is(await make(), undefined)
  })
}
