// What the attacks on logs and TEEs are made on: the two packages under `paranoid`. Alice builds in a session in a simulated TEE, bob with his
// own key; all that they say is in a log, whose checkpoint two witnesses have cosigned a minute ago. Each part can be changed.

import { attest, type VerifiedAttestation } from '../../../trust/attestation.ts'
import type { Evidence } from '../../../trust/evidence.ts'
import type { KeyId } from '../../../trust/key.ts'
import { encodePublicKey } from '../../../trust/key.ts'
import { encodeWitnessKey, witnessKeyOf } from '../../../trust/log/cosignature.ts'
import type { Policy } from '../../../trust/policy/policy.ts'
import { signRevocationList } from '../../../trust/revocation.ts'
import type { SecretKey } from '../../../trust/secret-key.ts'
import type { Statement } from '../../../trust/statement.ts'
import { type SmallLog, smallLog, type Witnessing } from '../../_support/small-log.ts'
import { type SessionOptions, type SessionScene, sessionOf, teeConditions } from '../../trust/world.ts'
import { bundled } from './hostile-cache.ts'
import { alice, attestationBy, base, bob, NOW, operatorKey, policyOf, statementOf, user } from './world.ts'

export const DAY = 86_400
export const logKey = operatorKey('log', 101)
export const otherLogKey = operatorKey('other-log', 102)
export const [ann, ben, cyd] = ['ann', 'ben', 'cyd'].map((name, i) => operatorKey(name, 111 + i)) as [
  SecretKey,
  SecretKey,
  SecretKey,
]

/** What the policy has besides operators and rules. */
export const named = {
  logs: [encodePublicKey(logKey.publicKey), encodePublicKey(otherLogKey.publicKey)],
  witnesses: [ann, ben, cyd].map(({ publicKey }) => encodeWitnessKey(witnessKeyOf(publicKey))),
  tee: teeConditions,
}

export const paranoid: Policy = policyOf({ kind: 'paranoid' }, {}, named)

/** The same with other conditions for a TEE. */
export function paranoidWith(tee: Partial<typeof teeConditions>): Policy {
  return policyOf({ kind: 'paranoid' }, {}, { ...named, tee: { ...teeConditions, ...tee } })
}

/** From two hours ago for a day, at the time of the attacks. */
export function sessionAt(
  operator: SecretKey,
  name: string,
  { session, quote, ...more }: SessionOptions = {},
): SessionScene {
  const times = { from: NOW - 7200, until: NOW - 7200 + DAY }
  return sessionOf(operator, name, { ...more, session: { ...times, ...session }, quote: { now: NOW, ...quote } })
}

export function bySession(
  { key, signed }: Pick<SessionScene, 'key' | 'signed'>,
  changes: Partial<Statement> = {},
): readonly VerifiedAttestation[] {
  const builder = { kind: 'session', key: key.publicKey.id, session: signed.digest, software: {} } as const
  return [base, user].map((one) => attest({ ...statementOf(one, key), builder, ...changes }, key))
}

export function byKey(signer: SecretKey, changes: Partial<Statement> = {}): readonly VerifiedAttestation[] {
  return [base, user].map((one) => attestationBy(signer, one, changes))
}

/** Takes back a key, or nothing. */
export function revocationBy(signer: SecretKey, ...keys: readonly KeyId[]): Evidence {
  const list = {
    format: 1,
    signer: signer.publicKey.id,
    version: 1 + keys.length,
    issued: NOW - DAY,
    expires: NOW + DAY,
    keys: keys.map((key) => ({ key, reason: 'lost' })),
    statements: [],
  } as const
  return { kind: 'revocation-list', bytes: signRevocationList(list, signer).bytes }
}

export const lists: readonly Evidence[] = [alice, bob].map((signer) => revocationBy(signer))

export const seen: Witnessing = { by: [ann, ben], at: NOW - 60 }

type Entry = { readonly bytes: Uint8Array }

/** A log with an entry of somebody else and with these. */
export function logOf(entries: readonly Entry[], signer: SecretKey = logKey, first = 'another entry'): SmallLog {
  return smallLog(signer, [Buffer.from(first), ...entries.map(({ bytes }) => bytes)])
}

/** That these are in it. */
export function proofOf(
  log: SmallLog,
  entries: readonly Entry[],
  witnessing: Witnessing = seen,
  size?: number,
): Evidence {
  return {
    kind: 'log-inclusions',
    bytes: log.inclusions(
      entries.map(({ bytes }) => bytes),
      size,
      witnessing,
    ),
  }
}

export type Scene = {
  readonly session: SessionScene
  readonly attestations: readonly VerifiedAttestation[]
  /** Everything that is logged: attestations and session documents. */
  readonly entries: readonly Entry[]
}

export function sceneOf(
  session: SessionScene = honestSession,
  attestations = [...bySession(session), ...byKey(bob)],
): Scene {
  return { session, attestations, entries: [...attestations, session.document] }
}

export const honestSession = sessionAt(alice, 'of alice')
export const honestScene = sceneOf()

/** An answer with this scene; everything in a log of its own, as honest ones do, unless the proof is given. */
export function answer(
  { session, attestations, entries }: Scene,
  proof: readonly Evidence[] = [proofOf(logOf(entries), entries)],
) {
  return { evidence: bundled(attestations, [...lists, ...session.evidence, ...proof]) }
}

/** Two sessions on these machines, of alice and bob unless said otherwise, and a rule that wants two TEEs. */
export function operatorsInTees([one, two]: readonly [string, string], [first, second] = [alice, bob]) {
  const sessions = [
    sessionAt(first, 'first', { quote: { machine: one } }),
    sessionAt(second, 'second', { quote: { machine: two } }),
  ]
  const attestations = [...sessions.flatMap((session) => bySession(session)), ...byKey(bob)]
  const entries = [...attestations, ...sessions.map(({ document }) => document)]
  const pieces = sessions.flatMap(({ evidence }) => evidence)
  const evidence = bundled(attestations, [...lists, ...pieces, proofOf(logOf(entries), entries)])
  const rule = {
    kind: 'factors',
    depth: 'seed',
    factors: [
      { kind: 'operators', atLeast: 2 },
      { kind: 'tee', atLeast: 2 },
    ],
  }
  return { rule, answer: { evidence } }
}
