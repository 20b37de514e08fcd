import { alice, alice2, bob, carol, evidenceOf, mallory, now, policyOf, revoked } from '../support.ts'
import { attestedIn, sessionOf, sessions } from '../world.ts'
import { a, b, c, decideEach, inA, inElsewhere, item, type Row, signedIn } from './rows.ts'

/** Bob lets alice's builder sign for him. */
const shared = sessionOf(bob, 'alice', { session: { tee: 'none' } })
const inShared = attestedIn(shared, item)

const rows: readonly Row[] = [
  [
    'session: its statement counts as its operator’s',
    policyOf(),
    [...evidenceOf(inA, b), ...signedIn(sessions.alice)],
    'accepted',
    /alice agrees/,
  ],
  ['session: it did not come', policyOf(), evidenceOf(inA, b), 'refused', /alice says nothing/],
  [
    'session: its operator and himself are one',
    policyOf(),
    [...evidenceOf(inA, a, inElsewhere), ...signedIn(sessions.alice, sessions.elsewhere)],
    'refused',
    /1 of 3 do/,
  ],
  [
    'session: of a stranger',
    policyOf(),
    (() => {
      const scene = sessionOf(mallory, 'mallory')
      return [...evidenceOf(a, attestedIn(scene, item)), ...scene.evidence]
    })(),
    'refused',
    /bob says nothing/,
  ],
  [
    'session: signed with another key than the session’s',
    policyOf(),
    [...evidenceOf(b, attestedIn({ ...sessions.alice, key: sessions.bob.key }, item)), ...signedIn(sessions.alice)],
    'refused',
    /alice says nothing/,
  ],
  [
    'session: begun before it',
    policyOf(),
    [...evidenceOf(b, attestedIn(sessions.alice, item, { started: now - 7_201 })), ...signedIn(sessions.alice)],
    'refused',
    /alice does not count: the build does not lie within the session/,
  ],
  [
    'session: ended after it',
    policyOf(),
    (() => {
      const short = sessionOf(alice, 'short', { session: { until: now - 3_601 } })
      return [...evidenceOf(b, attestedIn(short, item)), ...short.evidence]
    })(),
    'refused',
    /alice does not count: the build does not lie within the session/,
  ],
  [
    'session: over since, but the build lies in it',
    policyOf(),
    (() => {
      const over = sessionOf(alice, 'over', { session: { until: now - 3_600 } })
      return [...evidenceOf(b, attestedIn(over, item)), ...over.evidence]
    })(),
    'accepted',
  ],
  [
    'session: what it says outside its time counts against',
    policyOf(),
    [...evidenceOf(a, b, attestedIn(sessions.carol, item, { started: 0, bytes: 1 })), ...signedIn(sessions.carol)],
    'refused',
    /DIVERGENCE/,
  ],
  [
    'session: it contradicts its operator',
    policyOf(),
    [...evidenceOf(a, b, attestedIn(sessions.alice, item, { bytes: 1 })), ...signedIn(sessions.alice)],
    'refused',
    /DIVERGENCE/,
  ],
  [
    'session: its key is revoked',
    policyOf(),
    [
      ...evidenceOf(inA, b),
      ...signedIn(sessions.alice),
      revoked(alice, { keys: [{ key: sessions.alice.key.publicKey.id, reason: 'stolen' }] }),
    ],
    'refused',
    /alice does not count: the key is revoked/,
  ],
  [
    'session: the key of its operator is revoked',
    policyOf(),
    [
      ...evidenceOf(inA, b),
      ...signedIn(sessions.alice),
      revoked(alice2, { keys: [{ key: alice.publicKey.id, reason: 'stolen' }] }),
    ],
    'refused',
    /alice does not count: the key is revoked/,
  ],
  [
    'session: another of the same operator is revoked',
    policyOf(),
    [
      ...evidenceOf(inA, b),
      ...signedIn(sessions.alice),
      revoked(alice, { keys: [{ key: sessions.elsewhere.key.publicKey.id, reason: 'stolen' }] }),
    ],
    'accepted',
  ],
  [
    'session: another operator revokes it',
    policyOf(),
    [
      ...evidenceOf(inA, b),
      ...signedIn(sessions.alice),
      revoked(carol, { keys: [{ key: sessions.alice.key.publicKey.id, reason: 'mine' }] }),
    ],
    'accepted',
  ],

  [
    'session: one key for two operators',
    policyOf(),
    [...evidenceOf(inA, inShared, c), ...signedIn(sessions.alice, shared)],
    'refused',
    /1 of 3 do(.|\n)*alice does not count: the session’s key has signed for another/,
  ],
  [
    'session: one key for two operators, of whom one takes it back',
    policyOf(),
    [
      ...evidenceOf(inA, inShared, c),
      ...signedIn(sessions.alice, shared),
      revoked(bob, { keys: [{ key: sessions.alice.key.publicKey.id, reason: 'not mine' }] }),
    ],
    'accepted',
  ],
]

decideEach(rows)
