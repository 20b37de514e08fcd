/** A decision in lines for people. Texts from outside (names of operators, paths) were checked when they were parsed. */
import type { Sha256 } from '../../format/hash.ts'
import { objectionTexts } from '../tee/appraise.ts'
import { encodeTime } from '../time.ts'
import type { Decision, LogTroubleKind, NotCounted, Reason } from './decision.ts'
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
    case 'tee-too-few':
      return [`${reason.wanted} of those who agree have to be in a TEE that is accepted, ${reason.counted} are`]
    case 'factor-unconfigured':
      return [UNCONFIGURED[reason.factor]]
    case 'log-trouble':
      return [`LOG ${reason.log}: ${TROUBLES[reason.trouble]}, so nothing of it counts`]
    case 'tee-accepted':
      return [
        `${reason.operator} built it in a TEE: ${reason.measurement}, ${reason.status} (session ${short(reason.session)})${reason.root === 'simulated' ? ', SIMULATED, which protects nothing' : ''}`,
      ]
    case 'tee-refused':
      return [
        `the TEE of ${reason.operator} is not accepted (session ${short(reason.session)}): ${reason.objections.map(textOfObjection).join('; ')}`,
      ]
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
  'outside-session': 'the build does not lie within the session that signed it',
  'shared-key': 'the session’s key has signed for another operator too, so that the two are not independent',
  'not-logged': 'it, or the session that signed it, is not shown to be in a log of the policy',
  'not-witnessed': 'too few witnesses of the policy have seen it in a log lately',
}

const UNCONFIGURED = {
  logged: 'the rule wants statements that are logged, but the policy names no log',
  witnessed: 'the rule wants more witnesses than the policy names, or the policy names no log',
  tee: 'the rule wants a TEE, but the policy does not say which it accepts',
}

const TROUBLES: { readonly [trouble in LogTroubleKind]: string } = {
  fork: 'it has shown two trees of one size',
  smaller: 'it has shown a smaller tree than one that was seen before',
  proof: 'its proof that it has only grown is wrong',
  unproved: 'it did not prove that it has only grown since it was last seen',
}

/** What judgeSession objects: the words of an appraisal, or a reason for which a quote could not even be verified. */
export function textOfObjection(objection: string): string {
  const texts: Readonly<Record<string, string>> = { ...objectionTexts, ...OBJECTIONS }
  const text = texts[objection] ?? (/^quote: .*-expired$/.test(objection) ? texts['quote: expired'] : undefined)
  return `${text ?? 'its quote does not verify'} (${objection})`
}

const OBJECTIONS = {
  'quote: none': 'the session has no quote',
  'quote: unsupported': 'quotes cannot be verified here',
  'quote: root-unknown': 'its root is not one that the policy names',
  'quote: quote-vendor': 'its root is not one that the policy names',
  'quote: certificate-revoked': 'the certificate of its platform is revoked',
  'quote: expired': 'what is known about its platform has expired',
  'collateral: missing': 'what is known about its platform did not come with it',
  'session-proof: missing': 'nothing shows that enough witnesses saw the session in a log',
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
      return `built${factor.minimum === null ? '' : ` at least ${spanOf(factor.minimum)} ago`}${factor.maximum === null ? '' : ` at most ${spanOf(factor.maximum)} ago`}`
    case 'built':
      return 'built by themselves'
    case 'revocations':
      return `revocations not older than ${spanOf(factor.within)}`
    case 'logged':
      return 'in a log'
    case 'witnessed':
      return `seen there by ${factor.atLeast} witnesses not more than ${spanOf(factor.within)} ago`
    case 'tee':
      return `${factor.atLeast} of them in a TEE`
    default:
      return impossible(factor)
  }
}

/** Exact, in the largest unit in which it is whole. */
function spanOf(seconds: number): string {
  const [unit, length] = UNITS.find(([, each]) => seconds >= each && seconds % each === 0) ?? (['second', 1] as const)
  const count = seconds / length
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

function short(digest: Sha256): string {
  return `sha256:${digest.slice(0, 12)}…`
}

function impossible(value: never): never {
  throw new TypeError(`linesOfDecision: ${JSON.stringify(value)}`)
}
