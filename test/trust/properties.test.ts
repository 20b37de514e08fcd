import test from 'ava'
import fc from 'fast-check'
import { sha256Of } from '../../format/hash.ts'
import { parseAttestation } from '../../trust/attestation.ts'
import { type Evidence, verifyEvidence } from '../../trust/evidence.ts'
import { encodeDecision, parseDecision } from '../../trust/policy/decision-schema.ts'
import { replay } from '../../trust/policy/replay.ts'
import type { SecretKey } from '../../trust/secret-key.ts'
import {
  alice,
  alice2,
  attested,
  bob,
  carol,
  day,
  decide,
  evidenceOf,
  factors,
  hello,
  keyNamed,
  mallory,
  now,
  policyOf,
  revoked,
} from './support.ts'

const policies = [
  policyOf(),
  policyOf({ default: factors() }),
  policyOf({ default: factors({ kind: 'age', minimum: 100, maximum: 5_000 }) }),
  policyOf({ default: factors({ kind: 'required', operators: ['bob'] }) }),
  policyOf({ default: factors({ kind: 'excluded', operators: ['carol'] }) }),
  policyOf({ default: factors({ kind: 'revocations', within: 7 * day }) }),
  policyOf({ default: { kind: 'factors', depth: 'outputs', factors: [{ kind: 'operators', atLeast: 1 }] } }),
  policyOf({ default: { kind: 'source-only' } }),
  policyOf({ default: { kind: 'paranoid' } }),
]
const policy = fc.constantFrom(...policies)

/** Whatever these keys can say, of which some agrees. Made once: signing is what takes the time. */
function sayings(keys: readonly SecretKey[]): readonly Evidence[] {
  return keys.flatMap((key) => [
    ...evidenceOf(
      attested(hello, key),
      attested(hello, key, { invocation: 'again' }),
      attested(hello, key, { expires: now - 1 }),
      attested(hello, key, { finished: now + day }),
      attested(hello, key, { origin: 'substituted' }),
      attested(hello, key, { digestOfInput: () => sha256Of('x') }),
      attested(hello, key, { digest: sha256Of('other bits') }),
      attested(hello, key, { inputs: [] }),
      attested({ ...hello, version: '3' }, key),
    ),
    revoked(key),
    revoked(key, { version: 2, statements: [{ statement: attested(hello, key).statementDigest, reason: '' }] }),
    revoked(key, {
      version: 3,
      keys: [alice, bob].map((one) => ({ key: one.publicKey.id, reason: '' })).sort((x, y) => (x.key < y.key ? -1 : 1)),
    }),
  ])
}

const configured = sayings([alice, alice2, bob, carol])
const strange = [
  ...sayings([mallory, keyNamed('bob.example/other')]),
  { kind: 'oracle', bytes: configured[0]?.bytes ?? new Uint8Array() },
  { kind: 'attestation', bytes: Buffer.from('null') },
]
const some = (from: readonly Evidence[]) => fc.subarray([...from], { maxLength: 8 })
/** Mostly agreeing, so that a good part of the decisions is yes. */
const agreeing = evidenceOf(attested(hello, alice), attested(hello, bob), attested(hello, carol))
const evidence = fc
  .tuple(fc.subarray([...agreeing]), fc.oneof(fc.constant([]), some(configured)))
  .map((two) => two.flat())
const bytesOf = (list: readonly Evidence[], under: (typeof policies)[number]) =>
  Buffer.from(encodeDecision(decide(list, under)))

test('what strangers say never changes a decision', (t) => {
  fc.assert(
    fc.property(evidence, some(strange), policy, (own, theirs, under) => {
      t.true(bytesOf([...own, ...theirs], under).equals(bytesOf(own, under)))
    }),
    { numRuns: 300 },
  )
})

test('neither order nor repetition changes a decision', (t) => {
  const shuffled = evidence.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray([...list, ...list], { minLength: list.length })),
  )
  fc.assert(
    fc.property(shuffled, policy, ([list, other], under) => {
      const all = [...list].reverse()
      t.true(bytesOf([...other, ...all], under).equals(bytesOf(list, under)))
    }),
    { numRuns: 300 },
  )
})

test('one more operator who agrees never turns yes into no', (t) => {
  let yes = 0
  fc.assert(
    fc.property(evidence, fc.constantFrom(alice, alice2, bob, carol), policy, (list, key, under) => {
      const before = decide(list, under).outcome
      if (before.kind === 'refused') return
      yes += 1
      const more = attested(hello, key, { invocation: 'one-more', digest: before.digest })
      const after = decide([...list, ...evidenceOf(more)], under).outcome
      t.is(after.kind, 'accepted')
      t.is(after.kind === 'accepted' && after.digest, before.digest)
    }),
    { numRuns: 500 },
  )
  t.true(yes > 50, `only ${yes} were accepted to begin with`)
})

test('a conflict among configured operators is never yes', (t) => {
  const lie = (key: SecretKey) =>
    fc.integer({ min: 0, max: 9 }).map((i) => attested(hello, key, { digest: sha256Of(`lie ${i}`) }))
  fc.assert(
    fc.property(
      evidence,
      fc.constantFrom(alice, alice2, bob).chain(lie),
      fc.constantFrom(...policies),
      (list, liar, under) => {
        const honest = list.filter(({ kind }) => kind === 'attestation')
        const result = decide([...honest, ...evidenceOf(attested(hello, bob), liar)], under)
        t.is(result.outcome.kind, 'refused')
      },
    ),
    { numRuns: 300 },
  )
})

test('a decision is encoded, parsed and replayed to the byte', (t) => {
  fc.assert(
    fc.property(evidence, some(strange), policy, (list, more, under) => {
      const bytes = bytesOf(list, under)
      const parsed = parseDecision(bytes)
      t.true(Buffer.from(encodeDecision(parsed)).equals(bytes))
      t.true(Buffer.from(encodeDecision(replay(parsed, [...more, ...list], under))).equals(bytes))
    }),
    { numRuns: 200 },
  )
})

test('no change of a single byte of an envelope is accepted with other content', (t) => {
  const { bytes } = attested(hello, alice)
  const under = policyOf()
  for (let at = 0; at < bytes.length; at++) {
    for (const bit of [0x01, 0x02, 0x20, 0x80]) {
      const changed = Uint8Array.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ bit
      const { attestations } = verifyEvidence([{ kind: 'attestation', bytes: changed }], under)
      if (attestations.size > 0) t.fail(`byte ${at} changed by ${bit} verifies`)
    }
  }
  t.is(verifyEvidence([{ kind: 'attestation', bytes }], under).attestations.size, 1)
})

test('envelopes of random bytes are refused', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      t.throws(() => parseAttestation(bytes), { name: 'AbnError' })
    }),
  )
})
