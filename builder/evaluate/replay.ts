/**
 * From a note that a recipe left in the sandbox (recipes/api/noting.ts) to the recipe itself, by the functions of the recipe
 * API. A note is JSON that an enemy may have written; those functions check every field of it, and take time and room in
 * proportion to it.
 */
import { gnuBuild } from '../../recipes/api/gnu-build.ts'
import { makeBuild } from '../../recipes/api/make-build.ts'
import { checkRecipe, output } from '../../recipes/api/recipe.ts'
import { callSite, type MadeRecipe, type Reference } from '../../recipes/api/registry.ts'
import { file, git, localAt, tarball, zip } from '../../recipes/api/sources.ts'
import { steps } from '../../recipes/api/steps.ts'

export type Note = { readonly stack?: unknown; readonly options?: unknown; readonly plan?: unknown }

/** The recipe with that number, if it was made before this one. Throws when it is broken. */
export type RecipeAt = (index: number) => Reference | undefined

/** Throws RecipeError, or whatever the API makes of nonsense. */
export function replay({ stack, options, plan }: Note, recipeAt: RecipeAt): MadeRecipe {
  if (!isRecord(options)) return checkRecipe(options)
  const given: Record<string, unknown> = { ...options }
  const revive = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(revive)
    return isRecord(value) ? (recipeOf(value, recipeAt) ?? sourceOf(value) ?? value) : value
  }
  for (const field of ['tools', 'libraries', 'source', 'sources']) {
    if (given[field] !== undefined) given[field] = revive(given[field])
  }
  if (given.patches !== undefined) given.patches = patchesOf(given.patches, stack)
  given.build = plan === undefined ? buildOf(given.build) : () => plan
  return checkRecipe(given)
}

/** Whether a value in a note stands for a recipe. */
export function isReference(value: unknown): value is { readonly index: number; readonly output: string } {
  return (
    isRecord(value) && value['#'] === 'recipe' && typeof value.index === 'number' && typeof value.output === 'string'
  )
}

function recipeOf(value: JsonRecord, recipeAt: RecipeAt): unknown {
  if (!isReference(value)) return undefined
  const { index, output: name } = value
  const found = recipeAt(index)
  return found === undefined || name === 'out' ? found : call(output, found, name)
}

function sourceOf({ '#': kind, stack, path, options }: JsonRecord): unknown {
  if (kind === 'local') return call(localAt, siteOf(stack), path, options)
  const make = typeof kind === 'string' ? DOWNLOADS[kind] : undefined
  if (make === undefined) return undefined
  const patched = isRecord(options) && options.patches !== undefined
  return call(make, patched ? { ...options, patches: patchesOf(options.patches, stack) } : options)
}

const DOWNLOADS: Readonly<Record<string, AnyFunction>> = Object.assign(Object.create(null), { tarball, zip, file, git })

/** A path is a file of the channel whose module names it. */
function patchesOf(patches: unknown, stack: unknown): unknown {
  if (!Array.isArray(patches)) return patches
  return patches.map((patch: unknown) => {
    if (typeof patch === 'string') return localAt(siteOf(stack), patch)
    return isRecord(patch) ? (sourceOf(patch) ?? patch) : patch
  })
}

/** A function for what the sandbox has noted of one; anything else is left for the API to refuse. */
function buildOf(value: unknown): unknown {
  if (!isRecord(value)) return value
  const make = typeof value['#'] === 'string' ? BUILDS[value['#']] : undefined
  return make === undefined ? value : call(make, value.options)
}

const BUILDS: Readonly<Record<string, AnyFunction>> = Object.assign(Object.create(null), { steps, gnuBuild, makeBuild })

type JsonRecord = Readonly<Record<string, unknown>>

type AnyFunction = (...args: never[]) => unknown

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function siteOf(stack: unknown): string {
  return callSite(typeof stack === 'string' ? stack : '')
}

/** With arguments that have no types yet. */
function call(make: AnyFunction, ...args: readonly unknown[]): unknown {
  return Reflect.apply(make, undefined, args)
}
