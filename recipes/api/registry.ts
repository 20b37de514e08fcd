/**
 * All recipes of one evaluation, in the order in which they were made, and how they leave the sandbox. Internal: recipes can
 * import index.ts only. Nothing here is trusted by the evaluator, which checks every byte of what encodeRecipes returns.
 */
import type { CompletePlan } from './plan.ts'
import type { Compression } from './sources.ts'

declare const reference: unique symbol

/** Whatever may stand in a text for a store path. Its text is a token that only the evaluator understands. */
export type Reference = { readonly [reference]: true; toString(): string }

/** What `recipe` hands over: everything checked once, defaults filled in, references as tokens. */
export type MadeRecipe = {
  readonly name: string
  readonly version: string
  readonly summary: string
  readonly homepage: string
  readonly license: string
  readonly hidden: boolean
  readonly outputs: readonly string[]
  readonly inputs: readonly ReferenceData[]
  readonly sources: readonly MadeSource[]
  readonly plan: CompletePlan
  readonly smoke: readonly (readonly string[])[]
  readonly provides: {
    readonly sh?: string
    readonly env?: string
    readonly variables?: Readonly<Record<string, string>>
  }
}

export type ReferenceData = { readonly index: number; readonly output: string }

export type MadeSource = {
  readonly to: string
  readonly unpack:
    | { readonly kind: 'file'; readonly executable: boolean }
    | { readonly kind: 'tar'; readonly compression: Compression; readonly strip: number }
    | { readonly kind: 'zip'; readonly strip: number }
    | { readonly kind: 'git' }
  readonly from: Origin
  readonly patches: readonly Origin[]
}

export type Origin =
  | { readonly kind: 'urls'; readonly urls: readonly string[]; readonly sha256: string; readonly size?: number }
  | { readonly kind: 'git'; readonly url: string; readonly commit: string; readonly sha256: string }
  | { readonly kind: 'local'; readonly path: string; readonly at: string }

type Entry = { readonly recipe: MadeRecipe; readonly reference: ReferenceData }

const made: { readonly recipe: MadeRecipe; readonly at: string }[] = []
const entries = new WeakMap<object, Entry>()

type Handle = Reference & { readonly name: string; readonly version: string; readonly outputs: readonly string[] }

export function register(recipe: MadeRecipe): Handle {
  made.push({ recipe, at: callSite() })
  return makeHandle(recipe, { index: made.length - 1, output: 'out' })
}

export function makeHandle(recipe: MadeRecipe, data: ReferenceData): Handle {
  const token = `@{#${data.index}:${data.output}}`
  const handle = { name: recipe.name, version: recipe.version, outputs: recipe.outputs, toString: () => token }
  entries.set(handle, { recipe, reference: data })
  return Object.freeze(handle) as unknown as Handle
}

export function isReference(value: unknown): value is Reference {
  return typeof value === 'object' && value !== null && entries.has(value)
}

export function entryOf(value: Reference): Entry {
  const entry = entries.get(value)
  if (entry === undefined) throw new TypeError('not a recipe')
  return entry
}

/**
 * Where in the recipes the API was called, as `module:line:column`: the first frame outside the API (whose modules are named
 * `abnpkg` or `abnpkg:…` in the sandbox). Empty elsewhere.
 */
export function callSite(): string {
  const stack = new Error().stack ?? ''
  for (const line of stack.split('\n')) {
    // Outside of the sandbox modules are URLs.
    const at = /\(((?:[^():/]+:)?[^():/][^():]*\.ts:\d+:\d+)\)$/.exec(line.trim())?.[1]
    if (at !== undefined && !at.startsWith('abnpkg:')) return at
  }
  return ''
}

type Modules = readonly (readonly [name: string, exports: Readonly<Record<string, unknown>>])[]

/** As JSON: how many recipes there are, and which module exports which of them under which name. */
export function encodeExports(modules: Modules): string {
  const exported = modules.flatMap(([module, exports]) =>
    Object.keys(exports)
      .sort()
      .flatMap((name) => {
        const value = exports[name]
        return isReference(value) ? [{ module, name, index: entryOf(value).reference.index }] : []
      }),
  )
  return JSON.stringify({ count: made.length, exported })
}

/** As JSON: the recipes from number `first` on, `count` of them. */
export function encodeRecipes(first: number, count: number): string {
  const part = made.slice(first, first + count)
  return JSON.stringify(part.map(({ recipe: { provides: _, ...recipe }, at }) => ({ ...recipe, at })))
}
