// A policy in lines.
import { encodePublicKey } from '../../trust/key.ts'
import { encodeWitnessKey } from '../../trust/log/cosignature.ts'
import { type Factor, type Policy, type PolicyTee, policyDigestOf, ruleFor } from '../../trust/policy/policy.ts'
import { conditionsOf } from '../../trust/policy/presets.ts'
import { spanText } from '../span-text.ts'

export function linesOfPolicy(policy: Policy): readonly string[] {
  const { operators, logs, witnesses, tee, packages } = policy
  return [
    `digest ${policyDigestOf(policy)}`,
    ...operators.flatMap(({ name, keys }) => keys.map((key) => `operator ${name}  ${encodePublicKey(key)}`)),
    ...logs.map((log) => `log ${encodePublicKey(log)}`),
    ...witnesses.map((witness) => `witness ${encodeWitnessKey(witness)}`),
    ...(tee === null ? [] : linesOfTee(tee)),
    `rule for everything: ${ruleText(policy, '')}`,
    ...[...packages.keys()].map((name) => `rule for ${name}: ${ruleText(policy, name)}`),
  ]
}

function linesOfTee({ roots, statuses, measurements, minimumEvaluationNumber, age, collateral }: PolicyTee) {
  const since = age.since === 'session' ? 'its session' : 'the checkpoint that its session names'
  return [
    ...roots.map(({ kind, digest }) =>
      kind === 'intel' ? "TEE under Intel's root" : `TEE under the SIMULATED root ${digest}, which proves nothing`,
    ),
    `TEE of status ${statuses.join(' or ')}, evaluation ${minimumEvaluationNumber} or later`,
    `TEE not longer than ${spanText(age.maximum)} after ${since}; its collateral ${collateral === 'present' ? 'holds now' : 'held when it was logged'}`,
    ...measurements.map(({ name, registers }) => {
      const given = Object.entries(registers).filter(([, value]) => value !== null)
      return `TEE may run ${name} (${given.map(([register, value]) => `${register} ${value?.slice(0, 12)}…`).join(', ')})`
    }),
  ]
}

function ruleText(policy: Policy, name: string): string {
  const { rule } = ruleFor(policy, name)
  const conditions = conditionsOf(rule)
  if (conditions === undefined) return rule.kind
  const factors = conditions.factors.map(wordOf)
  return `${rule.kind === 'factors' ? '' : `${rule.kind}: `}${factors.join(', ')}; depth ${conditions.depth}`
}

function wordOf(factor: Factor): string {
  switch (factor.kind) {
    case 'operators':
      return `${factor.atLeast} operators`
    case 'witnessed':
      return `witnessed by ${factor.atLeast} within ${spanText(factor.within)}`
    case 'tee':
      return `${factor.atLeast} in a TEE`
    default:
      return factor.kind
  }
}
