/**
 * The policy decides: one pure function of what is wanted, the evidence, the policy and the time. It counts over the operators
 * whom the policy names. What strangers say, how often somebody says something and in which order does not change a decision.
 *
 * Evidence against needs less than evidence for. A statement counts for an output only when it is unexpired, in time, built
 * from accepted inputs and so on. It counts against as soon as a configured operator, or a session of his, has signed it and he has
 * not revoked it.
 */
import { compareBytewise } from '../../format/order.ts'
import type { VerifiedEvidence } from '../evidence.ts'
import type { SessionEvidence } from '../session-evidence.ts'
import { lookedAt } from '../tee/judge-session.ts'
import type { Decision, DecisionRequest, Outcome, Reason } from './decision.ts'
import { divergenceOf, inputsThatDiffer } from './divergence.ts'
import { type Judged, judge, type Standing, standingOf, withoutSharedKeys } from './judge.ts'
import { isConfigured, type LogQuestion, logFactorsOf, publicSessions } from './logged.ts'
import { type Conditions, type Depth, type Factor, type Policy, policyDigestOf, ruleFor } from './policy.ts'
import { conditionsOf } from './presets.ts'
import { findTees, quorumOf, type TeeFindings } from './tee-factor.ts'

/** `now` in seconds since 1970. Throws TypeError when it is no time, so that a broken clock never looks like an early one. */
export function evaluate(request: DecisionRequest, evidence: VerifiedEvidence, policy: Policy, now: number): Decision {
  if (!Number.isSafeInteger(now) || now <= 0) throw new TypeError(`evaluate: ${now} is not a time in whole seconds`)
  const { rule, own } = ruleFor(policy, request.name)
  const conditions = atDepth(conditionsOf(rule) ?? null, request.depth)
  const head = { format: 1, request, policy: policyDigestOf(policy), conditions, own, now } as const
  if (conditions === null) {
    const reasons = [{ kind: 'source-only' } as const]
    return { ...head, evidence: [], ...nothingKnown, outcome: { kind: 'refused' }, reasons }
  }
  const electorate = electorateOf(policy, conditions)
  const found = (evidence.attestations.get(request.recipe) ?? []).filter(({ operator }) =>
    electorate.names.has(operator),
  )
  const question: LogQuestion = { factors: logFactorsOf(conditions.factors), logs: evidence.logs, now }
  const standings = standingsIn(evidence, policy)
  const judged = withoutSharedKeys(
    found.map((one) => judge(one, { request, conditions, now, question, standing: standings.get(one.operator) })),
  )
  const matter = { request, conditions, policy, evidence, now, question, judged }
  const tees = conditions.factors.some(({ kind }) => kind === 'tee') ? teesIn(matter) : null
  const concerned = [...new Set(found.map(({ operator }) => operator))].flatMap((name) => standings.get(name) ?? [])
  return {
    ...head,
    evidence: sorted(
      new Set([
        ...found.map(({ attestation }) => attestation.digest),
        ...concerned.flatMap(({ lists }) => lists.map(({ digest }) => digest)),
        ...sessionsLookedAt(matter, tees).map(({ document }) => document.digest),
        ...(tees?.looked ?? []).flatMap((session) => lookedAt(session, policy.tee?.roots ?? [], now)),
        ...(question.factors.length === 0 ? [] : [...evidence.logs.values()].flatMap(({ documents }) => documents)),
      ]),
    ),
    knownRevocations: concerned.flatMap(({ known }) => known).sort((a, b) => compareBytewise(a.key, b.key)),
    knownLogs: question.factors.length === 0 ? [] : knownLogsOf(evidence, policy),
    knownEvaluations: tees === null ? [] : knownEvaluationsOf(evidence, policy),
    ...concluded(electorate, tees, matter),
  }
}

const nothingKnown = { knownRevocations: [], knownLogs: [], knownEvaluations: [] } as const

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
  return { operators: names, names: new Set(names), excluded: sorted(excluded) }
}

/** The same for every output that is decided on the same evidence. */
function standingsIn(evidence: VerifiedEvidence, policy: Policy): ReadonlyMap<string, Standing> {
  const known = memory.get(evidence)
  if (known?.policy === policy) return known.standings
  const standings = new Map(policy.operators.map(({ name }) => [name, standingOf(name, evidence, policy)]))
  memory.set(evidence, { policy, standings })
  return standings
}

const memory = new WeakMap<
  VerifiedEvidence,
  { readonly policy: Policy; readonly standings: ReadonlyMap<string, Standing> }
>()

type Matter = {
  readonly request: DecisionRequest
  readonly conditions: Conditions
  readonly policy: Policy
  readonly evidence: VerifiedEvidence
  readonly now: number
  readonly question: LogQuestion
  readonly judged: readonly Judged[]
}

/** About the sessions that signed what counts, each once. */
function teesIn({ conditions, policy, evidence, now, question, judged }: Matter): TeeFindings {
  const { tee } = policy
  if (tee === null) return { counted: 0, reasons: [], looked: [] }
  const sessions = new Map<string, readonly SessionEvidence[]>()
  for (const one of judged) {
    const [first] = one.sessions
    if (one.because !== null || first === undefined) continue
    sessions.set(`${one.operator} ${first.session.digest}`, publicSessions(one, question))
  }
  const ordered = [...sessions].sort(([a], [b]) => compareBytewise(a, b)).map(([, documents]) => documents)
  const quorum = quorumOf(conditions.factors, policy)
  return findTees(ordered, { policy, tee, now, knownEvaluations: evidence.knownEvaluations, quorum })
}

/** One public document says all about a session that a decision needs, unless its quote matters. */
function sessionsLookedAt({ judged, question }: Matter, tees: TeeFindings | null): readonly SessionEvidence[] {
  return judged.flatMap((one) => {
    const seen = publicSessions(one, question)
    return seen.length === 0 ? one.sessions : (seen.find((session) => tees?.looked.includes(session)) ?? seen[0] ?? [])
  })
}

function knownLogsOf({ knownLogs }: VerifiedEvidence, { logs }: Policy): Decision['knownLogs'] {
  return logs.flatMap(({ name }) => {
    const known = knownLogs.get(name)
    return known === undefined ? [] : [{ log: name, size: known.size, root: known.root }]
  })
}

function knownEvaluationsOf({ knownEvaluations }: VerifiedEvidence, { tee }: Policy): Decision['knownEvaluations'] {
  return sorted((tee?.roots ?? []).map(({ digest }) => digest)).flatMap((root) => {
    const number = knownEvaluations.get(root)
    return number === undefined ? [] : [{ root, number }]
  })
}

/** Counts what was judged. */
function concluded(
  electorate: Electorate,
  tees: TeeFindings | null,
  { request, conditions, policy, evidence, question, judged }: Matter,
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
  const counts = { agreeing, electorate, policy, tees: tees?.counted ?? 0 }
  for (const factor of conditions.factors) against.push(...unmetOf(factor, counts))
  const first = counted[0]?.claim ?? null
  const operators = sorted(agreeing)
  const isAccepted = against.length === 0 && first !== null
  const differing = isAccepted ? inputsThatDiffer(counted.map(({ attestation }) => attestation.statement)) : []
  const reasons: Reason[] = [
    ...against,
    ...(question.factors.length === 0 ? [] : troublesIn(evidence)),
    ...judged.map(reasonOf),
    ...(tees?.reasons ?? []),
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

type Counts = {
  readonly agreeing: ReadonlySet<string>
  readonly electorate: Electorate
  readonly policy: Policy
  readonly tees: number
}

/** What a factor that is about all statements together lacks. A kind that is not known here is unmet. */
function unmetOf(factor: Factor, { agreeing, electorate, policy, tees }: Counts): readonly Reason[] {
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
      return isConfigured(factor, policy) ? [] : [{ kind: 'factor-unconfigured', factor: factor.kind }]
    case 'tee':
      if (policy.tee === null) return [{ kind: 'factor-unconfigured', factor: factor.kind }]
      return tees >= factor.atLeast ? [] : [{ kind: 'tee-too-few', wanted: factor.atLeast, counted: tees }]
    default:
      return unknownFactor(factor)
  }
}

function unknownFactor(factor: never): readonly Reason[] {
  return [{ kind: 'factor-unsupported', factor: JSON.stringify(factor) }]
}

function troublesIn({ logs }: VerifiedEvidence): readonly Reason[] {
  return [...logs]
    .sort(([a], [b]) => compareBytewise(a, b))
    .flatMap(([log, { trouble }]) => (trouble === null ? [] : [{ kind: 'log-trouble', log, trouble: trouble.kind }]))
}

function reasonOf({ operator, attestation: { digest }, because }: Judged): Reason {
  return because === null
    ? { kind: 'agreed', operator, attestation: digest }
    : { kind: 'not-counted', operator, attestation: digest, because }
}

function sorted<T extends string>(texts: Iterable<T>): readonly T[] {
  return [...texts].sort(compareBytewise)
}
