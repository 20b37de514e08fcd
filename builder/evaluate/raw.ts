/**
 * Reads what came out of the sandbox. A recipe may have had its hands in it, so every field is checked as if an enemy had
 * written it: shapes, and that recipes refer to earlier ones only, which also rules out cycles.
 */
import type { JsonValue } from '../../format/canonical-json.ts'
import type { DerivationFile, DerivationLink, DerivationStep, Unpack } from '../../format/derivation.ts'
import { AbnError } from '../../format/errors.ts'
import {
  below,
  booleanOf,
  countOf,
  fieldsOf,
  isObject,
  listOf,
  type Place,
  requireThat,
  textOf,
  textsOf,
} from '../../format/fields.ts'
import { parseSha256, type Sha256 } from '../../format/hash.ts'

export type RawEvaluation = { readonly recipes: readonly RawRecipe[]; readonly exported: readonly RawExport[] }

export type RawExport = { readonly module: string; readonly name: string; readonly index: number }

export type RawReference = { readonly index: number; readonly output: string }

export type RawRecipe = {
  /** Where it was made: module:line:column. */
  readonly at: string
  readonly name: string
  readonly version: string
  readonly summary: string
  readonly homepage: string
  readonly license: string
  readonly hidden: boolean
  readonly outputs: readonly string[]
  readonly inputs: readonly RawReference[]
  readonly sources: readonly RawSource[]
  readonly directories: readonly string[]
  readonly files: readonly DerivationFile[]
  readonly links: readonly DerivationLink[]
  readonly env: Readonly<Record<string, string>>
  readonly steps: readonly DerivationStep[]
  readonly smoke: readonly (readonly string[])[]
}

export type RawSource = {
  readonly to: string
  /** Checked as part of the derivation. */
  readonly unpack: Unpack
  readonly from: RawOrigin
  readonly patches: readonly RawOrigin[]
}

export type RawOrigin =
  | { readonly kind: 'urls'; readonly urls: readonly string[]; readonly sha256: Sha256; readonly size?: number }
  | { readonly kind: 'git'; readonly url: string; readonly commit: string; readonly sha256: Sha256 }
  | { readonly kind: 'local'; readonly path: string; readonly at: string }

/** Throws ABN_RECIPE_INVALID. `modules` are those that were evaluated. */
export function parseRaw(
  exportsText: string,
  recipesTexts: readonly string[],
  modules: ReadonlySet<string>,
): RawEvaluation {
  const fields = fieldsOf(parseJson(exportsText), TOP, ['count', 'exported'])
  const lists = recipesTexts.map((text) => listOf(parseJson(text), TOP, recipeOf))
  const recipes = lists.flat()
  requireThat(fields.count === recipes.length, TOP, 'not all recipes came out of the sandbox')
  const exported = listOf(fields.exported, below(TOP, 'exported'), (value, place): RawExport => {
    const { module, name, index } = fieldsOf(value, place, ['module', 'name', 'index'])
    const id = textOf(module, below(place, 'module'))
    requireThat(modules.has(id), place, 'unknown module')
    return {
      module: id,
      name: textOf(name, below(place, 'name')),
      index: countOf(index, below(place, 'index'), recipes.length - 1),
    }
  })
  return { recipes, exported }
}

const TOP: Place = {
  path: '',
  fail: (reason) =>
    new AbnError('ABN_RECIPE_INVALID', `the recipes did not come out of the sandbox as they should: ${reason}`, {
      hint: 'a recipe tampers with the recipe API: leave out the newest one',
    }),
}

function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text)
  } catch {
    throw TOP.fail('not JSON')
  }
}

function recipeOf(value: JsonValue, place: Place): RawRecipe {
  const fields = fieldsOf(value, place, FIELDS)
  const plan = fieldsOf(fields.plan, below(place, 'plan'), ['directories', 'files', 'links', 'env', 'steps'])
  const text = (name: 'at' | 'name' | 'version' | 'summary' | 'homepage' | 'license') =>
    textOf(fields[name], below(place, name))
  return {
    at: text('at'),
    name: text('name'),
    version: text('version'),
    summary: text('summary'),
    homepage: text('homepage'),
    license: text('license'),
    hidden: booleanOf(fields.hidden, below(place, 'hidden')),
    outputs: listOf(fields.outputs, below(place, 'outputs'), textOf),
    inputs: listOf(fields.inputs, below(place, 'inputs'), referenceOf),
    sources: listOf(fields.sources, below(place, 'sources'), sourceOf),
    directories: listOf(plan.directories, below(place, 'directories'), textOf),
    files: listOf(plan.files, below(place, 'files'), fileOf),
    links: listOf(plan.links, below(place, 'links'), linkOf),
    env: textsOf(plan.env, below(place, 'env')),
    steps: listOf(plan.steps, below(place, 'steps'), stepOf),
    smoke: listOf(fields.smoke, below(place, 'smoke'), (command, at) => listOf(command, at, textOf)),
  }
}

const FIELDS = [
  'at',
  'name',
  'version',
  'summary',
  'homepage',
  'license',
  'hidden',
  'outputs',
  'inputs',
  'sources',
  'plan',
  'smoke',
] as const

function referenceOf(value: JsonValue, place: Place): RawReference {
  const { index, output } = fieldsOf(value, place, ['index', 'output'])
  return { index: countOf(index, below(place, 'index')), output: textOf(output, below(place, 'output')) }
}

function sourceOf(value: JsonValue, place: Place): RawSource {
  const { to, unpack, from, patches } = fieldsOf(value, place, ['to', 'unpack', 'from', 'patches'])
  return {
    to: textOf(to, below(place, 'to')),
    unpack: unpackOf(unpack, below(place, 'unpack')),
    from: originOf(from, below(place, 'from')),
    patches: listOf(patches, below(place, 'patches'), originOf),
  }
}

function unpackOf(value: JsonValue, place: Place): Unpack {
  const kind = isObject(value) ? value.kind : undefined
  if (kind === 'file') {
    const { executable } = fieldsOf(value, place, ['kind', 'executable'])
    return { kind, executable: booleanOf(executable, below(place, 'executable')) }
  }
  if (kind === 'tar') {
    const fields = fieldsOf(value, place, ['kind', 'compression', 'strip'])
    const compression = (['none', 'gzip', 'bzip2', 'xz', 'zstd'] as const).find((name) => name === fields.compression)
    requireThat(compression !== undefined, below(place, 'compression'), 'unknown')
    return { kind, compression, strip: countOf(fields.strip, below(place, 'strip')) }
  }
  if (kind === 'zip') {
    return { kind, strip: countOf(fieldsOf(value, place, ['kind', 'strip']).strip, below(place, 'strip')) }
  }
  requireThat(kind === 'git', below(place, 'kind'), 'unknown')
  fieldsOf(value, place, ['kind'])
  return { kind: 'git' }
}

function originOf(value: JsonValue, place: Place): RawOrigin {
  const kind = isObject(value) ? value.kind : undefined
  const text = (item: JsonValue, name: string) => textOf(item, below(place, name))
  if (kind === 'local') {
    const { path, at } = fieldsOf(value, place, ['kind', 'path', 'at'])
    return { kind, path: text(path, 'path'), at: text(at, 'at') }
  }
  if (kind === 'git') {
    const { url, commit, sha256 } = fieldsOf(value, place, ['kind', 'url', 'commit', 'sha256'])
    const checked = text(commit, 'commit')
    requireThat(/^[0-9a-f]{40}$/.test(checked), below(place, 'commit'), 'expected 40 hexadecimal digits')
    return { kind, url: urlOf(url, below(place, 'url')), commit: checked, sha256: parseSha256(text(sha256, 'sha256')) }
  }
  requireThat(kind === 'urls', below(place, 'kind'), 'unknown')
  const hasSize = isObject(value) && Object.hasOwn(value, 'size')
  const fields = fieldsOf(value, place, ['kind', 'urls', 'sha256', ...(hasSize ? (['size'] as const) : [])])
  const urls = listOf(fields.urls, below(place, 'urls'), urlOf)
  const sha256 = parseSha256(text(fields.sha256, 'sha256'))
  return { kind, urls, sha256, ...(hasSize ? { size: countOf(fields.size, below(place, 'size')) } : {}) }
}

function urlOf(value: JsonValue, place: Place): string {
  const url = textOf(value, place)
  requireThat(/^(https?|mirror):\/\/[!-~]+$/.test(url), place, 'expected a URL')
  return url
}

function fileOf(value: JsonValue, place: Place): DerivationFile {
  const { path, text, executable } = fieldsOf(value, place, ['path', 'text', 'executable'])
  return {
    path: textOf(path, below(place, 'path')),
    text: textOf(text, below(place, 'text')),
    executable: booleanOf(executable, below(place, 'executable')),
  }
}

function linkOf(value: JsonValue, place: Place): DerivationLink {
  const { path, target } = fieldsOf(value, place, ['path', 'target'])
  return { path: textOf(path, below(place, 'path')), target: textOf(target, below(place, 'target')) }
}

function stepOf(value: JsonValue, place: Place): DerivationStep {
  const { args, cwd, env, parallel } = fieldsOf(value, place, ['args', 'cwd', 'env', 'parallel'])
  return {
    args: listOf(args, below(place, 'args'), textOf),
    cwd: textOf(cwd, below(place, 'cwd')),
    env: textsOf(env, below(place, 'env')),
    parallel: booleanOf(parallel, below(place, 'parallel')),
  }
}
