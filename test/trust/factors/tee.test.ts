// The factor `tee`: one row for each thing that breaks it.
import test from 'ava'
import { type Evidence, verifyEvidence } from '../../../trust/evidence.ts'
import { parseLogProof } from '../../../trust/log/proof-file.ts'
import { encodeDecision, parseDecision } from '../../../trust/policy/decision-schema.ts'
import { evaluate } from '../../../trust/policy/evaluate.ts'
import { linesOfDecision } from '../../../trust/policy/explain.ts'
import type { Policy } from '../../../trust/policy/policy.ts'
import { replay } from '../../../trust/policy/replay.ts'
import { encodeSessionProof } from '../../../trust/session-evidence.ts'
import { newestEvaluations } from '../../../trust/tee/judge-session.ts'
import { simulatedRoot } from '../../../trust/tee/simulated.ts'
import { smallLog } from '../../_support/small-log.ts'
import { alice, alice2, bob, day, digestNamed, evidenceOf, now, policyOf, requestOf, revoked } from '../support.ts'
import {
  ann,
  attestedIn,
  ben,
  collateralIn,
  configured,
  cyd,
  logKey,
  packed,
  sessionOf,
  sessions,
  teeConditions,
} from '../world.ts'
import {
  a,
  b,
  c,
  decideEach,
  inA,
  inB,
  inElsewhere,
  inPlain,
  item,
  log,
  type Row,
  repacked,
  ruled,
  signedIn,
  tee,
  twoTees,
  withTee,
} from './rows.ts'

/** A session with a quote that is not as it should be, and what it states. */
function quoted(name: string, quote: NonNullable<Parameters<typeof sessionOf>[2]>['quote']): readonly Evidence[] {
  const scene = sessionOf(alice, name, quote === undefined ? {} : { quote })
  return [...evidenceOf(attestedIn(scene, item), b), ...scene.evidence]
}

const rows: readonly Row[] = [
  [
    'tee: one of two',
    tee,
    [...evidenceOf(inA, b), ...signedIn(sessions.alice)],
    'accepted',
    /alice built it in a TEE: builder, UpToDate \(session sha256:.*\), SIMULATED, which protects nothing/,
  ],
  ['tee: nobody', tee, evidenceOf(a, b), 'refused', /1 of those who agree have to be in a TEE that is accepted, 0 are/],
  [
    'tee: alone, without another operator',
    tee,
    [...evidenceOf(inA), ...signedIn(sessions.alice)],
    'refused',
    /2 operators have to agree/,
  ],
  [
    'tee: the session is one without',
    tee,
    [...evidenceOf(a, inPlain), ...signedIn(sessions.plain)],
    'refused',
    /the TEE of bob is not accepted .*quote: none/,
  ],
  [
    'tee: of one whose statement does not count',
    tee,
    [...evidenceOf(a, b, attestedIn(sessions.carol, item, { origin: 'substituted' })), ...signedIn(sessions.carol)],
    'refused',
    /0 are/,
  ],
  [
    'tee: a session that signed nothing of this',
    tee,
    [...evidenceOf(a, b), ...signedIn(sessions.alice)],
    'refused',
    /0 are/,
  ],
  ['tee: two of two', twoTees, [...evidenceOf(inA, inB), ...signedIn(sessions.alice, sessions.bob)], 'accepted'],
  [
    'tee: two machines of one operator',
    twoTees,
    [...evidenceOf(inA, inElsewhere, b), ...signedIn(sessions.alice, sessions.elsewhere)],
    'refused',
    /2 of those who agree .* 1 are/,
  ],
  [
    'tee: two operators on one machine',
    twoTees,
    [...evidenceOf(inElsewhere, inB), ...signedIn(sessions.elsewhere, sessions.bob)],
    'refused',
    /1 are/,
  ],
  [
    'tee: two operators on one machine, of whom one has another',
    twoTees,
    [...evidenceOf(inElsewhere, inA, inB), ...signedIn(sessions.elsewhere, sessions.alice, sessions.bob)],
    'accepted',
  ],
  [
    'tee: collateral is missing',
    tee,
    [...evidenceOf(inA, b), ...signedIn(sessions.alice).slice(0, 1)],
    'refused',
    /collateral: missing/,
  ],
  [
    'tee: the quote of another session',
    tee,
    [...evidenceOf(inA, b), ...signedIn(repacked)],
    'refused',
    /the TEE of alice is not accepted .*report-data/,
  ],
  [
    'tee: the quote of another session besides the right one',
    tee,
    [...evidenceOf(inA, b), ...signedIn(repacked, sessions.alice)],
    'accepted',
  ],
  [
    'tee: a TD that can be debugged',
    tee,
    quoted('debug', { body: { tdAttributes: attributes(0x01) } }),
    'refused',
    /debug/,
  ],
  [
    'tee: a platform that is revoked',
    tee,
    quoted('revoked platform', { securityVersion: 1 }),
    'refused',
    /tcb-revoked/,
  ],
  ['tee: a platform that is out of date', tee, quoted('old platform', { securityVersion: 2 }), 'refused', /tcb-status/],
  [
    'tee: a platform that is out of date where that may be',
    withTee({ statuses: ['UpToDate', 'OutOfDate'] }),
    quoted('old platform', { securityVersion: 2 }),
    'accepted',
  ],
  ['tee: collateral has expired', tee, quoted('expired', { now: now - 40 * day }), 'refused', /expired/],
  ['tee: another root', tee, quoted('another root', { seed: 'another' }), 'refused', /root-unknown/],
  [
    'tee: Intel is named, and this is simulated',
    withTee({ roots: ['intel'] }),
    [...evidenceOf(inA, b), ...signedIn(sessions.alice)],
    'refused',
    /root-unknown|quote-vendor/,
  ],
  [
    'tee: a measurement that is not known',
    withTee({ measurements: [{ ...teeConditions.measurements[0], rtmr1: '11'.repeat(48) }] }),
    [...evidenceOf(inA, b), ...signedIn(sessions.alice)],
    'refused',
    /measurement/,
  ],
  [
    'tee: an old evaluation',
    withTee({ minimumEvaluationNumber: 1_000 }),
    [...evidenceOf(inA, b), ...signedIn(sessions.alice)],
    'refused',
    /evaluation-number/,
  ],
  [
    'tee: a session that is too old',
    withTee({ age: { since: 'session', maximum: 7_199 } }),
    [...evidenceOf(inA, b), ...signedIn(sessions.alice)],
    'refused',
    /session-age/,
  ],
  [
    'tee: the age of a checkpoint that there is none of',
    withTee({ age: { since: 'checkpoint', maximum: day } }),
    [...evidenceOf(inA, b), ...signedIn(sessions.alice)],
    'refused',
    /checkpoint/,
  ],
  [
    'tee: collateral of the time of logging, which nobody shows',
    withTee({ collateral: 'logged' }),
    [...evidenceOf(inA, b), ...signedIn(sessions.alice)],
    'refused',
    /session-proof: missing/,
  ],
  ['tee: seen by as many as have to', withTee({ collateral: 'logged' }), proved([ann, ben, cyd]), 'accepted'],
  [
    'tee: seen by fewer than all, where the rule does not say',
    withTee({ collateral: 'logged' }),
    proved([ann, ben]),
    'refused',
    /session-proof: missing/,
  ],
  [
    'tee: seen by as many as the rule says',
    withTee({ collateral: 'logged' }, { kind: 'witnessed', atLeast: 2, within: day }),
    [...proved([ann, ben]), log([inA, b, sessions.alice.document])],
    'accepted',
  ],
  [
    'tee: with a simulated TEE where only operators are asked',
    policyOf(),
    [...evidenceOf(inA, b), ...signedIn(sessions.alice)],
    'accepted',
  ],
  [
    'tee: where the session’s quote is not in the log',
    ruled({ kind: 'tee', atLeast: 1 }, { kind: 'logged' }),
    (() => {
      // The session was logged with a quote of somebody else; the right one only comes along.
      return [...evidenceOf(inA, b), ...signedIn(repacked, sessions.alice), log([inA, b, repacked.document])]
    })(),
    'refused',
    /0 are/,
  ],

  [
    'tee: a statement in a session without, while the same operator has one with',
    tee,
    [...evidenceOf(a, inPlain), ...signedIn(sessions.plain, sessions.bob)],
    'refused',
    /0 are/,
  ],
  [
    'tee: of an operator who is excluded',
    withTee({}, { kind: 'excluded', operators: ['alice'] }),
    [...evidenceOf(inA, b, c), ...signedIn(sessions.alice)],
    'refused',
    /0 are/,
  ],
  [
    'tee: a session that is revoked, beside a statement by the key of its operator',
    tee,
    [
      ...evidenceOf(inA, a, b),
      ...signedIn(sessions.alice),
      revoked(alice, { keys: [{ key: sessions.alice.key.publicKey.id, reason: '' }] }),
    ],
    'refused',
    /0 are/,
  ],
  [
    'tee: a build outside the session',
    tee,
    [...evidenceOf(attestedIn(sessions.alice, item, { started: now - 8_000 }), a, b), ...signedIn(sessions.alice)],
    'refused',
    /0 are/,
  ],
  [
    'tee: a session that claims another kind of TEE than its quote has',
    tee,
    (() => {
      const scene = sessionOf(alice, 'claims tdx', { session: { tee: 'tdx' } })
      return [...evidenceOf(attestedIn(scene, item), b), ...scene.evidence]
    })(),
    'refused',
    /another kind of TEE \(session-tee\)/,
  ],
  [
    'tee: the quote of a session with the same key and another configuration',
    tee,
    (() => {
      const scene = sessionOf(alice, 'alice', { session: { configuration: digestNamed('other') } })
      const { quote } = sessions.alice.document
      const replayed = packed(scene, { quote, collateral: collateralIn(sessions.alice), checkpoint: null })
      return [...evidenceOf(attestedIn(scene, item), b), ...replayed.evidence]
    })(),
    'refused',
    /the quote is for another session \(report-data\)/,
  ],
  [
    'tee: a session that has not begun',
    tee,
    (() => {
      const scene = sessionOf(alice, 'future', { session: { from: now + 1, until: now + day } })
      return [...evidenceOf(attestedIn(scene, item), b), ...scene.evidence]
    })(),
    'refused',
    /0 are/,
  ],
]

decideEach(rows)

test('a session packed again, besides the packing that is accepted, leaves a decision as it is', (t) => {
  const bytesOf = (evidence: readonly Evidence[], under: Policy) =>
    Buffer.from(encodeDecision(evaluate(requestOf(item), verifyEvidence(evidence, under), under, now)))
  const own = [...evidenceOf(inA, b), ...signedIn(sessions.alice)]
  t.true(bytesOf([...own, ...signedIn(repacked).slice(0, 1)], tee).equals(bytesOf(own, tee)))
})

test('what is remembered of evidence under one policy is not used under another', (t) => {
  const evidence = verifyEvidence([...evidenceOf(inA, b), ...signedIn(sessions.alice), revoked(alice)], tee, {
    knownRevocations: new Map([[alice.publicKey.id, 2]]),
  })
  const another = policyOf({ ...configured, operators: { alice: [alice2], bob: [bob] } })
  const known = [tee, another, tee].map(
    (under) => evaluate(requestOf(item), evidence, under, now).knownRevocations.length,
  )
  t.deepEqual(known, [1, 0, 1])
})

test('older collateral than was seen before', (t) => {
  const evidence = [...evidenceOf(inA, b), ...signedIn(sessions.alice)]
  const number = newestEvaluations(verifyEvidence(evidence, tee), tee, now).get(simulatedRoot().digest) ?? 0
  for (const [seen, outcome] of [
    [number, 'accepted'],
    [number + 1, 'refused'],
  ] as const) {
    const knownEvaluations = new Map([[simulatedRoot().digest, seen]])
    const decision = evaluate(requestOf(item), verifyEvidence(evidence, tee, { knownEvaluations }), tee, now)
    t.is(decision.outcome.kind, outcome)
    t.deepEqual(decision.knownEvaluations, [{ root: simulatedRoot().digest, number: seen }])
    t.is(linesOfDecision(decision).join().includes('newer collateral was seen before'), outcome === 'refused')
    const stored = parseDecision(encodeDecision(decision))
    t.deepEqual(encodeDecision(replay(stored, evidence, tee)), encodeDecision(decision))
  }
})

function attributes(first: number): Uint8Array {
  // SEPT_VE_DISABLE, and this.
  return Uint8Array.of(first, 0, 0, 0x10, 0, 0, 0, 0)
}

/** Alice's session in a log, as these have seen it. */
function proved(by: readonly (typeof ann)[]): readonly Evidence[] {
  const { document, evidence } = sessions.alice
  const tree = smallLog(logKey, [Buffer.from('another entry'), document.bytes, inA.bytes, b.bytes])
  const bytes = encodeSessionProof(
    document.digest,
    parseLogProof(tree.proofFile(document.bytes, 2, { by, at: now - 60 })),
  )
  return [...evidenceOf(inA, b), ...evidence, { kind: 'session-proof', bytes }]
}
