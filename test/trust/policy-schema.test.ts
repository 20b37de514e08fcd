// docs/schemas/policy.schema.json, which editors use, has the same opinion as the reader (trust/policy/policy-schema.ts) about everything but
// what a schema cannot say: keys whose hash is wrong, names that are not configured, the same key or name in two places.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fastify from 'fastify'
import { encodePublicKey } from '../../trust/key.ts'
import { encodeWitnessKey, witnessKeyOf } from '../../trust/log/cosignature.ts'
import { parsePolicy } from '../../trust/policy/policy.ts'
import { alice, alice2, bob, keyNamed } from './support.ts'

const [first, second, third] = [alice, alice2, bob].map(({ publicKey }) => encodePublicKey(publicKey))
const operators = [
  { name: 'alice', keys: [first, second] },
  { name: 'bob', keys: [third] },
]
const policy = { format: 1, operators, default: { kind: 'two-independent' }, packages: {} }
const counting = { kind: 'operators', atLeast: 1 }
const ruled = (rule: unknown) => ({ ...policy, default: rule })
const factors = (...list: readonly unknown[]) => ruled({ kind: 'factors', depth: 'seed', factors: list })
const { packages: _, ...incomplete } = policy

const [log, otherLog] = ['log.example', 'other.example/log'].map((name) => encodePublicKey(keyNamed(name).publicKey))
const [ann, ben] = ['ann.example', 'ben.example'].map((name) =>
  encodeWitnessKey(witnessKeyOf(keyNamed(name).publicKey)),
)
const register = 'ab'.repeat(48)
const measurement = { name: 'builder-1', mrTd: register, rtmr0: null, rtmr1: register, rtmr2: register, rtmr3: null }
const tee = {
  roots: ['intel', `simulated:${'5'.repeat(64)}`],
  statuses: ['UpToDate', 'SWHardeningNeeded'],
  measurements: [measurement],
  minimumEvaluationNumber: 17,
  serviceTds: [],
  age: { since: 'session', maximum: 604_800 },
  collateral: 'present',
}
const withTee = (changes: object) => ({ ...policy, tee: { ...tee, ...changes } })
const { collateral: _c, ...incompleteTee } = tee
const { rtmr3: _r, ...incompleteMeasurement } = measurement

const right: readonly (readonly [string, unknown])[] = [
  ['two operators', policy],
  ['nobody', { ...policy, operators: [], default: { kind: 'source-only' } }],
  ['paranoid', ruled({ kind: 'paranoid' })],
  ['a rule for a package', { ...policy, packages: { 'openssl+x_1.0': { kind: 'source-only' } } }],
  ['one operator', factors(counting)],
  ['among', factors({ ...counting, among: ['bob'] })],
  [
    'required and excluded',
    factors(counting, { kind: 'required', operators: ['alice'] }, { kind: 'excluded', operators: ['bob'] }),
  ],
  ['an age', factors(counting, { kind: 'age', minimum: 0 }, { kind: 'age', maximum: 5, minimum: 1 })],
  ['revocations', factors(counting, { kind: 'revocations', within: 604_800 })],
  ['logged', factors({ kind: 'logged' }, counting, { kind: 'built' })],
  ['witnessed', factors({ kind: 'witnessed', atLeast: 2, within: 86_400 }, counting)],
  ['a TEE besides', factors(counting, { kind: 'tee', atLeast: 1 })],
  ['logs and witnesses', { ...policy, logs: [log, otherLog], witnesses: [ann, ben] }],
  ['no logs and no witnesses', { ...policy, logs: [], witnesses: [] }],
  ['conditions for a TEE', { ...policy, tee }],
  [
    'conditions for a TEE, all named',
    withTee({
      serviceTds: [register],
      age: { since: 'checkpoint', maximum: 0 },
      collateral: 'logged',
      measurements: [
        { ...measurement, mrConfigId: register, mrOwner: null },
        { ...measurement, name: 'builder-2' },
      ],
    }),
  ],
]

const wrong: readonly (readonly [string, unknown])[] = [
  ['a list', []],
  ['a field too many', { ...policy, trust: 'everybody' }],
  ['a field too few', incomplete],
  ['another format', { ...policy, format: 2 }],
  ['an operator with a field too many', { ...policy, operators: [{ ...operators[0], weight: 3 }] }],
  ['an operator without keys', { ...policy, operators: [{ name: 'alice', keys: [] }] }],
  ['a name in capitals', { ...policy, operators: [{ name: 'Alice', keys: [first] }] }],
  ['a key that is none', { ...policy, operators: [{ name: 'alice', keys: ['alice'] }] }],
  ['a key of another type', { ...policy, operators: [{ name: 'alice', keys: [first?.replace('+A', '+B')] }] }],
  ['the same key twice', { ...policy, operators: [{ name: 'alice', keys: [first, first] }] }],
  ['a package that cannot be', { ...policy, packages: { 'A B': { kind: 'paranoid' } } }],
  ['a rule that is a word', ruled('paranoid')],
  ['an unknown rule', ruled({ kind: 'trust-me' })],
  ['a preset with a field', ruled({ kind: 'paranoid', atLeast: 1 })],
  ['an unknown depth', ruled({ kind: 'factors', depth: 'all', factors: [counting] })],
  ['no factor that counts', factors({ kind: 'built' })],
  ['no factor', factors()],
  ['an unknown factor', factors(counting, { kind: 'oracle' })],
  ['nobody at all', factors({ ...counting, atLeast: 0 })],
  ['half an operator', factors({ ...counting, atLeast: 1.5 })],
  ['too many', factors({ ...counting, atLeast: 101 })],
  ['among nobody', factors({ ...counting, among: [] })],
  ['among the same', factors({ ...counting, among: ['bob', 'bob'] })],
  ['required without names', factors(counting, { kind: 'required' })],
  ['an age without limits', factors(counting, { kind: 'age' })],
  ['an age below zero', factors(counting, { kind: 'age', minimum: -1 })],
  ['an age in words', factors(counting, { kind: 'age', minimum: '1d' })],
  ['a thousand years', factors(counting, { kind: 'revocations', within: 31_557_600_000 })],
  ['witnessed by nobody', factors(counting, { kind: 'witnessed', atLeast: 0, within: 1 })],
  ['witnessed at any time', factors(counting, { kind: 'witnessed', atLeast: 1 })],
  ['witnessed by name only', factors(counting, { kind: 'witnessed' })],
  ['a TEE by name only', factors(counting, { kind: 'tee' })],
  ['no TEE at all', factors(counting, { kind: 'tee', atLeast: 0 })],
  ['a TEE alone', factors({ kind: 'tee', atLeast: 1 })],
  ['logged by somebody', factors(counting, { kind: 'logged', by: 'log.example' })],
  ['logs that are a word', { ...policy, logs: log }],
  ['the same log twice', { ...policy, logs: [log, log] }],
  ['a witness among the logs', { ...policy, logs: [ann] }],
  ['a log among the witnesses', { ...policy, witnesses: [log] }],
  ['the same witness twice', { ...policy, witnesses: [ann, ann] }],
  ['a TEE that is a word', { ...policy, tee: 'intel' }],
  ['a TEE that is nothing', { ...policy, tee: null }],
  ['a TEE with a field too few', { ...policy, tee: incompleteTee }],
  ['a TEE with a field too many', withTee({ debug: true })],
  ['a TEE without a root', withTee({ roots: [] })],
  ['the same root twice', withTee({ roots: ['intel', 'intel'] })],
  ['a root by another name', withTee({ roots: ['amd'] })],
  ['a simulated root without a hash', withTee({ roots: ['simulated'] })],
  ['a TEE without a status', withTee({ statuses: [] })],
  ['a revoked platform', withTee({ statuses: ['UpToDate', 'Revoked'] })],
  ['a status that is none', withTee({ statuses: ['Fine'] })],
  ['a TEE without a measurement', withTee({ measurements: [] })],
  ['a measurement with any MRTD', withTee({ measurements: [{ ...measurement, mrTd: null }] })],
  ['a measurement that is too short', withTee({ measurements: [{ ...measurement, rtmr1: 'ab' }] })],
  ['a measurement in capitals', withTee({ measurements: [{ ...measurement, rtmr1: register.toUpperCase() }] })],
  ['a measurement with a field too few', withTee({ measurements: [incompleteMeasurement] })],
  ['a measurement with a field too many', withTee({ measurements: [{ ...measurement, rtmr4: null }] })],
  ['a measurement with a name that is none', withTee({ measurements: [{ ...measurement, name: 'A B' }] })],
  ['an evaluation number below zero', withTee({ minimumEvaluationNumber: -1 })],
  ['a service TD that is none', withTee({ serviceTds: ['00'] })],
  ['an age since nothing', withTee({ age: { maximum: 1 } })],
  ['an age since birth', withTee({ age: { since: 'birth', maximum: 1 } })],
  ['collateral whenever', withTee({ collateral: 'whenever' })],
  ['a factor with a field too many', factors(counting, { kind: 'built', by: 'me' })],
]

for (const [title, value] of right)
  test(`right: ${title}`, (t) => void t.notThrows(() => parsePolicy(JSON.stringify(value))))
for (const [title, value] of wrong) {
  test(`refused: ${title}`, (t) =>
    void t.throws(() => parsePolicy(JSON.stringify(value)), { code: 'ABN_POLICY_INVALID' }))
}

test('the schema has the same opinion', async (t) => {
  const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/schemas/policy.schema.json'), 'utf8'))
  const customOptions = { coerceTypes: false, removeAdditional: false, useDefaults: false, strict: false } as const
  const app = fastify({ ajv: { customOptions } })
  const { $schema: _, ...body } = schema
  app.post('/', { schema: { body } }, () => 'valid')
  const headers = { 'content-type': 'application/json' }
  for (const [cases, expected] of [
    [right, 200],
    [wrong, 400],
  ] as const) {
    for (const [title, value] of cases) {
      const { statusCode } = await app.inject({ method: 'POST', url: '/', headers, payload: JSON.stringify(value) })
      t.is(statusCode, expected, title)
    }
  }
  await app.close()
})
