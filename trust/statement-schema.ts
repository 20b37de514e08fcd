/** The JSON of a build statement and back, field by field; every field must be there and no other may be. */
import type { JsonObject, JsonValue } from '../format/canonical-json.ts'
import { below, countOf, fieldsOf, isObject, listOf, type Place, requireThat, textOf } from '../format/fields.ts'
import { parseRecipeHash, parseSha256, type RecipeHash, type Sha256 } from '../format/hash.ts'
import { isStrictlySorted } from '../format/order.ts'
import { parseStorePath, requireName, requireOutput, requireVersion, type StorePath } from '../format/store-path.ts'
import { parseKeyId } from './key.ts'
import type { StatedBuilder, StatedInput, StatedOutput, Statement } from './statement.ts'
import { encodeTime, timeOf } from './time.ts'

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'
const PREDICATE_TYPE = 'https://slsa.dev/provenance/v1'
const BUILD_TYPE = 'abnpkg:build/v1'
const OPERATOR = 'abnpkg:operator/'
const SESSION = 'abnpkg:session/'

export function jsonOfStatement(statement: Statement): JsonObject {
  const { recipe, name, version, system, builder, log, tests } = statement
  return {
    _type: STATEMENT_TYPE,
    predicateType: PREDICATE_TYPE,
    subject: statement.outputs.map(({ output, path, digest, bytes, references }) => ({
      name: path,
      digest: { sha256: digest },
      annotations: { bytes, output, references },
    })),
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: { name, recipe, system, version },
        resolvedDependencies: [...statement.inputs.map(jsonOfInput), ...statement.sources.map(jsonOfSource)],
      },
      runDetails: {
        builder: { id: idOf(builder), version: builder.software },
        byproducts: [
          ...(log === null ? [] : [{ name: 'log', digest: { sha256: log } }]),
          ...(tests === null ? [] : [{ name: 'tests', digest: { sha256: tests } }]),
        ],
        metadata: {
          abnpkg_expiresOn: encodeTime(statement.expires),
          abnpkg_origin: statement.origin,
          finishedOn: encodeTime(statement.finished),
          invocationId: statement.invocation,
          startedOn: encodeTime(statement.started),
        },
      },
    },
  }
}

function jsonOfInput({ path, recipe, output, digest }: StatedInput): JsonObject {
  return { annotations: { kind: 'input', output, recipe }, digest: { sha256: digest }, name: path }
}

function jsonOfSource(sha256: Sha256): JsonObject {
  return { annotations: { kind: 'source' }, digest: { sha256 } }
}

/** Throws place.fail, ABN_HASH_INVALID, ABN_NAME_INVALID or ABN_STORE_PATH_INVALID. */
export function statementOfJson(value: JsonValue, place: Place): Statement {
  const top = fieldsOf(value, place, ['_type', 'predicate', 'predicateType', 'subject'])
  requireThat(top._type === STATEMENT_TYPE, below(place, '_type'), `expected ${STATEMENT_TYPE}`)
  requireThat(top.predicateType === PREDICATE_TYPE, below(place, 'predicateType'), `expected ${PREDICATE_TYPE}`)
  const at = below(place, 'predicate')
  const predicate = fieldsOf(top.predicate, at, ['buildDefinition', 'runDetails'])
  const outputs = listOf(top.subject, below(place, 'subject'), outputOf)
  requireThat(outputs.length > 0, below(place, 'subject'), 'expected at least one output')
  requireThat(isStrictlySorted(outputs.map(({ path }) => path)), below(place, 'subject'), NOT_SORTED)
  const definition = definitionOf(predicate.buildDefinition, below(at, 'buildDefinition'))
  const details = detailsOf(predicate.runDetails, below(at, 'runDetails'))
  return { ...definition, outputs, ...details }
}

function outputOf(value: JsonValue, place: Place): StatedOutput {
  const { annotations, digest, name } = fieldsOf(value, place, ['annotations', 'digest', 'name'])
  const at = below(place, 'annotations')
  const { bytes, output, references } = fieldsOf(annotations, at, ['bytes', 'output', 'references'])
  const list = listOf(references, below(at, 'references'), pathOf)
  requireThat(isStrictlySorted(list), below(at, 'references'), NOT_SORTED)
  return {
    output: outputNameOf(output, below(at, 'output')),
    path: pathOf(name, below(place, 'name')),
    digest: digestOf(digest, below(place, 'digest')),
    bytes: countOf(bytes, below(at, 'bytes')),
    references: list,
  }
}

type Definition = Pick<Statement, 'recipe' | 'name' | 'version' | 'system' | 'inputs' | 'sources'>

function definitionOf(value: JsonValue, place: Place): Definition {
  const names = ['buildType', 'externalParameters', 'resolvedDependencies'] as const
  const { buildType, externalParameters, resolvedDependencies } = fieldsOf(value, place, names)
  requireThat(buildType === BUILD_TYPE, below(place, 'buildType'), `expected ${BUILD_TYPE}`)
  const at = below(place, 'externalParameters')
  const what = fieldsOf(externalParameters, at, ['name', 'recipe', 'system', 'version'])
  const name = textOf(what.name, below(at, 'name'))
  const version = textOf(what.version, below(at, 'version'))
  const system = textOf(what.system, below(at, 'system'))
  requireName(name)
  requireVersion(version)
  requireThat(/^[a-z0-9_]{1,32}-[a-z0-9]{1,32}$/.test(system), below(at, 'system'), 'expected a system')
  const dependencies = listOf(resolvedDependencies, below(place, 'resolvedDependencies'), dependencyOf)
  const firstSource = dependencies.findIndex(({ kind }) => kind === 'source')
  const inputs = dependencies.flatMap((one) => (one.kind === 'input' ? [one.input] : []))
  const sources = dependencies.flatMap((one) => (one.kind === 'source' ? [one.sha256] : []))
  const isOrdered =
    (firstSource === -1 || firstSource === inputs.length) &&
    isStrictlySorted(inputs.map(({ path }) => path)) &&
    isStrictlySorted(sources)
  requireThat(isOrdered, below(place, 'resolvedDependencies'), NOT_SORTED)
  return { recipe: recipeOf(what.recipe, below(at, 'recipe')), name, version, system, inputs, sources }
}

type Dependency =
  | { readonly kind: 'input'; readonly input: StatedInput }
  | { readonly kind: 'source'; readonly sha256: Sha256 }

function dependencyOf(value: JsonValue, place: Place): Dependency {
  const annotations = isObject(value) ? value.annotations : undefined
  const at = below(place, 'annotations')
  const kind = annotations !== undefined && isObject(annotations) ? annotations.kind : undefined
  if (kind === 'source') {
    const fields = fieldsOf(value, place, ['annotations', 'digest'])
    fieldsOf(fields.annotations, at, ['kind'])
    return { kind, sha256: digestOf(fields.digest, below(place, 'digest')) }
  }
  requireThat(kind === 'input', below(at, 'kind'), 'expected "input" or "source"')
  const fields = fieldsOf(value, place, ['annotations', 'digest', 'name'])
  const { output, recipe } = fieldsOf(fields.annotations, at, ['kind', 'output', 'recipe'])
  const input = {
    path: pathOf(fields.name, below(place, 'name')),
    recipe: recipeOf(recipe, below(at, 'recipe')),
    output: outputNameOf(output, below(at, 'output')),
    digest: digestOf(fields.digest, below(place, 'digest')),
  }
  return { kind, input }
}

type Details = Pick<
  Statement,
  'builder' | 'origin' | 'invocation' | 'started' | 'finished' | 'expires' | 'log' | 'tests'
>

function detailsOf(value: JsonValue, place: Place): Details {
  const { builder, byproducts, metadata } = fieldsOf(value, place, ['builder', 'byproducts', 'metadata'])
  const at = below(place, 'metadata')
  const names = ['abnpkg_expiresOn', 'abnpkg_origin', 'finishedOn', 'invocationId', 'startedOn'] as const
  const meta = fieldsOf(metadata, at, names)
  const origin = meta.abnpkg_origin
  requireThat(
    origin === 'built' || origin === 'substituted',
    below(at, 'abnpkg_origin'),
    'expected "built" or "substituted"',
  )
  const invocation = textOf(meta.invocationId, below(at, 'invocationId'))
  requireThat(/^[A-Za-z0-9._-]{1,64}$/.test(invocation), below(at, 'invocationId'), 'expected [A-Za-z0-9._-]{1,64}')
  const started = timeOf(meta.startedOn, below(at, 'startedOn'))
  const finished = timeOf(meta.finishedOn, below(at, 'finishedOn'))
  const expires = timeOf(meta.abnpkg_expiresOn, below(at, 'abnpkg_expiresOn'))
  requireThat(started <= finished && finished < expires, at, 'expected started <= finished < expires')
  const products = byproductsOf(byproducts, below(place, 'byproducts'))
  return {
    builder: builderOf(builder, below(place, 'builder')),
    origin,
    invocation,
    started,
    finished,
    expires,
    ...products,
  }
}

function byproductsOf(value: JsonValue, place: Place): Pick<Statement, 'log' | 'tests'> {
  const list = listOf(value, place, (one, at) => {
    const { digest, name } = fieldsOf(one, at, ['digest', 'name'])
    requireThat(name === 'log' || name === 'tests', below(at, 'name'), 'expected "log" or "tests"')
    return { name, digest: digestOf(digest, below(at, 'digest')) }
  })
  requireThat(isStrictlySorted(list.map(({ name }) => name)), place, NOT_SORTED)
  const find = (wanted: string) => list.find(({ name }) => name === wanted)?.digest ?? null
  return { log: find('log'), tests: find('tests') }
}

function builderOf(value: JsonValue, place: Place): StatedBuilder {
  const { id, version } = fieldsOf(value, place, ['id', 'version'])
  const text = textOf(id, below(place, 'id'))
  const [, operator, session, key] =
    /^(?:abnpkg:operator\/([0-9a-f]{64})|abnpkg:session\/([0-9a-f]{64})\/([0-9a-f]{64}))$/.exec(text) ?? []
  const isKnown = operator !== undefined || (session !== undefined && key !== undefined)
  requireThat(isKnown, below(place, 'id'), `expected ${OPERATOR}<key id> or ${SESSION}<session>/<key id>`)
  const at = below(place, 'version')
  requireThat(isObject(version), at, 'expected an object')
  const entries = Object.entries(version).map(([name, text]): [string, string] => {
    requireThat(/^[A-Za-z0-9._-]{1,64}$/.test(name), at, 'expected names [A-Za-z0-9._-]{1,64}')
    const software = textOf(text, below(at, name))
    requireThat(/^[\x20-\x7e]{0,200}$/.test(software), below(at, name), 'expected at most 200 printable characters')
    return [name, software]
  })
  requireThat(entries.length <= 32, at, 'expected at most 32 names')
  const software = Object.fromEntries(entries)
  return session === undefined
    ? { kind: 'operator', key: parseKeyId(operator ?? ''), software }
    : { kind: 'session', key: parseKeyId(key ?? ''), session: parseSha256(session), software }
}

function idOf(builder: StatedBuilder): string {
  switch (builder.kind) {
    case 'operator':
      return OPERATOR + builder.key
    case 'session':
      return `${SESSION}${builder.session}/${builder.key}`
    default:
      return builder satisfies never
  }
}

function digestOf(value: JsonValue, place: Place): Sha256 {
  const { sha256 } = fieldsOf(value, place, ['sha256'])
  return parseSha256(textOf(sha256, below(place, 'sha256')))
}

function recipeOf(value: JsonValue, place: Place): RecipeHash {
  return parseRecipeHash(textOf(value, place))
}

function pathOf(value: JsonValue, place: Place): StorePath {
  return parseStorePath(textOf(value, place))
}

function outputNameOf(value: JsonValue, place: Place): string {
  const name = textOf(value, place)
  requireOutput(name)
  return name
}

const NOT_SORTED = 'not sorted, or an element occurs twice'
