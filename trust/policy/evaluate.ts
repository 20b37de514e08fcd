/**
 * The policy decides: one pure function of what is wanted, the evidence, the policy and the time. It counts over the operators
 * whom the policy names. What strangers say, how often somebody says something and in which order does not change a decision.
 *
 * Evidence against needs less than evidence for. A statement counts for an output only when it is unexpired, in time, built
 * from accepted inputs and so on. It counts against as soon as a configured operator has signed it and not revoked it.
 */
import type { Sha256 } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import type { OperatorAttestation, VerifiedEvidence } from '../evidence.ts'
import type { KeyId } from '../key.ts'
import type { VerifiedRevocationList } from '../revocation.ts'
import type { StatedOutput, Statement } from '../statement.ts'
import type { Decision, DecisionRequest, NotCounted, Outcome, Reason } from './decision.ts'
import { divergenceOf, inputsThatDiffer } from './divergence.ts'
import { type Conditions, type Depth, type Factor, type Policy, policyDigestOf, ruleFor } from './policy.ts'
import { conditionsOf } from './presets.ts'

/** How far a builder's clock may be ahead of ours. */
export const toleratedSkewSeconds = 300

/** `now` in seconds since 1970. Throws TypeError when it is no time, so that a broken clock never looks like an early one. */
export function evaluate(request: DecisionRequest, evidence: VerifiedEvidence, policy: Policy, now: number): Decision {
  if (!Number.isSafeInteger(now) || now <= 0) throw new TypeError(`evaluate: ${now} is not a time in whole seconds`)
  const { rule, own } = ruleFor(policy, request.name)
  const conditions = atDepth(conditionsOf(rule) ?? null, request.depth)
  const head = { format: 1, request, policy: policyDigestOf(policy), conditions, own, now } as const
  if (conditions === null) {
    const reasons = [{ kind: 'source-only' } as const]
    return { ...head, evidence: [], knownRevocations: [], outcome: { kind: 'refused' }, reasons }
  }
  const electorate = electorateOf(policy, conditions)
  const found = (evidence.attestations.get(request.recipe) ?? []).filter(({ operator }) =>
    electorate.names.has(operator),
  )
  const standings = new Map(electorate.operators.map((name) => [name, standingOf(name, evidence, policy)]))
  const judged = found.map((one) => judge(one, { request, conditions, now, standing: standings.get(one.operator) }))
  const { outcome, reasons } = concluded(judged, electorate, { request, conditions, policy })
  const concerned = [...new Set(found.map(({ operator }) => operator))].flatMap((name) => standings.get(name) ?? [])
  return {
    ...head,
    evidence: sorted([
      ...found.map(({ attestation }) => attestation.digest),
      ...concerned.flatMap(({ lists }) => lists.map(({ digest }) => digest)),
    ]),
    knownRevocations: concerned.flatMap(({ known }) => known).sort((a, b) => compareBytewise(a.key, b.key)),
    outcome,
    reasons,
  }
}

function atDepth(conditions: Conditions | null, depth: Depth | null): Conditions | null {
  return conditions === null || depth === null ? conditions : { ...conditions, depth }
}

/** Who has a vote under a rule: everyone configured but those whom it excludes. */
type Electorate = {
  readonly operators: readonly string[]
  readonly names: ReadonlySet<string>
  readonly excluded: readonly string[]
}

function electorateOf({ operators }: Policy, { factors }: Conditions): Electorate {
  const excluded = new Set(factors.flatMap((factor) => (factor.kind === 'excluded' ? factor.operators : [])))
  const names = operators.map(({ name }) => name).filter((name) => !excluded.has(name))
  return { operators: names, names: new Set(names), excluded: sorted([...excluded]) }
}

/** What an operator has taken back, and whether we have all that it is known to have taken back. */
type Standing = {
  readonly lists: readonly VerifiedRevocationList[]
  readonly keys: ReadonlySet<KeyId>
  readonly statements: ReadonlySet<Sha256>
  readonly known: readonly { readonly key: KeyId; readonly version: number }[]
  readonly rolledBack: boolean
}

function standingOf(
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

/**
 * One statement. `claim` is what it says of the output asked for, null when it says nothing or was taken back; `because` is
 * why it does not count, null when it counts.
 */
type Judged = OperatorAttestation & { readonly claim: StatedOutput | null; readonly because: NotCounted | null }

type JudgeOptions = {
  readonly request: DecisionRequest
  readonly conditions: Conditions
  readonly now: number
  readonly standing: Standing | undefined
}

function judge(one: OperatorAttestation, { request, conditions, now, standing }: JudgeOptions): Judged {
  const { statement, statementDigest, key } = one.attestation
  if (standing?.keys.has(key.id)) return { ...one, claim: null, because: 'revoked-key' }
  if (standing?.statements.has(statementDigest)) return { ...one, claim: null, because: 'revoked-statement' }
  const claim = statement.outputs.find(({ path }) => path === request.path) ?? null
  const because =
    mismatchOf(statement, claim, request) ??
    (standing?.rolledBack === false ? null : 'revocations-rolled-back') ??
    untimelyOf(statement, now) ??
    firstOf(conditions.factors, (factor) => failureOf(factor, statement, { now, lists: standing?.lists ?? [] })) ??
    (conditions.depth === 'outputs' || hasAcceptedInputs(statement, request) ? null : 'inputs-not-accepted')
  return { ...one, claim, because }
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

function untimelyOf({ finished, expires }: Statement, now: number): NotCounted | null {
  if (expires <= now) return 'expired'
  return finished > now + toleratedSkewSeconds ? 'future' : null
}

type FactorContext = { readonly now: number; readonly lists: readonly VerifiedRevocationList[] }

/** Why a statement does not count under a factor that is about single statements. */
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

type Matter = { readonly request: DecisionRequest; readonly conditions: Conditions; readonly policy: Policy }

/** Counts what was judged. */
function concluded(
  judged: readonly Judged[],
  electorate: Electorate,
  { request, conditions, policy }: Matter,
): { readonly outcome: Outcome; readonly reasons: readonly Reason[] } {
  const counted = judged.filter(({ because }) => because === null)
  const agreeing = new Set(counted.map(({ operator }) => operator))
  const claims = judged.flatMap(({ claim, operator, attestation }) =>
    claim === null ? [] : [{ operator, attestation, output: claim }],
  )
  const against: Reason[] = []
  const divergence = divergenceOf(claims)
  if (divergence) against.push(divergence)
  if (policy.operators.length === 0) against.push({ kind: 'no-operators' })
  if (conditions.depth !== 'outputs') {
    for (const { path, accepted } of request.inputs) {
      if (accepted === null) against.push({ kind: 'input-not-accepted', path })
    }
  }
  for (const factor of conditions.factors) against.push(...unmetOf(factor, agreeing, electorate))
  const first = counted[0]?.claim ?? null
  const operators = sorted([...agreeing])
  const isAccepted = against.length === 0 && first !== null
  const differing = isAccepted ? inputsThatDiffer(counted.map(({ attestation }) => attestation.statement)) : []
  const reasons: Reason[] = [
    ...against,
    ...judged.map(reasonOf),
    ...electorate.operators
      .filter((operator) => !judged.some((one) => one.operator === operator))
      .map((operator): Reason => ({ kind: 'silent', operator })),
    ...electorate.excluded.map((operator): Reason => ({ kind: 'excluded', operator })),
    ...(differing.length > 0 ? [{ kind: 'inputs-differ', inputs: differing } as const] : []),
  ]
  if (!isAccepted) return { outcome: { kind: 'refused' }, reasons }
  const { digest, bytes, references } = first
  return { outcome: { kind: 'accepted', digest, bytes, references, operators }, reasons }
}

/** What a factor that is about all statements together lacks. A kind that is not handled here or in failureOf is unmet. */
function unmetOf(factor: Factor, agreeing: ReadonlySet<string>, electorate: Electorate): readonly Reason[] {
  switch (factor.kind) {
    case 'operators': {
      const among = (factor.among ?? electorate.operators).filter((name) => electorate.names.has(name))
      const counted = among.filter((name) => agreeing.has(name)).length
      return counted >= factor.atLeast ? [] : [{ kind: 'too-few', wanted: factor.atLeast, counted, among }]
    }
    case 'required':
      return factor.operators
        .filter((operator) => !agreeing.has(operator))
        .map((operator) => ({ kind: 'required-missing', operator }))
    case 'excluded':
    case 'age':
    case 'built':
    case 'revocations':
      return []
    case 'logged':
    case 'witnessed':
    case 'tee':
      return [{ kind: 'factor-unsupported', factor: factor.kind }]
    default:
      return unknownFactor(factor)
  }
}

function unknownFactor(factor: never): readonly Reason[] {
  return [{ kind: 'factor-unsupported', factor: JSON.stringify(factor) }]
}

function reasonOf({ operator, attestation: { digest }, because }: Judged): Reason {
  return because === null
    ? { kind: 'agreed', operator, attestation: digest }
    : { kind: 'not-counted', operator, attestation: digest, because }
}

function firstOf<T, R>(list: readonly T[], find: (one: T) => R | null): R | null {
  for (const one of list) {
    const found = find(one)
    if (found !== null) return found
  }
  return null
}

function sorted<T extends string>(texts: readonly T[]): readonly T[] {
  return [...texts].sort(compareBytewise)
}
