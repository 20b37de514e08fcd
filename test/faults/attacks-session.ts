// Attacks with sessions: statements that do not belong to them, sessions of others, one machine or one key for two, and proofs of when a session
// was logged. The client and all around it are those of attacks-tee.ts.
import { attest } from '../../trust/attestation.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { parseLogProof } from '../../trust/log/proof-file.ts'
import type { SecretKey } from '../../trust/secret-key.ts'
import type { Session } from '../../trust/session.ts'
import { encodeSessionProof } from '../../trust/session-evidence.ts'
import { mintSimulated, simulatedSerials } from '../../trust/tee/simulated.ts'
import { type SessionScene, sessionOf } from '../trust/world.ts'
import type { Attack } from './_support/attack.ts'
import { bundled } from './_support/hostile-cache.ts'
import {
  ann,
  answer,
  ben,
  byKey,
  bySession,
  DAY,
  honestScene,
  honestSession,
  lists,
  logOf,
  named,
  operatorsInTees,
  paranoid,
  paranoidWith,
  proofOf,
  revocationBy,
  sceneOf,
  sessionAt,
} from './_support/paranoid.ts'
import { alice, bob, carol, mallory, NOW, policyOf, statementOf, user } from './_support/world.ts'

type Row = Pick<Attack, 'name' | 'does'> & Partial<Attack>

function row(one: Row): Attack {
  return { must: 'build', policy: paranoid, patient: true, caches: [], ...one, name: `session: ${one.name}` }
}

function timed(name: string, session: Partial<Session>): SessionScene {
  return sessionAt(alice, name, { session })
}

// A policy that takes the collateral of the time at which witnesses saw the session in the log.
const asLogged = paranoidWith({ collateral: 'logged', age: { since: 'session', maximum: 60 * DAY } })
const MONTH_AGO = NOW - 35 * DAY
const oldTimes = { from: MONTH_AGO, until: MONTH_AGO + 80 * DAY }
const oldSession = sessionOf(alice, 'a month ago', { session: oldTimes, quote: { now: MONTH_AGO } })
const oldScene = sceneOf(oldSession)

/** That alice's session was in the log when these witnesses say. */
function sessionProof(by: readonly SecretKey[], at: number, scene = oldScene): Evidence {
  const { document } = scene.session
  const { index, hashes, checkpoint } = parseLogProof(
    logOf(scene.entries).proofFile(document.bytes, undefined, { by, at }),
  )
  return { kind: 'session-proof', bytes: encodeSessionProof(document.digest, { index, hashes, checkpoint }) }
}

function loggedThen(...proofs: readonly Evidence[]) {
  const log = logOf(oldScene.entries)
  return answer(oldScene, [proofOf(log, oldScene.entries), ...proofs])
}

// Statements by keys of sessions that are not what they seem.
const stolen = sessionAt(alice, 'stolen', {})
const sharedKey = { key: honestSession.key.publicKey, tee: 'none' } as const
const bobsClaim = sessionAt(bob, 'a claim', { session: sharedKey })
const claimed = { key: honestSession.key, signed: bobsClaim.signed }
const twice = operatorsInTees(['machine', 'machine'])

const revokedPck = { pckCrl: { revoked: [simulatedSerials.pck] } }

export const attacksOnSessions: readonly Attack[] = [
  row({
    name: 'a statement outside its session',
    does: 'built before the session had begun',
    says: /outside-session/,
    caches: [
      answer(
        sceneOf(honestSession, [
          ...bySession(honestSession, { started: NOW - 9000, finished: NOW - 8000 }),
          ...byKey(bob),
        ]),
      ),
    ],
  }),
  row({
    name: 'a session replayed',
    does: 'the key of a session that is over signs what was built since',
    says: /outside-session/,
    caches: [answer(sceneOf(timed('over', { from: NOW - 2 * DAY, until: NOW - DAY })))],
  }),
  row({
    name: 'an old session',
    does: 'it is older than the policy wants',
    says: /session-age/,
    policy: paranoidWith({ age: { since: 'session', maximum: 3600 } }),
    caches: [answer(honestScene)],
  }),
  row({
    name: 'a session without a checkpoint',
    does: 'the policy counts age from a witnessed checkpoint, the session names none',
    says: /"checkpoint"/,
    policy: paranoidWith({ age: { since: 'checkpoint', maximum: DAY } }),
    caches: [answer(honestScene)],
  }),
  row({
    name: 'a session of a stranger',
    does: 'mallory signs a session, which signs statements',
    says: /no-session/,
    caches: [answer(sceneOf(sessionAt(mallory, 'of mallory')))],
  }),
  row({
    name: 'a session withheld',
    does: 'statements of a session that nobody shows',
    says: /no-session/,
    caches: [answer({ ...honestScene, session: { ...honestSession, evidence: [] } })],
  }),
  row({
    name: 'a statement under the wrong session',
    does: "alice's session key signs in the name of another session of hers",
    says: /signature/,
    caches: [
      (() => {
        const wrong = bySession({ key: stolen.key, signed: honestSession.signed })
        return answer(sceneOf(honestSession, [...wrong, ...byKey(bob)]))
      })(),
    ],
  }),
  row({
    name: "a session key that is an operator's",
    does: "alice's own key signs as if it were in the session",
    says: /signature/,
    caches: [
      (() => {
        const builder = {
          kind: 'session',
          key: alice.publicKey.id,
          session: honestSession.signed.digest,
          software: {},
        } as const
        const said = attest({ ...statementOf(user, alice), builder }, alice)
        return answer(sceneOf(honestSession, [said, ...byKey(bob)]))
      })(),
    ],
  }),
  row({
    name: 'a session key of two operators',
    does: "bob signs a session for the key of alice's, and both count on it",
    says: /shared-key/,
    caches: [
      (() => {
        const session = { ...honestSession, evidence: [...honestSession.evidence, ...bobsClaim.evidence] }
        const attestations = [...bySession(honestSession), ...bySession(claimed)]
        return answer({ session, attestations, entries: [...attestations, honestSession.document, bobsClaim.document] })
      })(),
    ],
  }),
  row({
    name: 'a revoked session',
    does: 'alice has taken back the key of her session',
    says: /revoked-key/,
    caches: [
      (() => {
        const list = revocationBy(alice, honestSession.key.publicKey.id)
        return {
          evidence: bundled(honestScene.attestations, [
            ...lists,
            list,
            ...honestSession.evidence,
            proofOf(logOf(honestScene.entries), honestScene.entries),
          ]),
        }
      })(),
    ],
  }),
  row({
    name: 'an operator revoked with his session',
    does: 'alice has taken back her own key: what her session signed goes with it',
    says: /revoked-key/,
    caches: [
      (() => {
        const list = revocationBy(alice, alice.publicKey.id)
        return {
          evidence: bundled(honestScene.attestations, [
            ...lists,
            list,
            ...honestSession.evidence,
            proofOf(logOf(honestScene.entries), honestScene.entries),
          ]),
        }
      })(),
    ],
  }),
  row({
    name: 'one machine twice',
    does: 'two operators in one machine, where the policy wants two TEEs',
    says: /tee-too-few/,
    policy: policyOf(twice.rule, {}, named),
    caches: [twice.answer],
  }),
  row({
    name: 'two machines',
    does: 'two operators in two machines, as the policy wants it',
    must: 'fetch',
    policy: policyOf(twice.rule, {}, named),
    caches: [operatorsInTees(['one machine', 'another']).answer],
  }),
  row({
    name: 'one operator in two machines',
    does: 'alice has two machines, where the policy wants two TEEs; bob has none',
    says: /tee-too-few/,
    policy: policyOf(twice.rule, {}, named),
    caches: [operatorsInTees(['one machine', 'another'], [alice, alice]).answer],
  }),

  row({
    name: 'a session of a month ago, logged then',
    does: 'the collateral has expired since; witnesses saw the session when it held',
    must: 'fetch',
    policy: asLogged,
    caches: [loggedThen(sessionProof([ann, ben], MONTH_AGO + 60))],
  }),
  row({
    name: 'no proof of when',
    does: 'the policy takes the collateral of then, and nobody shows when the session was logged',
    says: /session-proof: missing/,
    policy: asLogged,
    caches: [loggedThen()],
  }),
  row({
    name: 'a proof file backdated by the log',
    does: 'the log shows an old checkpoint with the session, which no witness has seen',
    says: /session-proof: missing/,
    policy: asLogged,
    caches: [loggedThen(sessionProof([], 0))],
  }),
  row({
    name: 'a proof file backdated by a stranger',
    does: 'strangers cosign it for a month ago',
    says: /session-proof: missing/,
    policy: asLogged,
    caches: [loggedThen(sessionProof([mallory, carol], MONTH_AGO + 60))],
  }),
  row({
    name: 'a proof file backdated by one witness',
    does: 'one witness lies about the time, the other says the truth',
    says: /expired/,
    policy: asLogged,
    caches: [loggedThen(sessionProof([ann], MONTH_AGO + 60), sessionProof([ann, ben], NOW - 60))],
  }),
  row({
    name: 'a proof file of another session',
    does: 'the proof is right and old, and of another document',
    says: /session-proof: missing/,
    policy: asLogged,
    caches: [
      (() => {
        const other = sceneOf(sessionOf(alice, 'another', { session: oldTimes, quote: { now: MONTH_AGO } }))
        const { index, hashes, checkpoint } = parseLogProof(
          logOf(other.entries).proofFile(other.session.document.bytes, undefined, {
            by: [ann, ben],
            at: MONTH_AGO + 60,
          }),
        )
        return loggedThen({
          kind: 'session-proof',
          bytes: encodeSessionProof(oldSession.document.digest, { index, hashes, checkpoint }),
        })
      })(),
    ],
  }),
  row({
    name: 'logged before its platform was revoked',
    does: 'witnesses saw it in time, but a list that holds now revokes the platform',
    says: /certificate-revoked/,
    policy: asLogged,
    caches: [
      loggedThen(sessionProof([ann, ben], MONTH_AGO + 60), {
        kind: 'collateral',
        bytes: mintSimulated({ now: NOW, machine: 'machine of a month ago', changes: revokedPck }).collateral,
      }),
    ],
  }),
]
