// The builder as a service with sessions, with real caches on loopback, the simulated TEE, and a TDX guest whose kernel is a model.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { issueRevocations } from '../../../builder/service/revocations.ts'
import { configurationDigestOf } from '../../../builder/session/configuration.ts'
import { openKeptSessions, sessionDirectoryOf } from '../../../builder/session/kept.ts'
import { readStatus } from '../../../builder/session/status.ts'
import { teeProvider } from '../../../builder/tee/provider.ts'
import { parseSha256 } from '../../../format/hash.ts'
import { type Attestation, parseAttestation, verifyAttestation } from '../../../trust/attestation.ts'
import { type Evidence, verifyEvidence } from '../../../trust/evidence.ts'
import { encodePublicKey, parseKeyId } from '../../../trust/key.ts'
import { verifiedCheckpointOf } from '../../../trust/log/checkpoint.ts'
import { verifyCosignature } from '../../../trust/log/cosignature.ts'
import { evaluate } from '../../../trust/policy/evaluate.ts'
import { encodeSecretKey, newSecretKey } from '../../../trust/secret-key.ts'
import { verifySession } from '../../../trust/session.ts'
import { parseSessionDocument } from '../../../trust/session-evidence.ts'
import { parseCollateral } from '../../../trust/tee/collateral.ts'
import { runtimeRegisterOf } from '../../../trust/tee/measure-runtime.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'
import { simulatedRoot } from '../../../trust/tee/simulated.ts'
import { verifyQuote } from '../../../trust/tee/verify.ts'
import { logConfig, logSecret, startTestWitness } from '../../cache-server/log-support.ts'
import {
  abnpkg,
  attestationsIn,
  builtIn,
  cacheFor,
  configOf,
  evidenceAt,
  homeFor,
  jsonAt,
  now,
  operatorKeys,
  type Ran,
  runOnce,
  storeOf,
} from '../service/_support/world.ts'
import { fakeKernel } from '../tee/fake-kernel.ts'
import { base64Forms, filesBelow, guest, proxyFor, teePolicy } from './_support/surroundings.ts'

const simulated = { tee: 'simulated', hours: 24 } as const
const greet = { work: [{ kind: 'packages', names: ['greet'] }], session: simulated }

/** What a cache has of the first task's closure. */
async function closureAt(url: string, { tasks }: Ran): Promise<readonly Evidence[]> {
  return evidenceAt(url, `/v1/closures/${tasks[0]?.recipe}/inputs`)
}

function sessionsIn(evidence: readonly Evidence[]) {
  return evidence.filter(({ kind }) => kind === 'session').map(({ bytes }) => parseSessionDocument(bytes))
}

function signerKinds(attestations: readonly Attestation[]) {
  return attestations.map(({ statement: { name, builder } }) => `${name} ${builder.kind}`).sort()
}

function sessionEvents({ events }: Ran) {
  return events.flatMap((event) => (event.kind === 'session' ? [event.session] : []))
}

test('what is built is signed by the session, which is signed by the operator and has a quote', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const ran = await runOnce(home, storeOf(home), { ...greet, caches: [cache.url] }, { signer: alice })
  t.deepEqual(
    ran.tasks.map(({ state, error }) => [state, error]),
    [['done', null]],
  )
  const evidence = await closureAt(cache.url, ran)
  const [document, ...more] = sessionsIn(evidence)
  if (document === undefined) return t.fail('the cache has no session')
  t.is(more.length, 0)
  const { session } = verifySession(document.session, alice.publicKey)
  const attestations = attestationsIn(evidence)
  t.deepEqual(signerKinds(attestations), ['greet session', 'tool session'])
  for (const attestation of attestations) {
    const { builder, started, finished } = verifyAttestation(attestation, session.key).statement
    t.like(builder, { kind: 'session', session: document.session.digest, key: session.key.id })
    t.true(session.from <= started && finished <= session.until)
  }
  const collateral = evidence.filter(({ kind }) => kind === 'collateral').map(({ bytes }) => parseCollateral(bytes))
  const named = collateral.find(({ digest }) => digest === document.collateral)
  if (named === undefined) return t.fail('the cache has not the collateral that the session names')
  const quote = parseQuote(document.quote ?? new Uint8Array())
  t.is(verifyQuote(quote, named, { now: now(), root: simulatedRoot() }).tcb.status, 'UpToDate')
})

test('a policy that wants a TEE, and RTMR3 as the configuration foretells it, takes what the session signed', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const config = { ...greet, caches: [cache.url] }
  const ran = await runOnce(home, storeOf(home), config, { signer: alice })
  const evidence = await closureAt(cache.url, ran)
  const attestation = attestationsIn(evidence).find(({ statement }) => statement.name === 'greet')
  const [output] = attestation?.statement.outputs ?? []
  if (attestation === undefined || output === undefined) return t.fail('greet is not attested')
  const { statement } = attestation
  const inputs = statement.inputs.map(({ path, recipe, output: name }) => {
    return { path, recipe, output: name, accepted: null }
  })
  const decided = (changed: object) => {
    const rtmr3 = runtimeRegisterOf(configurationDigestOf(configOf({ ...config, ...changed }), { reproduce: false }))
    const policy = teePolicy(alice, rtmr3.toHex())
    const question = { ...statement, ...output, inputs, depth: 'outputs' } as const
    return evaluate(question, verifyEvidence(evidence, policy), policy, now()).outcome.kind
  }
  t.is(decided({}), 'accepted')
  t.is(decided({ sources: true }), 'refused')
})

test('the log of a cache is named by the next session, cosigned as it is', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const witness = await startTestWitness(t, 'witness.example')
  const log = logConfig(t, { witnesses: [{ key: witness.key, url: witness.url }], quorum: 1 })
  const [without, cache] = [await cacheFor(t, [alice]), await cacheFor(t, [alice], { log })]
  const store = storeOf(home)
  const session = { ...simulated, logs: [encodePublicKey(logSecret.publicKey)] }
  const config = { ...greet, session, caches: [without.url, cache.url] }
  const first = await runOnce(home, store, config, { signer: alice })
  t.regex(sessionEvents(first)[0]?.checkpoint ?? '', /^none: /)
  await cache.publishLog()
  const second = await runOnce(home, store, config, { signer: alice })
  t.regex(sessionEvents(second)[0]?.checkpoint ?? '', /^log\.example\/abnpkg, [1-9][0-9]* entries, verified$/)
  const kept = openKeptSessions(store, alice.publicKey).find(parseSha256(sessionEvents(second)[0]?.session ?? ''))
  const note = kept?.document.checkpoint
  if (!note) return t.fail('the document has no checkpoint')
  t.truthy(verifyCosignature(verifiedCheckpointOf(note, logSecret.publicKey), witness.key))
})

test('a builder that starts anew signs nothing anew, and gives a new cache the sessions of before', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const [first, second] = [await cacheFor(t, [alice]), await cacheFor(t, [alice])]
  const store = storeOf(home)
  const ran = await runOnce(home, store, { ...greet, caches: [first.url] }, { signer: alice })
  const files = filesBelow(`${store.root}/var/attestations`)
  const again = await runOnce(home, store, { ...greet, caches: [first.url] }, { signer: alice })
  t.deepEqual(
    again.events.map(({ kind }) => kind),
    ['session'],
  )
  const both = await runOnce(home, store, { ...greet, caches: [first.url, second.url] }, { signer: alice })
  t.deepEqual(builtIn(both), [])
  t.is(both.tasks[0]?.state, 'done')
  t.true(both.events.every((event) => event.kind !== 'attested' || event.fresh === 0))
  t.deepEqual(filesBelow(`${store.root}/var/attestations`), files)
  const [one, two] = [await closureAt(first.url, ran), await closureAt(second.url, ran)]
  t.deepEqual(attestationsIn(two), attestationsIn(one))
  t.deepEqual(
    sessionsIn(two).map(({ digest }) => digest),
    sessionsIn(one).map(({ digest }) => digest),
  )
  // That of the second start signed nothing, and is gone with the third.
  const names = readdirSync(sessionDirectoryOf(store)).filter((name) => !name.startsWith('collateral'))
  const expected = [ran, both].map((each) => `${sessionEvents(each)[0]?.session}.json`)
  t.deepEqual(names.sort(), expected.sort())
})

test('what was built before there were sessions stays signed by the operator', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const store = storeOf(home)
  const before = { work: [{ kind: 'packages', names: ['tool'] }], caches: [cache.url] }
  await runOnce(home, store, before, { signer: alice })
  const ran = await runOnce(home, store, { ...greet, caches: [cache.url] }, { signer: alice })
  const task = ran.tasks.find(({ name }) => name === 'greet')
  const evidence = await evidenceAt(cache.url, `/v1/closures/${task?.recipe}/inputs`)
  t.deepEqual(signerKinds(attestationsIn(evidence)), ['greet session', 'tool operator'])
  // And when sessions are given up, what they signed stays.
  const after = await runOnce(home, store, { ...greet, session: undefined, caches: [cache.url] }, { signer: alice })
  t.deepEqual(after.events, [])
})

test('a session whose document is lost signs nothing any more: the operator does', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const store = storeOf(home)
  const cache = await cacheFor(t, [alice])
  await runOnce(home, store, greet, { signer: alice })
  rmSync(sessionDirectoryOf(store), { recursive: true })
  const ran = await runOnce(home, store, { ...greet, caches: [cache.url] }, { signer: alice })
  t.deepEqual(signerKinds(attestationsIn(await closureAt(cache.url, ran))), ['greet operator', 'tool operator'])
})

test('a quote for each build', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const store = storeOf(home)
  const config = { ...greet, session: { ...simulated, perBuild: true }, caches: [cache.url] }
  const ran = await runOnce(home, store, config, { signer: alice })
  const evidence = await closureAt(cache.url, ran)
  const documents = sessionsIn(evidence)
  const attestations = attestationsIn(evidence)
  t.is(new Set(documents.map(({ session }) => session.session.key.id)).size, 2)
  t.deepEqual(
    attestations.map(({ envelope }) => envelope.keyId).sort(),
    documents.map(({ session }) => session.session.key.id).sort(),
  )
  const again = await runOnce(home, store, config, { signer: alice })
  t.deepEqual(again.events, [])
})

test('no key of a session is ever in a file or an event', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const store = storeOf(home)
  const seeds: Uint8Array[] = []
  const said: unknown[] = []
  const newKey = (name: string) => {
    const key = newSecretKey(name)
    seeds.push(Uint8Array.from(key.seed))
    return key
  }
  for (const perBuild of [false, true]) {
    const names = perBuild ? ['greet@1.0.0'] : ['greet', 'broken']
    const config = { work: [{ kind: 'packages', names }], session: { ...simulated, perBuild }, caches: [cache.url] }
    const ran = await runOnce(home, store, config, { signer: alice, tee: { newKey } })
    said.push(ran, await jsonAt(`${cache.url}/v1/operators`))
  }
  // One for the first service; one to try, and two for the builds of the second, which tries again what had failed.
  t.is(seeds.length, 4)
  const texts = [...filesBelow(home.directory).values(), ...filesBelow(cache.data).values()]
  texts.push(Buffer.from(JSON.stringify(said)))
  t.true(texts.length > 20)
  const whole = Buffer.concat(texts)
  // What the files do have is found, so that the search is one.
  t.true(whole.includes(alice.publicKey.bytes.toBase64()) || whole.includes(alice.publicKey.id))
  for (const seed of seeds) {
    const encodings = [Buffer.from(seed), seed.toHex(), seed.toHex().toUpperCase(), ...base64Forms(seed)]
    for (const one of encodings) t.false(whole.includes(one))
  }
})

test('a builder that is to run in TDX, on a machine without it, does nothing', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const config = { ...greet, session: { tee: 'tdx' }, caches: [cache.url] }
  const absent = fakeKernel({ fault: (call) => (call === 'make' ? 'ENOENT' : undefined) })
  const other = fakeKernel({ provider: 'sev_guest\n' })
  for (const files of [absent, other]) {
    files.rtmr3 = undefined
    const provider = teeProvider('tdx', { now, files })
    await t.throwsAsync(runOnce(home, storeOf(home), config, { signer: alice, tee: { provider } }), {
      code: 'ABN_TEE_UNAVAILABLE',
    })
  }
  mkdirSync(`${home.directory}/.config/abnpkg/keys`, { recursive: true })
  writeFileSync(`${home.directory}/.config/abnpkg/keys/alice.key`, encodeSecretKey(alice), { mode: 0o600 })
  const file = `${home.directory}/builder.json`
  writeFileSync(file, JSON.stringify({ format: 1, ...config }))
  const { status, stderr } = await abnpkg(home, 'builder', 'run', '--once', '--config', file)
  t.is(status, 1)
  t.regex(stderr, /ABN_TEE_UNAVAILABLE/)
  t.regex(stderr, /Linux 6\.7/)
  t.false(readdirSync(`${home.root}/store`).some((name) => name.includes('greet')))
})

test('in a TDX guest: RTMR3 is extended, the quote asked for once, its collateral found', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const store = storeOf(home)
  const { files, verify } = guest(t, store)
  const config = { ...greet, session: { tee: 'tdx', collateral: ['http://127.0.0.1:1'] }, caches: [cache.url] }
  const provider = teeProvider('tdx', { now, files })
  const ran = await runOnce(home, store, config, { signer: alice, tee: { provider, verify } })
  t.is(ran.tasks[0]?.state, 'done')
  t.like(sessionEvents(ran), { length: 1, 0: { tee: 'tdx', quote: true, register: 'extended', tcb: 'UpToDate' } })
  t.is(files.calls.filter((call) => call === 'write inblob').length, 1)
  t.is(files.calls.filter((call) => call === 'write rtmr3:sha384').length, 1)
  t.like(sessionsIn(await closureAt(cache.url, ran)), { length: 1, 0: { session: { session: { tee: 'tdx' } } } })
  // A service that starts again in the same guest finds its own configuration there; with another one it says so.
  const again = await runOnce(home, store, config, { signer: alice, tee: { provider, verify } })
  t.is(sessionEvents(again)[0]?.register, 'already')
  const changed = await runOnce(home, store, { ...config, sources: true }, { signer: alice, tee: { provider, verify } })
  t.regex(sessionEvents(changed)[0]?.register ?? '', /^not extended: RTMR3 holds something else/)
})

test('a quote without collateral that verifies it is no session', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const store = storeOf(home)
  const { files } = guest(t, store)
  const provider = teeProvider('tdx', { now, files })
  const config = { ...greet, session: { tee: 'tdx', collateral: ['http://127.0.0.1:1'] } }
  // With Intel's root, which has not signed what the model hands out.
  await t.throwsAsync(runOnce(home, store, config, { signer: alice, tee: { provider } }), { code: 'ABN_TEE_FETCH' })
})

test('a cache that knows nothing of sessions, and one that answers anything, keep nobody else from being served', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const good = await cacheFor(t, [alice])
  const old = await cacheFor(t, [alice])
  const asked: string[] = []
  const before = await proxyFor(t, old.url, (path) => {
    asked.push(path)
    return path === '/v1/sessions'
      ? [404, '{"error":{"code":"ABN_CACHE_NOT_FOUND","message":"there is nothing here"}}']
      : undefined
  })
  const hostile = await proxyFor(t, old.url, (path) =>
    path === '/v1/log/checkpoint' || path === '/v1/sessions' ? [200, '\u001b[2J\u0000garbage'.repeat(1000)] : undefined,
  )
  const store = storeOf(home)
  const caches = [before, hostile, good.url]
  const config = { ...greet, caches, retry: { firstSeconds: 1, maximumSeconds: 1, attempts: 1 } }
  const ran = await runOnce(home, store, config, { signer: alice })
  const [task] = ran.tasks
  t.deepEqual(
    task?.published.map(({ cache }) => cache),
    [good.url],
  )
  // The first one is waited for, because it may be updated any day.
  t.like(task, { state: 'waiting', error: { code: 'ABN_PUBLISH_SESSIONS' } })
  t.false(asked.includes('/v1/evidence'))
  t.is((await fetch(`${old.url}/v1/evidence/${task?.recipe}`)).status, 404)
  const problems = ran.events.flatMap((event) => (event.kind === 'problem' ? [event.error.code] : []))
  t.true(problems.includes('ABN_PUBLISH_SESSIONS'))
  t.true(problems.includes('ABN_PUBLISH_REFUSED'))
  t.regex(sessionEvents(ran)[0]?.checkpoint ?? '', /^none: /)
})

test('a session that is taken back takes back what it signed, and is not stated again', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const store = storeOf(home)
  const keyDirectory = `${home.directory}/keys`
  mkdirSync(keyDirectory)
  const cache = await cacheFor(t, [alice])
  const ran = await runOnce(home, store, greet, { signer: alice, keyDirectory })
  const key = parseKeyId(sessionEvents(ran)[0]?.key ?? '')
  issueRevocations(keyDirectory, alice, { now: now(), add: { keys: [{ key, reason: 'stolen' }], statements: [] } })
  const again = await runOnce(home, store, { ...greet, caches: [cache.url] }, { signer: alice, keyDirectory })
  t.is(again.tasks[0]?.error?.code, 'ABN_ATTEST_REVOKED')
  t.is((await fetch(`${cache.url}/v1/evidence/${again.tasks[0]?.recipe}`)).status, 404)
})

test("a build that lies outside its session by the machine's clock is the operator's, and is told", async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const store = storeOf(home)
  const ran = await runOnce(home, store, greet, { signer: alice, nowSeconds: () => now() + 3600 })
  t.is(ran.tasks[0]?.state, 'done')
  const problems = ran.events.flatMap((event) => (event.kind === 'problem' ? [event.error.code] : []))
  t.deepEqual(problems, ['ABN_BUILDER_SESSION', 'ABN_BUILDER_SESSION'])
  const signed = [...filesBelow(`${store.root}/var/attestations`).values()].map(parseAttestation)
  t.deepEqual(signerKinds(signed), ['greet operator', 'tool operator'])
})

test('an operator does not contradict himself, nor reproduce his own sessions', async (t) => {
  const { alice } = operatorKeys('alice')
  const cache = await cacheFor(t, [alice])
  const noisy = { work: [{ kind: 'packages', names: ['noisy'] }], session: simulated, caches: [cache.url] }
  const [one, two] = [homeFor(t), homeFor(t)]
  await runOnce(one, storeOf(one), noisy, { signer: alice })
  const reproduced = await runOnce(two, storeOf(two), noisy, { signer: alice, reproduce: true })
  t.deepEqual(reproduced.tasks, [])
  const ran = await runOnce(two, storeOf(two), noisy, { signer: alice })
  t.deepEqual(ran.tasks[0]?.contradictions, [])
})

test('the commands: status, metrics, configuration, and publishing what a session signed', async (t) => {
  const home = homeFor(t)
  const { alice } = operatorKeys('alice')
  const [first, second] = [await cacheFor(t, [alice]), await cacheFor(t, [alice])]
  mkdirSync(`${home.directory}/.config/abnpkg/keys`, { recursive: true })
  writeFileSync(`${home.directory}/.config/abnpkg/keys/alice.key`, encodeSecretKey(alice), { mode: 0o600 })
  const file = `${home.directory}/builder.json`
  writeFileSync(file, JSON.stringify({ format: 1, ...greet, caches: [first.url], listen: '127.0.0.1:0' }))
  const ran = await abnpkg(home, 'builder', 'run', '--once', '--config', file)
  t.is(ran.status, 0, ran.stderr)
  t.regex(ran.stderr, /session [0-9a-f]{16}; SIMULATED TEE, which proves nothing; .*with a quote \(UpToDate\)/)
  const status = await abnpkg(home, 'builder', 'status')
  t.regex(status.stdout, /^no builder is running\nlast session [0-9a-f]{16}; SIMULATED TEE/)
  const known = readStatus(storeOf(home))
  t.like(JSON.parse((await abnpkg(home, 'builder', 'status', '--json')).stdout), { session: { key: known?.key } })
  const shown = await abnpkg(home, 'builder', 'configuration', '--config', file, '--json')
  const { digest, configuration } = JSON.parse(shown.stdout)
  t.is(digest, known?.configuration)
  t.like(configuration, { session: { tee: 'simulated', perBuild: false } })
  const other = await abnpkg(home, 'builder', 'configuration', '--config', file, '--quote-per-build', '--json')
  t.not(JSON.parse(other.stdout).digest, digest)
  // By hand the same statements are published, and the session with them.
  const published = await abnpkg(home, 'publish', 'greet', '--to', second.url, '--json')
  t.is(published.status, 0, published.stderr)
  const { attested } = JSON.parse(published.stdout)
  t.like(attested, { length: 2, 0: { fresh: false, session: known?.session } })
  const recipe = attested[1]?.recipeHash
  t.is(sessionsIn(await evidenceAt(second.url, `/v1/closures/${recipe}/inputs`)).length, 1)
  const revoked = await abnpkg(home, 'key', 'revoke', '--session', known?.key ?? '', '--reason', 'stolen', '--json')
  t.like(JSON.parse(revoked.stdout), { keys: [{ key: known?.key, reason: 'stolen' }] })
  t.regex((await abnpkg(home, 'attest', 'greet')).stderr, /ABN_ATTEST_REVOKED/)
})
