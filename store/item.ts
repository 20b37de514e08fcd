/**
 * The record of a store item, var/items/<item>.json: what it is and how it came. Canonical JSON, checked strictly. An item
 * is valid if and only if its record exists; it is written last and removed first. A kind of origin that a version does not
 * know is refused by it.
 */
import { encodeCanonicalJson, type JsonValue, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import { below, countOf, fieldsOf, isObject, type Place, requireThat, sortedListOf, textOf } from '../format/fields.ts'
import { parseRecipeHash, parseSha256, type RecipeHash, type Sha256 } from '../format/hash.ts'
import { parseStorePath, type StorePath, storePathOf } from '../format/store-path.ts'

export type Item = {
  readonly format: 1
  readonly path: StorePath
  readonly recipe: RecipeHash
  readonly name: string
  readonly version: string
  readonly output: string
  readonly outputDigest: Sha256
  /** Size of the canonical archive. */
  readonly bytes: number
  /** Sorted; the item itself is among them when it refers to itself. */
  readonly references: readonly StorePath[]
  readonly origin: Origin
}

export type Origin = BuiltOrigin | SubstitutedOrigin

/** Built on this machine. */
export type BuiltOrigin = {
  readonly kind: 'built'
  /** When the build ended, in seconds since 1970. */
  readonly at: number
  /** How long it took, in whole seconds. */
  readonly seconds: number
  readonly system: string
  /** Hash of the resolved derivation. */
  readonly resolved: Sha256
  /** What the inputs really were. Sorted by path. */
  readonly inputs: readonly ResolvedInput[]
  /** File name in var/log, or '' when no log was kept. */
  readonly log: string
}

/** Fetched from a cache because the policy accepted it. */
export type SubstitutedOrigin = {
  readonly kind: 'substituted'
  /** When it was registered, in seconds since 1970. */
  readonly at: number
  readonly system: string
  /** The cache that carried it; nothing was believed because of it. */
  readonly from: string
  /** Names the record in var/decisions that holds the decision with its evidence and policy. */
  readonly decision: Sha256
}

export type ResolvedInput = { readonly path: StorePath; readonly recipe: RecipeHash; readonly outputDigest: Sha256 }

export function encodeItem(item: Item): Uint8Array {
  return encodeCanonicalJson(checkItem(item))
}

/** Throws ABN_ITEM_INVALID or ABN_JSON_INVALID. */
export function parseItem(bytes: Uint8Array): Item {
  return checkItem(parseCanonicalJson(bytes))
}

const FIELDS = [
  'format',
  'path',
  'recipe',
  'name',
  'version',
  'output',
  'outputDigest',
  'bytes',
  'references',
  'origin',
] as const

function checkItem(value: JsonValue): Item {
  const place: Place = {
    path: '',
    fail: (reason) => new AbnError('ABN_ITEM_INVALID', `record of a store item: ${reason}`),
  }
  const fields = fieldsOf(value, place, FIELDS)
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  const item: Item = {
    format: fields.format,
    path: pathOf(fields.path, below(place, 'path')),
    recipe: parseRecipeHash(textOf(fields.recipe, below(place, 'recipe'))),
    name: textOf(fields.name, below(place, 'name')),
    version: textOf(fields.version, below(place, 'version')),
    output: textOf(fields.output, below(place, 'output')),
    outputDigest: digestOf(fields.outputDigest, below(place, 'outputDigest')),
    bytes: countOf(fields.bytes, below(place, 'bytes')),
    references: sortedListOf(fields.references, below(place, 'references'), pathOf, (path) => path),
    origin: originOf(fields.origin, below(place, 'origin')),
  }
  const expected = storePathOf(item.recipe, item.name, item.version, item.output)
  requireThat(item.path === expected, below(place, 'path'), `expected ${expected}, got ${item.path}`)
  return item
}

function originOf(value: JsonValue, place: Place): Origin {
  const kind = isObject(value) ? value.kind : undefined
  if (kind === 'substituted') return substitutedOf(value, place)
  requireThat(kind === 'built', below(place, 'kind'), 'expected "built" or "substituted"')
  const fields = fieldsOf(value, place, ['kind', 'at', 'seconds', 'system', 'resolved', 'inputs', 'log'])
  return {
    kind,
    at: countOf(fields.at, below(place, 'at')),
    seconds: countOf(fields.seconds, below(place, 'seconds')),
    system: textOf(fields.system, below(place, 'system')),
    resolved: digestOf(fields.resolved, below(place, 'resolved')),
    inputs: sortedListOf(fields.inputs, below(place, 'inputs'), inputOf, (input) => input.path),
    log: textOf(fields.log, below(place, 'log')),
  }
}

function substitutedOf(value: JsonValue, place: Place): SubstitutedOrigin {
  const fields = fieldsOf(value, place, ['kind', 'at', 'system', 'from', 'decision'])
  return {
    kind: 'substituted',
    at: countOf(fields.at, below(place, 'at')),
    system: textOf(fields.system, below(place, 'system')),
    from: textOf(fields.from, below(place, 'from')),
    decision: digestOf(fields.decision, below(place, 'decision')),
  }
}

function inputOf(value: JsonValue, place: Place): ResolvedInput {
  const fields = fieldsOf(value, place, ['path', 'recipe', 'outputDigest'])
  return {
    path: pathOf(fields.path, below(place, 'path')),
    recipe: parseRecipeHash(textOf(fields.recipe, below(place, 'recipe'))),
    outputDigest: digestOf(fields.outputDigest, below(place, 'outputDigest')),
  }
}

function pathOf(value: JsonValue, place: Place): StorePath {
  return parseStorePath(textOf(value, place))
}

function digestOf(value: JsonValue, place: Place): Sha256 {
  return parseSha256(textOf(value, place))
}
