// What is allowed in a policy, but cannot be what somebody meant.
import { isEqualBytes } from '../../trust/bytes.ts'
import { type Factor, type Policy, ruleFor } from '../../trust/policy/policy.ts'
import { conditionsOf } from '../../trust/policy/presets.ts'

export function warningsAbout(policy: Policy): readonly string[] {
  const rules = ['', ...policy.packages.keys()].map((name) => ({
    what: name === '' ? 'the default rule' : `the rule for ${name}`,
    factors: conditionsOf(ruleFor(policy, name).rule)?.factors ?? [],
  }))
  const asked = new Set(rules.flatMap(({ factors }) => factors.map(({ kind }) => kind)))
  return [
    ...rules.flatMap(({ what, factors }) =>
      factors.flatMap((factor) => doubtsAbout(factor, policy).map((doubt) => `${what} ${doubt}`)),
    ),
    ...unused(policy, asked),
    ...selfWitnesses(policy),
    ...(policy.tee?.roots ?? []).flatMap(({ kind }) =>
      kind === 'simulated' ? ['quotes of a SIMULATED TEE are accepted, which anybody can make'] : [],
    ),
  ]
}

function doubtsAbout(factor: Factor, { operators, logs, witnesses, tee }: Policy): readonly string[] {
  switch (factor.kind) {
    case 'operators': {
      const among = (factor.among ?? operators).length
      if (among < factor.atLeast)
        return [`wants ${factor.atLeast} operators, of whom ${among} can count: everything is built`]
      return factor.atLeast === 1 ? ['believes a single operator'] : []
    }
    case 'logged':
      return logs.length === 0 ? ['wants statements to be logged, but no log is named: everything is built'] : []
    case 'witnessed':
      if (logs.length === 0) return ['wants logs to be witnessed, but no log is named: everything is built']
      return witnesses.length < factor.atLeast
        ? [`wants ${factor.atLeast} witnesses, of whom ${witnesses.length} are named: everything is built`]
        : []
    case 'tee':
      return tee === null ? ['wants a TEE, but nothing is said about which: everything is built'] : []
    default:
      return []
  }
}

/** Allowed, as a person may have nobody else; but who vouches for himself vouches for nothing. */
function selfWitnesses({ operators, witnesses }: Policy): readonly string[] {
  return witnesses.flatMap(({ name, bytes }) => {
    const same = operators.find(({ keys }) => keys.some((key) => isEqualBytes(key.bytes, bytes)))
    return same === undefined ? [] : [`the witness ${name} is the operator ${same.name}, who so vouches for himself`]
  })
}

function unused({ logs, witnesses, tee }: Policy, asked: ReadonlySet<Factor['kind']>): readonly string[] {
  const isLogAsked = asked.has('logged') || asked.has('witnessed')
  return [
    ...(logs.length > 0 && !isLogAsked ? ['logs are named, but no rule wants statements to be logged'] : []),
    ...(witnesses.length > 0 && !asked.has('witnessed') && tee?.collateral !== 'logged'
      ? ['witnesses are named, but no rule wants them']
      : []),
    ...(tee !== null && !asked.has('tee') ? ['it says which TEE counts, but no rule wants one'] : []),
  ]
}
