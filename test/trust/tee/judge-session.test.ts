// Whether a session counts as one in a TEE: each fault of the quote, the collateral, the checkpoint and the proof is named and refuses.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Sha256 } from '../../../format/hash.ts'
import { type Evidence, verifyEvidence } from '../../../trust/evidence.ts'
import type { Note } from '../../../trust/log/note.ts'
import type { Policy } from '../../../trust/policy/policy.ts'
import { reportDataOf } from '../../../trust/session.ts'
import { encodeCollateral, parseCollateral } from '../../../trust/tee/collateral.ts'
import { judgeSession, newestEvaluations } from '../../../trust/tee/judge-session.ts'
import { mintSimulated, type SimulatedOptions, simulatedRoot, simulatedSerials } from '../../../trust/tee/simulated.ts'
import { type SmallLog, smallLog, type Witnessing } from '../../_support/small-log.ts'
import {
  crowd,
  hour,
  logKey,
  type SceneOptions,
  type SceneSession,
  scenePolicy,
  sessionProof,
  simulatedTee,
  startSession,
  witness1,
  witness2,
  witness3,
} from '../scene.ts'
import { alice, day, keyNamed, now } from '../support.ts'

type Asked = {
  readonly at?: number
  readonly tee?: Readonly<Record<string, unknown>>
  readonly quorum?: number
  readonly knownEvaluations?: ReadonlyMap<Sha256, number>
}

const logged = { ...simulatedTee, collateral: 'logged' }
const sinceCheckpoint = { age: { since: 'checkpoint', maximum: day } }

/** 'accepted', or the objections; of the only session in the evidence. */
function verdict(evidence: readonly Evidence[], asked: Asked = {}): string | readonly string[] {
  const judgement = judgementOf(evidence, asked)
  return judgement.kind === 'accepted' ? 'accepted' : judgement.objections
}

function judgementOf(evidence: readonly Evidence[], asked: Asked = {}) {
  const policy = scenePolicy({ tee: { ...simulatedTee, ...asked.tee } })
  const session = [...verifyEvidence(evidence, policy).sessions.values()][0]?.[0]
  if (session === undefined || policy.tee === null) throw new Error('no session')
  const { at = now, quorum = 2, knownEvaluations = new Map() } = asked
  return judgeSession(session, policy.tee, { policy, now: at, quorum, knownEvaluations })
}

const good = startSession(alice)
const another = startSession(alice, { key: keyNamed('another-session') })
const minted = (session: SceneSession, options: Partial<SimulatedOptions> = {}) =>
  mintSimulated({ now: now - 2 * hour, reportData: reportDataOf(session.signed.session), ...options })
const asCollateral = (bytes: Uint8Array): Evidence => ({ kind: 'collateral', bytes })
const field = (name: string, ...bytes: number[]): SceneOptions => ({
  minted: { body: { [name]: Uint8Array.from(bytes) } },
})
const fortyEight = (byte: number) => Array.from({ length: 48 }, () => byte)

const rows: readonly (readonly [string, SceneOptions, string | readonly string[], Asked?])[] = [
  ['a session in a simulated TEE that the policy names', {}, 'accepted'],
  ['a quote of version 5', { minted: { form: '5-td15' } }, 'accepted'],
  ['a session that is over', { session: { until: now - hour } }, 'accepted'],
  ['a checkpoint that nobody asks for', { checkpoint: noteOf({ by: [], at: 0 }) }, 'accepted'],
  ['no TEE', { session: { tee: 'none' } }, ['quote: none']],
  ['a quote of another key in REPORTDATA', { quote: minted(another).quote }, ['report-data']],
  [
    'a quote of another configuration',
    { quote: minted(startSession(alice, { session: { configuration: good.digest } })).quote },
    ['report-data'],
  ],
  [
    'a quote of another checkpoint',
    { checkpoint: noteOf({ by: [], at: 0 }), quote: minted(good).quote },
    ['report-data'],
  ],
  ['a quote without anything', { quote: new Uint8Array() }, ['quote: quote-truncated']],
  [
    'a quote that was changed',
    { quote: minted(good).quote.map((byte, i) => (i === 200 ? byte ^ 1 : byte)) },
    ['quote: quote-signature'],
  ],
  ['a debug TD', field('tdAttributes', 1, 0, 0, 0x10, 0, 0, 0, 0), ['debug']],
  ['a TD without SEPT_VE_DISABLE', field('tdAttributes', 0, 0, 0, 0, 0, 0, 0, 0), ['sept-ve-disable']],
  ['an unknown measurement', field('mrTd', ...fortyEight(7)), ['measurement']],
  [
    'a service TD',
    { minted: { form: '5-td15', body: { mrServiceTd: Uint8Array.from(fortyEight(7)) } } },
    ['service-td'],
  ],
  ['a platform that is revoked by its TCB', { minted: { securityVersion: 1 } }, ['tcb-revoked']],
  ['a platform that is out of date', { minted: { securityVersion: 2 } }, ['tcb-status']],
  ['a platform below every level', { minted: { securityVersion: 0 } }, ['quote: platform-tcb-unknown']],
  [
    'a platform whose certificate is revoked',
    { minted: { changes: { pckCrl: { revoked: [simulatedSerials.pck] } } } },
    ['quote: certificate-revoked'],
  ],
  ['a simulated root that is not named', {}, ['quote: root-unknown'], { tee: { roots: ['intel'] } }],
  ['another simulated root', { minted: { seed: 'another' } }, ['quote: root-unknown']],
  ['one of two roots', {}, 'accepted', { tee: { roots: ['intel', ...simulatedTee.roots] } }],
  [
    'collateral that was swapped',
    { collateral: mintSimulated({ now, seed: 'another' }).collateral },
    ['quote: root-unknown'],
  ],
  [
    'collateral of another kind of platform',
    { collateral: mintSimulated({ now, changes: { tcbInfo: { fmspc: 'AABBCCDDEEFF' } } }).collateral },
    ['quote: fmspc'],
  ],
  ['collateral that has expired', {}, ['quote: crl-expired'], { at: now + 40 * day }],
  ['collateral of the future', { minted: { now: now + 3 * day } }, ['quote: crl-not-yet']],
  ['an old evaluation number', {}, ['evaluation-number'], { tee: { minimumEvaluationNumber: 21 } }],
  [
    'an evaluation number below one that was seen',
    {},
    ['evaluation-rollback'],
    { knownEvaluations: new Map([[simulatedRoot().digest, 21]]) },
  ],
  [
    'an evaluation number that was seen under another root',
    {},
    'accepted',
    { knownEvaluations: new Map([[good.digest, 21]]) },
  ],
  ['a session that claims Intel', { session: { tee: 'tdx' } }, ['session-tee']],
  ['a session by a clock a little ahead', { session: { from: now + 60 } }, 'accepted'],
  ['a session that begins tomorrow', { session: { from: now + day } }, ['session-time', 'checkpoint']],
  ['a session that is too old', {}, ['session-age'], { tee: { age: { since: 'session', maximum: hour } } }],
  ['an age since the checkpoint, and no checkpoint', {}, ['checkpoint'], { tee: sinceCheckpoint }],
  [
    'a checkpoint that two witnesses saw',
    { checkpoint: noteOf({ by: [witness1, witness2], at: now - 3 * hour }) },
    'accepted',
    { tee: sinceCheckpoint },
  ],
  [
    'a checkpoint that two witnesses saw long ago',
    { checkpoint: noteOf({ by: [witness1, witness2], at: now - 3 * day }) },
    ['session-age'],
    { tee: sinceCheckpoint },
  ],
  [
    'a checkpoint that one witness saw',
    { checkpoint: noteOf({ by: [witness1], at: now - 3 * hour }) },
    ['checkpoint'],
    { tee: sinceCheckpoint },
  ],
  [
    'a checkpoint that one witness and a stranger saw',
    { checkpoint: noteOf({ by: [witness1, witness3], at: now - 3 * hour }) },
    ['checkpoint'],
    { tee: sinceCheckpoint },
  ],
  [
    'a checkpoint of the future',
    { checkpoint: noteOf({ by: [witness1, witness2], at: now + hour }) },
    ['checkpoint'],
    { tee: sinceCheckpoint },
  ],
  [
    'a checkpoint by a clock a little ahead',
    { checkpoint: noteOf({ by: [witness1, witness2], at: now + 60 }) },
    'accepted',
    { tee: sinceCheckpoint },
  ],
  [
    'a checkpoint of another log',
    { checkpoint: smallLog(keyNamed('other.example/log'), crowd(9)).note(9, { by: [witness1, witness2], at: now }) },
    ['checkpoint'],
    { tee: sinceCheckpoint },
  ],
]
for (const [title, options, wanted, asked] of rows) {
  test(title, (t) => {
    t.deepEqual(verdict(startSession(alice, options).evidence, asked), wanted)
  })
}

/** Of the log with its first entries. */
function noteOf(witnessing: Witnessing): Note {
  return smallLog(logKey, crowd(9)).note(9, witnessing)
}

test('two witnesses, of whom one puts the checkpoint early: the later time counts', (t) => {
  const early = noteOf({ by: [witness1], at: now - 3 * day })
  const late = noteOf({ by: [witness2], at: now - hour })
  const checkpoint = { text: early.text, signatures: [...early.signatures, ...late.signatures.slice(1)] }
  const { evidence } = startSession(alice, { checkpoint })
  t.is(verdict(evidence, { tee: sinceCheckpoint }), 'accepted')
  t.deepEqual(verdict(evidence, { tee: sinceCheckpoint, quorum: 1 }), ['session-age'])
  t.deepEqual(verdict(evidence, { tee: sinceCheckpoint, quorum: 3 }), ['checkpoint'])
  t.throws(() => verdict(evidence, { tee: sinceCheckpoint, quorum: 0 }), { instanceOf: TypeError })
})

test('a replayed session: its quote and collateral under a session with another key', (t) => {
  const { quote, collateral } = minted(good)
  t.deepEqual(verdict(startSession(alice, { key: keyNamed('another-session'), quote, collateral }).evidence), [
    'report-data',
  ])
})

test('collateral that did not come, and newer collateral alone', (t) => {
  const [document] = good.evidence
  if (document === undefined) throw new Error('no document')
  t.deepEqual(verdict([document]), ['collateral: missing'])
  // Whether it is about the same kind of platform, only the collateral that the session names says.
  t.deepEqual(verdict([document, asCollateral(mintSimulated({ now }).collateral)]), ['collateral: missing'])
})

const worse = mintSimulated({
  now,
  evaluationNumber: 21,
  changes: { tcbInfo: { tcbLevels: levels('OutOfDate') } },
}).collateral
const revoking = mintSimulated({ now, changes: { pckCrl: { revoked: [simulatedSerials.pck] } } }).collateral
const newer = mintSimulated({ now: now + 35 * day, evaluationNumber: 21 }).collateral

/** The levels of a simulated platform, each with this status. */
function levels(tcbStatus: string): readonly unknown[] {
  const { tcbInfo } = parseCollateral(mintSimulated({ now }).collateral)
  const { tcbLevels }: { readonly tcbLevels: readonly object[] } = JSON.parse(tcbInfo.text)
  return tcbLevels.map((level) => ({ ...level, tcbStatus }))
}

test('newer collateral counts before what the session names, in any order', (t) => {
  const with_ = (...more: readonly Uint8Array[]) => [...good.evidence, ...more.map(asCollateral)]
  t.is(verdict(with_(newer), { at: now + 36 * day, tee: { age: { since: 'session', maximum: 60 * day } } }), 'accepted')
  t.deepEqual(verdict(with_(worse)), ['tcb-status'])
  t.deepEqual(verdict(with_(worse).toReversed()), ['tcb-status'])
  t.deepEqual(verdict(with_(revoking)), ['quote: certificate-revoked'])
  t.deepEqual(verdict(with_(newer, revoking).toReversed()), ['quote: certificate-revoked'])
  const revokedLater = mintSimulated({
    now: now + 35 * day,
    changes: { pckCrl: { revoked: [simulatedSerials.pck] } },
  }).collateral
  t.is(verdict(with_(revokedLater)), 'accepted', 'a list that is not valid yet says nothing')
})

test('the evaluation number goes before the status, and a list of the same time that revokes before one that does not', (t) => {
  const outOfDate = startSession(alice, { minted: { changes: { tcbInfo: { tcbLevels: levels('OutOfDate') } } } })
  const fine = mintSimulated({ now, evaluationNumber: 21 }).collateral
  t.deepEqual(verdict(outOfDate.evidence), ['tcb-status'])
  t.is(verdict([...outOfDate.evidence, asCollateral(fine)]), 'accepted')
  const same = mintSimulated({
    now: now - 2 * hour,
    changes: { tcbInfo: { tcbLevels: levels('OutOfDate') } },
  }).collateral
  t.deepEqual(verdict([...good.evidence, asCollateral(same)]), ['tcb-status'], 'of the same number the worse')
  for (const crl of ['pckCrl', 'rootCrl'] as const) {
    const serial = crl === 'pckCrl' ? simulatedSerials.pck : simulatedSerials.pckCa
    const two = Array.from(
      { length: 12 },
      (_, i) => mintSimulated({ now, changes: { [crl]: { revoked: i === 5 ? [serial] : [100 + i] } } }).collateral,
    )
    t.deepEqual(verdict([...good.evidence, ...two.map(asCollateral)]), ['quote: certificate-revoked'])
  }
})

test('newer is what has the higher number, and of equal ones the later', (t) => {
  const bad = { tcbInfo: { tcbLevels: levels('OutOfDate') } }
  const collateral = (at: number, evaluationNumber: number, isBad: boolean) =>
    asCollateral(mintSimulated({ now: at, evaluationNumber, changes: isBad ? bad : {} }).collateral)
  const [earlier, late] = [now - 2 * hour, now - hour]
  t.is(verdict([...good.evidence, collateral(earlier, 22, false), collateral(late, 21, true)]), 'accepted')
  t.is(verdict([...good.evidence, collateral(earlier, 21, true), collateral(late, 21, false)]), 'accepted')
  t.deepEqual(verdict([...good.evidence, collateral(earlier, 21, false), collateral(late, 21, true)]), ['tcb-status'])
})

test('collateral of strangers changes nothing', (t) => {
  const strangers = [
    mintSimulated({ now, evaluationNumber: 99, seed: 'another' }).collateral,
    mintSimulated({ now, evaluationNumber: 99, changes: { signers: { tcbInfo: 'stranger' } } }).collateral,
    mintSimulated({ now, evaluationNumber: 99, changes: { rootCrl: { revoked: [simulatedSerials.tcbSigner] } } })
      .collateral,
    Buffer.from('{}'),
  ]
  const evidence = [...good.evidence, ...strangers.map(asCollateral)]
  t.is(verdict(evidence), 'accepted')
  const policy = scenePolicy()
  const numbers = newestEvaluations(verifyEvidence(evidence, policy), policy, now)
  t.deepEqual([...numbers], [[simulatedRoot().digest, 20]])
})

test('any number of documents of strangers, and any mixture of ours: the newest that holds is found', (t) => {
  const parsed = parseCollateral(good.collateral ?? new Uint8Array())
  const forged = Array.from({ length: 300 }, (_, i) =>
    encodeCollateral({
      ...parsed,
      tcbInfo: {
        ...parsed.tcbInfo,
        text: parsed.tcbInfo.text.replace('"tcbEvaluationDataNumber":20', `"tcbEvaluationDataNumber":${100 + i}`),
      },
    }),
  )
  const mixed = (of: Uint8Array) => {
    const other = parseCollateral(of)
    return [
      { pckCrl: other.pckCrl },
      { rootCrl: other.rootCrl },
      { tcbInfo: other.tcbInfo },
      { qeIdentity: other.qeIdentity },
    ].map((part) => encodeCollateral({ ...parsed, ...part }))
  }
  const all = (...more: readonly string[]) => [
    ...good.evidence,
    ...[...forged, ...more].map((text) => asCollateral(Buffer.from(text))),
  ]
  t.is(verdict(all()), 'accepted')
  t.deepEqual(verdict(all(...mixed(revoking))), ['quote: certificate-revoked'])
  t.deepEqual(verdict(all(...mixed(worse)).toReversed()), ['tcb-status'])
})

test('the numbers to remember come from what verifies, and never go down', (t) => {
  const root = simulatedRoot().digest
  const policy = scenePolicy()
  const newest = (evidence: readonly Evidence[], known: number, of: Policy = policy) => {
    const knownEvaluations = new Map([[root, known]])
    return newestEvaluations(verifyEvidence(evidence, of, { knownEvaluations }), of, now).get(root)
  }
  t.is(newest(good.evidence, 7), 20)
  t.is(newest(good.evidence, 30), 30)
  t.is(newest([...good.evidence, asCollateral(worse)], 7), 21)
  t.is(newest([...good.evidence, asCollateral(newer)], 7), 20, 'not valid yet')
  t.is(newest(good.evidence, 7, scenePolicy({ tee: { ...simulatedTee, roots: ['intel'] } })), 7)
  t.is(newest(good.evidence, 7, scenePolicy({ tee: null, factors: [{ kind: 'operators', atLeast: 1 }] })), 7)
})

function logWith(...documents: readonly Uint8Array[]): SmallLog {
  return smallLog(logKey, [...crowd(20), ...documents])
}

/** Two months later, when the collateral has long expired. */
const later = now + 60 * day
function verdictLater(proofs: readonly Evidence[], asked: Asked = {}): string | readonly string[] {
  return verdict([...good.evidence, ...proofs], { at: later, tee: logged, ...asked })
}

test('collateral as of the time at which witnesses saw the session in the log', (t) => {
  const log = logWith(good.document)
  t.is(verdictLater([sessionProof(log, good)]), 'accepted')
  t.deepEqual(verdictLater([sessionProof(log, good)], { tee: simulatedTee }), ['quote: crl-expired'])
  t.deepEqual(verdictLater([]), ['session-proof: missing'])
  t.is(
    verdictLater([sessionProof(log, good)], { knownEvaluations: new Map([[simulatedRoot().digest, 30]]) }),
    'accepted',
  )
  t.deepEqual(verdictLater([sessionProof(log, good)], { tee: { ...logged, minimumEvaluationNumber: 30 } }), [
    'evaluation-number',
  ])
})

const seen: readonly (readonly [string, Witnessing, string | readonly string[]])[] = [
  ['by one witness of two', { by: [witness1], at: now - hour }, ['session-proof: missing']],
  ['by a witness and a stranger', { by: [witness1, witness3], at: now - hour }, ['session-proof: missing']],
  ['at a time that has not come', { by: [witness1, witness2], at: later + hour }, ['session-proof: missing']],
  [
    'by clocks a little behind the one by which it began',
    { by: [witness1, witness2], at: now - 2 * hour - 60 },
    'accepted',
  ],
  [
    'before the session began (backdated)',
    { by: [witness1, witness2], at: now - 3 * hour },
    ['session-time', 'checkpoint'],
  ],
  ['after the session was over', { by: [witness1, witness2], at: now + 8 * day }, ['session-time']],
  ['after the collateral had expired', { by: [witness1, witness2], at: now + 40 * day }, ['quote: crl-expired']],
]
for (const [title, witnessing, wanted] of seen) {
  test(`logged, and seen ${title}`, (t) => {
    t.deepEqual(verdictLater([sessionProof(logWith(good.document), good, witnessing)]), wanted)
  })
}

test('of two proofs the earlier time counts, and one liar cannot make it earlier', (t) => {
  const log = logWith(good.document)
  const late = sessionProof(log, good, { by: [witness1, witness2], at: now + 40 * day })
  t.is(verdictLater([late, sessionProof(log, good)]), 'accepted')
  t.deepEqual(verdictLater([late, sessionProof(log, good, { by: [witness1], at: now - hour })]), ['quote: crl-expired'])
})

test('proofs of other documents, other logs, and broken ones', (t) => {
  const right = sessionProof(logWith(good.document), good)
  const wrong: readonly Evidence[] = [
    sessionProof(logWith(another.document), another),
    sessionProof(logWith(another.document), { document: another.document, digest: good.digest }),
    sessionProof(smallLog(keyNamed('other.example/log'), [good.document]), good),
    { ...right, bytes: Buffer.from(Buffer.from(right.bytes).toString().replace('index 20', 'index 19')) },
    {
      ...right,
      bytes: Buffer.from(
        Buffer.from(right.bytes)
          .toString()
          .replace(/^extra .*\n/m, ''),
      ),
    },
  ]
  for (const proof of wrong) t.deepEqual(verdictLater([proof]), ['session-proof: missing'])
  t.is(verdictLater([...wrong, right]), 'accepted')
  const { aside } = verifyEvidence([...good.evidence, ...wrong], scenePolicy())
  t.deepEqual(aside.map(({ because }) => because).sort(), ['invalid', 'invalid', 'stranger', 'stranger', 'stranger'])
})

test('what is known since it was logged can only count against it', (t) => {
  const log = logWith(good.document)
  const since = (collateral: Uint8Array) => verdictLater([sessionProof(log, good), asCollateral(collateral)])
  const minted60 = (options: Partial<SimulatedOptions>) => mintSimulated({ now: later, ...options }).collateral
  t.is(since(minted60({})), 'accepted')
  t.deepEqual(since(minted60({ changes: { pckCrl: { revoked: [simulatedSerials.pck] } } })), [
    'quote: certificate-revoked',
  ])
  const old = startSession(alice, { minted: { securityVersion: 2 } })
  const evidence = [...old.evidence, sessionProof(logWith(old.document), old), asCollateral(minted60({}))]
  t.deepEqual(verdict(evidence, { at: later, tee: logged }), ['tcb-status'])
})

test('logged: what else there was at that time is not what the session names', (t) => {
  const outOfDate = startSession(alice, { minted: { changes: { tcbInfo: { tcbLevels: levels('OutOfDate') } } } })
  const evidence = [...outOfDate.evidence, sessionProof(logWith(outOfDate.document), outOfDate)]
  const fine = asCollateral(mintSimulated({ now: now - 2 * hour, evaluationNumber: 21 }).collateral)
  t.deepEqual(verdict([...evidence, fine], { at: later, tee: logged }), ['tcb-status'])
  t.is(verdict([...evidence, fine]), 'accepted')
})

test('what was found out is remembered, for the same question only', (t) => {
  const policy = scenePolicy()
  const evidence = [...good.evidence, asCollateral(newer)]
  const [session] = [...verifyEvidence(evidence, policy).sessions.values()].flat()
  if (session === undefined || policy.tee === null) throw new Error('no session')
  const options = { policy, now, quorum: 2, knownEvaluations: new Map() }
  const first = judgeSession(session, policy.tee, options)
  t.is(judgeSession(session, policy.tee, { ...options }), first)
  const knownEvaluations = new Map([[simulatedRoot().digest, 30]])
  t.is(judgeSession(session, policy.tee, { ...options, knownEvaluations }).kind, 'refused')
  t.is(judgeSession(session, policy.tee, { ...options, now: now + 90 * day }).kind, 'refused')
  t.is(judgeSession(session, policy.tee, { ...options, now: now + 29 * day }).kind, 'refused', 'between the two')
  const { tee: patient } = scenePolicy({ tee: { ...simulatedTee, age: { since: 'session', maximum: 60 * day } } })
  t.is(patient && judgeSession(session, patient, { ...options, now: now + 36 * day }).kind, 'accepted')
  const { tee: other } = scenePolicy({ tee: { ...simulatedTee, roots: ['intel'] } })
  t.is(other && judgeSession(session, other, options).kind, 'refused')
  t.is(judgeSession(session, policy.tee, { ...options, quorum: 3 }).kind, 'accepted')
  t.is(judgeSession(session, policy.tee, options).kind, 'accepted')
})

const directory = join(import.meta.dirname, '../../../../shared/testdata/tdx')
const real = existsSync(join(directory, 'manifest.json')) ? test : test.skip

real('a real quote is no quote of our session, and of nothing else is anything wrong with it', (t) => {
  const at = Date.parse('2025-06-25T00:00:00Z') / 1000
  const quote = readFileSync(join(directory, 'quotes/v4-phala-uptodate.bin'))
  const read = readFileSync(join(directory, 'collateral/2025-06-b0c06f000000.json'))
  const collateral = Buffer.from(encodeCollateral(parseCollateral(read)))
  const session = { tee: 'tdx', from: at - hour, until: at + day } as const
  const { evidence } = startSession(alice, { quote, collateral, session })
  const mrTd = quote.subarray(48 + 136, 48 + 184).toString('hex')
  const measurements = [{ name: 'phala', mrTd, rtmr0: null, rtmr1: null, rtmr2: null, rtmr3: null }]
  t.deepEqual(verdict(evidence, { at, tee: { roots: ['intel'], measurements } }), ['report-data'])
  t.deepEqual(verdict(evidence, { at, tee: { measurements } }), ['quote: root-unknown'])
})
