/** A decision in lines for people. Texts from outside (names of operators, paths) were checked when they were parsed. */
import type { Sha256 } from '../../format/hash.ts'
import { encodeTime } from '../time.ts'
import type { Decision, NotCounted, Reason } from './decision.ts'
import type { Factor } from './policy.ts'

/** The outcome first, then the rule, then the reasons. */
export function linesOfDecision(decision: Decision): readonly string[] {
  const { outcome, request, conditions, own, now } = decision
  const what = `${request.name} ${request.version}${request.output === 'out' ? '' : ` (${request.output})`}`
  const verdict =
    outcome.kind === 'accepted'
      ? `${what}: accepted, ${short(outcome.digest)}, on the word of ${outcome.operators.join(', ')}`
      : `${what}: not accepted, so it is built from source`
  const rule =
    conditions === null ? 'source-only' : [...conditions.factors.map(textOfFactor), DEPTHS[conditions.depth]].join('; ')
  return [
    verdict,
    `decided ${encodeTime(now)} by ${own ? `the rule for ${request.name}` : 'the default rule'}: ${rule}`,
    ...decision.reasons.flatMap(linesOfReason),
  ]
}

export function linesOfReason(reason: Reason): readonly string[] {
  switch (reason.kind) {
    case 'source-only':
      return ['the rule is never to substitute it']
    case 'no-operators':
      return ['the policy names no operators']
    case 'agreed':
      return [`${reason.operator} agrees (attestation ${short(reason.attestation)})`]
    case 'not-counted':
      return [
        `${reason.operator} does not count: ${NOT_COUNTED[reason.because]} (attestation ${short(reason.attestation)})`,
      ]
    case 'silent':
      return [`${reason.operator} says nothing`]
    case 'excluded':
      return [`${reason.operator} is excluded by the rule`]
    case 'divergence':
      return [
        `DIVERGENCE: ${CAUSES[reason.cause]}`,
        ...reason.sides.map(({ digest, operators }) => `  ${short(digest)}: ${operators.join(', ')}`),
        ...reason.inputs.map((path) => `  differing input: ${path}`),
      ]
    case 'inputs-differ':
      return [`the operators agree, but built from different inputs: ${reason.inputs.join(', ')}`]
    case 'input-not-accepted':
      return [`its input ${reason.path} is not accepted`]
    case 'too-few':
      return [`${reason.wanted} operators have to agree, ${reason.counted} of ${reason.among.length} do`]
    case 'required-missing':
      return [`${reason.operator} has to agree`]
    case 'factor-unsupported':
      return [`this version of abnpkg cannot check the factor "${reason.factor}", so it is not met`]
    default:
      return impossible(reason)
  }
}

const NOT_COUNTED: { readonly [because in NotCounted]: string } = {
  'revoked-key': 'the key is revoked',
  'revoked-statement': 'the statement is revoked',
  'another-package': 'the statement is for another name, version or system',
  'another-output': 'the statement says nothing about this output',
  'another-derivation': 'the statement names other inputs than the recipe has',
  expired: 'the statement has expired',
  future: 'the statement is from the future',
  'too-young': 'the build is too recent for the rule',
  'too-old': 'the build is too old for the rule',
  'not-built': 'the operator did not build it itself',
  'revocations-missing': 'the operator has no current list of revocations',
  'revocations-rolled-back': 'an older list of revocations was shown than one seen before',
  'inputs-not-accepted': 'it was built from inputs that are not accepted',
}

const CAUSES = {
  build: 'operators got different bits from the same inputs',
  inputs: 'operators got different bits, from different inputs',
  description: 'operators describe the same bits differently',
}

const DEPTHS = {
  outputs: 'inputs are not asked for',
  inputs: 'its inputs have to be accepted too',
  seed: 'everything down to the seed has to be accepted too',
}

function textOfFactor(factor: Factor): string {
  switch (factor.kind) {
    case 'operators':
      return `${factor.atLeast} operators${factor.among === null ? '' : ` of ${factor.among.join(', ')}`} agree`
    case 'required':
      return `${factor.operators.join(', ')} among them`
    case 'excluded':
      return `not counting ${factor.operators.join(', ')}`
    case 'age':
      return `built${factor.minimum === null ? '' : ` at least ${factor.minimum} s ago`}${factor.maximum === null ? '' : ` at most ${factor.maximum} s ago`}`
    case 'built':
      return 'built by themselves'
    case 'revocations':
      return `revocations not older than ${factor.within} s`
    case 'logged':
    case 'witnessed':
    case 'tee':
      return factor.kind
    default:
      return impossible(factor)
  }
}

function short(digest: Sha256): string {
  return `sha256:${digest.slice(0, 12)}…`
}

function impossible(value: never): never {
  throw new TypeError(`linesOfDecision: ${JSON.stringify(value)}`)
}
