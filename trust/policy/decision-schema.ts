/** The JSON of a decision and back: what is kept with an item. */
import { canonicalJson, type JsonObject, type JsonValue, parseCanonicalJson } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import {
  below,
  booleanOf,
  countOf,
  fieldsOf,
  fieldsWith,
  isObject,
  listOf,
  type Place,
  requireThat,
  sortedListOf,
  textOf,
} from '../../format/fields.ts'
import { parseRecipeHash, parseSha256, type Sha256 } from '../../format/hash.ts'
import { parseStorePath, type StorePath } from '../../format/store-path.ts'
import { base64Of, bytesOfBase64, utf8 } from '../bytes.ts'
import { parseKeyId } from '../key.ts'
import { parseTreeSize, treeHashOf } from '../log/merkle.ts'
import { encodeTime, timeOf } from '../time.ts'
import type { Decision, DecisionRequest, Outcome, Reason, RequestedInput } from './decision.ts'
import type { Conditions, Depth } from './policy.ts'
import { jsonOfRule, ruleOf } from './policy-schema.ts'

const maximumDecisionBytes = 1024 * 1024

/** Canonical bytes. */
export function encodeDecision(decision: Decision): Uint8Array {
  return utf8(canonicalJson(jsonOfDecision(decision)))
}

/**
 * Throws ABN_DECISION_INVALID or ABN_JSON_INVALID. What is read is well formed, not necessarily right: replay() says whether it
 * follows from the evidence.
 */
export function parseDecision(bytes: Uint8Array): Decision {
  return decisionOfJson(parseCanonicalJson(bytes, { bytes: maximumDecisionBytes, depth: 8 }), PLACE)
}

/** What was known of logs and evaluations is left out where there is nothing. */
export function jsonOfDecision(decision: Decision): JsonObject {
  const { conditions, now, knownLogs, knownEvaluations, ...rest } = decision
  return {
    ...rest,
    ...(knownLogs.length === 0 ? {} : { knownLogs: knownLogs.map((one) => ({ ...one, root: base64Of(one.root) })) }),
    ...(knownEvaluations.length === 0 ? {} : { knownEvaluations }),
    conditions: conditions === null ? { kind: 'source-only' } : jsonOfRule({ kind: 'factors', ...conditions }),
    now: encodeTime(now),
  }
}

/** Throws place.fail, or the errors of hashes and store paths. */
export function decisionOfJson(value: JsonValue, place: Place): Decision {
  const names = [
    'conditions',
    'evidence',
    'format',
    'knownRevocations',
    'now',
    'outcome',
    'own',
    'policy',
    'reasons',
    'request',
  ] as const
  const fields = fieldsWith(value, place, [names, ['knownEvaluations', 'knownLogs']])
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  return {
    format: 1,
    request: requestOf(fields.request, below(place, 'request')),
    policy: digestOf(fields.policy, below(place, 'policy')),
    conditions: conditionsOf(fields.conditions, below(place, 'conditions')),
    own: booleanOf(fields.own, below(place, 'own')),
    now: timeOf(fields.now, below(place, 'now')),
    evidence: sortedListOf(fields.evidence, below(place, 'evidence'), digestOf, (digest) => digest),
    knownRevocations: sortedListOf(
      fields.knownRevocations,
      below(place, 'knownRevocations'),
      knownOf,
      ({ key }) => key,
    ),
    knownLogs: rarelyOf(fields.knownLogs, below(place, 'knownLogs'), knownLogOf, ({ log }) => log),
    knownEvaluations: rarelyOf(
      fields.knownEvaluations,
      below(place, 'knownEvaluations'),
      knownEvaluationOf,
      ({ root }) => root,
    ),
    outcome: outcomeOf(fields.outcome, below(place, 'outcome')),
    reasons: listOf(fields.reasons, below(place, 'reasons'), reasonOf),
  }
}

function requestOf(value: JsonValue, place: Place): DecisionRequest {
  const names = ['depth', 'inputs', 'name', 'output', 'path', 'recipe', 'system', 'version'] as const
  const fields = fieldsOf(value, place, names)
  return {
    path: pathOf(fields.path, below(place, 'path')),
    recipe: parseRecipeHash(textOf(fields.recipe, below(place, 'recipe'))),
    name: textOf(fields.name, below(place, 'name')),
    version: textOf(fields.version, below(place, 'version')),
    system: textOf(fields.system, below(place, 'system')),
    output: textOf(fields.output, below(place, 'output')),
    depth: depthOf(fields.depth, below(place, 'depth')),
    inputs: sortedListOf(fields.inputs, below(place, 'inputs'), inputOf, ({ path }) => path),
  }
}

function inputOf(value: JsonValue, place: Place): RequestedInput {
  const { accepted, output, path, recipe } = fieldsOf(value, place, ['accepted', 'output', 'path', 'recipe'])
  return {
    path: pathOf(path, below(place, 'path')),
    recipe: parseRecipeHash(textOf(recipe, below(place, 'recipe'))),
    output: textOf(output, below(place, 'output')),
    accepted: accepted === null ? null : digestOf(accepted, below(place, 'accepted')),
  }
}

function depthOf(value: JsonValue, place: Place): Depth | null {
  const known = value === null || value === 'outputs' || value === 'inputs' || value === 'seed'
  requireThat(known, place, 'expected a depth or null')
  return value
}

function conditionsOf(value: JsonValue, place: Place): Conditions | null {
  const rule = ruleOf(value, place, null)
  if (rule.kind === 'source-only') return null
  requireThat(rule.kind === 'factors', place, 'expected "source-only" or "factors"')
  return { depth: rule.depth, factors: rule.factors }
}

function knownOf(value: JsonValue, place: Place): Decision['knownRevocations'][number] {
  const { key, version } = fieldsOf(value, place, ['key', 'version'])
  const text = textOf(key, below(place, 'key'))
  return { key: parseKeyId(text), version: countOf(version, below(place, 'version')) }
}

/** Sorted, and left out when empty: there is one encoding. */
function rarelyOf<T>(
  value: JsonValue | undefined,
  place: Place,
  element: (value: JsonValue, place: Place) => T,
  key: (element: T) => string,
): readonly T[] {
  if (value === undefined) return []
  const list = sortedListOf(value, place, element, key)
  requireThat(list.length > 0, place, 'expected to be left out when there is nothing')
  return list
}

function knownLogOf(value: JsonValue, place: Place): Decision['knownLogs'][number] {
  const { log, root, size } = fieldsOf(value, place, ['log', 'root', 'size'])
  const bytes = bytesOfBase64(textOf(root, below(place, 'root')))
  requireThat(bytes?.length === 32, below(place, 'root'), 'expected the base 64 of 32 bytes')
  const count = parseTreeSize(String(countOf(size, below(place, 'size'))))
  requireThat(count !== undefined, below(place, 'size'), 'expected the size of a tree')
  return { log: textOf(log, below(place, 'log')), size: count, root: treeHashOf(bytes) }
}

function knownEvaluationOf(value: JsonValue, place: Place): Decision['knownEvaluations'][number] {
  const { number, root } = fieldsOf(value, place, ['number', 'root'])
  return { root: digestOf(root, below(place, 'root')), number: countOf(number, below(place, 'number')) }
}

function outcomeOf(value: JsonValue, place: Place): Outcome {
  const kind = isObject(value) ? value.kind : undefined
  if (kind === 'refused') {
    fieldsOf(value, place, ['kind'])
    return { kind }
  }
  requireThat(kind === 'accepted', below(place, 'kind'), 'expected "accepted" or "refused"')
  const fields = fieldsOf(value, place, ['bytes', 'digest', 'kind', 'operators', 'references'])
  return {
    kind,
    digest: digestOf(fields.digest, below(place, 'digest')),
    bytes: countOf(fields.bytes, below(place, 'bytes')),
    references: sortedListOf(fields.references, below(place, 'references'), pathOf, (path) => path),
    operators: sortedListOf(fields.operators, below(place, 'operators'), textOf, (name) => name),
  }
}

type Read = (value: JsonValue, place: Place) => JsonValue

const paths: Read = (value, place) => listOf(value, place, pathOf)
const texts: Read = (value, place) => listOf(value, place, textOf)
const digests: Read = (value, place) => listOf(value, place, digestOf)
const sides: Read = (value, place) =>
  listOf(value, place, (side, at) => readAll(side, at, { attestations: digests, digest: digestOf, operators: texts }))

/** The fields of each kind of reason, besides `kind`. */
const REASONS: { readonly [kind in Reason['kind']]: Readonly<Record<string, Read>> } = {
  'source-only': {},
  'no-operators': {},
  agreed: { attestation: digestOf, operator: textOf },
  'not-counted': { attestation: digestOf, because: textOf, operator: textOf },
  silent: { operator: textOf },
  excluded: { operator: textOf },
  divergence: { cause: textOf, inputs: paths, sides },
  'inputs-differ': { inputs: paths },
  'input-not-accepted': { path: pathOf },
  'too-few': { among: texts, counted: countOf, wanted: countOf },
  'required-missing': { operator: textOf },
  'tee-too-few': { counted: countOf, wanted: countOf },
  'factor-unconfigured': { factor: textOf },
  'factor-unsupported': { factor: textOf },
  'log-trouble': { log: textOf, trouble: textOf },
  'tee-accepted': { measurement: textOf, operator: textOf, root: textOf, session: digestOf, status: textOf },
  'tee-refused': { objections: texts, operator: textOf, session: digestOf },
}

function reasonOf(value: JsonValue, place: Place): Reason {
  const kind = isObject(value) ? value.kind : undefined
  const known = typeof kind === 'string' && Object.hasOwn(REASONS, kind)
  requireThat(known, below(place, 'kind'), 'no reason of this kind is known')
  const fields = REASONS[kind as Reason['kind']]
  return readAll(value, place, { kind: textOf, ...fields }) as Reason
}

function readAll(value: JsonValue, place: Place, fields: Readonly<Record<string, Read>>): JsonObject {
  const found = fieldsOf(value, place, Object.keys(fields))
  return Object.fromEntries(
    Object.entries(fields).map(([name, read]) => [name, read(found[name] ?? null, below(place, name))]),
  )
}

function digestOf(value: JsonValue, place: Place): Sha256 {
  return parseSha256(textOf(value, place))
}

function pathOf(value: JsonValue, place: Place): StorePath {
  return parseStorePath(textOf(value, place))
}

const PLACE: Place = {
  path: '',
  fail: (reason) => new AbnError('ABN_DECISION_INVALID', `decision: ${reason}`),
}
