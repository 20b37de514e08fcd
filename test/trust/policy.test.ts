import test from 'ava'
import { canonicalJson } from '../../format/canonical-json.ts'
import { sha256Of } from '../../format/hash.ts'
import { encodePublicKey, publicKeyOf } from '../../trust/key.ts'
import { encodeWitnessKey, witnessKeyOf } from '../../trust/log/cosignature.ts'
import { encodeDecision, parseDecision } from '../../trust/policy/decision-schema.ts'
import { encodePolicy, parsePolicy, policyDigestOf } from '../../trust/policy/policy.ts'
import { replay } from '../../trust/policy/replay.ts'
import { intelRoot } from '../../trust/tee/chain.ts'
import {
  alice,
  alice2,
  attested,
  bob,
  carol,
  day,
  decide,
  digestNamed,
  evidenceOf,
  hello,
  keyNamed,
  policyOf,
} from './support.ts'

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const policy = policyOf()
const policyText = encodePolicy(policy)

test('a policy is read again, from whatever order and white space', (t) => {
  t.is(encodePolicy(parsePolicy(policyText)), policyText)
  const value = JSON.parse(policyText)
  const other = JSON.stringify(
    { packages: value.packages, operators: value.operators.reverse(), format: 1, default: value.default },
    null,
    2,
  )
  t.is(encodePolicy(parsePolicy(other)), policyText)
  t.is(policyDigestOf(parsePolicy(other)), policyDigestOf(policy))
})

test('the digest of a policy covers what its presets mean', (t) => {
  const preset = policyOf({ default: { kind: 'two-independent' } })
  const written = policyOf({
    default: { kind: 'factors', depth: 'outputs', factors: [{ kind: 'operators', atLeast: 2 }, { kind: 'built' }] },
  })
  t.is(policyDigestOf(preset), policyDigestOf(written))
  t.not(policyDigestOf(preset), policyDigestOf(policyOf({ default: { kind: 'paranoid' } })))
})

const twoIndependent =
  '{"depth":"outputs","factors":[{"atLeast":2,"kind":"operators"},{"kind":"built"}],"kind":"factors"}'

const k = encodePublicKey(alice.publicKey)
const withDefault = (rule: string) =>
  `{"format":1,"operators":[{"name":"alice","keys":["${k}"]}],"default":${rule},"packages":{}}`
const withFactor = (factor: string) =>
  withDefault(`{"kind":"factors","depth":"outputs","factors":[{"kind":"operators","atLeast":1},${factor}]}`)
for (const [title, wrong] of [
  ['nothing', ''],
  ['another format', policyText.replace('"format":1', '"format":2')],
  ['an unknown field', policyText.replace('"format":1', '"format":1,"allow":true')],
  ['a missing field', policyText.replace('"format":1,', '')],
  ['a comment', `// mine\n${policyText}`],
  ['a key twice', policyText.replace('"format":1', '"format":1,"format":1')],
  [
    'a package twice',
    withDefault('{"kind":"source-only"}').replace(
      '"packages":{}',
      '"packages":{"a":{"kind":"paranoid"},"\\u0061":{"kind":"source-only"}}',
    ),
  ],
  [
    'a package that cannot be',
    withDefault('{"kind":"source-only"}').replace('"packages":{}', '"packages":{"A B":{"kind":"paranoid"}}'),
  ],
  ['an operator twice', policyText.replace('"bob"', '"alice"')],
  ['a key of two operators', policyText.replace(encodePublicKey(bob.publicKey), encodePublicKey(carol.publicKey))],
  [
    'a key of two operators under another name',
    policyText.replace(encodePublicKey(bob.publicKey), encodePublicKey(publicKeyOf('bob', alice2.publicKey.bytes))),
  ],
  [
    'an operator without a key',
    '{"format":1,"operators":[{"name":"alice","keys":[]}],"default":{"kind":"paranoid"},"packages":{}}',
  ],
  ['an unknown rule', withDefault('{"kind":"trust-me"}')],
  ['a preset with a field', withDefault('{"kind":"two-independent","atLeast":1}')],
  ['a rule without operators', withDefault('{"kind":"factors","depth":"outputs","factors":[{"kind":"built"}]}')],
  [
    'a rule with a TEE alone',
    withDefault('{"kind":"factors","depth":"outputs","factors":[{"kind":"tee","atLeast":1}]}'),
  ],
  ['an unknown depth', withDefault('{"kind":"factors","depth":"all","factors":[{"kind":"operators","atLeast":1}]}')],
  ['an unknown factor', withFactor('{"kind":"reputation","atLeast":5}')],
  ['a factor with a field too many', withFactor('{"kind":"logged","maybe":true}')],
  ['nobody has to agree', withFactor('{"kind":"operators","atLeast":0}')],
  ['half an operator', withFactor('{"kind":"operators","atLeast":0.5}')],
  ['an operator who is not configured', withFactor('{"kind":"required","operators":["bob"]}')],
  ['an age without limits', withFactor('{"kind":"age"}')],
  ['an age that is negative', withFactor('{"kind":"age","minimum":-1}')],
  ['a factor without a kind', withFactor('{}')],
  ['deep nesting', '['.repeat(10_000) + ']'.repeat(10_000)],
  ['too large', `${policyText}${' '.repeat(300_000)}`],
] as const) {
  test(`not a policy: ${title}`, (t) => {
    t.not(wrong, policyText, 'the case does nothing')
    t.throws(() => parsePolicy(wrong), { code: 'ABN_POLICY_INVALID' })
  })
}

test('every factor is read again', (t) => {
  for (const factor of [
    '{"kind":"operators","atLeast":1,"among":["alice"]}',
    '{"kind":"required","operators":["alice"]}',
    '{"kind":"excluded","operators":["alice"]}',
    '{"kind":"age","minimum":1}',
    '{"kind":"age","maximum":1}',
    '{"kind":"age","minimum":1,"maximum":2}',
    '{"kind":"built"}',
    '{"kind":"revocations","within":1}',
    '{"kind":"logged"}',
    '{"kind":"witnessed","atLeast":2,"within":86400}',
    '{"kind":"tee","atLeast":1}',
  ]) {
    const once = encodePolicy(parsePolicy(withFactor(factor)))
    t.is(encodePolicy(parsePolicy(once)), once)
    t.deepEqual(JSON.parse(once).default.factors[1], JSON.parse(factor))
  }
})

const lineOf = (name: string, from = name) => encodePublicKey(publicKeyOf(name, keyNamed(from).publicKey.bytes))
const witnessLineOf = (name: string, from = name) =>
  encodeWitnessKey(witnessKeyOf(publicKeyOf(name, keyNamed(from).publicKey.bytes)))
const register = '0a'.repeat(48)
const measurement = { name: 'b', mrTd: register, rtmr0: null, rtmr1: null, rtmr2: register, rtmr3: null }
const tee = {
  roots: [`simulated:${sha256Of('a root')}`, 'intel'],
  statuses: ['UpToDate', 'ConfigurationNeeded'],
  measurements: [measurement, { ...measurement, name: 'a', mrConfigId: register }],
  minimumEvaluationNumber: 17,
  serviceTds: ['ff'.repeat(48), register],
  age: { since: 'checkpoint', maximum: 604_800 },
  collateral: 'logged',
}
const whole = {
  ...JSON.parse(policyText),
  logs: [lineOf('log.example/two'), lineOf('log.example/one')],
  witnesses: [witnessLineOf('zoe.example'), witnessLineOf('ann.example')],
  tee,
}

test('logs, witnesses and a TEE are read again, sorted', (t) => {
  const parsed = parsePolicy(JSON.stringify(whole))
  const once = encodePolicy(parsed)
  t.is(encodePolicy(parsePolicy(once)), once)
  t.deepEqual(
    [parsed.logs, parsed.witnesses].map((keys) => keys.map(({ name }) => name)),
    [
      ['log.example/one', 'log.example/two'],
      ['ann.example', 'zoe.example'],
    ],
  )
  const { tee: read } = JSON.parse(once)
  t.deepEqual(read, {
    ...tee,
    roots: ['intel', tee.roots[0]],
    statuses: ['ConfigurationNeeded', 'UpToDate'],
    measurements: [tee.measurements[1], measurement],
    serviceTds: [register, 'ff'.repeat(48)],
  })
})

test('a policy without them has the digest that it had before there were any', (t) => {
  const none = parsePolicy(JSON.stringify({ ...JSON.parse(policyText), logs: [], witnesses: [] }))
  t.is(encodePolicy(none), policyText)
  t.is(policyDigestOf(none), policyDigestOf(policy))
  const text = `abnpkg-policy-v1\n${policyText.replace('{"kind":"two-independent"}', twoIndependent)}`
  t.is(policyDigestOf(policy), sha256Of(text))
  const digests = [
    {},
    { logs: whole.logs },
    { logs: whole.logs.slice(1) },
    { witnesses: whole.witnesses },
    { tee },
    { tee: { ...tee, age: { since: 'session', maximum: 604_800 } } },
    { tee: { ...tee, roots: ['intel'] } },
    { tee: { ...tee, measurements: [measurement] } },
    { tee: { ...tee, measurements: [{ ...measurement, mrOwner: register }] } },
  ].map((changes) => policyDigestOf(parsePolicy(JSON.stringify({ ...JSON.parse(policyText), ...changes }))))
  t.is(new Set(digests).size, digests.length)
})

for (const [title, changes] of [
  ['a log of the same name with another key', { logs: [lineOf('log.example'), lineOf('log.example', 'other')] }],
  ['a log under two names', { logs: [lineOf('log.example'), lineOf('other.example', 'log.example')] }],
  ['a witness of the same name with another key', { witnesses: [witnessLineOf('ann'), witnessLineOf('ann', 'other')] }],
  ['a witness under two names', { witnesses: [witnessLineOf('ann'), witnessLineOf('ben', 'ann')] }],
  [
    'a log that is its own witness',
    { logs: [lineOf('log.example')], witnesses: [witnessLineOf('ann', 'log.example')] },
  ],
  ['a log with a wrong hash', { logs: [lineOf('log.example').replace(/\+[0-9a-f]{8}\+/, '+00000000+')] }],
  ['a measurement twice', { tee: { ...tee, measurements: [measurement, { ...measurement, mrTd: '0b'.repeat(48) }] } }],
  ['Intel’s root as a simulated one', { tee: { ...tee, roots: [`simulated:${intelRoot.digest}`] } }],
  ['more logs than anybody has', { logs: Array.from({ length: 101 }, (_, i) => lineOf(`log-${i}`)) }],
] as const) {
  test(`not a policy: ${title}`, (t) => {
    t.throws(() => parsePolicy(JSON.stringify({ ...whole, ...changes })), { code: 'ABN_POLICY_INVALID' })
  })
}

const evidence = evidenceOf(attested(hello, alice), attested(hello, bob))
const decision = decide(evidence)

test('a decision that was tampered with is not replayed', (t) => {
  const refused = (one: typeof decision, with_ = evidence, under = policy) =>
    t.throws(() => replay(one, with_, under), { code: 'ABN_DECISION_DIFFERS' })
  t.throws(() => replay(decision, evidence, policyOf({ default: { kind: 'paranoid' } })), {
    message: /made under the policy/,
  })
  t.is(replay(decision, evidence, policy).outcome.kind, 'accepted')
  refused({ ...decision, now: decision.now + 365 * day })
  refused({ ...decision, outcome: { kind: 'refused' } })
  refused({ ...decision, reasons: [] })
  refused({
    ...decision,
    outcome: { kind: 'accepted', digest: sha256Of('x'), bytes: 1, references: [], operators: ['alice', 'bob'] },
  })
  refused({ ...decision, evidence: decision.evidence.slice(1) })
  refused({ ...decision, conditions: null })
  refused(decision, evidence.slice(1))
  refused(decision, evidence, policyOf({ default: { kind: 'paranoid' } }))
  const { request } = decision
  refused({ ...decision, request: { ...request, version: '2.11' } })
})

test('a record of a decision that is damaged', (t) => {
  const whole = text(encodeDecision(decision))
  t.throws(() => parseDecision(Buffer.from(whole.replace('"kind":"agreed"', '"kind":"angered"'))), {
    code: 'ABN_DECISION_INVALID',
  })
  t.throws(() => parseDecision(Buffer.from(whole.replace('"own":false', '"own":0'))), { code: 'ABN_DECISION_INVALID' })
  const root = Buffer.alloc(32).toString('base64')
  const more = (members: object) => Buffer.from(canonicalJson({ ...JSON.parse(whole), ...members }))
  const tree = (log: string, changes: object = {}) => ({ log, size: 1, root, ...changes })
  t.is(parseDecision(more({ knownLogs: [tree('a'), tree('b')] })).knownLogs.length, 2)
  const number = { root: sha256Of('root'), number: 3 }
  t.deepEqual(parseDecision(more({ knownEvaluations: [number] })).knownEvaluations, [number])
  for (const members of [
    { knownLogs: [] },
    { knownEvaluations: [] },
    { knownLogs: [tree('b'), tree('a')] },
    { knownLogs: [tree('a'), tree('a')] },
    { knownLogs: [tree('a', { size: -1 })] },
    { knownLogs: [tree('a', { root: 'AAAA' })] },
    { knownLogs: [tree('a', { note: '' })] },
    { knownEvaluations: [number, number] },
    { knownEvaluations: [{ ...number, number: 1.5 }] },
    { knownWitnesses: [] },
  ]) {
    t.throws(() => parseDecision(more(members)), { code: 'ABN_DECISION_INVALID' }, JSON.stringify(members))
  }
  for (const wrong of ['{}', '[]', '{"format":1}'])
    t.throws(() => parseDecision(Buffer.from(wrong)), { code: 'ABN_DECISION_INVALID' })
})

test('the digest of the bits is that of the statement', (t) => {
  t.is(decision.outcome.kind === 'accepted' && decision.outcome.digest, digestNamed('hello'))
})
