import { readdirSync } from 'node:fs'
import test from 'ava'
import { sessionDirectoryOf } from '../../../builder/session/kept.ts'
import { teeProvider } from '../../../builder/tee/provider.ts'
import { sha256Of } from '../../../format/hash.ts'
import { reportDataOf, verifySession } from '../../../trust/session.ts'
import { parseCollateral } from '../../../trust/tee/collateral.ts'
import { runtimeRegisterOf } from '../../../trust/tee/measure-runtime.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'
import { simulatedRoot } from '../../../trust/tee/simulated.ts'
import { verifyQuote } from '../../../trust/tee/verify.ts'
import { buildEvent, recipeOf, start, worldFor } from './_support/sessions.ts'

const greet = recipeOf('greet')
const other = recipeOf('other')
const hour = 3600

test('a session is signed by the operator, and its quote is over its key, its configuration and no checkpoint', async (t) => {
  const { sessions, operator, told } = worldFor(t)
  await sessions.start()
  const [current] = sessions.current()
  if (current?.collateral === undefined) return t.fail('there is no session, or no collateral')
  const { document } = current
  const { session } = verifySession(document.session, operator.publicKey)
  t.like(session, {
    tee: 'simulated',
    from: start,
    until: start + 24 * hour,
    checkpoint: null,
    software: { abnpkg: 'test' },
  })
  t.is(session.configuration, sha256Of('configuration'))
  const collateral = parseCollateral(current.collateral)
  t.is(document.collateral, collateral.digest)
  const verdict = verifyQuote(parseQuote(document.quote ?? new Uint8Array()), collateral, {
    now: start,
    root: simulatedRoot(),
  })
  t.is(verdict.reportData, reportDataOf(session).toHex())
  t.is(verdict.registers.rtmr3, runtimeRegisterOf(session.configuration).toHex())
  t.like(told, {
    length: 1,
    0: { tee: 'simulated', quote: true, tcb: 'UpToDate', register: 'extended', key: session.key.id },
  })
})

test('without a TEE there is a session without a quote', async (t) => {
  const { sessions } = worldFor(t, { config: { tee: 'none' } })
  await sessions.start()
  t.like(sessions.current(), { 0: { collateral: undefined, document: { quote: null, collateral: null } } })
  t.false(await sessions.refresh())
})

test('it signs for what was begun in it, and for nothing else', async (t) => {
  const { sessions, keys } = worldFor(t)
  await sessions.start()
  t.is(sessions.sessionOf(greet), undefined)
  sessions.note(buildEvent('build-start', 'greet'))
  await sessions.ready([greet, other])
  t.is(sessions.sessionOf(greet)?.signer.publicKey.id, keys[0]?.publicKey.id)
  t.is(sessions.sessionOf(other), undefined)
  sessions.note(buildEvent('build-failed', 'greet'))
  t.is(sessions.sessionOf(greet), undefined)
})

test('the next one begins with a build in the last quarter; what began before stays where it was', async (t) => {
  const world = worldFor(t)
  const { sessions, keys, told } = world
  await sessions.start()
  sessions.note(buildEvent('build-start', 'greet'))
  world.now += 18 * hour - 1
  sessions.note(buildEvent('build-start', 'early'))
  world.now += 1
  sessions.note(buildEvent('build-start', 'other'))
  await sessions.ready([greet, other, recipeOf('early')])
  const of = (name: string) => sessions.sessionOf(recipeOf(name))?.signer.publicKey.id
  t.deepEqual(
    [of('greet'), of('early'), of('other')],
    [keys[0], keys[0], keys[1]].map((key) => key?.publicKey.id),
  )
  t.is(sessions.current()[0]?.document.session.session.key.id, keys[1]?.publicKey.id)
  t.is(told.length, 2)
})

test('a key is overwritten when its session is over and nothing waits for it', async (t) => {
  const world = worldFor(t)
  const { sessions, keys } = world
  await sessions.start()
  sessions.note(buildEvent('build-start', 'greet'))
  await sessions.ready([greet])
  const signer = sessions.sessionOf(greet)?.signer
  world.now += 24 * hour
  sessions.note(buildEvent('build-start', 'other'))
  t.notThrows(() => signer?.sign(new Uint8Array(1)))
  sessions.signed([greet])
  t.throws(() => signer?.sign(new Uint8Array(1)), { instanceOf: TypeError })
  t.deepEqual(keys[0]?.seed, new Uint8Array(32))
  t.notDeepEqual(keys[1]?.seed, new Uint8Array(32))
  sessions[Symbol.dispose]()
  t.deepEqual(keys[1]?.seed, new Uint8Array(32))
})

test('a clock that was set back, and a key that was taken back, make a new session', async (t) => {
  const world = worldFor(t)
  const { sessions, keys, revoked } = world
  await sessions.start()
  world.now -= 10
  sessions.note(buildEvent('build-start', 'greet'))
  await sessions.ready([greet])
  t.is(sessions.sessionOf(greet)?.kept.session.session.from, start - 10)
  revoked.add(keys[1]?.publicKey.id ?? '')
  sessions.note(buildEvent('build-start', 'other'))
  await sessions.ready([other])
  t.is(sessions.sessionOf(other)?.signer.publicKey.id, keys[2]?.publicKey.id)
})

test('a quote for each build', async (t) => {
  const { sessions, keys, told } = worldFor(t, { config: { perBuild: true } })
  await sessions.start()
  // The first was only to find out whether there are quotes.
  t.deepEqual(keys[0]?.seed, new Uint8Array(32))
  t.is(told.length, 0)
  t.deepEqual(sessions.current(), [])
  sessions.note(buildEvent('build-start', 'greet'))
  sessions.note(buildEvent('build-start', 'other'))
  await sessions.ready([greet, other])
  const [one, two] = [sessions.sessionOf(greet), sessions.sessionOf(other)]
  t.not(one?.signer.publicKey.id, two?.signer.publicKey.id)
  t.notDeepEqual(one?.kept.document.quote, two?.kept.document.quote)
  sessions.signed([greet])
  t.throws(() => one?.signer.sign(new Uint8Array(1)), { instanceOf: TypeError })
  t.notThrows(() => two?.signer.sign(new Uint8Array(1)))
  t.deepEqual(keys[1]?.seed, new Uint8Array(32))
})

test('a build that fails before its quote is there leaves no session behind', async (t) => {
  const { sessions, keys, told, store } = worldFor(t, { config: { perBuild: true } })
  sessions.note(buildEvent('build-start', 'greet'))
  sessions.note(buildEvent('build-failed', 'greet'))
  sessions.note(buildEvent('build-start', 'other'))
  await sessions.ready([other])
  t.is(told.length, 1)
  t.deepEqual(keys[0]?.seed, new Uint8Array(32))
  const documents = readdirSync(sessionDirectoryOf(store)).filter((name) => !name.startsWith('collateral'))
  t.is(documents.length, 1)
})

test('a quote that does not come is asked for again, and nothing is signed until it is there', async (t) => {
  let faults = 0
  const right = teeProvider('simulated', { now: () => start })
  const provider: typeof right = {
    ...right,
    evidence: async (data, options) => {
      if (faults-- > 0) throw new Error('the host is asleep')
      return right.evidence(data, options)
    },
  }
  const world = worldFor(t, { provider })
  const { sessions, keys } = world
  await sessions.start()
  world.now += 24 * hour
  faults = 2
  sessions.note(buildEvent('build-start', 'greet'))
  // Not even by the session before, whose key is forgotten.
  t.throws(() => sessions.sessionOf(greet), { instanceOf: TypeError })
  t.deepEqual(keys[0]?.seed, new Uint8Array(32))
  await t.throwsAsync(sessions.ready([greet]), { message: /asleep/ })
  await t.throwsAsync(sessions.ready([greet]), { message: /asleep/ })
  t.throws(() => sessions.sessionOf(greet), { instanceOf: TypeError })
  await sessions.ready([greet])
  t.is(sessions.sessionOf(greet)?.signer.publicKey.id, keys[1]?.publicKey.id)
})

for (const [title, code, change] of [
  ['over other data', 'ABN_TEE_SIGNATURE', (quote: Uint8Array) => quote.with(568, (quote[568] ?? 0) ^ 1)],
  ['that is damaged', 'ABN_TEE_QUOTE', (quote: Uint8Array) => quote.slice(0, -1)],
] as const) {
  test(`a quote ${title} makes no session`, async (t) => {
    const right = teeProvider('simulated', { now: () => start })
    const provider: typeof right = {
      ...right,
      evidence: async (data, options) => {
        const evidence = await right.evidence(data, options)
        return evidence && { ...evidence, quote: change(evidence.quote) }
      },
    }
    const { sessions } = worldFor(t, { provider })
    await t.throwsAsync(sessions.start(), { code })
    t.deepEqual(sessions.current(), [])
  })
}

test('a replayed quote makes no session', async (t) => {
  const right = teeProvider('simulated', { now: () => start })
  const first = right.evidence(new Uint8Array(64))
  const { sessions } = worldFor(t, { provider: { ...right, evidence: () => first } })
  await t.throwsAsync(sessions.start(), { code: 'ABN_TEE_GUEST' })
})

test('a provider that gives no quote where one is configured makes no session', async (t) => {
  const { sessions } = worldFor(t, { provider: { ...teeProvider('none', { now: () => start }), kind: 'simulated' } })
  await t.throwsAsync(sessions.start(), { code: 'ABN_TEE_GUEST' })
})

test('newer collateral is looked for once a day', async (t) => {
  const world = worldFor(t, { config: { hours: 240 } })
  const { sessions } = world
  await sessions.start()
  const [first] = sessions.current()
  t.false(await sessions.refresh())
  world.now += 24 * hour
  t.true(await sessions.refresh())
  t.false(await sessions.refresh())
  const [again, later] = sessions.current()
  t.deepEqual(again, first)
  t.deepEqual(later?.document, first?.document)
  t.notDeepEqual(later?.collateral, first?.collateral)
  const quote = parseQuote(first?.document.quote ?? new Uint8Array())
  const collateral = parseCollateral(later?.collateral ?? new Uint8Array())
  // Past the end of the first.
  const now = start + 29 * 24 * hour + hour
  t.is(verifyQuote(quote, collateral, { now, root: simulatedRoot() }).tcb.status, 'UpToDate')
})
