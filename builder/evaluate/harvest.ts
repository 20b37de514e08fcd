/**
 * Makes packages of what comes out of the sandbox, as it comes: each note becomes a recipe (replay.ts), each recipe a derivation
 * (lower.ts). One that cannot takes itself out, and those that need it.
 */

import { AbnError } from '../../format/errors.ts'
import type { RecipeHash } from '../../format/hash.ts'
import { type MadeRecipe, makeHandle, type Reference } from '../../recipes/api/registry.ts'
import type { BrokenRecipe } from './broken.ts'
import type { Channel, ModuleId } from './channel.ts'
import type { LocalFile } from './evaluate-anew.ts'
import { hashLocalFile } from './local-file.ts'
import { channelAt, type Lowered, lower } from './lower.ts'
import { clean, framesOf, problemError } from './problem.ts'
import type { RecordParts } from './records.ts'
import { isReference, type Note, replay } from './replay.ts'

type Made =
  | { readonly kind: 'made'; readonly handle: Reference; readonly lowered: Lowered; readonly stack: string }
  | { readonly kind: 'broken'; readonly error: AbnError }

type Exported = { readonly module: ModuleId; readonly name: string; readonly index: number }

export type Exports = ReadonlyMap<string, unknown>

export class Harvest {
  readonly #channels: readonly Channel[]
  readonly #made: Made[] = []
  readonly #modules = new Map<ModuleId, Exports>()
  readonly #exported: Exported[] = []
  readonly #broken: BrokenRecipe[] = []
  readonly #locals = new Map<string, LocalFile>()

  constructor(channels: readonly Channel[]) {
    this.#channels = channels
  }

  /** `text`: what recipes/api/noting.ts says of the modules. Throws ABN_RECIPE_INVALID when it says something else. */
  take(ids: readonly ModuleId[], text: string): void {
    const { exports, notes } = parseNotes(text)
    for (const note of notes) this.note(note)
    for (const [i, module] of ids.entries()) this.exported(module, new Map(Object.entries(exports[i] ?? {})))
  }

  /** The number of the recipe. */
  note(note: Note): number {
    return this.#made.push(this.#make(note)) - 1
  }

  outputsOf(index: number): readonly string[] | undefined {
    const made = this.#made[index]
    return made?.kind === 'made' ? [...made.lowered.outputs.keys()] : undefined
  }

  /** The exports of a module that is evaluated, as noting.ts writes them. */
  exported(module: ModuleId, exports: Exports): void {
    this.#modules.set(module, exports)
    for (const [name, value] of exports) {
      if (isReference(value)) this.#exported.push({ module, name, index: value.index })
    }
  }

  exportsOf(module: ModuleId): Exports | undefined {
    return this.#modules.get(module)
  }

  /** `modules`: all of them, in the order in which one has the right to a name. */
  finish(modules: readonly ModuleId[]) {
    const rank = new Map(modules.map((id, i) => [id, i]))
    const exports = new Map<number, Exported>()
    const owners = new Map<string, { readonly stack: string }>()
    const ranked = this.#exported.sort(
      (a, b) => (rank.get(a.module) ?? 0) - (rank.get(b.module) ?? 0) || (a.name < b.name ? -1 : 1),
    )
    for (const each of ranked) {
      const made = this.#made[each.index]
      if (made?.kind !== 'made' || exports.has(each.index)) continue
      const { name, version, metadata } = made.lowered
      const key = `${name}@${version}${metadata.hidden ? ' (hidden)' : ''}`
      const place = `${channelAt(each.module)}:${key}`
      const owner = owners.get(place)
      if (owner === undefined) {
        exports.set(each.index, each)
        owners.set(place, made)
      } else {
        const error = new AbnError(
          'ABN_RECIPE_DUPLICATE',
          `${key} is there twice: ${siteOf(owner)} and ${siteOf(made)}`,
          {
            hint: 'give one of them another name, or do not export it',
          },
        )
        this.#broken.push({ module: each.module, name, error })
      }
    }
    return { packages: this.#reachable(exports), locals: [...this.#locals.values()], broken: this.#broken }
  }

  #make(note: Note): Made {
    const stack = typeof note.stack === 'string' ? note.stack : ''
    let recipe: MadeRecipe | undefined
    try {
      recipe = replay(note, (index) => this.#at(index).handle)
      const lowered = lower(recipe, {
        recipeAt: (index) => this.#at(index).lowered,
        hashLocal: (channel, path) => this.#hashLocal(channel, path),
      })
      const handle = makeHandle(recipe, { index: this.#made.length, output: 'out' })
      return { kind: 'made', handle, lowered, stack }
    } catch (thrown) {
      const frames = framesOf(stack)
      const error = errorOf(thrown, { recipe, frames })
      const name = recipe?.name ?? nameIn(note)
      this.#broken.push({ module: (frames.at(-1) ?? '').replace(/:\d+:\d+$/, ''), name, error })
      return { kind: 'broken', error }
    }
  }

  /** One that was made before, and is not broken. */
  #at(index: number): Extract<Made, { kind: 'made' }> {
    const made = this.#made[index]
    if (made === undefined) {
      throw new AbnError('ABN_RECIPE_INVALID', 'it refers to a recipe that was not made before it')
    }
    if (made.kind === 'broken') {
      const { code, message, hint } = made.error
      const first =
        code === 'ABN_RECIPE_NEEDS_BROKEN' ? message.replace(/^.*?it needs a broken recipe: /s, '') : message
      throw new AbnError(
        'ABN_RECIPE_NEEDS_BROKEN',
        `it needs a broken recipe: ${first}`,
        hint === undefined ? {} : { hint },
      )
    }
    return made
  }

  #hashLocal(name: string, path: string) {
    const known = this.#locals.get(`${name}:${path}`)
    if (known !== undefined) return known.sha256
    const channel = this.#channels.find((each) => each.name === name)
    if (channel === undefined) throw new AbnError('ABN_RECIPE_INVALID', `no channel is called ${JSON.stringify(name)}`)
    const sha256 = hashLocalFile(channel.directory, path)
    this.#locals.set(`${name}:${path}`, { channel: name, path, sha256 })
    return sha256
  }

  /** Exported recipes and all that they are built from. Recipes that lower to the same derivation are one package. */
  #reachable(exports: ReadonlyMap<number, Exported>): readonly RecordParts[] {
    const needed = new Set(exports.keys())
    const packages = new Map<RecipeHash, RecordParts>()
    for (let index = this.#made.length - 1; index >= 0; index--) {
      const made = this.#made[index]
      if (made?.kind !== 'made' || !needed.has(index)) continue
      for (const input of made.lowered.inputs) needed.add(input)
      const { metadata, inputs: _, ...lowered } = made.lowered
      const exported = exports.get(index)
      const known = packages.get(lowered.recipeHash)
      if (known !== undefined && exported === undefined) continue
      const described = {
        exportName: exported?.name ?? '',
        module: exported?.module ?? '',
        channel: channelAt(exported?.module ?? siteOf(made)),
        ...metadata,
        hidden: metadata.hidden || exported === undefined,
      }
      packages.set(lowered.recipeHash, { ...lowered, metadata: described })
    }
    return [...packages.values()]
  }
}

/** What an enemy may have written, if the interpreter is broken. Throws ABN_RECIPE_INVALID. */
function parseNotes(text: string): { readonly exports: readonly object[]; readonly notes: readonly Note[] } {
  const isList = (value: unknown) =>
    Array.isArray(value) && value.every((each) => typeof each === 'object' && each !== null)
  try {
    const parsed = JSON.parse(text)
    if (isList(parsed.exports) && isList(parsed.notes)) return parsed
  } catch {
    // As below.
  }
  throw new AbnError('ABN_RECIPE_INVALID', 'the recipes did not come out of the sandbox as they should', {
    hint: 'a recipe tampers with the recipe API: leave out the newest one',
  })
}

/** Where it was made. */
function siteOf({ stack }: { readonly stack: string }): string {
  return clean(framesOf(stack)[0] ?? '')
}

type Where = { readonly recipe: MadeRecipe | undefined; readonly frames: readonly string[] }

/** Says where the recipe is. What the API or the formats throw for nonsense is the recipe's fault too. */
function errorOf(thrown: unknown, { recipe, frames }: Where): AbnError {
  if (!(thrown instanceof AbnError)) {
    const { name, message } = thrown instanceof Error ? thrown : { name: '', message: String(thrown) }
    return problemError({ kind: 'thrown', name, message, frames })
  }
  const { code, hint } = thrown
  const keeps = KEPT.has(code)
  const reason = clean(thrown.message.replace(/^derivation: /, ''))
  const which = recipe === undefined ? '' : `${clean(`${recipe.name} ${recipe.version}`)}: `
  return new AbnError(keeps ? code : 'ABN_RECIPE_INVALID', `${clean(frames[0] ?? 'a recipe')}: ${which}${reason}`, {
    ...(hint === undefined ? {} : { hint }),
    cause: thrown,
  })
}

const KEPT: ReadonlySet<string> = new Set([
  'ABN_RECIPE_LOCAL_FILE',
  'ABN_RECIPE_NEEDS_BROKEN',
  'ABN_RECIPE_SIZE_LIMIT',
  'ABN_SOURCE_ADDRESS',
])

function nameIn({ options }: Note): string {
  const name = typeof options === 'object' && options !== null && 'name' in options ? options.name : undefined
  return typeof name === 'string' ? clean(name) : ''
}
