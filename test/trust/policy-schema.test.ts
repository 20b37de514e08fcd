// docs/schemas/policy.schema.json, which editors use, has the same opinion as the reader (trust/policy/policy-schema.ts) about everything but
// what a schema cannot say: keys whose hash is wrong, names that are not configured, the same key or name in two places.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fastify from 'fastify'
import { encodePublicKey } from '../../trust/key.ts'
import { parsePolicy } from '../../trust/policy/policy.ts'
import { alice, alice2, bob } from './support.ts'

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
  ['factors by name', factors({ kind: 'logged' }, { kind: 'witnessed' }, counting, { kind: 'tee' }, { kind: 'built' })],
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
