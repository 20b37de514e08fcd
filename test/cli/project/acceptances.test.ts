// Who vouched for what is locked: never fewer, never for other bits, unless the user says so.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { believe, world } from './believing.ts'
import { abnpkgIn, copyProject, lockIn, lockTextIn, type ProjectHome, projectHome, writeLock } from './support.ts'

const itemsOf = ({ root }: ProjectHome) =>
  existsSync(join(root, 'var/items')) ? readdirSync(join(root, 'var/items')) : []

test('what satisfied less than what is locked is not taken', async (t) => {
  const { url } = await world(t)
  const first = projectHome(t)
  believe(first, url, ['alice', 'bob', 'carol'])
  const added = await abnpkgIn(first, 'add', '--no-build', 'needy')
  t.is(added.status, 0, added.text)
  const [locked] = lockIn(first).packages
  const accepted = {
    kind: 'accepted',
    operators: ['alice', 'bob', 'carol'],
    factors: ['built', 'depth:outputs', 'operators:2'],
  }
  for (const one of [...(locked?.outputs ?? []), ...(locked?.needs ?? [])]) t.like(one.acceptance, accepted)
  t.is(locked?.needs.length, 1)

  const fewer = projectHome(t)
  believe(fewer, url, ['alice', 'bob'])
  copyProject(first, fewer)
  const refused = await abnpkgIn(fewer, 'sync')
  t.is(refused.status, 1)
  t.regex(refused.stderr, /ABN_LOCKFILE_WEAKER.*2 operators \(alice, bob\) in place of 3/)
  t.deepEqual(itemsOf(fewer), [], 'nothing was fetched')
  const allowed = await abnpkgIn(fewer, 'sync', '--allow-weaker', '--no-build')
  t.is(allowed.status, 0, allowed.text)
  t.regex(allowed.stderr, /warning: needy 2\.0\.0: .* 2 operators \(alice, bob\) in place of 3/)
  // That was for once: what is in the store now is looked at again.
  t.regex((await abnpkgIn(fewer, 'sync')).stderr, /ABN_LOCKFILE_WEAKER/)
  t.is(lockTextIn(fewer), lockTextIn(first))
  // Nor does locking it anew forget who was there.
  t.regex((await abnpkgIn(fewer, 'update')).stderr, /ABN_LOCKFILE_WEAKER/)
  t.is(lockTextIn(fewer), lockTextIn(first))
  t.is((await abnpkgIn(fewer, 'update', '--allow-weaker')).status, 0)
  t.like(lockIn(fewer).packages[0]?.outputs[0]?.acceptance, { operators: ['alice', 'bob'] })
  t.is((await abnpkgIn(fewer, 'sync', '--locked')).status, 0)

  const laxer = projectHome(t)
  believe(laxer, url, ['alice', 'bob', 'carol'], {
    kind: 'factors',
    depth: 'outputs',
    factors: [{ kind: 'operators', atLeast: 2 }],
  })
  copyProject(first, laxer)
  t.regex((await abnpkgIn(laxer, 'sync')).stderr, /ABN_LOCKFILE_WEAKER.*the factor built/)
  const built = await abnpkgIn(laxer, 'sync', '--source-only')
  t.is(built.status, 0, built.text)
  t.is((await abnpkgIn(laxer, 'sync')).status, 0)
})

test('what is accepted has to be what is locked, and a lock makes nothing be accepted', async (t) => {
  const { url } = await world(t)
  const first = projectHome(t)
  believe(first, url, ['alice', 'bob', 'carol'])
  t.is((await abnpkgIn(first, 'add', '--no-build', 'needy')).status, 0)

  const other = projectHome(t)
  believe(other, url, ['alice', 'bob', 'carol'])
  copyProject(first, other)
  writeLock(other, (text) => text.replace(/output out [0-9a-f]{64}/, `output out ${'0'.repeat(64)}`))
  const refused = await abnpkgIn(other, 'sync')
  t.regex(refused.stderr, /ABN_LOCKFILE_DIFFERS[\s\S]*which would be fetched, on the word of alice, bob, carol/)
  t.deepEqual(itemsOf(other), [])

  // The lock says that three operators agreed: this user believes nobody, and fetches nothing.
  const alone = projectHome(t)
  believe(alone, url, ['alice'])
  copyProject(first, alone)
  t.regex((await abnpkgIn(alone, 'sync', '--no-build')).stderr, /ABN_BUILD_NEEDED/)
  t.deepEqual(itemsOf(alone), [])

  // Weakened by hand, a lock still lets nothing through that the policy does not.
  writeLock(alone, (text) => text.replaceAll(/accepted (\S+) by \S+ with .*/g, 'accepted $1 by alice with operators:1'))
  t.regex((await abnpkgIn(alone, 'sync', '--no-build')).stderr, /ABN_BUILD_NEEDED/)

  // Without a network nobody is asked.
  const offline = projectHome(t)
  believe(offline, url, ['alice', 'bob', 'carol'])
  copyProject(first, offline)
  const said = await abnpkgIn(offline, 'sync', '--offline')
  t.is(said.status, 0, said.text)
  t.notRegex(said.text, /to fetch/)
})
