// Evidence of sessions and logs, sorted: what counts, what is set aside, and that no wrong document ever changes a decision.
import test from 'ava'
import fc from 'fast-check'
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { decodeBundle, encodeBundle, encodeBundleOf } from '../../trust/bundle.ts'
import { encodeEnvelope } from '../../trust/dsse.ts'
import { type Evidence, evidenceNamed, type VerificationMemory, verifyEvidence } from '../../trust/evidence.ts'
import { encodeDecision } from '../../trust/policy/decision-schema.ts'
import { replay } from '../../trust/policy/replay.ts'
import { newSecretKey } from '../../trust/secret-key.ts'
import { encodeSessionDocument, parseSessionDocument } from '../../trust/session-evidence.ts'
import { mintSimulated } from '../../trust/tee/simulated.ts'
import { smallLog } from '../_support/small-log.ts'
import {
  agreed,
  attestedIn,
  crowd,
  decideScene,
  goodScene,
  logKey,
  publicScene,
  type SceneSession,
  scenePolicy,
  sessionProof,
  startSession,
} from './scene.ts'
import { alice, alice2, bob, carol, day, hello, keyNamed, mallory, now, revoked, statementOf } from './support.ts'

const scene = goodScene()
const policy = scenePolicy()
const withoutTee = scenePolicy({ factors: [agreed, { kind: 'built' }], logs: [], witnesses: [], tee: null })

const isAccepted = (evidence: readonly Evidence[], of = policy): boolean =>
  decideScene(evidence, of).outcome.kind === 'accepted'
const without = (...gone: readonly Evidence[]) => scene.pieces.filter((piece) => !gone.includes(piece))
const reasons = (evidence: readonly Evidence[], of = policy) =>
  decideScene(evidence, of).reasons.map(({ kind }) => kind)

test('all is well', (t) => {
  const decision = decideScene(scene.pieces)
  t.is(decision.outcome.kind, 'accepted', JSON.stringify(decision.reasons))
  const { aside, sessions, logs, attestations } = verifyEvidence(scene.pieces, policy)
  t.deepEqual(aside, [])
  t.deepEqual([sessions.size, logs.size, attestations.size], [2, 1, 1])
})

test('every piece is needed', (t) => {
  // The proof of when a session was logged is for collateral as of that time.
  for (const piece of scene.pieces) t.is(isAccepted(without(piece)), piece.kind === 'session-proof', piece.kind)
})

test('the order, and how often a piece comes, make no difference', (t) => {
  const wanted = encodeDecision(decideScene(scene.pieces))
  fc.assert(
    fc.property(
      fc.shuffledSubarray([...scene.pieces, ...scene.pieces], { minLength: 2 * scene.pieces.length }),
      (all) => {
        t.deepEqual(encodeDecision(decideScene(all)), wanted)
      },
    ),
    { numRuns: 20 },
  )
})

/** Alice's session is another, the rest of the scene around it as it should be. */
function sceneOf(session: SceneSession, of = policy): boolean {
  return isAccepted(publicScene(session, scene.bob).pieces, of)
}

const rows: readonly (readonly [string, SceneSession])[] = [
  ['a session of a stranger', startSession(mallory)],
  ['a session with the key of an operator', startSession(alice, { key: bob })],
  [
    'a session with the key of another operator under another name',
    startSession(alice, { key: newSecretKey('other-name', bob.seed) }),
  ],
  [
    "a session with another key of the operator's",
    startSession(alice, { key: newSecretKey('other-name', alice.seed) }),
  ],
  ["a session that says that it is a stranger's", signedByStranger()],
]
for (const [title, session] of rows) {
  test(`nothing counts by ${title}`, (t) => {
    t.false(sceneOf(session))
    t.false(sceneOf(session, withoutTee))
    const { sessions, aside } = verifyEvidence(
      [...session.evidence, { kind: 'attestation', bytes: attestedIn(session).bytes }],
      policy,
    )
    t.is(sessions.size, 0)
    t.true(aside.some(({ kind, because }) => kind === 'session' && because !== 'no-session'))
    t.true(aside.some(({ kind, because }) => kind === 'collateral' && because === 'stranger'))
    t.true(aside.some(({ because }) => because === 'no-session'))
  })
}

/** Alice's key id on what mallory has signed. */
function signedByStranger(): SceneSession {
  const right = startSession(alice)
  const { signed } = right
  const envelope = { ...signed.envelope, signature: mallory.sign(Buffer.from('anything')) }
  const bytes = encodeEnvelope(envelope)
  const parsed = parseSessionDocument(right.document)
  const document = encodeSessionDocument({ ...parsed, session: { ...parsed.session, bytes } })
  const forged = {
    ...right,
    signed: { ...signed, bytes, digest: sha256Of(bytes) },
    document,
    digest: sha256Of(document),
  }
  return { ...forged, evidence: [{ kind: 'session', bytes: document }, ...right.evidence.slice(1)] }
}

test('a statement that another key has signed in the name of a session', (t) => {
  const { signed } = scene.alice
  const other = keyNamed('somebody-else')
  const builder = { kind: 'session', key: other.publicKey.id, session: signed.digest, software: {} } as const
  const statement = statementOf(hello, other, { builder })
  const forged = attestedIn({ key: other, signed }, hello)
  t.is(statement.builder.key, forged.envelope.keyId)
  const { aside, attestations } = verifyEvidence(
    [{ kind: 'attestation', bytes: forged.bytes }, ...scene.alice.evidence],
    policy,
  )
  t.deepEqual([attestations.size, aside[0]?.because], [0, 'signature'])
})

test('a statement of an operator does not become one of a session, and the other way round', (t) => {
  const { key, signed } = scene.alice
  const asOperator = attestedIn({ key, signed }, hello, {
    builder: { kind: 'operator', key: key.publicKey.id, software: {} },
  })
  const asSession = attestedIn({ key: alice, signed }, hello)
  const { aside, attestations } = verifyEvidence(
    [asOperator, asSession].map(({ bytes }) => ({ kind: 'attestation', bytes })).concat(scene.alice.evidence),
    policy,
  )
  t.deepEqual([attestations.size, aside.map(({ because }) => because).sort()], [0, ['signature', 'stranger']])
})

test('a session of the time before or after the statement does not count for it', (t) => {
  const before = startSession(alice, { session: { from: now - 3 * day, until: now - 2 * day } })
  const after = startSession(alice, { session: { from: now - 60 } })
  for (const session of [before, after]) {
    const { pieces } = publicScene(session, scene.bob)
    const decision = decideScene(pieces, withoutTee)
    t.is(decision.outcome.kind, 'refused')
    t.true(decision.reasons.some((one) => one.kind === 'not-counted' && one.because === 'outside-session'))
  }
})

test('another operator who claims a session key changes nothing', (t) => {
  // He has not the key: he can sign a session for it, and that is all.
  const { key } = scene.alice
  for (const claimant of [bob, carol, alice2]) {
    const claimed = startSession(claimant, { key })
    const of = scenePolicy({ operators: { alice: [alice, alice2], bob: [bob], carol: [carol] } })
    t.true(isAccepted([...scene.pieces, ...claimed.evidence], of))
    const { attestations } = verifyEvidence([...scene.pieces, ...claimed.evidence], of)
    t.deepEqual(
      attestations
        .get(hello.recipe)
        ?.map(({ operator }) => operator)
        .sort(),
      ['alice', 'bob'],
    )
  }
})

test('one session key that signs for two operators counts for neither, and against', (t) => {
  const { key } = scene.alice
  const [one, two] = [startSession(alice, { key }), startSession(bob, { key, session: { tee: 'none' } })]
  t.false(sceneOfTwo(one, two))
  t.false(sceneOfTwo(one, two, withoutTee))
  const other = attestedIn(one, hello, { digest: sha256Of('other bits') })
  t.true(
    reasons([...scene.pieces, ...one.evidence, { kind: 'attestation', bytes: other.bytes }], withoutTee).includes(
      'divergence',
    ),
  )
})

function sceneOfTwo(one: SceneSession, two: SceneSession, of = policy): boolean {
  return isAccepted(publicScene(one, two).pieces, of)
}

test('two sessions of one operator with one key: each statement belongs to the one that it names', (t) => {
  const { key } = scene.alice
  const old = startSession(alice, { key, session: { from: now - 3 * day, until: now - 2 * day } })
  t.true(isAccepted([...scene.pieces, ...old.evidence]))
  const stale = publicScene(old, scene.bob).pieces
  t.false(isAccepted([...stale, ...scene.alice.evidence], withoutTee))
})

test('what a session has signed is taken back with its key, or with that of its operator', (t) => {
  const session = scene.alice.key.publicKey.id
  for (const key of [alice.publicKey.id, session]) {
    const list = revoked(alice, { keys: [{ key, reason: 'lost' }] })
    t.false(isAccepted([...scene.pieces, list]))
    t.true(
      decideScene([...scene.pieces, list]).reasons.some(
        (one) => one.kind === 'not-counted' && one.because === 'revoked-key',
      ),
    )
    t.true(isAccepted([...scene.pieces, revoked(mallory, { keys: [{ key, reason: 'malice' }] })]))
    // Bob cannot take back what is alice's.
    t.true(isAccepted([...scene.pieces, revoked(bob, { keys: [{ key, reason: 'malice' }] })]))
  }
})

/** The same session in another document: nobody signs the packing. */
function repacked(change: Partial<Parameters<typeof encodeSessionDocument>[0]>): Evidence {
  const { session, quote, collateral, checkpoint } = parseSessionDocument(scene.alice.document)
  return { kind: 'session', bytes: encodeSessionDocument({ session, quote, collateral, checkpoint, ...change }) }
}

test('a session packed again, with a quote that is no good, changes nothing', (t) => {
  const { quote, collateral } = mintSimulated({ now, seed: 'another' })
  const more = [
    repacked({ quote }),
    repacked({ quote: new Uint8Array() }),
    repacked({ collateral: sha256Of(collateral) }),
    { kind: 'collateral', bytes: collateral },
    ...manyBefore(scene.alice.document),
  ]
  t.true(isAccepted([...scene.pieces, ...more]))
  t.true(isAccepted([...more, ...scene.pieces]))
  const [document] = scene.alice.evidence
  t.false(isAccepted([...scene.pieces.filter((one) => one !== document), ...more]))
  t.true(
    (verifyEvidence([...scene.pieces, ...more], policy).sessions.get(scene.alice.signed.digest)?.length ?? 0) <= 16,
  )
})

/** More packings than are looked at, with digests before that of the right one. */
function manyBefore(document: Uint8Array): readonly Evidence[] {
  const found: Evidence[] = []
  for (let i = 0; found.length < 20; i++) {
    const piece = repacked({ quote: Uint8Array.of(i & 0xff, i >> 8) })
    if (sha256Of(piece.bytes) < sha256Of(document)) found.push(piece)
  }
  return found
}

test('collateral in another encoding is set aside, as its digest would be another', (t) => {
  const { collateral } = scene.alice
  const spaced = { kind: 'collateral', bytes: Buffer.from(`${Buffer.from(collateral ?? []).toString()} `) }
  const { aside } = verifyEvidence([...scene.pieces, spaced], policy)
  t.deepEqual(
    aside.map(({ kind, because }) => [kind, because]),
    [['collateral', 'invalid']],
  )
})

const obscure: readonly (readonly [string, (logged: readonly Uint8Array[]) => readonly Uint8Array[]])[] = [
  ['the session', (logged) => logged.filter((one) => one !== scene.alice.document)],
  ['the statement', (logged) => logged.slice(0, 3)],
  ['anything', () => crowd(2)],
]
for (const [title, change] of obscure) {
  test(`proofs that do not show ${title}`, (t) => {
    const bytes = scene.log.inclusions(change(scene.logged), undefined, { by: [], at: now })
    const pieces = [...without(scene.inclusions), { kind: 'log-inclusions', bytes }]
    t.false(isAccepted(pieces))
    t.true(reasons(pieces).includes('not-counted'))
  })
}

test('inclusion in a log that forked, shrank, or is not shown to have grown', (t) => {
  const forked = smallLog(logKey, [...crowd(3), ...scene.logged])
  const all = (log: typeof forked): Evidence => ({ kind: 'log-inclusions', bytes: log.inclusions(scene.logged) })
  const known = verifyEvidence([{ kind: 'log-inclusions', bytes: scene.log.inclusions(crowd(1), 30) }], policy)
  const tree = known.logs.get(logKey.publicKey.name)?.newest?.tree
  if (tree === undefined) throw new Error('no tree')
  const knownLogs = new Map([[logKey.publicKey.name, tree]])
  const growth = { kind: 'log-consistency', bytes: scene.log.consistency(30) }
  t.is(decideScene([...scene.pieces, growth], policy, { knownLogs }).outcome.kind, 'accepted')
  for (const evidence of [
    scene.pieces,
    [...scene.pieces, growth, all(forked)],
    [...without(scene.inclusions), all(forked)],
  ]) {
    const decision = decideScene(evidence, policy, { knownLogs })
    t.is(decision.outcome.kind, 'refused')
    t.true(decision.reasons.some(({ kind }) => kind === 'log-trouble'))
  }
})

function flippedAt(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  return bytes.map((byte, i) => (i === at % bytes.length ? byte ^ (1 << bit) : byte))
}

const knownTree = verifyEvidence(
  [{ kind: 'log-inclusions', bytes: scene.log.inclusions(crowd(1), 30) }],
  policy,
).logs.get(logKey.publicKey.name)?.newest?.tree
const knownLogs = new Map(knownTree === undefined ? [] : [[logKey.publicKey.name, knownTree]])
const complete: readonly Evidence[] = [...scene.pieces, { kind: 'log-consistency', bytes: scene.log.consistency(30) }]

test('a byte flipped anywhere in a piece: no substitute for it, and beside it no change', (t) => {
  const options = { knownLogs, memory: new Map() satisfies VerificationMemory }
  const wanted = decideScene(complete, policy, options)
  t.is(wanted.outcome.kind, 'accepted')
  const pieces = complete.filter(({ kind }) => kind !== 'session-proof')
  fc.assert(
    fc.property(fc.nat(pieces.length - 1), fc.nat(100_000), fc.nat(7), (which, at, bit) => {
      const piece = pieces[which]
      if (piece === undefined) throw new Error('no piece')
      const flipped = { kind: piece.kind, bytes: flippedAt(piece.bytes, at, bit) }
      const instead = complete.map((one) => (one === piece ? flipped : one))
      const { outcome } = decideScene(instead, policy, options)
      // A witness's cosignature may go without anything else going with it, and then there are too few.
      t.is(outcome.kind, 'refused', `${piece.kind} ${at % piece.bytes.length} ${bit}`)
      t.deepEqual(decideScene([flipped, ...complete], policy, options).outcome, wanted.outcome)
    }),
    { numRuns: 400 },
  )
})

test('a byte flipped in a session document never gives another quote, session or time', (t) => {
  const { document, session } = sessionIn(scene.pieces)
  const of = scenePolicy({ factors: [agreed, { kind: 'tee', atLeast: 1 }], logs: [], witnesses: [] })
  const seen = new Set<string>()
  for (let at = 0; at < document.bytes.length; at += 11) {
    const flipped = { kind: 'session', bytes: flippedAt(document.bytes, at, at % 8) }
    const evidence = scene.pieces.map((one) => (one.bytes === scene.alice.document ? flipped : one))
    const found = verifyEvidence(evidence, of).sessions.get(session.digest)
    seen.add(found === undefined ? 'none' : 'some')
    for (const one of found ?? []) t.deepEqual(one.session, session)
    t.is(decideScene(evidence, of).outcome.kind, 'refused', `${at}`)
  }
  t.deepEqual([...seen].sort(), ['none', 'some'])
})

function sessionIn(evidence: readonly Evidence[]) {
  const [one] = verifyEvidence(evidence, policy).sessions.get(scene.alice.signed.digest) ?? []
  if (one === undefined) throw new Error('no session')
  return one
}

test('what is remembered is not verified again, and cannot be poisoned', (t) => {
  const memory: VerificationMemory = new Map()
  const first = verifyEvidence(complete, policy, { memory, knownLogs })
  const again = verifyEvidence(complete, policy, { memory, knownLogs })
  const [one, two] = [first, again].map((evidence) => sessionsOf(evidence.sessions))
  t.is(one?.[0]?.document, two?.[0]?.document)
  t.is(one?.[0]?.session, two?.[0]?.session)
  t.is(memory.size, complete.length)
  // Under a policy with other keys, what is in the memory proves nothing.
  const strange = scenePolicy({
    operators: { alice: [carol], bob: [bob] },
    logs: [newSecretKey(logKey.publicKey.name)],
  })
  const other = verifyEvidence(complete, strange, { memory, knownLogs })
  t.deepEqual([other.sessions.size, other.logs.size, other.attestations.get(hello.recipe)?.length], [1, 0, 1])
  t.deepEqual(
    other.others.map(({ kind }) => kind),
    ['session'],
  )
  const forgedLog = scenePolicy({ logs: [newSecretKey(logKey.publicKey.name)] })
  t.deepEqual(
    sessionsOf(verifyEvidence(complete, forgedLog, { memory }).sessions).flatMap(({ proofs }) => proofs),
    [],
  )
  const logless = verifyEvidence(complete, withoutTee, { memory })
  t.deepEqual(
    logless.attestations.get(hello.recipe)?.map(({ leaf }) => leaf),
    ['', ''],
  )
  // The same bytes as another kind are another piece.
  const [document] = scene.alice.evidence
  const confused = complete.map((piece) => ({ ...piece, kind: 'collateral' }))
  const { sessions, others } = verifyEvidence([...confused, ...complete], policy, { memory, knownLogs })
  t.is(sessions.size, 2)
  t.true(others.some(({ kind, bytes }) => kind === 'session' && bytes === document?.bytes))
})

function sessionsOf<T>(sessions: ReadonlyMap<Sha256, readonly T[]>): readonly T[] {
  return [...sessions.values()].flat()
}

test('what a decision names is enough to come to it again, after a journey in a bundle', (t) => {
  const noise: readonly Evidence[] = [
    ...startSession(mallory).evidence,
    ...startSession(carol).evidence,
    revoked(mallory),
    sessionProof(smallLog(keyNamed('other.example/log'), [scene.alice.document]), scene.alice),
  ]
  const verified = verifyEvidence([...complete, ...noise], policy, { knownLogs })
  const decision = decideScene([...complete, ...noise], policy, { knownLogs })
  const { attestations, others } = evidenceNamed(verified, decision.evidence)
  t.deepEqual([...attestations, ...others].map(({ digest }) => digest).sort(), [...decision.evidence])
  const carried = decodeBundle(encodeBundleOf(attestations, others))
  t.deepEqual(encodeDecision(replay(decision, carried, policy)), encodeDecision(decision))
  t.throws(() => replay(decision, carried.slice(1), policy), { code: 'ABN_DECISION_DIFFERS' })
})

test('a bundle has room for a closure with its proofs and sessions', (t) => {
  const log = smallLog(logKey, crowd(4096))
  const inclusions = { kind: 'log-inclusions', bytes: log.inclusions(crowd(3000)) }
  // A session for each of a thousand builds is the most that anybody asks for.
  const sessions = Array.from({ length: 1000 }, (_, i) =>
    repacked({ quote: new Uint8Array(5006).fill(i % 251, i % 5000) }),
  )
  const bundle = encodeBundle([...scene.pieces, inclusions, ...sessions])
  const found = decodeBundle(bundle)
  t.is(
    found.length,
    new Set([...scene.pieces, inclusions, ...sessions].map(({ kind, bytes }) => kind + sha256Of(bytes))).size,
  )
})
