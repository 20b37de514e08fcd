// Sessions of builders at a cache: who may bring one, what it may sign, what goes with it in answers, and how it goes again.
import test from 'ava'
import { collectGarbage } from '../../../cache-server/collect-garbage.ts'
import { checkCache } from '../../../cache-server/fsck.ts'
import { defaultLimits } from '../../../cache-server/limits.ts'
import { exportCache, importCache } from '../../../cache-server/static-files.ts'
import { sha256Of } from '../../../format/hash.ts'
import { type Evidence, newestLogs, verifyEvidence } from '../../../trust/evidence.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { encodeWitnessKey, verifyCosignature } from '../../../trust/log/cosignature.ts'
import { parseLogProof, verifyLogProof } from '../../../trust/log/proof-file.ts'
import { treesWith } from '../../../trust/log/standing.ts'
import { parsePolicy } from '../../../trust/policy/policy.ts'
import { encodeSessionDocument, parseSessionDocument } from '../../../trust/session-evidence.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import {
  askClosure,
  attestedIn,
  keyOf,
  leafOf,
  logConfig,
  logSecret,
  provedIn,
  sendSession,
  sessionOf,
  startTestWitness,
} from '../log-support.ts'
import {
  type Answer,
  alice,
  attestationOf,
  bob,
  configOf,
  envelopesIn,
  evidenceIn,
  mallory,
  type Operator,
  packageOf,
  publish,
  revocationsOf,
  send,
  sendEvidence,
  startTestCache,
  upload,
} from '../support.ts'

const hello = packageOf('hello')
const libc = packageOf('libc')
const now = Math.floor(Date.now() / 1000)
const session = sessionOf(alice)
const ofKind = (evidence: readonly Evidence[], kind: string) =>
  evidence.filter((one) => one.kind === kind).map(({ bytes }) => sha256Of(bytes))
const about = async (url: string, recipe = hello.recipe) =>
  evidenceIn(await send(url, { path: `/v1/evidence/${recipe}` }))
const resultOf = ({ json }: Answer) => json.results?.[0]

test('a session is taken once, and then what it signs', async (t) => {
  const { url, cache } = await startTestCache(t)
  const early = await sendEvidence(url, alice, [attestedIn(session, hello)])
  t.is(resultOf(early).code, 'ABN_CACHE_STATEMENT_REFUSED')
  const taken = await sendSession(url, alice, session)
  t.deepEqual([taken.status, taken.json], [200, { status: 'accepted', digest: sha256Of(session.document) }])
  t.is((await sendSession(url, alice, session)).json.status, 'known')
  t.is((await sendSession(url, alice, { ...session, collateral: null })).json.status, 'known')
  const statement = attestedIn(session, hello)
  t.is(resultOf(await sendEvidence(url, alice, [statement])).status, 'accepted')
  t.is(resultOf(await sendEvidence(url, alice, [statement])).status, 'known')
  const files = await upload(url, alice, { kind: 'archive', digest: hello.digest }, hello.compressed)
  t.true(files.json.published)
  const evidence = await about(url)
  t.deepEqual(ofKind(evidence, 'session'), [sha256Of(session.document)])
  t.deepEqual(ofKind(evidence, 'collateral'), [sha256Of(session.collateral ?? '')])
  t.deepEqual(ofKind(evidence, 'attestation'), [statement.digest])
  // Only with statements that need it.
  await publish(url, bob, libc)
  t.deepEqual(ofKind(await about(url, libc.recipe), 'session'), [])
  t.deepEqual((await checkCache(cache, { repair: false })).faults, [])
})

test('a session without a TEE needs no collateral', async (t) => {
  const { url } = await startTestCache(t)
  const plain = sessionOf(alice, { tee: 'none' })
  t.is((await sendSession(url, alice, plain)).status, 200)
  await sendEvidence(url, alice, [attestedIn(plain, hello)])
  const evidence = await about(url)
  t.deepEqual([ofKind(evidence, 'session').length, ofKind(evidence, 'collateral').length], [1, 0])
})

const other = sessionOf(alice, { name: 'other' })
const bobs = sessionOf(bob)
type Refusal = readonly [title: string, code: string, send: (url: string) => Promise<Answer>]
const refusals: readonly Refusal[] = [
  ["another operator's", 'ABN_CACHE_FOREIGN', (url) => sendSession(url, bob, session)],
  ["a stranger's", 'ABN_CACHE_STATEMENT_REFUSED', (url) => sendSession(url, alice, sessionOf(mallory))],
  ['brought by a stranger', 'ABN_CACHE_UNAUTHORISED', (url) => sendSession(url, mallory, sessionOf(mallory))],
  [
    'one with the key of an operator',
    'ABN_CACHE_STATEMENT_REFUSED',
    (url) => sendSession(url, alice, sessionOf(alice, { key: bob.secret.publicKey })),
  ],
  [
    'one whose collateral does not come with it',
    'ABN_CACHE_STATEMENT_REFUSED',
    (url) => sendSession(url, alice, { ...session, collateral: null }),
  ],
  [
    'one with other collateral',
    'ABN_CACHE_STATEMENT_REFUSED',
    (url) => sendSession(url, alice, { ...session, collateral: sessionOf(alice, { mintedAt: now }).collateral }),
  ],
  [
    'collateral that is none',
    'ABN_CACHE_STATEMENT_REFUSED',
    (url) => sendSession(url, alice, { ...session, collateral: Buffer.from('{}') }),
  ],
  [
    'a document that is none',
    'ABN_JSON_INVALID',
    (url) => sendSession(url, alice, { ...session, document: Buffer.from('x') }),
  ],
  [
    'one whose signature is wrong',
    'ABN_SIGNATURE_INVALID',
    (url) => sendSession(url, alice, { ...session, document: forged() }),
  ],
]

/** The session, with one bit of its operator's signature flipped. */
function forged(): Uint8Array {
  const { bytes, ...document } = parseSessionDocument(session.document)
  const envelope = Buffer.from(document.session.bytes).toString('utf8')
  const swapped = envelope.replace(/"sig":"(.)/, (_, first: string) => `"sig":"${first === 'A' ? 'B' : 'A'}`)
  const json = JSON.parse(Buffer.from(bytes).toString('utf8'))
  return Buffer.from(JSON.stringify({ ...json, session: Buffer.from(swapped).toString('base64') }))
}

for (const [title, code, attempt] of refusals) {
  test(`a session is refused: ${title}`, async (t) => {
    const { url, cache } = await startTestCache(t)
    const { status, json } = await attempt(url)
    t.is(json.error.code, code, json.error.message)
    t.true(status >= 400 && status < 500)
    t.deepEqual(await Array.fromAsync(cache.index.keys({ prefix: 'session' })), [])
    t.deepEqual(await Array.fromAsync(cache.index.keys({ prefix: 'collateral' })), [])
  })
}

const foreign: readonly (readonly [string, Operator, () => ReturnType<typeof attestedIn>])[] = [
  ['began before it', alice, () => attestedIn(session, hello, { started: now - 3 * 3600 })],
  ['ended after it', alice, () => attestedIn(session, hello, { finished: now + 2 * 3600 })],
  ["is by another session's key", alice, () => attestedIn({ ...session, key: other.key }, hello)],
  ['is brought by another operator', bob, () => attestedIn(session, hello)],
  ['names a session that is not here', alice, () => attestedIn(other, hello)],
  ["names another operator's session", alice, () => attestedIn(bobs, hello)],
]
for (const [title, operator, make] of foreign) {
  test(`a statement is refused that ${title}`, async (t) => {
    const { url } = await startTestCache(t)
    await sendSession(url, alice, session)
    await sendSession(url, bob, bobs)
    const { status } = resultOf(await sendEvidence(url, operator, [make()]))
    t.is(status, 'refused')
  })
}

test('a statement is taken after the end of its session, when the build was in it', async (t) => {
  const { url } = await startTestCache(t)
  const ended = sessionOf(alice, { from: now - 7200, until: now - 3600 })
  t.is((await sendSession(url, alice, ended)).status, 200)
  const built = attestedIn(ended, hello, { started: now - 5000, finished: now - 4000 })
  t.is(resultOf(await sendEvidence(url, alice, [built])).status, 'accepted')
})

test('a session that ended long ago is taken too, as its statements may still hold, and kept while it is used', async (t) => {
  const { url, cache } = await startTestCache(t)
  const ended = sessionOf(alice, { from: now - 301 * 86_400, until: now - 300 * 86_400 })
  t.is((await sendSession(url, alice, ended)).status, 200)
  const times = { started: now - 301 * 86_400 + 100, finished: now - 300 * 86_400 - 100 }
  const statements = ['a', 'b', 'c', 'd'].map((name) => attestedIn(ended, packageOf(name), times))
  // At once: each is either taken, with its session kept, or told to send the session first.
  const [answers] = await Promise.all([
    Promise.all(statements.map((one) => sendEvidence(url, alice, [one]))),
    collectGarbage(cache),
    collectGarbage(cache),
  ])
  for (const { status, code } of answers.map(resultOf))
    t.true(status === 'accepted' || code === 'ABN_CACHE_STATEMENT_REFUSED', code)
  t.deepEqual((await checkCache(cache, { repair: false })).faults, [])
})

test('newer collateral is added, older is not, and what nobody needs goes', async (t) => {
  const { url, cache } = await startTestCache(t)
  await sendSession(url, alice, session)
  await sendEvidence(url, alice, [attestedIn(session, hello)])
  const at = (hours: number) => sessionOf(alice, { mintedAt: now - hours * 3600 }).collateral
  const send = (collateral: Uint8Array | null) => sendSession(url, alice, { ...session, collateral })
  const have = async () => ofKind(await about(url), 'collateral').sort()
  const [named, newer, newest] = [session.collateral, at(0.5), at(0.25)].map((one) => sha256Of(one ?? ''))
  await send(at(0.5))
  t.deepEqual(await have(), [named, newer].sort())
  await send(at(2))
  t.deepEqual(await have(), [named, newer].sort())
  await send(at(0.25))
  t.deepEqual(await have(), [named, newest].sort())
  t.is((await Array.fromAsync(cache.index.keys({ prefix: 'collateral/' }))).length, 2)
  // From the future, so that nothing could ever be newer.
  await send(at(-1000))
  t.deepEqual(await have(), [named, newest].sort())
  // What bob brings may speak against alice's platform, and takes the place of nothing.
  const own = sessionOf(bob, { mintedAt: now - 60 })
  await sendSession(url, bob, own)
  t.deepEqual(await have(), [named, newest, sha256Of(own.collateral ?? '')].sort())
})

test('sessions of an operator have bounds, and nobody takes the room of others', async (t) => {
  const limits = { ...defaultLimits, sessionsPerOperator: 2 }
  const { url } = await startTestCache(t, { limits })
  const three = [1, 2, 3].map((i) => sessionOf(alice, { name: `s${i}`, tee: 'none' }))
  const answers: number[] = []
  for (const one of three) answers.push((await sendSession(url, alice, one)).status)
  t.deepEqual(answers, [200, 200, 413])
  t.is((await sendSession(url, bob, bobs)).status, 200)
  const small = await startTestCache(t, { limits: { ...defaultLimits, sessionBytesPerOperator: 5_000 } })
  t.is((await sendSession(small.url, alice, session)).status, 413)
  const narrow = await startTestCache(t, { limits: { ...defaultLimits, collateralBytes: 1000 } })
  t.is((await sendSession(narrow.url, alice, session)).status, 413)
})

/** The same session with another quote: anybody can make that. */
function repacked(i: number): Uint8Array {
  const { session: signed, collateral, checkpoint, quote } = parseSessionDocument(session.document)
  const other = quote?.with(i, (quote[i] ?? 0) ^ 1) ?? null
  return encodeSessionDocument({ session: signed, collateral, checkpoint, quote: other })
}

test('what a mirror finds does not crowd out what the operator brings', async (t) => {
  const { url, cache } = await startTestCache(t)
  const forgeries = [10, 11, 12, 13, 14].map((i): Evidence => ({ kind: 'session', bytes: repacked(i) }))
  const collateral: Evidence = { kind: 'collateral', bytes: session.collateral ?? new Uint8Array() }
  const junk: Evidence = { kind: 'session-proof', bytes: Buffer.from('junk') }
  t.deepEqual(await cache.sessions.take([...forgeries, collateral, junk]), { accepted: 4, known: 0, refused: 1 })
  t.is((await sendSession(url, alice, session)).json.status, 'accepted')
  await sendEvidence(url, alice, [attestedIn(session, hello)])
  const found = ofKind(await about(url), 'session')
  t.true(found.includes(sha256Of(session.document)))
  t.is(found.length, 5)
})

test('a session counts as its operator: room, divergences, revocations', async (t) => {
  const limits = { ...defaultLimits, attestationsPerRecipe: 2 }
  const { url } = await startTestCache(t, { limits })
  await sendSession(url, alice, session)
  await sendSession(url, alice, other)
  const otherwise = packageOf('hello', 'otherwise')
  const results = []
  for (const one of [attestationOf(hello, alice), attestedIn(session, otherwise), attestedIn(other, hello)])
    results.push(resultOf(await sendEvidence(url, alice, [one])))
  t.deepEqual(
    results.map(({ status, divergent, code }) => [status, divergent, code]),
    [
      ['accepted', undefined, undefined],
      ['accepted', true, undefined],
      ['refused', undefined, 'ABN_CACHE_LIMIT'],
    ],
  )
  const [divergence] = (await send(url, { path: '/v1/divergent' })).json.divergent
  t.deepEqual(
    divergence.claims.map(({ operator }: { operator: string }) => operator),
    ['alice', 'alice'],
  )
  // Taken back by the session's key.
  const keys = [{ key: session.key.publicKey.id, reason: 'stolen' }]
  await sendEvidence(url, alice, [revocationsOf(alice, { keys })])
  const [settled] = (await send(url, { path: '/v1/divergent' })).json.divergent
  t.true(settled.settled, JSON.stringify(settled))
})

test('a document is logged, and proved under the first checkpoint that witnesses have cosigned', async (t) => {
  const [one, two] = [await startTestWitness(t, 'witness.example/1'), await startTestWitness(t, 'witness.example/2')]
  const witnesses = [one, { ...two, url: 'http://127.0.0.1:1' }]
  const log = logConfig(t, { witnesses, quorum: 1 })
  const { url, cache } = await startTestCache(t, { log })
  await sendSession(url, alice, session)
  const statement = attestedIn(session, hello)
  await sendEvidence(url, alice, [statement])
  t.deepEqual(ofKind(await about(url), 'session-proof'), [])
  const checkpoint = await cache.log?.publish()
  const evidence = await about(url)
  const proofs = evidence.filter(({ kind }) => kind === 'session-proof')
  t.is(proofs.length, 1)
  const proof = parseLogProof(proofs[0]?.bytes ?? new Uint8Array())
  t.is(Buffer.from(proof.extra ?? '').toString('hex'), sha256Of(session.document))
  const verified = verifyLogProof(proof, session.document, logSecret.publicKey)
  t.deepEqual(verified.checkpoint.size, checkpoint?.size)
  t.truthy(verifyCosignature(verified.checkpoint, one.key))
  // A later checkpoint with as many cosignatures leaves it as it is; all of them are in the log.
  await sendEvidence(url, alice, [attestedIn(session, libc)])
  await cache.log?.publish()
  t.deepEqual(ofKind(await about(url), 'session-proof'), ofKind(evidence, 'session-proof'))
  const closure = evidenceIn(await askClosure(url, [hello.recipe], [{ origin: logSecret.publicKey.name, size: 0 }]))
  const { leaves } = provedIn(closure) ?? {}
  t.true(leaves?.has(leafOf(session.document)) && leaves.has(leafOf(statement.bytes)))
})

test('a mirror and an import pass sessions on, with what they need', async (t) => {
  const witness = await startTestWitness(t, 'witness.example/1')
  const log = logConfig(t, { witnesses: [witness], quorum: 1 })
  const upstream = await startTestCache(t, { log })
  await sendSession(upstream.url, alice, session)
  await sendEvidence(upstream.url, alice, [attestedIn(session, hello)])
  await upstream.cache.log?.publish()
  const wanted = (evidence: readonly Evidence[]) =>
    ['session', 'collateral', 'session-proof', 'attestation'].map((kind) => ofKind(evidence, kind))
  const expected = wanted(await about(upstream.url))
  t.deepEqual(
    expected.map(({ length }) => length),
    [1, 1, 1, 1],
  )
  const own = keyOf('log.example/mirror')
  const mirror = await startTestCache(t, {
    log: logConfig(t, {}, own),
    mirror: { upstream: upstream.url, refreshSeconds: 3600 },
  })
  t.deepEqual(wanted(evidenceIn(await askClosure(mirror.url, [hello.recipe]))), expected)
  const directory = temporaryDirectory(t)
  await exportCache(upstream.cache, directory)
  const imported = await startTestCache(t)
  t.is((await importCache(imported.cache, directory)).sessions, 1)
  t.deepEqual(wanted(await about(imported.url)), expected)
  // Alice is not known to this one.
  const operators = configOf().operators.filter(({ name }) => name === 'bob')
  const stranger = await startTestCache(t, { operators, mirror: { upstream: upstream.url, refreshSeconds: 3600 } })
  t.deepEqual(envelopesIn(await askClosure(stranger.url, [hello.recipe])), [])
  t.deepEqual(await Array.fromAsync(stranger.cache.index.keys({ prefix: 'session' })), [])
})

test('what a cache answers is what a client verifies', async (t) => {
  const witness = await startTestWitness(t, 'witness.example/1')
  const { url, cache } = await startTestCache(t, { log: logConfig(t, { witnesses: [witness], quorum: 1 }) })
  await sendSession(url, alice, session)
  await sendEvidence(url, alice, [attestedIn(session, hello)])
  await sendEvidence(url, bob, [attestationOf(hello, bob)])
  await cache.log?.publish()
  const policy = parsePolicy(
    JSON.stringify({
      format: 1,
      operators: [alice, bob].map(({ name, secret }) => ({ name, keys: [encodePublicKey(secret.publicKey)] })),
      logs: [encodePublicKey(logSecret.publicKey)],
      witnesses: [encodeWitnessKey(witness.key)],
      default: { kind: 'factors', depth: 'outputs', factors: [{ kind: 'operators', atLeast: 2 }, { kind: 'logged' }] },
      packages: {},
    }),
  )
  const ask = async (size: number) =>
    evidenceIn(await askClosure(url, [hello.recipe], [{ origin: logSecret.publicKey.name, size }]))
  const verified = verifyEvidence(await ask(0), policy)
  t.deepEqual(
    verified.aside.map(({ kind }) => kind),
    [],
  )
  const found = verified.attestations.get(hello.recipe) ?? []
  for (const { leaf } of found) t.is(treesWith(verified.logs, leaf).length, 1)
  const [, documents] = [...verified.sessions][0] ?? []
  t.is(documents?.length, 1)
  for (const { leaf, proofs } of documents ?? [])
    t.deepEqual([treesWith(verified.logs, leaf).length, proofs.length], [1, 1])
  // Later, with what was seen.
  await sendEvidence(url, bob, [attestationOf(libc, bob)])
  await cache.log?.publish()
  const knownLogs = new Map([...newestLogs(verified)].map(([origin, { tree }]) => [origin, tree]))
  const later = verifyEvidence(await ask(3), policy, { knownLogs })
  t.is(later.logs.get(logSecret.publicKey.name)?.trouble, null)
  const unasked = verifyEvidence(await ask(0), policy, { knownLogs })
  t.is(unasked.logs.get(logSecret.publicKey.name)?.trouble?.kind, 'unproved')
})

test('a mirror takes no proof that claims to be of its own log, and no more than a few', async (t) => {
  const witness = await startTestWitness(t, 'witness.example/1')
  const evidence: Evidence[] = []
  const names = ['log.example/abnpkg', ...[1, 2, 3, 4, 5].map((i) => `log.example/${i}`)]
  for (const secret of names.map(keyOf)) {
    const other = await startTestWitness(t, 'witness.example/1', [secret])
    const log = logConfig(t, { witnesses: [{ ...witness, url: other.url }], quorum: 1 }, secret)
    const { url, cache } = await startTestCache(t, { log })
    await sendSession(url, alice, session)
    await sendEvidence(url, alice, [attestedIn(session, hello)])
    await cache.log?.publish()
    evidence.push(...(await about(url)).filter(({ kind }) => kind !== 'attestation'))
  }
  t.is(ofKind(evidence, 'session-proof').length, 6)
  const { url, cache } = await startTestCache(t, { log: logConfig(t) })
  await cache.sessions.take(evidence)
  await sendEvidence(url, alice, [attestedIn(session, hello)])
  const proofs = (await about(url)).filter(({ kind }) => kind === 'session-proof')
  const origins = proofs.map(({ bytes }) => parseLogProof(bytes).checkpoint.text.split('\n')[0])
  t.deepEqual(origins.sort(), names.slice(1, 5))
})

test('sessions go when they have ended, and their statements have', async (t) => {
  const none = { expiredDays: 0, unreferencedHours: 0, uploadHours: 0, everyHours: 0 }
  const { url, cache } = await startTestCache(t, { retention: none, log: logConfig(t) })
  const used = sessionOf(alice)
  const unused = sessionOf(alice, { name: 'unused', until: now + 1800 })
  await sendSession(url, alice, used)
  await sendSession(url, alice, unused)
  const statement = attestedIn(used, hello, { expires: now + 10 * 86_400 })
  await sendEvidence(url, alice, [statement])
  const at = (hours: number) => collectGarbage({ ...cache, nowSeconds: () => now + hours * 3600 })
  t.is((await at(0)).sessions, 0)
  // The statement still needs its session.
  t.is((await at(24)).sessions, 1)
  t.deepEqual(ofKind(await about(url), 'session'), [sha256Of(used.document)])
  t.deepEqual(ofKind(await about(url), 'collateral').length, 1)
  const { attestations, sessions } = await at(11 * 24)
  t.deepEqual([attestations, sessions], [1, 1])
  const left = await Array.fromAsync(cache.index.keys({ prefix: '' }))
  t.deepEqual(
    left.filter((key) => /^(?:session|collateral|newest|recipe|attestation)/.test(key)),
    [],
  )
  t.true((await cache.log?.publish())?.size === 3)
  t.deepEqual((await checkCache(cache, { repair: false })).faults, [])
})
