import test from 'ava'
import { sha256Of } from '../../format/hash.ts'
import { encodePublicKey, publicKeyOf } from '../../trust/key.ts'
import { encodeDecision, parseDecision } from '../../trust/policy/decision-schema.ts'
import { encodePolicy, parsePolicy, policyDigestOf } from '../../trust/policy/policy.ts'
import { replay } from '../../trust/policy/replay.ts'
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
  ['a rule with a TEE alone', withDefault('{"kind":"factors","depth":"outputs","factors":[{"kind":"tee"}]}')],
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
    '{"kind":"witnessed"}',
    '{"kind":"tee"}',
  ]) {
    const once = encodePolicy(parsePolicy(withFactor(factor)))
    t.is(encodePolicy(parsePolicy(once)), once)
    t.deepEqual(JSON.parse(once).default.factors[1], JSON.parse(factor))
  }
})

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
  for (const wrong of ['{}', '[]', '{"format":1}'])
    t.throws(() => parseDecision(Buffer.from(wrong)), { code: 'ABN_DECISION_INVALID' })
})

test('the digest of the bits is that of the statement', (t) => {
  t.is(decision.outcome.kind === 'accepted' && decision.outcome.digest, digestNamed('hello'))
})
