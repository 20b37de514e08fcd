/**
 * What recipes import as 'abnpkg' inside the sandbox: the same functions as in index.ts, which only note what they are given.
 * A note is one JSON text a recipe; outside, where the same work takes a tenth of the time, builder/evaluate/replay.ts hands it
 * to the functions of index.ts, which check it and make the plan. Only a build system of one's own runs in here.
 *
 * In a note, `{ "#": 'recipe', index, output }` stands for a recipe, `{ "#": 'tarball', options, stack }` for a source and
 * `{ "#": 'gnuBuild', options }` for a build.
 */
import { type GnuBuildOptions, gnuBuild as realGnuBuild } from './gnu-build.ts'
import { type MakeBuildOptions, makeBuild as realMakeBuild } from './make-build.ts'
import type { Build, Plan, Step } from './plan.ts'
import { buildContextOf, checkOutputs, checkProvides, out, output, type Recipe, type RecipeOptions } from './recipe.ts'
import { makeHandle } from './registry.ts'
import { quote } from './shell.ts'
import {
  type FileOptions,
  type GitOptions,
  type LocalOptions,
  localAt,
  type TarballOptions,
  type ZipOptions,
} from './sources.ts'
import { parallel, steps as realSteps } from './steps.ts'

// What needs no note is what it is outside.
export { out, output, parallel, quote }

type Note = { readonly text: string; readonly stack: string | undefined }

let notes: Note[] = []
let made = 0

export function recipe(options: RecipeOptions): Recipe {
  const { name, version, outputs, provides, build } = Object(options)
  const isOwn = typeof build === 'function' && !noted.has(build)
  const plan = isOwn ? build(buildContextOf(options)) : undefined
  const facts = {
    name,
    version,
    outputs: outputs === undefined ? ONE_OUTPUT : checkOutputs(outputs, `recipe '${name}': outputs`),
    provides: provides === undefined ? {} : checkProvides(provides, `recipe '${name}': provides`),
  }
  const { stack } = new Error()
  const text = JSON.stringify({ stack, options, plan })
  // Nothing that could throw, or make another recipe, stands between a note and its number.
  notes.push({ text, stack })
  return makeHandle(facts, { index: made++, output: 'out' })
}

const ONE_OUTPUT = Object.freeze(['out'])

export const tarball = (options: TarballOptions) => noteSource('tarball', options)
export const zip = (options: ZipOptions) => noteSource('zip', options)
export const file = (options: FileOptions) => Object.freeze({ '#': 'file', options })
export const git = (options: GitOptions) => noteSource('git', options)

/** Checked at once: nothing else says where the wrong path is. */
export function local(path: string, options?: LocalOptions) {
  localAt('', path, options)
  return Object.freeze({ '#': 'local', path, options, stack: new Error().stack })
}

function noteSource(kind: string, options: { readonly patches?: unknown }) {
  // The patches belong to the channel of the module that names them.
  const stack = Object(options).patches === undefined ? undefined : new Error().stack
  return Object.freeze({ '#': kind, options, stack })
}

export const steps = (plan: Plan | readonly Step[]) => noteBuild('steps', plan, realSteps)
export const gnuBuild = (options: GnuBuildOptions = {}) => noteBuild('gnuBuild', options, realGnuBuild)
export const makeBuild = (options: MakeBuildOptions = {}) => noteBuild('makeBuild', options, realMakeBuild)

const noted = new WeakSet<object>()

/** A build that notes itself, and works when a build system of one's own calls it. */
function noteBuild<Options>(kind: string, options: Options, real: (options: Options) => Build): Build {
  const build: Build & { toJSON?: () => object } = (context) => real(options)(context)
  build.toJSON = () => ({ '#': kind, options })
  noted.add(build)
  return build
}

type Namespace = Readonly<Record<string, unknown>>

let exported: string[] = []

/** Notes what a module exports, when it has been evaluated: as much of it as JSON can say: recipes, texts, lists, not functions. */
export function collect(module: Namespace): void {
  const members = Object.keys(module).flatMap((name) => {
    const value = textOf(module[name])
    return value === undefined || value.length > LONGEST_EXPORT ? [] : [`${JSON.stringify(name)}:${value}`]
  })
  exported.push(`{${members.join()}}`)
}

const LONGEST_EXPORT = 4 << 20

function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

/**
 * The notes since the last time, and what the modules since then export, as JSON; or, where the notes have more than `limit`
 * characters, the longest one. Nothing of a recipe runs in here.
 */
export function take(limit: number): string | Note | undefined {
  const taken = notes
  const exports = exported
  notes = []
  exported = []
  if (taken.reduce((sum, { text }) => sum + text.length, 0) > limit) {
    return taken.reduce((longest, note) => (note.text.length > longest.text.length ? note : longest))
  }
  return `{"exports":[${exports.join()}],"notes":[${taken.map(({ text }) => text).join()}]}`
}
