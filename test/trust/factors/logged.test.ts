// The factors `logged` and `witnessed`: one row for each thing that breaks them.
import test from 'ava'
import { type Evidence, newestLogs, verifyEvidence } from '../../../trust/evidence.ts'
import { encodeDecision, parseDecision } from '../../../trust/policy/decision-schema.ts'
import { evaluate } from '../../../trust/policy/evaluate.ts'
import { replay } from '../../../trust/policy/replay.ts'
import { smallLog } from '../../_support/small-log.ts'
import { attested, bob, carol, day, evidenceOf, keyNamed, now, policyOf, requestOf } from '../support.ts'
import { ann, ben, configured, cyd, inclusionsIn, loggedIn, logKey, otherLogKey, sessions } from '../world.ts'
import {
  a,
  b,
  c,
  decideEach,
  inA,
  item,
  log,
  logged,
  type Row,
  repacked,
  ruled,
  signedIn,
  two,
  witnessed,
} from './rows.ts'

const rows: readonly Row[] = [
  // logged
  ['logged: both are', logged, [...evidenceOf(a, b), log([a, b])], 'accepted'],
  ['logged: nothing about logs', logged, evidenceOf(a, b), 'refused', /alice does not count: it, or the session/],
  [
    'logged: one is not shown',
    logged,
    [...evidenceOf(a, b), loggedIn(logKey, [a, b], { proved: [a] })],
    'refused',
    /bob does not/,
  ],
  [
    'logged: in a tree that nobody has witnessed',
    logged,
    [...evidenceOf(a, b), log([a, b], { by: [], at: 0 })],
    'accepted',
  ],
  [
    'logged: each in another log of the policy',
    logged,
    [...evidenceOf(a, b), log([a]), log([b], two, otherLogKey)],
    'accepted',
  ],
  [
    'logged: by a log that the policy does not name',
    logged,
    [...evidenceOf(a, b), log([a, b], two, keyNamed('log.example/stranger'))],
    'refused',
    /alice does not count/,
  ],
  [
    'logged: by another key under the name of the log',
    logged,
    [...evidenceOf(a, b), log([a, b], two, { ...keyNamed('stranger'), ...impostor(logKey) })],
    'refused',
    /alice does not count/,
  ],
  [
    'logged: another statement of the same operator is',
    logged,
    [...evidenceOf(a, b), log([a, attested(item, bob, { invocation: 'again' })])],
    'refused',
    /bob does not count/,
  ],
  [
    'logged: a proof that was cut off',
    logged,
    [...evidenceOf(a, b), cut(log([a, b]))],
    'refused',
    /alice does not count/,
  ],
  [
    'logged: the statement, but not its session',
    logged,
    [...evidenceOf(inA, b), ...signedIn(sessions.alice), log([inA, b])],
    'refused',
    /alice does not count: it, or the session that signed it, is not shown/,
  ],
  [
    'logged: the statement and its session',
    logged,
    [...evidenceOf(inA, b), ...signedIn(sessions.alice), log([inA, b, sessions.alice.document])],
    'accepted',
  ],
  [
    'logged: the session packed again is not',
    logged,
    [...evidenceOf(inA, b), ...signedIn(repacked), log([inA, b, sessions.alice.document])],
    'refused',
    /alice does not count/,
  ],
  [
    'logged: the session is, whatever else it is packed in',
    logged,
    [...evidenceOf(inA, b), ...signedIn(repacked, sessions.alice), log([inA, b, sessions.alice.document])],
    'accepted',
  ],
  [
    'logged: one that lies does not have to be',
    logged,
    [...evidenceOf(a, b, attested(item, carol, { bytes: 1 })), log([a, b])],
    'refused',
    /DIVERGENCE/,
  ],
  [
    'logged: a fork',
    logged,
    [...evidenceOf(a, b), log([a, b]), log([b, a])],
    'refused',
    /LOG log.example\/main: it has shown two trees of one size, so nothing of it counts/,
  ],
  [
    'logged: a fork, but another log has them too',
    logged,
    [...evidenceOf(a, b), log([a, b]), log([b, a]), log([a, b], two, otherLogKey)],
    'accepted',
    /LOG log.example\/main/,
  ],
  [
    'logged: two trees without a proof that one became the other',
    logged,
    [...evidenceOf(a, b), log([a]), log([a, b])],
    'refused',
    /did not prove that it has only grown/,
  ],
  [
    'logged: a fork does not matter where logs are not asked',
    policyOf(configured),
    [...evidenceOf(a, b), log([a, b]), log([b, a])],
    'accepted',
  ],

  // witnessed
  ['witnessed: both', witnessed, [...evidenceOf(a, b), log([a, b])], 'accepted'],
  ['witnessed: nothing about logs', witnessed, evidenceOf(a, b), 'refused', /not shown to be in a log/],
  [
    'witnessed: by all three',
    witnessed,
    [...evidenceOf(a, b), log([a, b], { by: [ann, ben, cyd], at: now })],
    'accepted',
  ],
  [
    'witnessed: by one',
    witnessed,
    [...evidenceOf(a, b), log([a, b], { by: [ann], at: now })],
    'refused',
    /too few witnesses/,
  ],
  [
    'witnessed: by one and a stranger',
    witnessed,
    [...evidenceOf(a, b), log([a, b], { by: [ann, keyNamed('stranger.example/witness')], at: now })],
    'refused',
    /too few witnesses/,
  ],
  [
    'witnessed: by one, and another whose signature is wrong',
    witnessed,
    [...evidenceOf(a, b), log([a, b], { by: [ann, { ...keyNamed('x'), ...impostor(ben) }], at: now })],
    'refused',
    /too few witnesses/,
  ],
  [
    'witnessed: exactly as long ago as may be',
    witnessed,
    [...evidenceOf(a, b), log([a, b], { by: [ann, ben], at: now - day })],
    'accepted',
  ],
  [
    'witnessed: too long ago',
    witnessed,
    [...evidenceOf(a, b), log([a, b], { by: [ann, ben], at: now - day - 1 })],
    'refused',
    /too few witnesses/,
  ],
  [
    'witnessed: by clocks that are ahead a little',
    witnessed,
    [...evidenceOf(a, b), log([a, b], { by: [ann, ben], at: now + 300 })],
    'accepted',
  ],
  [
    'witnessed: in the future',
    witnessed,
    [...evidenceOf(a, b), log([a, b], { by: [ann, ben], at: now + 301 })],
    'refused',
    /too few witnesses/,
  ],
  [
    'witnessed: by each of two on a copy of its own',
    witnessed,
    [...evidenceOf(a, b), log([a, b], { by: [ann], at: now }), log([a, b], { by: [ben], at: now })],
    'accepted',
  ],
  [
    'witnessed: each log by one of two',
    witnessed,
    [...evidenceOf(a, b), log([a, b], { by: [ann], at: now }), log([a, b], { by: [ben], at: now }, otherLogKey)],
    'refused',
    /too few witnesses/,
  ],
  [
    'witnessed: a larger tree, which is not shown to have them',
    witnessed,
    grown({ proved: [a], seen: [a, b] }),
    'refused',
    /bob does not count/,
  ],
  [
    'witnessed: the larger tree, and the smaller one is too old',
    witnessed,
    grown({ proved: [a, b], seen: [a, b] }),
    'accepted',
  ],
  [
    'witnessed: by more than the policy names',
    ruled({ kind: 'witnessed', atLeast: 4, within: day }),
    [...evidenceOf(a, b), log([a, b], { by: [ann, ben, cyd], at: now })],
    'refused',
    /more witnesses than the policy names/,
  ],
  [
    'witnessed: of two packings of the session one is not logged, and the other not seen',
    witnessed,
    [
      ...evidenceOf(inA, b),
      ...signedIn(sessions.alice, repacked),
      log([inA, b]),
      log([sessions.alice.document], { by: [ann], at: now }, otherLogKey),
    ],
    'refused',
    /alice does not count: too few witnesses/,
  ],
  [
    'witnessed: of two packings of the session one is not seen, and the other not logged',
    witnessed,
    [
      ...evidenceOf(inA, b),
      ...signedIn(sessions.alice, repacked),
      log([inA, b]),
      log([repacked.document], { by: [ann], at: now }, otherLogKey),
    ],
    'refused',
    /alice does not count: too few witnesses/,
  ],
  [
    'witnessed: the statement, but its session in a tree that nobody has seen',
    witnessed,
    [
      ...evidenceOf(inA, b),
      ...signedIn(sessions.alice),
      log([inA, b]),
      log([sessions.alice.document], { by: [ann], at: now }, otherLogKey),
    ],
    'refused',
    /alice does not count: too few witnesses/,
  ],
]

decideEach(rows)

test('what was seen of a log before', (t) => {
  const tree = smallLog(logKey, [a.bytes, b.bytes])
  const known = (log: ReturnType<typeof smallLog>) => {
    const verified = verifyEvidence([inclusionsIn(log, [{ bytes: log.entries[0] ?? a.bytes }])], logged)
    return new Map([...newestLogs(verified)].map(([origin, newest]) => [origin, newest.tree]))
  }
  const outcomeOf = (evidence: readonly Evidence[], knownLogs: ReturnType<typeof known>) => {
    const decision = evaluate(requestOf(item), verifyEvidence(evidence, logged, { knownLogs }), logged, now)
    t.deepEqual(
      decision.knownLogs.map(({ log }) => log),
      [...knownLogs.keys()],
    )
    const stored = parseDecision(encodeDecision(decision))
    t.deepEqual(encodeDecision(replay(stored, evidence, logged)), encodeDecision(decision))
    const trouble = decision.reasons.flatMap((one) => (one.kind === 'log-trouble' ? one.trouble : []))
    return [decision.outcome.kind, ...trouble]
  }
  const shown = [...evidenceOf(a, b), inclusionsIn(tree, [a, b])]
  t.deepEqual(outcomeOf(shown, new Map()), ['accepted'])
  t.deepEqual(outcomeOf(shown, known(tree)), ['accepted'])
  t.deepEqual(outcomeOf(shown, known(smallLog(logKey, [b.bytes, a.bytes]))), ['refused', 'fork'])
  t.deepEqual(outcomeOf(shown, known(smallLog(logKey, [a.bytes, b.bytes, c.bytes]))), ['refused', 'smaller'])
  t.deepEqual(outcomeOf(shown, known(smallLog(logKey, [a.bytes]))), ['refused', 'unproved'])
  const growth = { kind: 'log-consistency', bytes: tree.consistency(1) }
  t.deepEqual(outcomeOf([...shown, growth], known(smallLog(logKey, [a.bytes]))), ['accepted'])
  t.deepEqual(outcomeOf([...shown, growth], known(smallLog(logKey, [c.bytes]))), ['refused', 'proof'])
  t.deepEqual(outcomeOf(evidenceOf(a, b), known(tree)), ['refused'], 'nothing is shown')
})

/** Signs with its own key what bears the name of another. */
function impostor({ publicKey }: typeof logKey) {
  return { publicKey }
}

function cut({ kind, bytes }: Evidence): Evidence {
  const [proof = '', ...rest] = Buffer.from(bytes).toString().split('\n\n')
  const lines = proof.split('\n').slice(0, -1)
  return { kind, bytes: Buffer.from([lines.join('\n'), ...rest].join('\n\n')) }
}

/** A tree that was seen too long ago, and what it has become since. */
function grown({
  proved,
  seen,
}: Readonly<Record<'proved' | 'seen', readonly { readonly bytes: Uint8Array }[]>>): readonly Evidence[] {
  const tree = smallLog(logKey, [Buffer.from('another entry'), a.bytes, b.bytes])
  const old = inclusionsIn(tree, seen, { by: [ann, ben], at: now - 2 * day })
  const size = tree.entries.length
  tree.append(Buffer.from('one more'), c.bytes)
  return [
    ...evidenceOf(a, b),
    old,
    inclusionsIn(tree, proved, two),
    { kind: 'log-consistency', bytes: tree.consistency(size) },
  ]
}
