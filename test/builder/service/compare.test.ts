// Whose statement it is that a cache shows, when sessions sign: by what is verified, not by what the cache says.
import test from 'ava'
import { contradictionsOf, isInNameOf, type Stated } from '../../../builder/service/compare.ts'
import { sha256Of } from '../../../format/hash.ts'
import { attest } from '../../../trust/attestation.ts'
import type { SecretKey } from '../../../trust/secret-key.ts'
import { type SignedSession, signSession } from '../../../trust/session.ts'
import { statementFor } from './_support/statement.ts'
import { now, operatorKeys } from './_support/world.ts'

const { alice, bob, mallory, key, other } = operatorKeys('alice', 'bob', 'mallory', 'key', 'other')
const ours = statementFor(alice.publicKey.id)

function sessionOf(operator: SecretKey, own: SecretKey): SignedSession {
  return signSession(
    {
      format: 1,
      operator: operator.publicKey.id,
      key: own.publicKey,
      from: now() - 100,
      until: now() + 100,
      software: {},
      configuration: sha256Of(''),
      checkpoint: null,
      tee: 'none',
    },
    operator,
  )
}

/** Another result, signed by a session. */
function saidBy(session: SignedSession, own: SecretKey): Stated {
  const builder = { kind: 'session', key: own.publicKey.id, session: session.digest, software: {} } as const
  const outputs = ours.outputs.map((output) => ({ ...output, digest: sha256Of('another result') }))
  return { attestation: attest({ ...ours, outputs, builder }, own), session }
}

const contradictions = (others: readonly Stated[]) =>
  contradictionsOf([ours], others, { cache: 'https://cache', own: alice.publicKey, operators: [bob.publicKey] })

test('by a session of our own it is no contradiction', (t) => {
  const own = saidBy(sessionOf(alice, key), key)
  t.true(isInNameOf(own, alice.publicKey))
  t.deepEqual(contradictions([own]), [])
})

test('by a session of a known operator it is his, and verified', (t) => {
  t.like(contradictions([saidBy(sessionOf(bob, key), key)]), {
    length: 1,
    0: { key: bob.publicKey.id, verified: true },
  })
})

test('a session that we have not signed, in our name, is not ours; nor is one that did not come along', (t) => {
  const right = sessionOf(alice, key)
  const forged = { ...right, envelope: { ...right.envelope, signature: sessionOf(mallory, key).envelope.signature } }
  for (const said of [saidBy(forged, key), { ...saidBy(right, key), session: undefined }]) {
    t.false(isInNameOf(said, alice.publicKey))
    t.like(contradictions([said]), { length: 1, 0: { key: key.publicKey.id, verified: false } })
  }
})

test('what another key signed in the name of a session is not verified', (t) => {
  const session = sessionOf(bob, key)
  const forged = saidBy(session, other)
  t.like(contradictions([forged]), { length: 1, 0: { verified: false } })
})
