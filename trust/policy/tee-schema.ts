/** The JSON of what a policy wants of a TEE, and back. Lists come out sorted, so that a policy has one canonical form. */
import type { JsonObject, JsonValue } from '../../format/canonical-json.ts'
import { below, countOf, fieldsOf, fieldsWith, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { parseSha256 } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import type { AcceptableStatus, Measurement } from '../tee/appraise.ts'
import { intelRoot, simulatedRootOf, type TeeRoot } from '../tee/chain.ts'
import { isTcbStatus } from '../tee/tcb-status.ts'
import type { PolicyTee } from './policy.ts'

export function jsonOfTee(tee: PolicyTee): JsonObject {
  const { roots, statuses, measurements, minimumEvaluationNumber, serviceTds, age, collateral } = tee
  return {
    roots: roots.map(textOfRoot),
    statuses: [...statuses],
    measurements: measurements.map(jsonOfMeasurement),
    minimumEvaluationNumber,
    serviceTds: [...serviceTds],
    age: { ...age },
    collateral,
  }
}

/** A list of which nothing could come is refused: without a root, a status or a measurement no quote is ever accepted. */
export function teeOf(value: JsonValue, place: Place): PolicyTee {
  const fields = fieldsOf(value, place, [
    'age',
    'collateral',
    'measurements',
    'minimumEvaluationNumber',
    'roots',
    'serviceTds',
    'statuses',
  ])
  const at = (name: keyof typeof fields) => below(place, name)
  const { collateral } = fields
  const isKnown = collateral === 'present' || collateral === 'logged'
  requireThat(isKnown, at('collateral'), 'expected "present" or "logged"')
  const [roots, statuses, measurements] = [
    setOf(fields.roots, at('roots'), rootOf, textOfRoot),
    setOf(fields.statuses, at('statuses'), statusOf, (status) => status),
    setOf(fields.measurements, at('measurements'), measurementOf, ({ name }) => name),
  ]
  for (const [list, name] of [
    [roots, 'roots'],
    [statuses, 'statuses'],
    [measurements, 'measurements'],
  ] as const) {
    requireThat(list.length > 0, at(name), 'expected at least one')
  }
  return {
    roots,
    statuses,
    measurements,
    minimumEvaluationNumber: countOf(fields.minimumEvaluationNumber, at('minimumEvaluationNumber'), 1_000_000),
    serviceTds: setOf(fields.serviceTds, at('serviceTds'), registerOf, (register) => register),
    age: ageOf(fields.age, at('age')),
    collateral,
  }
}

function ageOf(value: JsonValue, place: Place): PolicyTee['age'] {
  const { since, maximum } = fieldsOf(value, place, ['maximum', 'since'])
  const isKnown = since === 'session' || since === 'checkpoint'
  requireThat(isKnown, below(place, 'since'), 'expected "session" or "checkpoint"')
  return { since, maximum: countOf(maximum, below(place, 'maximum'), maximumAgeSeconds) }
}

/** A hundred years, as for the ages in factors. */
const maximumAgeSeconds = 36_525 * 86_400

/** Intel's root is a word, so that nobody has to know its hash by heart; a simulated one has no name but its hash. */
function textOfRoot({ kind, digest }: TeeRoot): string {
  return kind === 'intel' ? 'intel' : `simulated:${digest}`
}

function rootOf(value: JsonValue, place: Place): TeeRoot {
  const text = textOf(value, place)
  if (text === 'intel') return intelRoot
  const [, digest] = /^simulated:([0-9a-f]{64})$/.exec(text) ?? []
  const isRight = digest !== undefined && digest !== intelRoot.digest
  requireThat(isRight, place, 'expected "intel" or "simulated:" and the SHA-256 of a simulated root')
  return simulatedRootOf(parseSha256(digest))
}

function statusOf(value: JsonValue, place: Place): AcceptableStatus {
  const text = textOf(value, place)
  const isAcceptable = isTcbStatus(text) && text !== 'Revoked'
  requireThat(isAcceptable, place, 'expected a status of a TCB other than "Revoked"')
  return text
}

const REQUIRED = ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'] as const
const OPTIONAL = ['mrConfigId', 'mrOwner', 'mrOwnerConfig'] as const

/** What the host of a TD can choose freely (`mrConfigId` and the owners) says little, and is left out where it is any. */
function jsonOfMeasurement({ name, registers }: Measurement): JsonObject {
  const named = OPTIONAL.filter((register) => registers[register] !== null)
  return { name, ...Object.fromEntries([...REQUIRED, ...named].map((register) => [register, registers[register]])) }
}

export function measurementOf(value: JsonValue, place: Place): Measurement {
  const fields = fieldsWith(value, place, [['name', ...REQUIRED], OPTIONAL])
  const name = textOf(fields.name, below(place, 'name'))
  const isName = /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)
  requireThat(isName, below(place, 'name'), 'expected a name [a-z0-9][a-z0-9._-]{0,63}')
  const registerAt = (register: (typeof REQUIRED | typeof OPTIONAL)[number]): string | null => {
    const one = fields[register] ?? null
    return one === null ? null : registerOf(one, below(place, register))
  }
  return {
    name,
    registers: {
      mrTd: registerOf(fields.mrTd, below(place, 'mrTd')),
      rtmr0: registerAt('rtmr0'),
      rtmr1: registerAt('rtmr1'),
      rtmr2: registerAt('rtmr2'),
      rtmr3: registerAt('rtmr3'),
      mrConfigId: registerAt('mrConfigId'),
      mrOwner: registerAt('mrOwner'),
      mrOwnerConfig: registerAt('mrOwnerConfig'),
    },
  }
}

function registerOf(value: JsonValue, place: Place): string {
  const text = textOf(value, place)
  requireThat(/^[0-9a-f]{96}$/.test(text), place, 'expected 96 lowercase hexadecimal digits')
  return text
}

function setOf<T>(
  value: JsonValue,
  place: Place,
  element: (value: JsonValue, place: Place) => T,
  keyOf: (element: T) => string,
): readonly T[] {
  const list = listOf(value, place, element)
  requireThat(list.length <= 100, place, 'expected at most 100')
  requireThat(new Set(list.map(keyOf)).size === list.length, place, 'the same occurs twice')
  return [...list].sort((a, b) => compareBytewise(keyOf(a), keyOf(b)))
}
