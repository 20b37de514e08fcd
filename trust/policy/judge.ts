/** One statement under one rule: what it says about the output that is asked for, and whether it counts for it. */
import type { Sha256 } from '../../format/hash.ts'
import { hexOf } from '../bytes.ts'
import type { OperatorAttestation, VerifiedEvidence } from '../evidence.ts'
import type { KeyId } from '../key.ts'
import type { VerifiedRevocationList } from '../revocation.ts'
import type { StatedOutput, Statement } from '../statement.ts'
import type { DecisionRequest, NotCounted } from './decision.ts'
import { type LogQuestion, obscurityOf, toleratedSkewSeconds } from './logged.ts'
import type { Conditions, Factor, Policy } from './policy.ts'

/**
 * `claim` is what the statement says of the output asked for, null when it says nothing or was taken back; `because` is why it does
 * not count, null when it counts.
 */
export type Judged = OperatorAttestation & { readonly claim: StatedOutput | null; readonly because: NotCounted | null }

export type JudgeOptions = {
  readonly request: DecisionRequest
  readonly conditions: Conditions
  readonly now: number
  readonly question: LogQuestion
  readonly standing: Standing | undefined
}

export function judge(one: OperatorAttestation, options: JudgeOptions): Judged {
  const { request, conditions, now, standing, question } = options
  const { statement, statementDigest } = one.attestation
  if (isKeyRevoked(one, standing)) return { ...one, claim: null, because: 'revoked-key' }
  if (standing?.statements.has(statementDigest)) return { ...one, claim: null, because: 'revoked-statement' }
  const claim = statement.outputs.find(({ path }) => path === request.path) ?? null
  const because =
    mismatchOf(statement, claim, request) ??
    (standing?.rolledBack === false ? null : 'revocations-rolled-back') ??
    untimelyOf(one, now) ??
    firstOf(conditions.factors, (factor) => failureOf(factor, statement, { now, lists: standing?.lists ?? [] })) ??
    obscurityOf(one, question) ??
    (conditions.depth === 'outputs' || hasAcceptedInputs(statement, request) ? null : 'inputs-not-accepted')
  return { ...one, claim, because }
}

/**
 * A session's key that signs for several operators shows that they are one. What they say counts for neither of them, and against
 * as before. (No two operators of a policy have a key in common.)
 */
export function withoutSharedKeys(judged: readonly Judged[]): readonly Judged[] {
  const inSessions = judged.filter(({ sessions, because }) => sessions.length > 0 && !isTakenBack(because))
  if (inSessions.length < 2) return judged
  const byKey = Map.groupBy(inSessions, ({ attestation }) => hexOf(attestation.key.bytes))
  const shared = new Set(
    [...byKey.values()].filter((all) => new Set(all.map(({ operator }) => operator)).size > 1).flat(),
  )
  return judged.map((one) => (one.because === null && shared.has(one) ? { ...one, because: 'shared-key' } : one))
}

function isTakenBack(because: NotCounted | null): boolean {
  return because === 'revoked-key' || because === 'revoked-statement'
}

/** What an operator has taken back, and whether we have all that it is known to have taken back. */
export type Standing = {
  readonly lists: readonly VerifiedRevocationList[]
  readonly keys: ReadonlySet<KeyId>
  readonly statements: ReadonlySet<Sha256>
  readonly known: readonly { readonly key: KeyId; readonly version: number }[]
  readonly rolledBack: boolean
}

export function standingOf(
  name: string,
  { revocations, knownRevocations }: VerifiedEvidence,
  { operators }: Policy,
): Standing {
  const lists = revocations.get(name) ?? []
  const own = operators.find((operator) => operator.name === name)?.keys ?? []
  const known = own.flatMap(({ id }) => {
    const version = knownRevocations.get(id)
    return version === undefined ? [] : [{ key: id, version }]
  })
  return {
    lists,
    keys: new Set(lists.flatMap(({ list }) => list.keys.map(({ key }) => key))),
    statements: new Set(lists.flatMap(({ list }) => list.statements.map(({ statement }) => statement))),
    known,
    rolledBack: known.some(
      ({ key, version }) => !lists.some(({ list }) => list.signer === key && list.version >= version),
    ),
  }
}

/** The key that signed, or, where that is a session's, the operator's that signed the session. */
function isKeyRevoked({ attestation, sessions }: OperatorAttestation, standing: Standing | undefined): boolean {
  const keys = [attestation.key.id, ...sessions.map(({ session }) => session.operatorKey.id)]
  return keys.some((key) => standing?.keys.has(key))
}

/** The recipe hash covers all of this, so that a statement that has it wrong cannot come from an honest build. */
function mismatchOf(statement: Statement, claim: StatedOutput | null, request: DecisionRequest): NotCounted | null {
  const { name, version, system, inputs } = statement
  if (name !== request.name || version !== request.version || system !== request.system) return 'another-package'
  if (claim === null || claim.output !== request.output) return 'another-output'
  const isSame =
    inputs.length === request.inputs.length &&
    inputs.every(({ path, recipe, output }, i) => {
      const wanted = request.inputs[i]
      return path === wanted?.path && recipe === wanted.recipe && output === wanted.output
    })
  return isSame ? null : 'another-derivation'
}

function untimelyOf({ attestation, sessions }: OperatorAttestation, now: number): NotCounted | null {
  const { started, finished, expires } = attestation.statement
  if (expires <= now) return 'expired'
  if (finished > now + toleratedSkewSeconds) return 'future'
  const isInside = sessions.every(({ session: { session } }) => session.from <= started && finished <= session.until)
  return isInside ? null : 'outside-session'
}

type FactorContext = { readonly now: number; readonly lists: readonly VerifiedRevocationList[] }

/** Why a statement does not count under a factor that is about single statements, logs aside. */
function failureOf(factor: Factor, statement: Statement, { now, lists }: FactorContext): NotCounted | null {
  switch (factor.kind) {
    case 'age': {
      const age = now - statement.finished
      if (factor.minimum !== null && age < factor.minimum) return 'too-young'
      return factor.maximum !== null && age > factor.maximum ? 'too-old' : null
    }
    case 'built':
      return statement.origin === 'built' ? null : 'not-built'
    case 'revocations': {
      const isFresh = ({ list }: VerifiedRevocationList) =>
        list.issued <= now + toleratedSkewSeconds && now - list.issued <= factor.within && now < list.expires
      return lists.some(isFresh) ? null : 'revocations-missing'
    }
    default:
      return null
  }
}

function hasAcceptedInputs({ inputs }: Statement, request: DecisionRequest): boolean {
  return inputs.every(({ digest }, i) => digest === request.inputs[i]?.accepted)
}

function firstOf<T, R>(list: readonly T[], find: (one: T) => R | null): R | null {
  for (const one of list) {
    const found = find(one)
    if (found !== null) return found
  }
  return null
}
