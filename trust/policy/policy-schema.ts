/** The JSON of a policy and back. Names and lists come out sorted, so that a policy has one canonical form. */
import type { JsonObject, JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import {
  below,
  countOf,
  fieldsOf,
  fieldsWith,
  isObject,
  listOf,
  type Place,
  requireThat,
  textOf,
} from '../../format/fields.ts'
import { compareBytewise } from '../../format/order.ts'
import { requireName } from '../../format/store-path.ts'
import { encodePublicKey, type PublicKey, parsePublicKey } from '../key.ts'
import type { LogKey } from '../log/checkpoint.ts'
import { encodeWitnessKey, parseWitnessKey, type WitnessKey } from '../log/cosignature.ts'
import type { Depth, Factor, Operator, Policy, Rule } from './policy.ts'
import { jsonOfTee, teeOf } from './tee-schema.ts'

/** Largest number of seconds in a factor: a hundred years. */
const maximumSeconds = 36_525 * 86_400

/** What is empty of logs, witnesses and TEE is left out, so that naming none of them has one form. */
export function jsonOfPolicy({ format, operators, default: rule, packages, logs, witnesses, tee }: Policy): JsonObject {
  return {
    format,
    operators: operators.map(({ name, keys }) => ({ name, keys: keys.map(encodePublicKey) })),
    default: jsonOfRule(rule),
    packages: Object.fromEntries([...packages].map(([name, one]) => [name, jsonOfRule(one)])),
    ...(logs.length === 0 ? {} : { logs: logs.map(encodePublicKey) }),
    ...(witnesses.length === 0 ? {} : { witnesses: witnesses.map(encodeWitnessKey) }),
    ...(tee === null ? {} : { tee: jsonOfTee(tee) }),
  }
}

export function jsonOfRule(rule: Rule): JsonObject {
  return rule.kind === 'factors' ? { ...rule, factors: rule.factors.map(jsonOfFactor) } : { ...rule }
}

/** A limit that is null is left out. */
function jsonOfFactor(factor: Factor): JsonObject {
  switch (factor.kind) {
    case 'operators': {
      const { among, ...rest } = factor
      return among === null ? rest : factor
    }
    case 'age': {
      const { kind, minimum, maximum } = factor
      return { kind, ...(minimum === null ? {} : { minimum }), ...(maximum === null ? {} : { maximum }) }
    }
    default:
      return factor
  }
}

/** Throws ABN_POLICY_INVALID. */
export function policyOfJson(value: JsonValue): Policy {
  const fields = fieldsWith(value, PLACE, [
    ['default', 'format', 'operators', 'packages'],
    ['logs', 'tee', 'witnesses'],
  ])
  requireThat(fields.format === 1, below(PLACE, 'format'), 'expected 1')
  const operators = operatorsOf(fields.operators, below(PLACE, 'operators'))
  const names = operators.map(({ name }) => name)
  const rule = ruleOf(fields.default, below(PLACE, 'default'), names)
  const logs = keysOf(fields.logs ?? [], below(PLACE, 'logs'), parsePublicKey)
  const witnesses = keysOf(fields.witnesses ?? [], below(PLACE, 'witnesses'), parseWitnessKey)
  const isWitness = new Set(witnesses.map(({ bytes }) => bytes.toHex()))
  const both = logs.find(({ bytes }) => isWitness.has(bytes.toHex()))
  requireThat(both === undefined, below(PLACE, 'witnesses'), `${both?.name} is a log, and no witness of itself`)
  return {
    format: 1,
    operators,
    default: rule,
    packages: packagesOf(fields.packages, below(PLACE, 'packages'), names),
    logs,
    witnesses,
    tee: fields.tee === undefined ? null : teeOf(fields.tee, below(PLACE, 'tee')),
  }
}

function operatorsOf(value: JsonValue, place: Place): readonly Operator[] {
  const list = listOf(value, place, (one, at): Operator => {
    const { name, keys } = fieldsOf(one, at, ['keys', 'name'])
    const text = textOf(name, below(at, 'name'))
    requireThat(
      /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text),
      below(at, 'name'),
      'expected a name [a-z0-9][a-z0-9._-]{0,63}',
    )
    const found = listOf(keys, below(at, 'keys'), keyOf)
    requireThat(found.length > 0, below(at, 'keys'), 'expected at least one key')
    return { name: text, keys: [...found].sort((a, b) => compareBytewise(a.id, b.id)) }
  })
  requireThat(list.length <= 100, place, 'expected at most 100 operators')
  requireOnce(
    list.map(({ name }) => name),
    place,
    'operator',
  )
  // By the key's bytes: the same key under two names would let one operator count twice.
  requireOnce(
    list.flatMap(({ keys }) => keys.map(({ bytes }) => bytes.toHex())),
    place,
    'key',
  )
  return [...list].sort((a, b) => compareBytewise(a.name, b.name))
}

/** Keys of logs or of witnesses: no name and no key twice, as each counts once. */
function keysOf<K extends LogKey | WitnessKey>(
  value: JsonValue,
  place: Place,
  parse: (line: string) => K,
): readonly K[] {
  const keys = listOf(value, place, (line, at) => {
    const text = textOf(line, at)
    return refusing(at, () => parse(text))
  })
  requireThat(keys.length <= 100, place, 'expected at most 100 keys')
  requireOnce(
    keys.map(({ name }) => name),
    place,
    'name',
  )
  requireOnce(
    keys.map(({ bytes }) => bytes.toHex()),
    place,
    'key',
  )
  return [...keys].sort((a, b) => compareBytewise(a.name, b.name))
}

function packagesOf(value: JsonValue, place: Place, operators: readonly string[]): ReadonlyMap<string, Rule> {
  requireThat(isObject(value), place, 'expected an object')
  const entries = Object.entries(value).map(([name, rule]): [string, Rule] => {
    refusing(place, () => requireName(name))
    return [name, ruleOf(rule, below(place, name), operators)]
  })
  return new Map(entries.sort(([a], [b]) => compareBytewise(a, b)))
}

/** `operators` are those whom factors may name; null allows any name. */
export function ruleOf(value: JsonValue, place: Place, operators: readonly string[] | null): Rule {
  const kind = isObject(value) ? value.kind : undefined
  switch (kind) {
    case 'source-only':
    case 'two-independent':
    case 'paranoid':
      fieldsOf(value, place, ['kind'])
      return { kind }
    case 'factors': {
      const { depth, factors } = fieldsOf(value, place, ['depth', 'factors', 'kind'])
      const list = listOf(factors, below(place, 'factors'), (one, at) => factorOf(one, at, operators))
      // Without one, a rule could be met by nobody at all.
      const counts = list.some((factor) => factor.kind === 'operators')
      requireThat(counts, below(place, 'factors'), 'expected a factor "operators" among them')
      return { kind, depth: depthOf(depth, below(place, 'depth')), factors: list }
    }
    default:
      throw below(place, 'kind').fail(
        `${place.path}.kind: expected "source-only", "two-independent", "paranoid" or "factors"`,
      )
  }
}

function depthOf(value: JsonValue, place: Place): Depth {
  const known = value === 'outputs' || value === 'inputs' || value === 'seed'
  requireThat(known, place, 'expected "outputs", "inputs" or "seed"')
  return value
}

function factorOf(value: JsonValue, place: Place, operators: readonly string[] | null): Factor {
  requireThat(isObject(value), place, 'expected an object')
  const has = (name: string) => Object.hasOwn(value, name)
  switch (value.kind) {
    case 'operators': {
      const fields = fieldsWith(value, place, [['atLeast', 'kind'], ['among']])
      const atLeast = atLeastOf(fields.atLeast, below(place, 'atLeast'))
      const among = fields.among === undefined ? null : namesOf(fields.among, below(place, 'among'), operators)
      return { kind: value.kind, atLeast, among }
    }
    case 'required':
    case 'excluded': {
      const fields = fieldsOf(value, place, ['kind', 'operators'])
      return { kind: value.kind, operators: namesOf(fields.operators, below(place, 'operators'), operators) }
    }
    case 'age': {
      const limits = (['minimum', 'maximum'] as const).filter(has)
      requireThat(limits.length > 0, place, 'expected `minimum`, `maximum` or both')
      const fields = fieldsOf(value, place, ['kind', ...limits])
      return { kind: value.kind, minimum: limitOf(fields.minimum, place), maximum: limitOf(fields.maximum, place) }
    }
    case 'revocations': {
      const { within } = fieldsOf(value, place, ['kind', 'within'])
      return { kind: value.kind, within: countOf(within, below(place, 'within'), maximumSeconds) }
    }
    case 'witnessed': {
      const { atLeast, within } = fieldsOf(value, place, ['atLeast', 'kind', 'within'])
      return {
        kind: value.kind,
        atLeast: atLeastOf(atLeast, below(place, 'atLeast')),
        within: countOf(within, below(place, 'within'), maximumSeconds),
      }
    }
    case 'tee': {
      const { atLeast } = fieldsOf(value, place, ['atLeast', 'kind'])
      return { kind: value.kind, atLeast: atLeastOf(atLeast, below(place, 'atLeast')) }
    }
    case 'built':
    case 'logged':
      fieldsOf(value, place, ['kind'])
      return { kind: value.kind }
    default:
      throw place.fail(`${place.path}: no factor of this kind is known, so that nothing could satisfy it`)
  }
}

function atLeastOf(value: JsonValue, place: Place): number {
  const atLeast = countOf(value, place, 100)
  requireThat(atLeast > 0, place, 'expected at least 1')
  return atLeast
}

function limitOf(value: JsonValue | undefined, place: Place): number | null {
  return value === undefined ? null : countOf(value, place, maximumSeconds)
}

/** Names of configured operators: a slip of the pen must not become an operator who is forever silent. */
function namesOf(value: JsonValue, place: Place, operators: readonly string[] | null): readonly string[] {
  const names = listOf(value, place, textOf)
  const unknown = operators === null ? undefined : names.find((name) => !operators.includes(name))
  requireThat(unknown === undefined, place, `no operator ${JSON.stringify(unknown)} is configured`)
  requireThat(names.length > 0, place, 'expected at least one name')
  requireOnce(names, place, 'name')
  return [...names].sort(compareBytewise)
}

function keyOf(value: JsonValue, place: Place): PublicKey {
  const text = textOf(value, place)
  return refusing(place, () => parsePublicKey(text))
}

function requireOnce(values: readonly string[], place: Place, what: string): void {
  requireThat(new Set(values).size === values.length, place, `the same ${what} occurs twice`)
}

function refusing<T>(place: Place, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw error instanceof AbnError ? place.fail(`${place.path}: ${error.message}`) : error
  }
}

const PLACE: Place = {
  path: '',
  fail: (reason) => new AbnError('ABN_POLICY_INVALID', `policy: ${reason}`),
}
