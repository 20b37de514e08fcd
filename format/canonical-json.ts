/**
 * Canonical JSON (RFC 8785) and a parser that accepts nothing else. Specification: docs/formats/canonical-json.md.
 * Parsing is JSON.parse followed by encoding again: whatever is not canonical (a duplicate key, white space, another escape,
 * another spelling of a number, the wrong order) comes out different and is refused. Sizes are capped first.
 */
import { AbnError } from './errors.ts'

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export type JsonObject = { readonly [key: string]: JsonValue }

export type JsonLimits = { readonly bytes?: number; readonly depth?: number }

const DEFAULT_BYTES = 16 * 1024 * 1024
const DEFAULT_DEPTH = 64

/** Throws ABN_JSON_INVALID for lone surrogates, numbers that are not finite, and values nested too deeply. */
export function canonicalJson(value: JsonValue, limits: JsonLimits = {}): string {
  return encode(value, limits.depth ?? DEFAULT_DEPTH)
}

/** UTF-8 bytes of canonicalJson. */
export function encodeCanonicalJson(value: JsonValue, limits: JsonLimits = {}): Uint8Array {
  return Buffer.from(canonicalJson(value, limits), 'utf8')
}

/** Accepts exactly what encodeCanonicalJson makes: no byte order mark, no trailing newline. Throws ABN_JSON_INVALID. */
export function parseCanonicalJson(bytes: Uint8Array, limits: JsonLimits = {}): JsonValue {
  const maximum = limits.bytes ?? DEFAULT_BYTES
  if (bytes.length > maximum) throw invalid(`${bytes.length} bytes, expected at most ${maximum}`)
  const text = decodeUtf8(bytes)
  const value = parseText(text)
  const again = canonicalJson(value, limits)
  if (again !== text) throw invalid(`not canonical: ${firstDifference(text, again)}`)
  return value
}

function encode(value: JsonValue, depth: number): string {
  if (value === null || value === true || value === false) return String(value)
  if (typeof value === 'string') return encodeString(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw invalid(`${value} is not a number that JSON can express`)
    return JSON.stringify(value)
  }
  if (typeof value !== 'object') throw new TypeError(`canonicalJson: ${typeof value} is not a JSON value`)
  if (depth === 0) throw invalid('nested too deeply')
  if (isArray(value)) return `[${value.map((element) => encode(element, depth - 1)).join(',')}]`
  // Sorting by UTF-16 units is what RFC 8785, section 3.2.3, asks for.
  const members = Object.keys(value)
    .sort()
    .map((key) => encodeMember(key, value[key], depth))
  return `{${members.join(',')}}`
}

function encodeMember(key: string, value: JsonValue | undefined, depth: number): string {
  if (value === undefined) throw new TypeError(`canonicalJson: member ${key} is undefined`)
  return `${encodeString(key)}:${encode(value, depth - 1)}`
}

function encodeString(text: string): string {
  if (!text.isWellFormed()) throw invalid('a text holds a lone surrogate')
  return JSON.stringify(text)
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value)
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new AbnError('ABN_JSON_INVALID', 'not canonical JSON: not valid UTF-8', { cause })
  }
}

function parseText(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch (cause) {
    throw new AbnError('ABN_JSON_INVALID', `not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

function firstDifference(got: string, expected: string): string {
  let at = 0
  while (at < got.length && at < expected.length && got[at] === expected[at]) at++
  const excerpt = (text: string) => JSON.stringify(text.slice(at, at + 24))
  return `at character ${at}, expected ${excerpt(expected)}, got ${excerpt(got)}`
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_JSON_INVALID', `not canonical JSON: ${reason}`)
}
