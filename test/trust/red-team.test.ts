// Attacks on the log, on sessions and on TEEs by people who hold less than it takes: each must change nothing, or turn yes into no with a
// reason; none may turn no into yes.
import test from 'ava'
import { canonicalJson } from '../../format/canonical-json.ts'
import { sha256Of } from '../../format/hash.ts'
import { base64Of, utf8 } from '../../trust/bytes.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { encodeInclusions, parseInclusions } from '../../trust/log/inclusions.ts'
import { encodeNote, type Note } from '../../trust/log/note.ts'
import { encodeLogProof, parseLogProof } from '../../trust/log/proof-file.ts'
import { encodeAddCheckpoint, parseAddCheckpoint } from '../../trust/log/witness-request.ts'
import { replay } from '../../trust/policy/replay.ts'
import { reportDataOf } from '../../trust/session.ts'
import { encodeSessionDocument, parseSessionDocument } from '../../trust/session-evidence.ts'
import { type Collateral, encodeCollateral, parseCollateral } from '../../trust/tee/collateral.ts'
import { mintSimulated, type SimulatedOptions, simulatedSerials } from '../../trust/tee/simulated.ts'
import { smallLog } from '../_support/small-log.ts'
import {
  crowd,
  decideScene,
  goodScene,
  hour,
  logKey,
  publicScene,
  scenePolicy,
  simulatedTee,
  startSession,
  witness1,
  witness2,
} from './scene.ts'
import { alice, day, now } from './support.ts'

const scene = goodScene()

function verdictOf(evidence: readonly Evidence[]): string {
  const decision = decideScene(evidence)
  const objections = decision.reasons.flatMap((reason) =>
    reason.kind === 'tee-refused' && reason.operator === 'alice' ? reason.objections : [],
  )
  return [decision.outcome.kind, ...objections].join(' ')
}

// Collateral

const reportData = reportDataOf(scene.alice.signed.session)
const collateralOf = (options: SimulatedOptions): Collateral =>
  parseCollateral(mintSimulated({ reportData, ...options }).collateral)
const pieceOf = (collateral: Omit<Collateral, 'digest'>): Evidence => ({
  kind: 'collateral',
  bytes: Buffer.from(encodeCollateral(collateral)),
})

/** What anybody can pack around one genuine part: the rest of it is nothing. */
function around(part: 'rootCrl' | 'pckCrl' | 'tcbInfo' | 'qeIdentity', genuine: Collateral, filling: string): Evidence {
  const spoilt = (text: { readonly text: string; readonly chain: string }) => ({
    ...text,
    signature: new Uint8Array(64).fill(filling.length),
  })
  const nothing = {
    ...genuine,
    rootCrl: Buffer.from(filling),
    pckCrl: Buffer.from(filling),
    tcbInfo: spoilt(genuine.tcbInfo),
    qeIdentity: spoilt(genuine.qeIdentity),
  }
  return pieceOf({ ...nothing, [part]: genuine[part] })
}

const parts = ['rootCrl', 'pckCrl', 'tcbInfo', 'qeIdentity'] as const
const newer = { now: now - hour, evaluationNumber: 21 }
const newest = { now: now - 60, evaluationNumber: 22 }
const rows = [
  ['a platform that newer collateral calls out of date', outdated(), 'tcb-status'],
  [
    'a platform whose certificate a newer list revokes',
    { pckCrl: { revoked: [simulatedSerials.pck] } },
    'quote: certificate-revoked',
  ],
  ['a platform that newer collateral does not know any more', belowEveryLevel(), 'quote: platform-tcb-unknown'],
] as const

/** The platform as it is is not the best any more. */
function outdated(): NonNullable<SimulatedOptions['changes']> {
  const text = JSON.parse(collateralOf({ now }).tcbInfo.text)
  const levels = text.tcbLevels.map((level: object) => ({ ...level, tcbStatus: 'OutOfDate' }))
  return { tcbInfo: { tcbLevels: levels } }
}

function belowEveryLevel(): NonNullable<SimulatedOptions['changes']> {
  const text = JSON.parse(collateralOf({ now }).tcbInfo.text)
  return {
    tcbInfo: {
      tcbLevels: text.tcbLevels.map((level: { tcb: object }) => ({ ...level, tcb: { ...level.tcb, pcesvn: 65_535 } })),
    },
  }
}

for (const [title, changes, objection] of rows) {
  const collateral = collateralOf({ ...newer, changes })

  test(`collateral: ${title} stays refused when its parts are packed with rubbish`, (t) => {
    const honest = [...scene.pieces, pieceOf(collateral)]
    t.is(verdictOf(honest), `refused ${objection}`)
    // So many that some come after the honest one in the order of digests, whatever that is.
    const fillings = Array.from({ length: 12 }, (_, i) => 'a'.repeat(i + 1))
    const rubbish = fillings.flatMap((filling) => parts.map((part) => around(part, collateral, filling)))
    t.is(verdictOf([...honest, ...rubbish]), `refused ${objection}`)
  })

  test(`collateral: ${title} stays refused when newer parts are packed with rubbish`, (t) => {
    const honest = [...scene.pieces, pieceOf(collateral)]
    const rubbish = parts.map((part) => around(part, collateralOf({ ...newest, changes }), 'rubbish'))
    t.is(verdictOf([...honest, ...rubbish]), `refused ${objection}`)
  })
}

// The checkpoint that a session names

test('an old session cannot come with cosignatures of today under the checkpoint that it names', (t) => {
  const log = smallLog(logKey, crowd(9))
  const then = log.note(9, { by: [witness1, witness2], at: now - 60 * day })
  const today = log.note(9, { by: [witness1, witness2], at: now - hour })
  t.is(then.text, today.text, 'the tree has stood still')
  const old = startSession(alice, { checkpoint: then, session: { until: now + day, from: now - 61 * day } })
  const parsed = parseSessionDocument(old.document)
  const code = { code: 'ABN_SESSION_INVALID' }
  t.throws(() => encodeSessionDocument({ ...parsed, checkpoint: today }), code)
  const repacked = JSON.parse(Buffer.from(old.document).toString())
  const bytes = utf8(canonicalJson({ ...repacked, checkpoint: base64Of(encodeNote(today)) }))
  t.throws(() => parseSessionDocument(bytes), code)
  const tee = { ...simulatedTee, age: { since: 'checkpoint', maximum: 30 * day } }
  const other = { kind: 'session', bytes }
  const { reasons } = decideScene([...publicScene(old, scene.bob).pieces, other], scenePolicy({ tee }))
  t.deepEqual(
    reasons.flatMap((one) => (one.kind === 'tee-refused' && one.operator === 'alice' ? one.objections : [])),
    ['session-age'],
  )
})

// Floods

/** Other lines of signatures under the same checkpoint: anybody can add them. */
function signedByStrangers({ text, signatures }: Note, count: number): readonly Note[] {
  return Array.from({ length: count }, (_, i) => {
    const stranger = { name: `stranger-${i}`, keyHash: '00000000', bytes: new Uint8Array(64) }
    return { text, signatures: [...signatures, stranger] }
  })
}

const bytesIn = (kind: string) => scene.pieces.find((piece) => piece.kind === kind)?.bytes ?? new Uint8Array()
const inclusions = parseInclusions(bytesIn('log-inclusions'))
const proof = parseLogProof(bytesIn('session-proof'))
const document = parseSessionDocument(scene.alice.document)
const count = 200
const kindOf = (kind: string) => (bytes: Uint8Array) => ({ kind, bytes })
const floods: Readonly<Record<string, readonly Evidence[]>> = {
  'proofs of entries': signedByStrangers(inclusions.checkpoint, count)
    .map((checkpoint) => encodeInclusions({ ...inclusions, checkpoint }))
    .map(kindOf('log-inclusions')),
  'proofs of consistency': signedByStrangers(scene.log.note(), count)
    .map((checkpoint) => encodeAddCheckpoint({ ...parseAddCheckpoint(scene.log.consistency(5)), checkpoint }))
    .map(kindOf('log-consistency')),
  'proofs of a session': signedByStrangers(proof.checkpoint, count)
    .map((checkpoint) => encodeLogProof({ ...proof, checkpoint }))
    .map(kindOf('session-proof')),
  'documents of a session': Array.from({ length: count }, (_, i) =>
    encodeSessionDocument({ ...document, quote: Buffer.from(`quote ${i}`) }),
  ).map(kindOf('session')),
  collateral: Array.from({ length: count }, (_, i) =>
    around('rootCrl', collateralOf({ now: now - hour }), `rubbish ${'x'.repeat(i)}`),
  ),
}

for (const [what, flood] of Object.entries({ ...floods, 'all of these': Object.values(floods).flat() })) {
  test(`a flood of ${what} changes no decision, and does not go into what is kept of it`, (t) => {
    const policy = scenePolicy()
    const before = decideScene(scene.pieces, policy)
    t.is(before.outcome.kind, 'accepted')
    for (const evidence of [
      [...scene.pieces, ...flood],
      [...flood, ...scene.pieces],
    ]) {
      const after = decideScene(evidence, policy)
      t.deepEqual([after.outcome, after.reasons], [before.outcome, before.reasons])
      t.true(after.evidence.length <= before.evidence.length + 6, `${after.evidence.length} documents`)
      const named = new Set<string>(after.evidence)
      const kept = evidence.filter(({ bytes }) => named.has(sha256Of(bytes)))
      t.deepEqual(replay(after, kept, policy), after)
    }
  })
}
