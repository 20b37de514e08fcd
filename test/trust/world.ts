/**
 * What tests of the factors `logged`, `witnessed` and `tee` share: a log and another, witnesses, and sessions of operators in
 * simulated TEEs. Keys come from fixed seeds; making a quote takes a while, so that each is made once.
 */
import { parseSha256, type Sha256, sha256Of } from '../../format/hash.ts'
import type { VerifiedAttestation } from '../../trust/attestation.ts'
import type { Evidence } from '../../trust/evidence.ts'
import { encodePublicKey } from '../../trust/key.ts'
import { encodeWitnessKey, witnessKeyOf } from '../../trust/log/cosignature.ts'
import { encodeNote, type Note } from '../../trust/log/note.ts'
import type { ClosureItem } from '../../trust/policy/closure.ts'
import type { SecretKey } from '../../trust/secret-key.ts'
import { reportDataOf, type Session, signSession, type VerifiedSession } from '../../trust/session.ts'
import { encodeSessionDocument, parseSessionDocument, type SessionDocument } from '../../trust/session-evidence.ts'
import { parseQuote } from '../../trust/tee/quote.ts'
import { mintSimulated, type SimulatedOptions, simulatedRoot } from '../../trust/tee/simulated.ts'
import { registersOf } from '../../trust/tee/verdict.ts'
import { smallLog, type Witnessing } from '../_support/small-log.ts'
import { alice, attested, bob, carol, day, keyNamed, now, type StatementChanges } from './support.ts'

export const logKey = keyNamed('log.example/main')
export const otherLogKey = keyNamed('log.example/other')
export const [ann, ben, cyd] = ['ann', 'ben', 'cyd'].map((name) => keyNamed(`${name}.example/witness`)) as [
  SecretKey,
  SecretKey,
  SecretKey,
]

const { mrTd, rtmr1, rtmr2 } = registersOf(parseQuote(mintSimulated({ now }).quote).body)

export const teeConditions = {
  roots: [`simulated:${simulatedRoot().digest}`],
  statuses: ['UpToDate'],
  measurements: [{ name: 'builder', mrTd, rtmr0: null, rtmr1, rtmr2, rtmr3: null }],
  minimumEvaluationNumber: 0,
  serviceTds: [],
  age: { since: 'session', maximum: 30 * day },
  collateral: 'present',
}

/** What a policy has besides operators and rules. */
export const configured = {
  logs: [logKey, otherLogKey].map(({ publicKey }) => encodePublicKey(publicKey)),
  witnesses: [ann, ben, cyd].map(({ publicKey }) => encodeWitnessKey(witnessKeyOf(publicKey))),
  tee: teeConditions,
}

export type SessionScene = {
  readonly key: SecretKey
  readonly signed: VerifiedSession
  readonly document: SessionDocument
  /** The document, and the collateral if there is a quote. */
  readonly evidence: readonly Evidence[]
}

export type SessionOptions = {
  readonly session?: Partial<Session>
  readonly quote?: Partial<SimulatedOptions>
  readonly checkpoint?: Note
}

/** From two hours ago for a day, on a machine of its own unless said otherwise. */
export function sessionOf(operator: SecretKey, name: string, options: SessionOptions = {}): SessionScene {
  const key = keyNamed(`session ${name}`.replaceAll(' ', '-'))
  const { checkpoint = null } = options
  const session: Session = {
    format: 1,
    operator: operator.publicKey.id,
    key: key.publicKey,
    from: now - 7_200,
    until: now - 7_200 + day,
    software: { abnpkg: '0.1.0' },
    configuration: sha256Of('configuration'),
    checkpoint: checkpoint === null ? null : sha256Of(encodeNote(checkpoint)),
    tee: 'simulated',
    ...options.session,
  }
  const signed = signSession(session, operator)
  if (session.tee === 'none') return packed({ key, signed }, { quote: null, collateral: null, checkpoint })
  const minted = mintSimulated({
    now,
    machine: `machine of ${name}`,
    reportData: reportDataOf(session),
    ...options.quote,
  })
  return packed({ key, signed }, { quote: minted.quote, collateral: minted.collateral, checkpoint })
}

type Packing = {
  readonly quote: Uint8Array | null
  readonly collateral: Uint8Array | null
  readonly checkpoint: Note | null
}

/** Anybody can do this, with whatever quote. */
export function packed(
  { key, signed }: Pick<SessionScene, 'key' | 'signed'>,
  { quote, collateral, checkpoint }: Packing,
): SessionScene {
  const digest = collateral === null ? null : sha256Of(collateral)
  const bytes = encodeSessionDocument({ session: signed, quote, collateral: digest, checkpoint })
  const evidence = [
    { kind: 'session', bytes },
    ...(collateral === null ? [] : [{ kind: 'collateral', bytes: collateral }]),
  ]
  return { key, signed, document: parseSessionDocument(bytes), evidence }
}

export function collateralIn({ evidence }: SessionScene): Uint8Array {
  return evidence.find(({ kind }) => kind === 'collateral')?.bytes ?? new Uint8Array()
}

/** What a builder states in its session. */
export function attestedIn(
  { key, signed }: Pick<SessionScene, 'key' | 'signed'>,
  item: ClosureItem,
  changes: StatementChanges = {},
): VerifiedAttestation {
  const builder = {
    kind: 'session',
    key: key.publicKey.id,
    session: signed.digest,
    software: { abnpkg: '0.1.0' },
  } as const
  return attested(item, key, { builder, ...changes })
}

/** Proofs for these entries, in the tree of all of them, cosigned by two witnesses a minute ago unless said otherwise. */
export function loggedIn(
  signer: SecretKey,
  entries: readonly { readonly bytes: Uint8Array }[],
  { proved = entries, witnessing = { by: [ann, ben], at: now - 60 } }: Proving = {},
): Evidence {
  const log = smallLog(
    signer,
    [{ bytes: Buffer.from('another entry') }, ...entries].map(({ bytes }) => bytes),
  )
  return inclusionsIn(log, proved, witnessing)
}

export type Proving = { readonly proved?: readonly { readonly bytes: Uint8Array }[]; readonly witnessing?: Witnessing }

export function inclusionsIn(
  log: ReturnType<typeof smallLog>,
  proved: readonly { readonly bytes: Uint8Array }[],
  witnessing: Witnessing = { by: [], at: 0 },
): Evidence {
  const wanted = proved.map(({ bytes }) => bytes)
  return { kind: 'log-inclusions', bytes: log.inclusions(wanted, log.entries.length, witnessing) }
}

export function digestOf({ bytes }: { readonly bytes: Uint8Array }): Sha256 {
  return parseSha256(sha256Of(bytes))
}

export const sessions = {
  alice: sessionOf(alice, 'alice'),
  bob: sessionOf(bob, 'bob'),
  carol: sessionOf(carol, 'carol'),
  /** Alice's second, on bob's machine. */
  elsewhere: sessionOf(alice, 'elsewhere', { quote: { machine: 'machine of bob' } }),
  /** No TEE. */
  plain: sessionOf(bob, 'plain', { session: { tee: 'none' } }),
}

export function noteEvidence(note: Note): Uint8Array {
  return encodeNote(note)
}
