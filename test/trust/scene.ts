// A builder's session with a simulated TEE, the logs and witnesses around it, and policies that ask for them; every part can be
// otherwise than it should be. Keys come from fixed seeds.
import { type Sha256, sha256Of } from '../../format/hash.ts'
import { attest, type VerifiedAttestation } from '../../trust/attestation.ts'
import { type Evidence, type VerifyOptions, verifyEvidence } from '../../trust/evidence.ts'
import { encodePublicKey } from '../../trust/key.ts'
import { encodeWitnessKey, witnessKeyOf } from '../../trust/log/cosignature.ts'
import { encodeNote, type Note } from '../../trust/log/note.ts'
import { parseLogProof } from '../../trust/log/proof-file.ts'
import type { ClosureItem } from '../../trust/policy/closure.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import { evaluate } from '../../trust/policy/evaluate.ts'
import { type Policy, parsePolicy } from '../../trust/policy/policy.ts'
import type { SecretKey } from '../../trust/secret-key.ts'
import { reportDataOf, type Session, signSession, type VerifiedSession } from '../../trust/session.ts'
import { encodeSessionDocument, encodeSessionProof } from '../../trust/session-evidence.ts'
import { mintSimulated, type SimulatedOptions, simulatedField, simulatedRoot } from '../../trust/tee/simulated.ts'
import { type SmallLog, smallLog, type Witnessing } from '../_support/small-log.ts'
import { alice, bob, day, hello, keyNamed, now, requestOf, type StatementChanges, statementOf } from './support.ts'

export const logKey = keyNamed('log.example/abnpkg')
export const witness1 = keyNamed('witness.example/w1')
export const witness2 = keyNamed('witness.example/w2')
export const witness3 = keyNamed('witness.example/w3')
export const hour = 3600

export type SceneSession = {
  /** The session's own key. */
  readonly key: SecretKey
  readonly signed: VerifiedSession
  readonly document: Uint8Array
  /** SHA-256 of the document. */
  readonly digest: Sha256
  readonly collateral: Uint8Array | null
  /** The document and its collateral. */
  readonly evidence: readonly Evidence[]
}

export type SceneOptions = {
  /** Another session key. */
  readonly key?: SecretKey
  readonly session?: Partial<Session>
  /** The quote was made two hours ago unless said otherwise. */
  readonly minted?: Partial<SimulatedOptions>
  /** In place of the right one. */
  readonly quote?: Uint8Array
  readonly collateral?: Uint8Array
  readonly checkpoint?: Note | null
}

/** From two hours ago for a week. */
export function startSession(operator: SecretKey, options: SceneOptions = {}): SceneSession {
  const { checkpoint = null } = options
  const key = options.key ?? keyNamed(`${operator.publicKey.name}/session`)
  const session: Session = {
    format: 1,
    operator: operator.publicKey.id,
    key: key.publicKey,
    from: now - 2 * hour,
    until: now + 7 * day,
    software: { abnpkg: '0.1.0' },
    configuration: sha256Of('configuration'),
    checkpoint: checkpoint === null ? null : sha256Of(encodeNote(checkpoint)),
    tee: 'simulated',
    ...options.session,
  }
  const signed = signSession(session, operator)
  const minted = mintSimulated({ now: now - 2 * hour, reportData: reportDataOf(session), ...options.minted })
  const hasQuote = session.tee !== 'none'
  const collateral = hasQuote ? (options.collateral ?? minted.collateral) : null
  const document = encodeSessionDocument({
    session: signed,
    quote: hasQuote ? (options.quote ?? minted.quote) : null,
    collateral: collateral === null ? null : sha256Of(collateral),
    checkpoint,
  })
  const evidence = [
    { kind: 'session', bytes: document },
    ...(collateral === null ? [] : [{ kind: 'collateral', bytes: collateral }]),
  ]
  return { key, signed, document, digest: sha256Of(document), collateral, evidence }
}

/** Built in the session, an hour ago. */
export function attestedIn(
  { key, signed }: Pick<SceneSession, 'key' | 'signed'>,
  item: ClosureItem = hello,
  changes: StatementChanges = {},
): VerifiedAttestation {
  const builder = { kind: 'session', key: key.publicKey.id, session: signed.digest, software: {} } as const
  return attest(statementOf(item, key, { builder, ...changes }), key)
}

/** That the document is in the log, under a checkpoint that these have cosigned. */
export function sessionProof(
  log: SmallLog,
  { document, digest }: Pick<SceneSession, 'document' | 'digest'>,
  witnessing: Witnessing = { by: [witness1, witness2], at: now - hour },
): Evidence {
  const proof = parseLogProof(log.proofFile(document, undefined, witnessing))
  return { kind: 'session-proof', bytes: encodeSessionProof(digest, proof) }
}

/** What a policy says of a simulated TEE. */
export const simulatedTee = {
  roots: [`simulated:${simulatedRoot().digest}`],
  statuses: ['UpToDate'],
  measurements: [
    {
      name: 'simulated',
      mrTd: Buffer.from(simulatedField('simulated MRTD', 48)).toString('hex'),
      rtmr0: null,
      rtmr1: null,
      rtmr2: null,
      rtmr3: null,
    },
  ],
  minimumEvaluationNumber: 0,
  serviceTds: [],
  age: { since: 'session', maximum: 30 * day },
  collateral: 'present',
}

export type ScenePolicy = {
  readonly factors?: readonly unknown[]
  readonly operators?: Readonly<Record<string, readonly SecretKey[]>>
  readonly logs?: readonly SecretKey[]
  readonly witnesses?: readonly SecretKey[]
  readonly tee?: unknown
}

export const agreed = { kind: 'operators', atLeast: 2 }
export const everything = [
  agreed,
  { kind: 'built' },
  { kind: 'logged' },
  { kind: 'witnessed', atLeast: 2, within: day },
  { kind: 'tee', atLeast: 1 },
]

/** Two operators agree, in the log, seen by two witnesses today, one in a TEE; unless said otherwise. */
export function scenePolicy(parts: ScenePolicy = {}): Policy {
  const { operators = { alice: [alice], bob: [bob] }, logs = [logKey], witnesses = [witness1, witness2] } = parts
  return parsePolicy(
    JSON.stringify({
      format: 1,
      operators: Object.entries(operators).map(([name, keys]) => ({
        name,
        keys: keys.map(({ publicKey }) => encodePublicKey(publicKey)),
      })),
      default: { kind: 'factors', depth: 'outputs', factors: parts.factors ?? everything },
      packages: {},
      ...(logs.length === 0 ? {} : { logs: logs.map(({ publicKey }) => encodePublicKey(publicKey)) }),
      ...(witnesses.length === 0
        ? {}
        : { witnesses: witnesses.map(({ publicKey }) => encodeWitnessKey(witnessKeyOf(publicKey))) }),
      ...(parts.tee === null ? {} : { tee: parts.tee ?? simulatedTee }),
    }),
  )
}

/** About the output of `hello`. */
export function decideScene(
  evidence: readonly Evidence[],
  policy: Policy = scenePolicy(),
  { at = now, ...options }: VerifyOptions & { readonly at?: number } = {},
): Decision {
  return evaluate(requestOf(hello), verifyEvidence(evidence, policy, options), policy, at)
}

/** What logs hold besides. */
export function crowd(count: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, i) => Buffer.from(`entry ${i}`))
}

/**
 * All is well: alice builds in a simulated TEE, bob in a session without one; both are logged, beside what other people log. Two
 * witnesses have seen it five minutes ago.
 */
export function goodScene(options: SceneOptions = {}) {
  const ofAlice = startSession(alice, options)
  const ofBob = startSession(bob, { session: { tee: 'none' } })
  return { ...publicScene(ofAlice, ofBob), alice: ofAlice, bob: ofBob }
}

/** Both have built `hello`, and all of it is logged. */
export function publicScene(first: SceneSession, second: SceneSession) {
  const attestations = [attestedIn(first), attestedIn(second)]
  const log = smallLog(logKey, crowd(37))
  const logged = [first.document, second.document, ...attestations.map(({ bytes }) => bytes)]
  log.append(...logged, Buffer.from('the last entry'))
  const inclusions: Evidence = {
    kind: 'log-inclusions',
    bytes: log.inclusions(logged, undefined, { by: [witness1, witness2], at: now - 300 }),
  }
  const statements: readonly Evidence[] = attestations.map(({ bytes }) => ({ kind: 'attestation', bytes }))
  const pieces: readonly Evidence[] = [
    ...statements,
    ...first.evidence,
    ...second.evidence,
    sessionProof(log, first),
    inclusions,
  ]
  return { attestations, statements, log, logged, inclusions, pieces }
}
