// An acceptance in the words of a lock, and whether one asks for less than another.
import type { Acceptance } from '../../format/lockfile.ts'
import { compareBytewise } from '../../format/order.ts'
import type { Decision, Reason } from '../../trust/policy/decision.ts'
import type { Factor } from '../../trust/policy/policy.ts'

/** Of a decision that accepts. */
export function acceptanceOf({ outcome, conditions, policy, reasons }: Decision): Acceptance {
  if (outcome.kind !== 'accepted' || conditions === null) throw new TypeError('acceptanceOf: nothing was accepted')
  const words = conditions.factors.map((factor) => wordOfFactor(factor, reasons))
  const factors = [...words, `depth:${conditions.depth}`]
  const sorted = [...new Set(factors)].sort(compareBytewise)
  return { kind: 'accepted', policy, operators: [...outcome.operators].sort(compareBytewise), factors: sorted }
}

/** A factor in one word, as docs/formats/lockfile.md lists them; `reasons` are those of the decision that it satisfied. */
export function wordOfFactor(factor: Factor, reasons: readonly Reason[] = []): string {
  switch (factor.kind) {
    case 'operators':
      return `operators:${factor.atLeast}${factor.among === null ? '' : `:${factor.among.join(',')}`}`
    case 'required':
    case 'excluded':
      return `${factor.kind}:${factor.operators.join(',')}`
    case 'age':
      return `age:${factor.minimum ?? '-'}:${factor.maximum ?? '-'}`
    case 'revocations':
      return `revocations:${factor.within}`
    case 'witnessed':
      return `witnessed:${factor.atLeast}:${factor.within}`
    case 'tee':
      return `tee:${factor.atLeast}${teesIn(reasons) < factor.atLeast ? ':simulated' : ''}`
    case 'built':
    case 'logged':
      return factor.kind
    default:
      return impossible(factor)
  }
}

/** How many operators were in a TEE that is none of the simulated ones. */
export function teesIn(reasons: readonly Reason[]): number {
  const real = reasons.flatMap((one) => (one.kind === 'tee-accepted' && one.root === 'intel' ? one.operator : []))
  return new Set(real).size
}

/**
 * In what `now` is weaker than `locked`; undefined when it is not. What is built on this machine is never weaker: the digest that the
 * lock has holds for it all the same. A factor whose meaning is not known here has to be there in the same words.
 */
export function weakness(locked: Acceptance, now: Acceptance): string | undefined {
  if (locked.kind === 'built' || now.kind === 'built') return undefined
  const [before, after] = [locked.operators.length, now.operators.length]
  if (after < before) return `${after} operators (${now.operators.join(', ')}) in place of ${before}`
  const missing = locked.factors.find((factor) => !now.factors.some((other) => implies(other, factor, now.operators)))
  return missing === undefined ? undefined : `the factor ${missing} is not among those that were satisfied`
}

/** Whether who satisfies `word` satisfies `wanted` too; `operators` are those who agreed. */
function implies(word: string, wanted: string, operators: readonly string[]): boolean {
  if (word === wanted) return true
  const [kind = '', ...values] = wanted.split(':')
  const [otherKind, ...others] = word.split(':')
  const within = (text: string | undefined) => (text === undefined || text === '-' ? Infinity : Number(text))
  const names = (text: string | undefined) => (text ?? '').split(',')
  if (kind === 'excluded') return names(values[0]).every((name) => !operators.includes(name))
  if (kind !== otherKind) return false
  switch (kind) {
    case 'operators': {
      const among = values[1] === undefined ? undefined : names(values[1])
      const isAmong =
        among === undefined || (others[1] !== undefined && names(others[1]).every((one) => among.includes(one)))
      return isAmong && Number(others[0]) >= Number(values[0])
    }
    case 'required':
      return names(values[0]).every((name) => names(others[0]).includes(name))
    case 'revocations':
      return within(others[0]) <= within(values[0])
    case 'witnessed':
      return Number(others[0]) >= Number(values[0]) && within(others[1]) <= within(values[1])
    case 'tee':
      return Number(others[0]) >= Number(values[0]) && (others[1] === undefined || others[1] === values[1])
    case 'age':
      return (
        Number(others[0] === '-' ? 0 : others[0]) >= Number(values[0] === '-' ? 0 : values[0]) &&
        within(others[1]) <= within(values[1])
      )
    case 'depth':
      return DEPTHS.indexOf(others[0] ?? '') >= DEPTHS.indexOf(values[0] ?? '') && DEPTHS.includes(values[0] ?? '')
    default:
      return false
  }
}

const DEPTHS = ['outputs', 'inputs', 'seed']

function impossible(factor: never): never {
  throw new TypeError(`wordOfFactor: ${JSON.stringify(factor)}`)
}
