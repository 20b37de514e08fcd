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
  const depth = limits.depth ?? DEFAULT_DEPTH
  const sorted = inOrder(value, depth)
  const text = sorted === undefined ? undefined : JSON.stringify(sorted)
  // JSON.stringify writes a lone surrogate as an escape that begins so. A text may hold these characters too: encode tells them apart.
  return text === undefined || text.includes('\\ud') ? encode(value, depth) : text
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
  if (match(value, text, { at: 0, depth: limits.depth ?? DEFAULT_DEPTH }) !== text.length) {
    throw invalid(`not canonical: ${firstDifference(text, canonicalJson(value, limits))}`)
  }
  return value
}

/**
 * The same value with its keys in order, for which JSON.stringify writes what encode does, several times as quickly. Undefined
 * for what encode has to look at: anything wrong, and keys of which JavaScript has an order or a meaning of its own.
 */
function inOrder(value: JsonValue, depth: number): JsonValue | undefined {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'object' || depth === 0) return undefined
  return isArray(value) ? listInOrder(value, depth - 1) : objectInOrder(value, depth - 1)
}

/** These give the value itself back where nothing in it has another order. */
function listInOrder(list: readonly JsonValue[], depth: number): JsonValue | undefined {
  let copy: JsonValue[] | undefined
  for (let i = 0; i < list.length; i++) {
    const element = list[i]
    const sorted = element === undefined ? undefined : inOrder(element, depth)
    if (sorted === undefined) return undefined
    if (sorted !== element) copy ??= list.slice()
    if (copy !== undefined) copy[i] = sorted
  }
  return copy ?? list
}

function objectInOrder(object: JsonObject, depth: number): JsonValue | undefined {
  const keys = Object.keys(object)
  const isSorted = keys.every((key, i) => i === 0 || (keys[i - 1] ?? '') < key)
  let copy: { [key: string]: JsonValue } | undefined = isSorted ? undefined : {}
  for (const key of isSorted ? keys : keys.sort()) {
    const member = object[key]
    const sorted = member === undefined ? undefined : inOrder(member, depth)
    if (sorted === undefined || /^[0-9]|^__proto__$|^toJSON$/.test(key)) return undefined
    if (sorted !== member) copy ??= { ...object }
    if (copy !== undefined) copy[key] = sorted
  }
  return copy ?? object
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

/** A place in a text, and how deep values may still be nested there. */
type Spot = { readonly at: number; readonly depth: number }

/**
 * Where the encoding of the value, which was parsed from this text, ends in it; -1 when something else stands there. The same as encoding
 * and comparing, without making a second text of what may be megabytes. Throws what encode throws.
 */
function match(value: JsonValue, text: string, { at, depth }: Spot): number {
  if (typeof value === 'string') return matchString(value, text, at)
  if (value === null || typeof value !== 'object') {
    const token = encode(value, depth)
    return text.startsWith(token, at) ? at + token.length : -1
  }
  if (depth === 0) throw invalid('nested too deeply')
  return isArray(value) ? matchList(value, text, { at, depth }) : matchObject(value, text, { at, depth })
}

function matchString(value: string, text: string, at: number): number {
  // Without a quotation mark or a backslash in it, what stands between the quotation marks is one token that needed no escape.
  const end = at + 1 + value.length
  const isPlain = text.charCodeAt(at) === QUOTE && text.charCodeAt(end) === QUOTE && text.startsWith(value, at + 1)
  if (isPlain && !value.includes('"') && !value.includes('\\')) return end + 1
  const token = encodeString(value)
  return text.startsWith(token, at) ? at + token.length : -1
}

const QUOTE = 0x22

function matchList(list: readonly JsonValue[], text: string, { at, depth }: Spot): number {
  if (list.length === 0) return text.startsWith('[]', at) ? at + 2 : -1
  let end = at
  for (let i = 0; i < list.length; i++) {
    if (text[end] !== (i === 0 ? '[' : ',')) return -1
    end = match(list[i] ?? null, text, { at: end + 1, depth: depth - 1 })
    if (end === -1) return -1
  }
  return text[end] === ']' ? end + 1 : -1
}

function matchObject(value: JsonObject, text: string, { at, depth }: Spot): number {
  const keys = Object.keys(value)
  if (!keys.every((key, i) => i === 0 || (keys[i - 1] ?? '') < key)) keys.sort()
  if (keys.length === 0) return text.startsWith('{}', at) ? at + 2 : -1
  let end = at
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] ?? ''
    const member = value[key]
    if (member === undefined || text[end] !== (i === 0 ? '{' : ',')) return -1
    end = matchString(key, text, end + 1)
    if (end === -1 || text[end] !== ':') return -1
    end = match(member, text, { at: end + 1, depth: depth - 1 })
    if (end === -1) return -1
  }
  return text[end] === '}' ? end + 1 : -1
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
