// What a monitor tells of a log: its entries, its trees, its witnesses; and what it remembers.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parseAlarm } from '../../../builder/log/alarm.ts'
import { openMonitorState } from '../../../builder/monitor/state.ts'
import { sha256Of } from '../../../format/hash.ts'
import { attest } from '../../../trust/attestation.ts'
import { utf8 } from '../../../trust/bytes.ts'
import { encodeEnvelope } from '../../../trust/dsse.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { verifiedCheckpointOf } from '../../../trust/log/checkpoint.ts'
import { verifyConsistency } from '../../../trust/log/merkle.ts'
import { parseAddCheckpoint } from '../../../trust/log/witness-request.ts'
import { signRevocationList } from '../../../trust/revocation.ts'
import { newSecretKey, type SecretKey } from '../../../trust/secret-key.ts'
import { signSession } from '../../../trust/session.ts'
import { encodeSessionDocument } from '../../../trust/session-evidence.ts'
import type { Statement } from '../../../trust/statement.ts'
import {
  alice,
  attested,
  bob,
  carol,
  day,
  digestNamed,
  hello,
  itemNamed,
  mallory,
  now,
  statementOf,
} from '../../trust/support.ts'
import { type ServedTree, serveLog, treeOf } from '../log/served-log.ts'
import { kindsOf, type Looked, logKey, monitorFor, witness1, witness2 } from './support.ts'

const lie = sha256Of('a lie')
const filler = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => attested(itemNamed(`filler${from + i}`, '1'), alice).bytes)

async function lookAt(t: ExecutionContext, entries: readonly Uint8Array[], changes: object = {}): Promise<Looked> {
  const log = await serveLog(t, treeOf(entries, logKey))
  return monitorFor(t).look([log.url], changes)
}

function sessionOf(operator: SecretKey, changes: object = {}) {
  const key = newSecretKey(`${operator.publicKey.name}`, new Uint8Array(32).fill(77))
  const session = {
    format: 1,
    operator: operator.publicKey.id,
    key: key.publicKey,
    from: now - day,
    until: now + day,
    software: { abnpkg: '0.1.0' },
    configuration: sha256Of('configuration'),
    checkpoint: null,
    tee: 'none',
    ...changes,
  } as const
  const signed = signSession(session, operator)
  const document = encodeSessionDocument({ session: signed, quote: null, collateral: null, checkpoint: null })
  const builder = { kind: 'session', key: key.publicKey.id, session: signed.digest, software: {} } as const
  const says = (statement: Partial<Statement> & { readonly digest?: typeof lie } = {}) =>
    attest({ ...statementOf(hello, operator, statement), builder }, key).bytes
  return { key, document, says }
}

test('a log of honest operators: nothing to tell, and all was read', async (t) => {
  const looked = await lookAt(t, [attested(hello, alice).bytes, attested(hello, bob).bytes, ...filler(300)])
  t.deepEqual(looked.findings, [])
  t.deepEqual(
    looked.logs.map(({ size, read }) => [size, read]),
    [[302, 302]],
  )
})

test('it goes on where it was: each entry is read once', async (t) => {
  const all = [...filler(600), attested(hello, alice).bytes, attested(hello, bob, { digest: lie }).bytes]
  const monitor = monitorFor(t)
  const log = await serveLog(t, treeOf(all.slice(0, 300), logKey))
  t.deepEqual(kindsOf(await monitor.look([log.url])), [])
  for (const size of [301, 601, 601]) {
    log.show(treeOf(all.slice(0, size), logKey))
    t.deepEqual(kindsOf(await monitor.look([log.url])), [])
  }
  log.requests.length = 0
  log.show(treeOf(all, logKey))
  const looked = await monitor.look([log.url])
  t.deepEqual(
    looked.findings.map(({ entry, what }) => [entry, what.kind]),
    [[601, 'divergence']],
  )
  t.deepEqual(
    log.requests.filter((path) => path.startsWith('tile/entries')),
    ['tile/entries/002.p/90'],
  )
  t.deepEqual(kindsOf(await monitor.look([log.url])), [], 'told once')
})

for (const [title, entries, cause, verified] of [
  ['from the same inputs', [attested(hello, alice), attested(hello, bob, { digest: lie })], 'build', true],
  [
    'from other inputs',
    [attested(hello, alice), attested(hello, bob, { digest: lie, digestOfInput: () => lie })],
    'inputs',
    true,
  ],
  ['of one operator with himself', [attested(hello, alice), attested(hello, alice, { digest: lie })], 'build', true],
  ['by a stranger', [attested(hello, alice), attested(hello, mallory, { digest: lie })], 'build', false],
] as const) {
  test(`a divergence ${title}`, async (t) => {
    const looked = await lookAt(
      t,
      entries.map(({ bytes }) => bytes),
    )
    const found = looked.what.find(({ kind }) => kind === 'divergence')
    if (found?.kind !== 'divergence') return t.fail()
    t.deepEqual([found.cause, found.verified, found.recipe], [cause, verified, hello.recipe])
    t.deepEqual(
      found.sides.map(({ digest }) => digest),
      [digestNamed('hello'), lie],
    )
    t.is(looked.told.alarm, verified ? 1 : 0)
  })
}

test('a divergence between two logs', async (t) => {
  const other = newSecretKey('other.example/log', new Uint8Array(32).fill(5))
  const monitor = monitorFor(t)
  const first = await serveLog(t, treeOf([attested(hello, alice).bytes], logKey))
  const second = await serveLog(t, treeOf([attested(hello, bob, { digest: lie }).bytes], other))
  const looked = await monitor.look([first.url, second.url], { logs: [logKey, other] })
  t.deepEqual(kindsOf(looked), ['divergence'])
})

test('keys that are not known are told once', async (t) => {
  const looked = await lookAt(
    t,
    [1, 2, 3].map((i) => attested(itemNamed(`x${i}`, '1'), mallory).bytes),
  )
  t.deepEqual(looked.what, [{ kind: 'unknown-key', key: mallory.publicKey.id, signs: 'a statement' }])
  const anybody = await lookAt(t, [attested(hello, mallory).bytes], { known: [] })
  t.deepEqual(anybody.findings, [], 'who knows nobody is not told')
})

test('a statement in the name of an operator, which he has not signed', async (t) => {
  const { envelope } = attested(hello, bob, { digest: lie })
  const forged = encodeEnvelope({
    ...envelope,
    signature: envelope.signature.with(0, (envelope.signature[0] ?? 0) ^ 1),
  })
  const looked = await lookAt(t, [attested(hello, alice).bytes, forged])
  t.deepEqual(looked.what, [{ kind: 'forged', key: bob.publicKey.id, name: 'bob', signs: 'a statement' }])
})

test('an operator watches his own key', async (t) => {
  const session = sessionOf(bob)
  const entries = [attested(hello, alice).bytes, attested(hello, bob).bytes, session.document, session.says()]
  const looked = await lookAt(t, entries, { silent: [encodePublicKey(bob.publicKey)] })
  const told = looked.what.map((what) =>
    what.kind === 'silent-key' ? [what.name, what.signs, what.verified] : what.kind,
  )
  t.deepEqual(told, [['bob', 'a statement', true], ['bob', 'a session', true], 'session', ['bob', 'a statement', true]])
  const byId = await lookAt(t, entries, { silent: [bob.publicKey.id], known: [alice] })
  t.is(byId.what.filter((what) => what.kind === 'silent-key' && !what.verified).length, 3)
})

test('sessions: who begins one, what does not belong to it, and what is signed without one', async (t) => {
  const session = sessionOf(alice)
  const early = session.says({ started: now - 2 * day, finished: now - 2 * day + 1 })
  const looked = await lookAt(t, [session.document, session.says(), early])
  t.deepEqual(kindsOf(looked), ['session', 'outside-session'])
  const [news] = looked.what
  t.is(news?.kind === 'session' ? `${news.name} ${news.tee}` : '', 'alice none')
  t.deepEqual(kindsOf(await lookAt(t, [session.says()])), ['unknown-key'])
  t.deepEqual(kindsOf(await lookAt(t, [sessionOf(mallory).document, sessionOf(mallory).says()])), ['unknown-key'])
  const contradiction = await lookAt(t, [session.document, session.says(), attested(hello, bob, { digest: lie }).bytes])
  const divergence = contradiction.what.at(-1)
  t.deepEqual(divergence?.kind === 'divergence' ? divergence.sides.map(({ signers }) => signers) : [], [
    ['alice'],
    ['bob'],
  ])
})

test('what is taken back is told once, also when later lists have it too', async (t) => {
  const list = (version: number, statements: readonly string[], by = bob) =>
    signRevocationList(
      {
        format: 1,
        signer: by.publicKey.id,
        version,
        issued: now + version,
        expires: now + day,
        keys: [],
        statements: statements
          .map((text) => ({ statement: sha256Of(text), reason: 'bad memory' }))
          .sort((a, b) => (a.statement < b.statement ? -1 : 1)),
      },
      by,
    ).bytes
  const looked = await lookAt(t, [list(1, []), list(2, ['a']), list(3, ['a', 'b']), list(1, ['c'], mallory)])
  t.deepEqual(kindsOf(looked), ['revoked', 'revoked', 'unknown-key'])
  t.is(looked.told.warning, 3)
})

test('what is no entry of ours is told, and no more than a hundred times', async (t) => {
  const garbage = Array.from({ length: 150 }, (_, i) => utf8(`garbage ${i}`))
  const looked = await lookAt(t, [...garbage, new Uint8Array(), utf8('{"checkpoint":null}'), utf8('[[[[[[[[')])
  t.is(looked.what.filter(({ kind }) => kind === 'unreadable').length, 100)
  t.deepEqual(looked.what.at(-1), { kind: 'more', of: 'unreadable', count: 53 })
})

/** Both trees, and that the file holds proof of what is told. */
function alarmIn(t: ExecutionContext, directory: string) {
  const [file = '', ...more] = readdirSync(directory)
  t.deepEqual(more, [])
  return parseAlarm(readFileSync(join(directory, file), 'utf8'))
}

test('a fork: two trees of one size', async (t) => {
  const honest = treeOf(filler(3), logKey)
  const forked = treeOf([...filler(2), attested(hello, alice).bytes], logKey)
  const monitor = monitorFor(t)
  const log = await serveLog(t, honest)
  await monitor.look([log.url])
  log.show(forked)
  const looked = await monitor.look([log.url])
  t.deepEqual(kindsOf(looked), ['fork'])
  t.deepEqual(kindsOf(await monitor.look([log.url])), ['fork'], 'told for as long as it is so')
  const { kind, shown, other } = alarmIn(t, monitor.alarms)
  t.deepEqual([kind, shown, other], ['fork', forked.note, honest.note])
  log.show(honest)
  t.deepEqual(kindsOf(await monitor.look([log.url])), [])
})

test('a fork: a larger tree that does not begin with the smaller one', async (t) => {
  const honest = treeOf(filler(300), logKey)
  const entries = [
    ...filler(299),
    attested(hello, alice).bytes,
    attested(hello, bob, { digest: lie }).bytes,
    ...filler(90, 300),
  ]
  const forked = treeOf(entries, logKey)
  const monitor = monitorFor(t)
  const log = await serveLog(t, honest)
  await monitor.look([log.url])
  log.show(forked)
  const looked = await monitor.look([log.url])
  t.deepEqual(kindsOf(looked), ['fork'], 'nothing of the other tree is read')
  const { shown, other, proof } = alarmIn(t, monitor.alarms)
  t.deepEqual([shown, other], [forked.note, honest.note])
  // Anybody can check the file: the hashes give the larger tree, and so another beginning than the one that was signed.
  const request = parseAddCheckpoint(proof ?? new Uint8Array())
  const [old, grown] = [honest.note, forked.note].map((note) => verifiedCheckpointOf(note, logKey.publicKey))
  if (old === undefined || grown === undefined) return t.fail()
  t.throws(() => verifyConsistency({ old, new: grown, proof: request.proof }), {
    code: 'ABN_LOG_PROOF',
    message: /tree of 300/,
  })
})

test('a split view: two addresses of one log with two trees', async (t) => {
  const first = await serveLog(t, treeOf(filler(5), logKey))
  const second = await serveLog(t, treeOf([...filler(4), attested(hello, alice).bytes, ...filler(3, 5)], logKey))
  t.deepEqual(kindsOf(await monitorFor(t).look([first.url, second.url])), ['fork'])
})

test('a mirror that is behind is no fork, but an address that goes back is told', async (t) => {
  const monitor = monitorFor(t)
  const first = await serveLog(t, treeOf(filler(300), logKey))
  const behind = await serveLog(t, treeOf(filler(200), logKey))
  t.deepEqual(kindsOf(await monitor.look([first.url])), [])
  t.deepEqual(kindsOf(await monitor.look([behind.url])), [])
  first.show(treeOf(filler(250), logKey))
  // The tiles of the larger tree are gone with it, but for what the smaller tree has too.
  const looked = await monitor.look([first.url])
  t.true(['smaller', 'unreachable'].includes(kindsOf(looked)[0] ?? ''), JSON.stringify(looked.what))
  first.show({ ...treeOf(filler(300), logKey), note: treeOf(filler(250), logKey).note })
  t.deepEqual(kindsOf(await monitor.look([first.url])), ['smaller'])
})

function withFile(tree: ServedTree, path: string, bytes: Uint8Array): ServedTree {
  return { ...tree, files: new Map([...tree.files, [path, bytes]]) }
}

test('tiles that are not those of the tree', async (t) => {
  const monitor = monitorFor(t)
  const honest = treeOf(filler(300), logKey)
  const log = await serveLog(t, treeOf(filler(290), logKey))
  await monitor.look([log.url])
  const tile = honest.files.get('tile/0/001.p/44') ?? new Uint8Array()
  log.show(withFile(honest, 'tile/0/001.p/44', tile.with(0, (tile[0] ?? 0) ^ 1)))
  t.deepEqual(kindsOf(await monitor.look([log.url])), ['tiles'])
  log.show(withFile(honest, 'tile/0/001.p/44', tile.slice(1)))
  t.deepEqual(kindsOf(await monitor.look([log.url])), ['tiles'])
  log.show(honest)
  const looked = await monitor.look([log.url])
  t.deepEqual(looked.findings, [])
  t.is(looked.logs[0]?.read, 300)
})

test('entries that are not those of the tree are not read', async (t) => {
  const monitor = monitorFor(t)
  const honest = treeOf([attested(hello, alice).bytes], logKey)
  const other = treeOf([attested(hello, bob, { digest: lie }).bytes], logKey).files.get('tile/entries/000.p/1')
  const log = await serveLog(t, withFile(honest, 'tile/entries/000.p/1', other ?? new Uint8Array()))
  const looked = await monitor.look([log.url])
  t.deepEqual(kindsOf(looked), ['entries'])
  t.is(looked.logs[0]?.read, 0)
  log.show(honest)
  t.is((await monitor.look([log.url])).logs[0]?.read, 1)
})

test('a checkpoint of another key, and of another log', async (t) => {
  const impostor = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(9))
  const stranger = newSecretKey('stranger.example/log', new Uint8Array(32).fill(9))
  const monitor = monitorFor(t)
  const log = await serveLog(t, treeOf(filler(2), impostor))
  t.deepEqual(kindsOf(await monitor.look([log.url])), ['checkpoint'])
  log.show(treeOf(filler(2), stranger))
  t.deepEqual(kindsOf(await monitor.look([log.url])), ['unknown-log'])
  log.instead.set('checkpoint', (response) => response.end('no note'))
  t.true(kindsOf(await monitor.look([log.url])).includes('checkpoint'))
})

test('a log that does not answer, or is cut off, is told and read later', async (t) => {
  const monitor = monitorFor(t)
  const log = await serveLog(t, treeOf(filler(3), logKey))
  log.instead.set('tile/entries/000.p/3', () => {})
  const pace = { answerSeconds: 2, bytes: 64, seconds: 1 }
  t.deepEqual(kindsOf(await monitor.look([log.url], { pace })), ['unreachable'])
  log.instead.clear()
  const looked = await monitor.look([log.url])
  t.deepEqual(kindsOf(looked), ['recovered'])
  t.is(looked.logs[0]?.read, 3)
})

test('witnesses: silent, wrong, from the future, and back', async (t) => {
  const monitor = monitorFor(t)
  const at = (...times: readonly (readonly [SecretKey, number])[]) =>
    treeOf(
      filler(2),
      logKey,
      times.map(([key, time]) => ({ key, time })),
    )
  const log = await serveLog(t, at([witness1, now - 10], [witness2, now - 10]))
  const look = (later: number) =>
    monitor.look([log.url], { witnesses: [witness1, witness2, carol], nowSeconds: () => now + later })
  t.deepEqual(kindsOf(await look(0)), [], 'carol is a witness of other logs')
  log.show(at([witness1, now + day]))
  t.deepEqual((await look(day + 100)).what, [
    { kind: 'witness-silent', witness: witness2.publicKey.name, since: now - 10 },
  ])
  log.show(at([witness1, now + 10 * day]))
  t.true(kindsOf(await look(day + 100)).includes('cosignature'))
  const wrong = at([witness1, now + day])
  const signatures = wrong.note.signatures.map((one) =>
    one.bytes.length === 72 ? { ...one, bytes: one.bytes.with(20, 1) } : one,
  )
  log.show({ ...wrong, note: { ...wrong.note, signatures } })
  t.true(kindsOf(await look(day + 100)).includes('cosignature'))
  log.show(at([witness1, now + day + 100], [witness2, now + day + 100]))
  t.deepEqual([...new Set(kindsOf(await look(day + 100)))], ['recovered'])
  const alone = await serveLog(t, treeOf(filler(1), logKey))
  t.deepEqual(kindsOf(await monitorFor(t).look([alone.url], { witnesses: [witness1] })), ['witness-silent'])
})

test('a log that stands still', async (t) => {
  const monitor = monitorFor(t)
  const log = await serveLog(t, treeOf(filler(2), logKey))
  t.deepEqual(kindsOf(await monitor.look([log.url])), [])
  t.deepEqual(kindsOf(await monitor.look([log.url], { nowSeconds: () => now + 8 * day })), ['idle'])
  log.show(treeOf(filler(3), logKey))
  t.deepEqual(kindsOf(await monitor.look([log.url], { nowSeconds: () => now + 8 * day })), ['recovered'])
})

test('the record of what was stated is bounded, and strangers go first', (t) => {
  const { directory } = monitorFor(t)
  using state = openMonitorState(directory, { stated: 100, keys: 5, outgoing: 10 })
  const stated = (i: number, verified: boolean) => ({
    recipe: sha256Of(`${i}`),
    output: 'out',
    digest: sha256Of('x'),
    signer: 'alice',
    inputs: '00',
    verified,
  })
  for (let i = 0; i < 60; i++) state.note(stated(i, true))
  for (let i = 60; i < 101; i++) state.note(stated(i, false))
  t.is(state.trim(), 6)
  t.is(state.note({ ...stated(0, true), digest: sha256Of('y') }).length, 2, 'the oldest that is verified is there')
  t.is(state.note({ ...stated(60, false), digest: sha256Of('y') }).length, 1, 'the oldest by a stranger is not')
  t.deepEqual(
    [1, 2, 3, 4, 5, 6].map((i) => state.noteKey(hashKey(i))),
    [true, true, true, true, true, false],
  )
  for (let i = 0; i < 25; i++) state.enqueue(`${i}`)
  t.deepEqual(
    state.due(now, 100).map(({ body }) => body),
    Array.from({ length: 10 }, (_, i) => `${15 + i}`),
  )
})

function hashKey(number: number) {
  return newSecretKey('k', new Uint8Array(32).fill(number)).publicKey.id
}

test('a state has one user, and one that is damaged is refused', async (t) => {
  const { directory, look } = monitorFor(t)
  const state = openMonitorState(directory)
  t.throws(() => openMonitorState(directory), { code: 'ABN_MONITOR_STATE' })
  state[Symbol.dispose]()
  const { writeFileSync } = await import('node:fs')
  for (const suffix of ['', '-wal', '-shm'])
    writeFileSync(join(directory, `monitor.sqlite${suffix}`), 'garbage '.repeat(1000))
  await t.throwsAsync(look([]), { code: 'ABN_MONITOR_STATE' })
})
