/**
 * The one thing that a recipe module exports: what a package is and how it is built, as frozen plain data. In a text,
 * `${zlib}` stands for zlib's store path; the evaluator fills it in and thereby knows that zlib is an input.
 */
import {
  expectBoolean,
  expectFields,
  expectLine,
  expectList,
  expectMatch,
  expectRelativePath,
  expectTextRecord,
  expectTexts,
  fail,
  kindOf,
  quoted,
} from './check.ts'
import { type Build, type BuildContext, type CompletePlan, completeEnv, completePlan } from './plan.ts'
import { entryOf, isReference, type MadeRecipe, type MadeSource, makeHandle, type Reference } from './registry.ts'
import {
  expandUrl,
  type FileSource,
  isSource,
  type LocalSource,
  type Patch,
  patchSource,
  type Source,
} from './sources.ts'

export type RecipeOptions = {
  /** Lowercase letters, digits and `+._-`. */
  readonly name: string
  /** As upstream writes it. */
  readonly version: string
  /** What it is, in one line, beginning in lower case and without a full stop. */
  readonly summary: string
  readonly homepage?: string
  /** An SPDX licence expression, such as `GPL-3.0-or-later`. */
  readonly license: string

  readonly source?: Source
  /** Instead of `source` when there are several; each says with `to` where it goes. */
  readonly sources?: readonly Source[]
  /** Applied to `source`, in this order. */
  readonly patches?: readonly Patch[]

  /** Run while building: their bin/ make up PATH. A list in the list is taken apart, so a toolchain can be one. */
  readonly tools?: readonly (Input | readonly Input[])[]
  /** Linked into the output, or needed by it when it runs. */
  readonly libraries?: readonly (Input | readonly Input[])[]
  /** What the build produces; `['out']` unless told. `out` is always among them. */
  readonly outputs?: readonly string[]
  /** Variables of the whole build; they win over those of the build system and the tools. */
  readonly env?: Readonly<Record<string, string>>

  readonly build: Build

  /** Commands that must succeed once it is built; the first part is relative to the output: `['bin/lzip', '--version']`. */
  readonly smoke?: readonly (readonly string[])[]
  /** True for a step of the bootstrap that nobody would install: it is built and can be named, but not listed. */
  readonly hidden?: boolean
  readonly provides?: Provides
}

/** What a recipe brings to the builds in which it is a tool. */
export type Provides = {
  /** The shell: linked as /bin/sh, runs the phases of gnuBuild and makeBuild. A path in the output, such as `bin/sh`. */
  readonly sh?: string
  /** Linked as /usr/bin/env. A path in the output. */
  readonly env?: string
  /** Set while building, such as `{ CC: 'tcc' }`. */
  readonly variables?: Readonly<Record<string, string>>
}

/** A recipe, or one of its outputs other than `out`. */
export type Input = Recipe | OutputReference

/** In a text it stands for the store path of its `out`. */
export type Recipe = Reference & {
  readonly name: string
  readonly version: string
  readonly outputs: readonly string[]
}

/** In a text it stands for that output's store path. */
export type OutputReference = Reference

/** In a text of a recipe: the store path of the recipe's own output `out`. Other outputs: `@{dev}` and so on. */
export const out = '@{out}'

export function recipe(options: RecipeOptions): Recipe {
  return makeHandle(checkRecipe(options), { index: made++, output: 'out' })
}

let made = 0

/** Everything that `recipe` is given, checked once, with the plan of its build system. */
export function checkRecipe(options: unknown): MadeRecipe {
  const { given, where, context, tools, libraries, provided } = begin(options)
  const { name, version, outputs } = context
  if (typeof given.build !== 'function') {
    fail(`${where}: build`, `expected steps(…), gnuBuild(…) or makeBuild(…), got ${kindOf(given.build)}`)
  }
  const plan = completePlan(given.build(context), `${where}: build`)
  return {
    name,
    version,
    summary: expectLine(given.summary, `${where}: summary`),
    homepage:
      given.homepage === undefined
        ? ''
        : expectMatch(given.homepage, `${where}: homepage`, /^https?:\/\/[!-~]+$/, 'a URL'),
    license: expectLine(given.license, `${where}: license`),
    hidden: expectBoolean(given.hidden ?? false, `${where}: hidden`),
    outputs,
    inputs: [...tools, ...libraries].map((input) => entryOf(input).reference),
    sources: sourcesOf(given, { where, name, version }),
    plan: {
      ...plan,
      links: [...provided.links, ...plan.links],
      env: { ...pathOf(tools), ...plan.env, ...completeEnv(given.env ?? {}, `${where}: env`) },
    },
    smoke: checkSmoke(given.smoke ?? [], `${where}: smoke`),
    provides: checkProvides(given.provides ?? {}, `${where}: provides`),
  }
}

/** What the build system of such a recipe is told. */
export function buildContextOf(options: unknown): BuildContext {
  return begin(options).context
}

/** What is known before the build system is asked. */
function begin(options: unknown) {
  const given = expectFields(options, 'recipe', FIELDS)
  const name = expectMatch(given.name, 'recipe: name', NAME, 'lowercase letters, digits and + . _ -, at most 64')
  const where = `recipe '${name}'`
  const version = expectMatch(given.version, `${where}: version`, VERSION, 'letters, digits and + . _ ~ -, at most 64')
  const outputs = checkOutputs(given.outputs ?? ['out'], `${where}: outputs`)
  const tools = inputsOf(given.tools ?? [], `${where}: tools`)
  const libraries = inputsOf(given.libraries ?? [], `${where}: libraries`)
  const provided = providedBy(tools, where)
  const context: BuildContext = {
    name,
    version,
    outputs,
    tools: tools.map(String),
    libraries: libraries.map(String),
    shell: provided.shell,
    variables: provided.variables,
  }
  return { given, where, context, tools, libraries, provided }
}

/** One output of a recipe: `output(gcc, 'lib')`, for `tools`, `libraries` or a text. */
export function output(from: Recipe, name: string): OutputReference {
  const { facts, reference } = entryOf(expectInput(from, 'output'))
  if (!facts.outputs.includes(name)) {
    fail('output', `${facts.name} has no output ${quoted(String(name))}; it has ${facts.outputs.join(', ')}`)
  }
  return makeHandle(facts, { index: reference.index, output: name })
}

const FIELDS = [
  'name',
  'version',
  'summary',
  'homepage',
  'license',
  'source',
  'sources',
  'patches',
  'tools',
  'libraries',
  'outputs',
  'env',
  'build',
  'smoke',
  'hidden',
  'provides',
] as const
const NAME = /^[a-z0-9][a-z0-9+._-]{0,63}$/
const VERSION = /^[0-9A-Za-z][0-9A-Za-z+._~-]{0,63}$/
const OUTPUT = /^[a-z][a-z0-9]{0,15}$/

export function checkOutputs(value: unknown, where: string): readonly string[] {
  const outputs = expectList(value, where).map((name, i) =>
    expectMatch(name, `${where}[${i}]`, OUTPUT, 'a lowercase letter, then letters and digits, at most 16'),
  )
  if (new Set(outputs).size !== outputs.length) fail(where, 'the same output twice')
  if (!outputs.includes('out')) fail(where, "expected 'out' among them")
  return Object.freeze(outputs.sort())
}

function inputsOf(value: unknown, where: string): Reference[] {
  const inputs = expectList(value, where)
    .flat()
    .map((input, i) => expectInput(input, `${where}[${i}]`))
  return [...new Map(inputs.map((input) => [String(input), input])).values()]
}

function expectInput(value: unknown, where: string): Reference {
  if (isReference(value)) return value
  return fail(where, `expected a recipe, got ${kindOf(value)}`)
}

type Provided = {
  readonly shell: string | undefined
  readonly links: CompletePlan['links']
  readonly variables: Readonly<Record<string, string>>
}

/** Of several tools that provide the same thing, the first one's counts, as in PATH. */
function providedBy(tools: readonly Reference[], where: string): Provided {
  const provides = tools.map((tool) => ({ tool, ...entryOf(tool).facts.provides }))
  const sh = provides.find((each) => each.sh !== undefined)
  const env = provides.find((each) => each.env !== undefined)
  const shell = sh && `${sh.tool}/${sh.sh}`
  const links = [
    ...(shell === undefined ? [] : [{ path: '/bin/sh', target: shell }]),
    ...(env === undefined ? [] : [{ path: '/usr/bin/env', target: `${env.tool}/${env.env}` }]),
  ]
  const variables = Object.assign({}, ...provides.map((each) => each.variables ?? {}).reverse())
  return { shell, links, variables: completeEnv(variables, where) }
}

function pathOf(tools: readonly Reference[]): Readonly<Record<string, string>> {
  return tools.length === 0 ? {} : { PATH: tools.map((tool) => `${tool}/bin`).join(':') }
}

type Named = { readonly where: string; readonly name: string; readonly version: string }

function sourcesOf(given: { source?: unknown; sources?: unknown; patches?: unknown }, named: Named): MadeSource[] {
  const { where } = named
  if (given.source !== undefined && given.sources !== undefined) fail(where, "give 'source' or 'sources', not both")
  const list = given.source === undefined ? expectList(given.sources ?? [], `${where}: sources`) : [given.source]
  const patches = expectList(given.patches ?? [], `${where}: patches`).map((patch, i) =>
    patchSource(patch, `${where}: patches[${i}]`),
  )
  if (patches.length > 0 && list.length !== 1) {
    fail(`${where}: patches`, 'there is not exactly one source: give each its own, as in tarball({ …, patches: […] })')
  }
  return list.map((source, i) => {
    const at = given.source === undefined ? `${where}: sources[${i}]` : `${where}: source`
    if (!isSource(source))
      return fail(at, `expected tarball(…), zip(…), file(…), git(…) or local(…), got ${kindOf(source)}`)
    return madeSource(source, patches, named)
  })
}

function madeSource(source: Source, more: readonly (LocalSource | FileSource)[], named: Named): MadeSource {
  const own = 'patches' in source ? source.patches.map((patch) => patchSource(patch, named.where)) : []
  return {
    to: source.to,
    unpack: unpackOf(source),
    from: originOf(source, named),
    patches: [...own, ...more].map((patch) => originOf(patch, named)),
  }
}

function unpackOf(source: Source): MadeSource['unpack'] {
  if (source.kind === 'tarball') return { kind: 'tar', compression: source.compression, strip: source.strip }
  if (source.kind === 'zip') return { kind: 'zip', strip: source.strip }
  if (source.kind === 'git') return { kind: 'git' }
  return { kind: 'file', executable: source.executable }
}

function originOf(source: Source, { name, version }: Named): MadeSource['from'] {
  if (source.kind === 'local') return { kind: 'local', path: source.path, at: source.at }
  if (source.kind === 'git') {
    return { kind: 'git', url: expandUrl(source.url, name, version), commit: source.commit, sha256: source.sha256 }
  }
  const urls = source.urls.map((url) => expandUrl(url, name, version))
  return { kind: 'urls', urls, sha256: source.sha256, ...(source.size === undefined ? {} : { size: source.size }) }
}

function checkSmoke(value: unknown, where: string): string[][] {
  return expectList(value, where).map((command, i) => {
    const args = expectTexts(command, `${where}[${i}]`)
    expectRelativePath(args[0], `${where}[${i}][0]`)
    return args
  })
}

export function checkProvides(value: unknown, where: string): MadeRecipe['provides'] {
  const given = expectFields(value, where, ['sh', 'env', 'variables'])
  return {
    ...(given.sh === undefined ? {} : { sh: expectRelativePath(given.sh, `${where}.sh`) }),
    ...(given.env === undefined ? {} : { env: expectRelativePath(given.env, `${where}.env`) }),
    variables: Object.fromEntries(expectTextRecord(given.variables ?? {}, `${where}.variables`)),
  }
}
