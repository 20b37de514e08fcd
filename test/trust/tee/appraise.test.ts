/** What policy says to a quote that verifies: every objection by itself, and that none of the worst can be allowed. */
import test from 'ava'
import { parseSha256 } from '../../../format/hash.ts'
import { hexOf } from '../../../trust/bytes.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'
import { reportDataOf, type Session, signSession, type VerifiedSession } from '../../../trust/session.ts'
import {
  type Appraisal,
  type AppraisalInput,
  appraise,
  groupByPlatform,
  newestEvaluationNumber,
  type TeeConditions,
} from '../../../trust/tee/appraise.ts'
import { intelRoot } from '../../../trust/tee/chain.ts'
import { type SimulatedOptions, simulatedField, simulatedRoot } from '../../../trust/tee/simulated.ts'
import { day, mint, now, verified, verify } from './support.ts'

const operator = newSecretKey('alice.example', new Uint8Array(32).fill(1))
const session = sessionWith({})
const serviceTd = simulatedField('simulated service TD', 48)

const conditions: TeeConditions = {
  roots: [simulatedRoot()],
  statuses: ['UpToDate'],
  measurements: [
    {
      name: 'builder 1',
      registers: {
        mrTd: label('simulated MRTD'),
        rtmr0: null,
        rtmr1: label('simulated RTMR1'),
        rtmr2: label('simulated RTMR2'),
        rtmr3: '00'.repeat(48),
        mrConfigId: '00'.repeat(48),
        mrOwner: '00'.repeat(48),
        mrOwnerConfig: '00'.repeat(48),
      },
    },
  ],
  minimumEvaluationNumber: 20,
  serviceTds: [],
  age: { since: 'session', maximum: 7 * day },
}

type Case = {
  readonly quote?: Partial<SimulatedOptions>
  readonly session?: VerifiedSession
  readonly conditions?: Partial<TeeConditions>
  readonly input?: Partial<AppraisalInput>
}

test('a quote for this session, of a known measurement, is accepted', (t) => {
  for (const form of ['4', '5-td10', '5-td15'] as const) {
    const appraisal = appraiseCase({ quote: { form } })
    if (appraisal.kind !== 'accepted') return t.fail(appraisal.objections.join())
    t.is(appraisal.quote.measurement, 'builder 1')
    t.is(appraisal.quote.session, session)
  }
})

const attributes = (hex: string): Case => ({ quote: { body: { tdAttributes: Uint8Array.fromHex(hex) } } })

const refused: readonly (readonly [string, readonly string[], Case])[] = [
  ['a root that is not named', ['root'], { conditions: { roots: [] } }],
  ['a simulated quote where Intel is named', ['root'], { conditions: { roots: [intelRoot] } }],
  ['another simulated root', ['root'], { conditions: { roots: [simulatedRoot('other')] } }],
  ['debugging', ['debug'], attributes('0100001000000000')],
  ['another bit that opens a TD', ['open-attributes'], attributes('1000001000000000')],
  ['an attribute that nobody knows', ['unknown-attributes'], attributes('0001001000000000')],
  ['SEPT_VE_DISABLE off', ['sept-ve-disable'], attributes('0000000000000000')],
  ['a TD that may be migrated', ['migratable'], attributes('0000003000000000')],
  ['an old platform', ['tcb-status'], { quote: { securityVersion: 2 } }],
  ['a revoked platform', ['tcb-revoked'], { quote: { securityVersion: 1 } }],
  [
    'collateral older than the policy wants',
    ['evaluation-number', 'evaluation-rollback'],
    { quote: { evaluationNumber: 19 } },
  ],
  ['collateral older than was seen', ['evaluation-rollback'], { input: { seenEvaluationNumber: 21 } }],
  ['a service TD', ['service-td'], { quote: { form: '5-td15', body: { mrServiceTd: serviceTd } } }],
  ['no measurements', ['measurement'], { conditions: { measurements: [] } }],
  ['another MRTD', ['measurement'], { quote: { body: { mrTd: serviceTd } } }],
  ['another kernel', ['measurement'], { quote: { body: { rtmr1: serviceTd } } }],
  ['another command line', ['measurement'], { quote: { body: { rtmr2: serviceTd } } }],
  ['an extended RTMR3', ['measurement'], { quote: { body: { rtmr3: serviceTd } } }],
  ['a configuration id', ['measurement'], { quote: { body: { mrConfigId: serviceTd } } }],
  ['an owner', ['measurement'], { quote: { body: { mrOwner: serviceTd } } }],
  [
    'REPORTDATA of another key',
    ['report-data'],
    { session: sessionWith({ key: newSecretKey('alice.example/2', new Uint8Array(32).fill(9)).publicKey }) },
  ],
  [
    'REPORTDATA of another configuration',
    ['report-data'],
    { session: sessionWith({ configuration: parseSha256('ef'.repeat(32)) }) },
  ],
  [
    'REPORTDATA of another checkpoint',
    ['report-data'],
    { session: sessionWith({ checkpoint: parseSha256('ef'.repeat(32)) }) },
  ],
  ['REPORTDATA of nothing', ['report-data'], { quote: { reportData: new Uint8Array() } }],
  ['a session that claims no TEE', ['session-tee'], { session: sessionWith({ tee: 'none' }) }],
  ['a simulated session that claims TDX', ['session-tee'], { session: sessionWith({ tee: 'tdx' }) }],
  [
    'a session replayed after its end',
    ['quote-time', 'session-time', 'session-age'],
    { input: { now: now + 60 * day } },
  ],
  ['a session that is older than the policy wants', ['session-age'], { input: { now: now + 8 * day } }],
  ['a session of the future', ['session-time', 'checkpoint'], { session: sessionWith({ from: now + 1 }) }],
  ['a verdict of the future', ['quote-time'], { input: { now: now - 1 } }],
  ['a checkpoint that nobody knows', ['checkpoint'], { conditions: { age: { since: 'checkpoint', maximum: day } } }],
  [
    'no checkpoint',
    ['report-data', 'checkpoint'],
    {
      conditions: { age: { since: 'checkpoint', maximum: day } },
      session: sessionWith({ checkpoint: null }),
      input: { checkpointTime: now },
    },
  ],
  [
    'a checkpoint that is too old',
    ['session-age'],
    { conditions: { age: { since: 'checkpoint', maximum: day } }, input: { checkpointTime: now - day - 1 } },
  ],
  [
    'a checkpoint of the future',
    ['checkpoint'],
    { conditions: { age: { since: 'checkpoint', maximum: day } }, input: { checkpointTime: now + 1 } },
  ],
]

for (const [title, objections, row] of refused) {
  test(`refused: ${title}`, (t) => {
    const appraisal = appraiseCase(row)
    t.deepEqual(appraisal.kind === 'refused' ? appraisal.objections : [], objections as never)
  })
}

test('what a policy may allow', (t) => {
  const allowed: readonly Case[] = [
    { quote: { securityVersion: 2 }, conditions: { statuses: ['UpToDate', 'OutOfDate'] } },
    { quote: { form: '5-td15', body: { mrServiceTd: serviceTd } }, conditions: { serviceTds: [hexOf(serviceTd)] } },
    {
      quote: { form: '5-td15', body: { mrServiceTd: serviceTd, tdAttributes: Uint8Array.fromHex('0000003000000000') } },
      conditions: { serviceTds: [hexOf(serviceTd)] },
    },
    {
      quote: { evaluationNumber: 19 },
      conditions: { minimumEvaluationNumber: 19 },
      input: { seenEvaluationNumber: 19 },
    },
    { conditions: { age: { since: 'checkpoint', maximum: day } }, input: { checkpointTime: now - day } },
  ]
  for (const row of allowed) t.is(appraiseCase(row).kind, 'accepted')
})

test('whether a TD may be migrated is not known from a report of the old form', (t) => {
  const appraisal = appraiseCase({ ...attributes('0000003000000000'), conditions: { serviceTds: [hexOf(serviceTd)] } })
  t.deepEqual(appraisal.kind === 'refused' ? [...appraisal.objections] : [], ['migratable'])
})

test('a policy cannot allow a revoked platform or any MRTD, not even by another type', (t) => {
  const statuses: readonly string[] = ['Revoked', 'UpToDate']
  // @ts-expect-error: what JavaScript lets through
  t.is(appraiseCase({ quote: { securityVersion: 1 }, conditions: { statuses } }).kind, 'refused')
  const any = Object.fromEntries(Object.keys(conditions.measurements[0]?.registers ?? {}).map((name) => [name, null]))
  const measurements: readonly { readonly name: string; readonly registers: object }[] = [
    { name: 'any', registers: any },
    { name: 'none', registers: {} },
  ]
  // @ts-expect-error: the same
  t.is(appraiseCase({ conditions: { measurements } }).kind, 'refused')
})

test('times and numbers that are none throw', (t) => {
  for (const wrong of [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY]) {
    t.throws(() => appraiseCase({ input: { now: wrong } }), { instanceOf: TypeError })
    t.throws(() => appraiseCase({ input: { seenEvaluationNumber: wrong } }), { instanceOf: TypeError })
    t.throws(() => appraiseCase({ input: { checkpointTime: wrong } }), { instanceOf: TypeError })
    t.throws(() => appraiseCase({ conditions: { age: { since: 'session', maximum: wrong } } }), {
      instanceOf: TypeError,
    })
    t.throws(() => appraiseCase({ conditions: { minimumEvaluationNumber: wrong } }), { instanceOf: TypeError })
  }
})

test('machines are told apart by PPID, and by instance where there is one', (t) => {
  const [a, again, b] = [
    verified({ machine: 'a' }),
    verified({ machine: 'a', reportData: Buffer.of(1) }),
    verified({ machine: 'b' }),
  ]
  const sizes = (quotes: Parameters<typeof groupByPlatform>[0]) => groupByPlatform(quotes).map(({ length }) => length)
  t.deepEqual(sizes([a, again, b]), [2, 1])
  t.deepEqual(sizes([]), [])
  // Another package of machine a, and then one that belongs to both.
  const second = verified({ machine: 'b', changes: { platform: { instance: a.platform.instance ?? undefined } } })
  t.deepEqual(sizes([a, second]), [2])
  t.deepEqual(sizes([a, b, second]), [3])
  t.not(a.platform.ppid, b.platform.ppid)
})

test('the number to remember is the highest', (t) => {
  t.is(newestEvaluationNumber([verified({ evaluationNumber: 18 }), verified({ evaluationNumber: 21 })], 19), 21)
  t.is(newestEvaluationNumber([], 19), 19)
})

function appraiseCase({ quote = {}, session: own = session, conditions: changed = {}, input = {} }: Case): Appraisal {
  const reportData = reportDataOf(session.session)
  const verdict = verify(mint({ reportData, ...quote }))
  return appraise(verdict, { ...conditions, ...changed }, { session: own, now, seenEvaluationNumber: 20, ...input })
}

function sessionWith(changed: Partial<Session>): VerifiedSession {
  const base: Session = {
    format: 1,
    operator: operator.publicKey.id,
    key: newSecretKey('alice.example/session', new Uint8Array(32).fill(2)).publicKey,
    from: now - day / 2,
    until: now + 30 * day,
    software: { abnpkg: '0.1.0' },
    configuration: parseSha256('ab'.repeat(32)),
    checkpoint: parseSha256('cd'.repeat(32)),
    tee: 'simulated',
  }
  return signSession({ ...base, ...changed }, operator)
}

function label(text: string): string {
  return hexOf(simulatedField(text, 48))
}
