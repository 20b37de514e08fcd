/**
 * Reads the members of a JSON value by a closed list of names: every one must be there and no other may be. The checks that
 * formats share; each format gives its own error by `fail`.
 */
import type { JsonObject, JsonValue } from './canonical-json.ts'
import { isStrictlySorted } from './order.ts'

/** Where in the document we are, and how this format complains. */
export type Place = { readonly path: string; readonly fail: (reason: string) => Error }

export function below(place: Place, name: string | number): Place {
  const path = typeof name === 'number' ? `${place.path}[${name}]` : place.path === '' ? name : `${place.path}.${name}`
  return { path, fail: place.fail }
}

/** Throws place.fail unless the condition holds. */
export function requireThat(condition: boolean, place: Place, reason: string): asserts condition {
  if (!condition) throw place.fail(place.path === '' ? reason : `${place.path}: ${reason}`)
}

export function fieldsOf<K extends string>(value: JsonValue, place: Place, names: readonly K[]): Record<K, JsonValue> {
  requireThat(isObject(value), place, `expected an object, got ${kindOf(value)}`)
  const unknown = Object.keys(value).find((key) => !(names as readonly string[]).includes(key))
  requireThat(unknown === undefined, place, `unknown field ${JSON.stringify(unknown)}`)
  for (const name of names) requireThat(Object.hasOwn(value, name), place, `field ${JSON.stringify(name)} is missing`)
  return value as Record<K, JsonValue>
}

/** The same where some more members may be there. */
export function fieldsWith<K extends string, O extends string>(
  value: JsonValue,
  place: Place,
  [names, optional]: readonly [readonly K[], readonly O[]],
): Record<K, JsonValue> & Partial<Record<O, JsonValue>> {
  requireThat(isObject(value), place, `expected an object, got ${kindOf(value)}`)
  return fieldsOf<K | O>(value, place, [...names, ...optional.filter((name) => Object.hasOwn(value, name))])
}

/** The same for a configuration, in which a member may be missing. */
export function optionalFieldsOf<K extends string>(
  value: JsonValue,
  place: Place,
  names: readonly K[],
): Partial<Record<K, JsonValue>> {
  requireThat(isObject(value), place, `expected an object, got ${kindOf(value)}`)
  return fieldsOf(
    value,
    place,
    names.filter((name) => Object.hasOwn(value, name)),
  )
}

export function textOf(value: JsonValue, place: Place): string {
  requireThat(typeof value === 'string', place, `expected a text, got ${kindOf(value)}`)
  requireThat(!value.includes('\0'), place, 'holds a NUL character')
  return value
}

export function booleanOf(value: JsonValue, place: Place): boolean {
  requireThat(typeof value === 'boolean', place, `expected true or false, got ${kindOf(value)}`)
  return value
}

/** A whole number from 0 to maximum. */
export function countOf(value: JsonValue, place: Place, maximum = Number.MAX_SAFE_INTEGER): number {
  const fits = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= maximum
  requireThat(fits, place, `expected a whole number from 0 to ${maximum}`)
  return value
}

export function listOf<T>(
  value: JsonValue,
  place: Place,
  element: (value: JsonValue, place: Place) => T,
): readonly T[] {
  requireThat(isArray(value), place, `expected a list, got ${kindOf(value)}`)
  return value.map((item, i) => element(item, below(place, i)))
}

/** A list in strictly ascending bytewise order of its keys. */
export function sortedListOf<T>(
  value: JsonValue,
  place: Place,
  element: (value: JsonValue, place: Place) => T,
  key: (element: T) => string,
): readonly T[] {
  const list = listOf(value, place, element)
  requireThat(isStrictlySorted(list.map(key)), place, 'not sorted bytewise, or an element occurs twice')
  return list
}

/** An object used as a dictionary of texts. */
export function textsOf(value: JsonValue, place: Place): Readonly<Record<string, string>> {
  requireThat(isObject(value), place, `expected an object, got ${kindOf(value)}`)
  return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, textOf(text, below(place, key))]))
}

export function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !isArray(value)
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}

function kindOf(value: JsonValue): string {
  return value === null ? 'null' : isArray(value) ? 'a list' : typeof value
}
