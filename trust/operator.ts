/**
 * operator.json: who runs a builder, in the operator's own words. It says nothing that anyone has checked, and no decision uses
 * it. Specification: docs/formats/key.md.
 */
import { canonicalJson, type JsonValue, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import { below, fieldsOf, type Place, requireThat, sortedListOf, textOf } from '../format/fields.ts'
import { utf8 } from './bytes.ts'
import { encodePublicKey, type PublicKey, parsePublicKey } from './key.ts'

export type OperatorDescription = {
  readonly format: 1
  /** As policies should call it, `[a-z0-9][a-z0-9._-]{0,63}`. */
  readonly name: string
  /** A person or an organisation. */
  readonly who: string
  /** How to reach them, '' when they do not say. */
  readonly contact: string
  /** https URL, or ''. */
  readonly homepage: string
  /** Sorted by their lines. */
  readonly keys: readonly PublicKey[]
}

/** Throws ABN_OPERATOR_INVALID, ABN_KEY_INVALID or ABN_JSON_INVALID. */
export function parseOperator(bytes: Uint8Array): OperatorDescription {
  return operatorOfJson(parseCanonicalJson(bytes, { bytes: 64 * 1024, depth: 3 }))
}

/** Canonical bytes. Throws ABN_OPERATOR_INVALID. */
export function encodeOperator(operator: OperatorDescription): Uint8Array {
  const json = { ...operator, keys: operator.keys.map(encodePublicKey) }
  operatorOfJson(json)
  return utf8(canonicalJson(json))
}

function operatorOfJson(value: JsonValue): OperatorDescription {
  const fields = fieldsOf(value, PLACE, ['contact', 'format', 'homepage', 'keys', 'name', 'who'])
  requireThat(fields.format === 1, below(PLACE, 'format'), 'expected 1')
  const name = textOf(fields.name, below(PLACE, 'name'))
  requireThat(/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name), below(PLACE, 'name'), 'expected [a-z0-9][a-z0-9._-]{0,63}')
  const homepage = lineOf(fields.homepage, below(PLACE, 'homepage'))
  requireThat(homepage === '' || /^https:\/\/\S+$/.test(homepage), below(PLACE, 'homepage'), 'expected an https URL')
  const keys = sortedListOf(fields.keys, below(PLACE, 'keys'), keyOf, encodePublicKey)
  requireThat(keys.length > 0, below(PLACE, 'keys'), 'expected at least one key')
  return {
    format: 1,
    name,
    who: lineOf(fields.who, below(PLACE, 'who')),
    contact: lineOf(fields.contact, below(PLACE, 'contact')),
    homepage,
    keys,
  }
}

function keyOf(value: JsonValue, place: Place): PublicKey {
  return parsePublicKey(textOf(value, place))
}

function lineOf(value: JsonValue, place: Place): string {
  const text = textOf(value, place)
  requireThat(/^[^\p{C}\p{Zl}\p{Zp}]{0,200}$/u.test(text), place, 'expected at most 200 printable characters')
  return text
}

const PLACE: Place = {
  path: '',
  fail: (reason) => new AbnError('ABN_OPERATOR_INVALID', `operator.json: ${reason}`),
}
