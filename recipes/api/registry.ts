/**
 * Recipes as other recipes hold them: handles that know what they stand for, and how they stand in texts. Internal: recipes can
 * import index.ts only.
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

/** What other recipes need to know of a recipe. */
export type Facts = Pick<MadeRecipe, 'name' | 'version' | 'outputs' | 'provides'>

type Entry = { readonly facts: Facts; readonly reference: ReferenceData }

const entries = new WeakMap<object, Entry>()

type Handle = Reference & Pick<Facts, 'name' | 'version' | 'outputs'>

/** Shared by all handles. `toJSON` is how a handle stands in a note (noting.ts). */
const methods = Object.freeze({
  toString(): string {
    const { index, output } = entryOf(this as unknown as Reference).reference
    return `@{#${index}:${output}}`
  },
  toJSON(): object {
    return { '#': 'recipe', ...entryOf(this as unknown as Reference).reference }
  },
})

export function makeHandle({ name, version, outputs, provides }: Facts, reference: ReferenceData): Handle {
  const handle = Object.freeze({ __proto__: methods, name, version, outputs })
  entries.set(handle, { facts: { name, version, outputs, provides }, reference })
  return handle as unknown as Handle
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
export function callSite(stack = new Error().stack ?? ''): string {
  for (const line of stack.split('\n')) {
    // Outside of the sandbox modules are URLs.
    const at = /\(((?:[^():/]+:)?[^():/][^():]*\.ts:\d+:\d+)\)$/.exec(line.trim())?.[1]
    if (at !== undefined && !at.startsWith('abnpkg:')) return at
  }
  return ''
}
