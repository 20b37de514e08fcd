import test from 'ava'
import fc from 'fast-check'
import { weakness, wordOfFactor } from '../../../cli/project/acceptance.ts'
import { sha256Of } from '../../../format/hash.ts'
import type { Acceptance } from '../../../format/lockfile.ts'
import type { Reason } from '../../../trust/policy/decision.ts'

const accepted = (operators: string, factors: string): Acceptance => ({
  kind: 'accepted',
  policy: sha256Of('any'),
  operators: operators.split(' '),
  factors: factors.split(' '),
})

const weaker = test.macro((t, before: Acceptance, after: Acceptance, isWeaker: boolean) => {
  t.is(weakness(before, after) !== undefined, isWeaker)
})

const two = accepted('alice bob', 'built depth:outputs operators:2')
const built: Acceptance = { kind: 'built' }

test('the same', weaker, two, two, false)
test('built here, where others were believed', weaker, two, built, false)
test('others are believed, where it was built', weaker, built, two, false)
test('one operator more', weaker, two, accepted('alice bob carol', 'built depth:outputs operators:2'), false)
test('other operators', weaker, two, accepted('carol dave', 'built depth:outputs operators:2'), false)
test(
  'one operator less',
  weaker,
  accepted('alice bob carol', 'operators:2'),
  accepted('alice bob', 'operators:2'),
  true,
)
test('a factor less', weaker, two, accepted('alice bob', 'depth:outputs operators:2'), true)
test('a factor more', weaker, two, accepted('alice bob', 'built depth:outputs logged operators:2'), false)
test('fewer have to agree', weaker, two, accepted('alice bob', 'built depth:outputs operators:1'), true)
test('more have to agree', weaker, two, accepted('alice bob carol', 'built depth:outputs operators:3'), false)
const wholly = accepted('alice bob', 'logged operators:2 tee:1 witnessed:2:86400')
test('not logged any more', weaker, wholly, accepted('alice bob', 'operators:2 tee:1 witnessed:2:86400'), true)
test('without witnesses', weaker, wholly, accepted('alice bob', 'logged operators:2 tee:1'), true)
test('fewer witnesses', weaker, wholly, accepted('alice bob', 'logged operators:2 tee:1 witnessed:1:86400'), true)
test('witnesses of long ago', weaker, wholly, accepted('alice bob', 'logged operators:2 tee:1 witnessed:2:86401'), true)
test('more witnesses, lately', weaker, wholly, accepted('alice bob', 'logged operators:2 tee:1 witnessed:3:60'), false)
test('without a TEE', weaker, wholly, accepted('alice bob', 'logged operators:2 witnessed:2:86400'), true)
test('more TEEs', weaker, wholly, accepted('alice bob', 'logged operators:2 tee:2 witnessed:2:86400'), false)
test('fewer TEEs', weaker, accepted('alice', 'tee:2'), accepted('alice', 'tee:1'), true)
test(
  'a simulated TEE in place of a real one',
  weaker,
  wholly,
  accepted('alice bob', 'logged operators:2 tee:1:simulated witnessed:2:86400'),
  true,
)
test('a real TEE in place of a simulated one', weaker, accepted('a', 'tee:1:simulated'), accepted('a', 'tee:1'), false)
test('a simulated TEE as before', weaker, accepted('a', 'tee:1:simulated'), accepted('a', 'tee:1:simulated'), false)
test('all that was there, built here', weaker, wholly, built, false)
test('less depth', weaker, accepted('alice', 'depth:seed'), accepted('alice', 'depth:inputs'), true)
test('more depth', weaker, accepted('alice', 'depth:inputs'), accepted('alice', 'depth:seed'), false)
test(
  'some of these, now some of all',
  weaker,
  accepted('alice', 'operators:1:alice,bob'),
  accepted('alice', 'operators:1'),
  true,
)
test(
  'some of these, now of fewer',
  weaker,
  accepted('alice', 'operators:1:alice,bob'),
  accepted('alice', 'operators:1:alice'),
  false,
)
test(
  'some of all, now of these',
  weaker,
  accepted('alice', 'operators:1'),
  accepted('alice', 'operators:1:alice'),
  false,
)
test('a required one is missing', weaker, accepted('alice', 'required:alice'), accepted('bob', 'required:bob'), true)
test(
  'more are required',
  weaker,
  accepted('alice', 'required:alice'),
  accepted('alice bob', 'required:alice,bob'),
  false,
)
test(
  'one who was excluded counts',
  weaker,
  accepted('alice', 'excluded:eve'),
  accepted('alice eve', 'operators:1'),
  true,
)
test(
  'one who was excluded is silent',
  weaker,
  accepted('alice', 'excluded:eve'),
  accepted('alice', 'operators:1'),
  false,
)
test('younger builds count', weaker, accepted('alice', 'age:86400:-'), accepted('alice', 'age:3600:-'), true)
test('older builds count', weaker, accepted('alice', 'age:-:3600'), accepted('alice', 'age:-:86400'), true)
test('a narrower age', weaker, accepted('alice', 'age:3600:86400'), accepted('alice', 'age:7200:7200'), false)
test('no age any more', weaker, accepted('alice', 'age:3600:-'), accepted('alice', 'operators:1'), true)
test('older revocations do', weaker, accepted('alice', 'revocations:3600'), accepted('alice', 'revocations:7200'), true)
test('a factor that nobody here knows', weaker, accepted('alice', 'moon:full'), accepted('alice', 'moon:new'), true)
test(
  'the same factor that nobody here knows',
  weaker,
  accepted('alice', 'moon:full'),
  accepted('alice', 'moon:full'),
  false,
)
test('a number that is none', weaker, accepted('alice', 'operators:many'), accepted('alice', 'operators:2'), true)
test('an age that is none', weaker, accepted('alice', 'age:x:y'), accepted('alice', 'age:1:2'), true)

test('factors in words', (t) => {
  const words = [
    wordOfFactor({ kind: 'operators', atLeast: 2, among: null }),
    wordOfFactor({ kind: 'operators', atLeast: 1, among: ['alice', 'bob'] }),
    wordOfFactor({ kind: 'required', operators: ['alice'] }),
    wordOfFactor({ kind: 'age', minimum: 60, maximum: null }),
    wordOfFactor({ kind: 'revocations', within: 60 }),
    wordOfFactor({ kind: 'built' }),
  ]
  t.deepEqual(words, ['operators:2', 'operators:1:alice,bob', 'required:alice', 'age:60:-', 'revocations:60', 'built'])
  t.is(wordOfFactor({ kind: 'logged' }), 'logged')
  t.is(wordOfFactor({ kind: 'witnessed', atLeast: 2, within: 60 }), 'witnessed:2:60')
})

test('a TEE in words: only real ones are taken for real', (t) => {
  const inTee = (operator: string, root: 'intel' | 'simulated'): Reason => {
    const session = sha256Of(operator)
    return { kind: 'tee-accepted', operator, session, root, measurement: 'builder', status: 'UpToDate' }
  }
  const word = (atLeast: number, ...reasons: readonly Reason[]) => wordOfFactor({ kind: 'tee', atLeast }, reasons)
  t.is(word(1, inTee('alice', 'intel')), 'tee:1')
  t.is(word(1, inTee('alice', 'simulated')), 'tee:1:simulated')
  t.is(word(2, inTee('alice', 'intel'), inTee('bob', 'simulated')), 'tee:2:simulated')
  t.is(word(2, inTee('alice', 'intel'), inTee('alice', 'intel')), 'tee:2:simulated', 'one operator counts once')
  t.is(word(2, inTee('alice', 'intel'), inTee('bob', 'intel')), 'tee:2')
  t.is(word(1), 'tee:1:simulated')
})

const factor = fc.oneof(
  fc.nat(4).map((count) => `operators:${count + 1}`),
  fc.constantFrom(
    'built',
    'logged',
    'tee:1',
    'tee:2:simulated',
    'witnessed:2:60',
    'required:alice',
    'required:alice,bob',
    'excluded:eve',
    'depth:outputs',
  ),
  fc.constantFrom(
    'depth:inputs',
    'depth:seed',
    'age:60:-',
    'age:-:60',
    'age:30:90',
    'revocations:60',
    'revocations:90',
  ),
)
const anyone = fc.record({
  kind: fc.constant('accepted' as const),
  policy: fc.constant(sha256Of('any')),
  operators: fc.uniqueArray(fc.constantFrom('alice', 'bob', 'carol', 'eve'), { minLength: 1 }),
  factors: fc.uniqueArray(factor, { minLength: 1, maxLength: 5 }),
})

test('nothing is weaker than itself, nor than with a factor more; and weakness does not vanish on the way', (t) => {
  fc.assert(
    fc.property(anyone, anyone, anyone, factor, (a, b, c, more) => {
      t.is(weakness(a, a), undefined)
      t.is(weakness(a, { ...a, factors: [...a.factors, more] }), undefined)
      // From a to b and from b to c nothing is lost; so nothing is from a to c. Who is silent in b may speak in c: not for exclusion.
      const excludes = a.factors.includes('excluded:eve')
      if (!excludes && weakness(a, b) === undefined && weakness(b, c) === undefined) t.is(weakness(a, c), undefined)
    }),
    { numRuns: 2000 },
  )
})
