/** What the presets mean, in factors. Changing one changes the digest of every policy that uses it. */
import type { Conditions, Rule } from './policy.ts'

/** Undefined for source-only, under which nothing is ever substituted. */
export function conditionsOf(rule: Rule): Conditions | undefined {
  switch (rule.kind) {
    case 'source-only':
      return undefined
    case 'two-independent':
      return TWO_INDEPENDENT
    case 'paranoid':
      return PARANOID
    case 'factors':
      return { depth: rule.depth, factors: rule.factors }
    default:
      return impossible(rule)
  }
}

/** Two operators have built the same bits. */
const TWO_INDEPENDENT: Conditions = {
  depth: 'outputs',
  factors: [{ kind: 'operators', atLeast: 2, among: null }, { kind: 'built' }],
}

/**
 * Two operators have built the same bits, from inputs for which the same holds, down to the seed, and say weekly what they
 * revoke; one of them in a TEE; and all that they say is in a log that two witnesses have seen within a day.
 */
const PARANOID: Conditions = {
  depth: 'seed',
  factors: [
    { kind: 'operators', atLeast: 2, among: null },
    { kind: 'built' },
    { kind: 'revocations', within: 7 * 86_400 },
    { kind: 'logged' },
    { kind: 'witnessed', atLeast: 2, within: 86_400 },
    { kind: 'tee', atLeast: 1 },
  ],
}

function impossible(rule: never): never {
  throw new TypeError(`conditionsOf: ${JSON.stringify(rule)}`)
}
