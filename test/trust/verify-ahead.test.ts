// Signatures verified beside other work: whatever the other thread does, what counts afterwards is the same.
import test from 'ava'
import { attest } from '../../trust/attestation.ts'
import { decodeBundle, encodeBundle } from '../../trust/bundle.ts'
import { parseEnvelope } from '../../trust/dsse.ts'
import { isValidEd25519, type SignedBytes } from '../../trust/ed25519.ts'
import { type Evidence, type VerificationMemory, verifyEvidence } from '../../trust/evidence.ts'
import { type Helper, verifyAhead } from '../../trust/verify-ahead.ts'
import {
  alice,
  bob,
  carol,
  day,
  evidenceOf,
  hello,
  keyNamed,
  mallory,
  now,
  policyOf,
  revoked,
  statementOf,
} from './support.ts'

const policy = policyOf({ operators: { alice: [alice], bob: [bob], carol: [carol] } })

/** Of operators, with wrong signatures among them, of a stranger, and of other kinds: more than is verified at a time. */
const evidence = decodeBundle(
  encodeBundle([
    ...[alice, bob, carol, mallory].flatMap((key) =>
      Array.from({ length: 60 }, (_, i) => {
        const { bytes } = attest(
          statementOf(hello, key, { invocation: `build-${i}`, expires: now + 90 * day + i }),
          key,
        )
        const [one] = evidenceOf({ bytes })
        return i % 7 === 3 ? forged(bytes) : (one ?? forged(bytes))
      }),
    ),
    revoked(alice),
    { kind: 'of-tomorrow', bytes: Buffer.from('?') },
  ]),
)

function forged(bytes: Uint8Array): Evidence {
  const envelope = parseEnvelope(bytes)
  const signature = envelope.signature.with(5, (envelope.signature[5] ?? 0) ^ 1)
  return { kind: 'attestation', bytes: new Uint8Array(), envelope: { ...envelope, signature } }
}

/** What came of it, as far as anybody can see. */
function seen(memory?: VerificationMemory) {
  const { attestations, aside, revocations } = verifyEvidence(evidence, policy, memory === undefined ? {} : { memory })
  const kept = [...attestations].flatMap(([recipe, all]) =>
    all.map(({ operator, attestation: { digest, key } }) => ({ recipe, operator, digest, key: key.id })),
  )
  return { kept, aside, revocations: [...revocations.keys()] }
}

const verify = async (signed: readonly SignedBytes[]) => signed.map(isValidEd25519)

const helpers: Readonly<Record<string, () => Helper>> = {
  'is always free': () => ({ isFree: async () => true, verify }),
  'is never free': () => ({ isFree: async () => false, verify: () => Promise.reject(new Error('never asked')) }),
  'is free now and then': () => {
    let turn = 0
    return { isFree: async () => turn++ % 2 === 0, verify }
  },
  dies: () => ({ isFree: async () => true, verify: () => Promise.reject(new Error('gone')) }),
  'throws at once': () => ({
    isFree: async () => true,
    verify: () => {
      throw new Error('gone')
    },
  }),
  'says no to all': () => ({ isFree: async () => true, verify: async (signed) => signed.map(() => false) }),
  'answers too little': () => ({ isFree: async () => true, verify: async (signed) => (await verify(signed)).slice(1) }),
}

const without = seen()

test('the scene has something of everything', (t) => {
  t.is(without.kept.length, 3 * 51)
  const reasons = new Set(without.aside.map(({ because }) => because))
  t.deepEqual([...reasons].sort(), ['signature', 'stranger', 'unknown-kind'])
})

for (const [what, helperOf] of Object.entries(helpers)) {
  test(`a helper that ${what} changes nothing`, async (t) => {
    t.deepEqual(seen(await verifyAhead(evidence, policy, helperOf())), without)
  })
}

test('what was verified ahead is what has a valid signature of an operator', async (t) => {
  for (const what of ['is always free', 'is never free', 'is free now and then']) {
    const memory = await verifyAhead(evidence, policy, helpers[what]?.() ?? t.fail())
    t.deepEqual([...memory.keys()].sort(), without.kept.map(({ digest }) => digest).sort(), what)
  }
})

test('nothing is verified ahead for an operator whom the policy does not name', async (t) => {
  const strangers = policyOf({ operators: { dora: [keyNamed('dora.example/builds')] } })
  const memory = await verifyAhead(evidence, strangers, helpers['is always free']?.() ?? t.fail())
  t.is(memory.size, 0)
})
