/**
 * Lowers recipes to derivations, in the order in which they were made, so that every input has its recipe hash before it is
 * needed. In texts of recipes `@{#<number>:<output>}` stands for a store path, and each one that occurs is an input.
 */

import { type Derivation, type DerivationInput, type DerivationSource, recipeHashOf } from '../../format/derivation.ts'
import { checkDerivation } from '../../format/derivation-schema.ts'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { storePathOf } from '../../format/store-path.ts'
import type { SourceHint } from '../fetch/hint.ts'
import { checkAddress, parseHttpUrl } from '../fetch/mirrors.ts'
import { mainChannel } from './channel.ts'
import type { EvaluatedPackage } from './package.ts'
import { clean } from './problem.ts'
import type { RawEvaluation, RawExport, RawOrigin, RawRecipe, RawReference } from './raw.ts'

/** SHA-256 of a file of a channel. Throws ABN_RECIPE_LOCAL_FILE. */
export type HashLocal = (channel: string, path: string) => Sha256

/** Exported recipes and all that they are built from, inputs first. Throws ABN_RECIPE_… or ABN_SOURCE_ADDRESS. */
export function lower(raw: RawEvaluation, hashLocal: HashLocal): readonly EvaluatedPackage[] {
  const exports = new Map<number, RawExport>()
  for (const each of raw.exported) if (!exports.has(each.index)) exports.set(each.index, each)
  const lowered: Lowered[] = []
  for (const [index, recipe] of raw.recipes.entries()) {
    lowered.push(
      placed(recipe, () => lowerRecipe({ recipe, exported: exports.get(index), before: lowered, hashLocal })),
    )
  }
  const exported = [...exports.keys()].sort((a, b) => a - b)
  refuseDuplicates(exported.flatMap((index) => raw.recipes[index] ?? []))
  return reachable(exported, lowered)
}

type Lowered = { readonly package: EvaluatedPackage; readonly inputs: ReadonlySet<number> }

type Lowering = {
  readonly recipe: RawRecipe
  readonly exported: RawExport | undefined
  readonly before: readonly Lowered[]
  readonly hashLocal: HashLocal
}

function lowerRecipe({ recipe, exported, before, hashLocal }: Lowering): Lowered {
  const inputs = new Inputs(before)
  for (const reference of recipe.inputs) inputs.pathOf(reference)
  const text = (value: string) => inputs.fillIn(value)
  const record = (values: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, text(value)]))
  const sources = new Map<Sha256, SourceHint>()
  const hashOf = (origin: RawOrigin) => {
    const sha256 = origin.kind === 'local' ? hashLocal(channelAt(origin.at), origin.path) : origin.sha256
    checkOrigin(origin)
    if (!sources.has(sha256)) sources.set(sha256, hintOf(origin))
    return sha256
  }
  const from = recipe.sources.map(
    (source): DerivationSource => ({
      to: source.to,
      sha256: hashOf(source.from),
      unpack: source.unpack,
      patches: source.patches.map(hashOf),
    }),
  )
  const plan = {
    directories: [...new Set(recipe.directories.map(text))].sort(compareBytewise),
    files: sorted(
      recipe.files.map((file) => ({ ...file, path: text(file.path), text: text(file.text) })),
      (file) => file.path,
    ),
    links: sorted(
      recipe.links.map((link) => ({ path: text(link.path), target: text(link.target) })),
      (link) => link.path,
    ),
    env: record(recipe.env),
    steps: recipe.steps.map((step) => ({
      ...step,
      args: step.args.map(text),
      cwd: text(step.cwd),
      env: record(step.env),
    })),
  }
  const derivation: Derivation = checkDerivation({
    name: recipe.name,
    version: recipe.version,
    system: 'x86_64-linux',
    outputs: [...recipe.outputs].sort(compareBytewise),
    inputs: inputs.sorted(),
    sources: sorted(from, (source) => source.to),
    ...plan,
  })
  const metadata = {
    exportName: exported?.name ?? '',
    module: exported?.module ?? '',
    channel: channelAt(exported?.module ?? recipe.at),
    summary: clean(recipe.summary),
    homepage: clean(recipe.homepage),
    license: clean(recipe.license),
    smoke: recipe.smoke,
    sources: Object.fromEntries([...sources].sort(([a], [b]) => compareBytewise(a, b))),
    hidden: recipe.hidden || exported === undefined,
  }
  return { package: { derivation, recipeHash: recipeHashOf(derivation), metadata }, inputs: inputs.used }
}

/** Collects the inputs of one recipe while its texts are filled in. */
class Inputs {
  readonly used = new Set<number>()
  readonly #before: readonly Lowered[]
  readonly #inputs = new Map<string, DerivationInput>()

  constructor(before: readonly Lowered[]) {
    this.#before = before
  }

  fillIn(text: string): string {
    if (!text.includes('@{#')) return text
    return text.replace(/@\{#([0-9]{1,7}):([a-z0-9]{1,16})\}/g, (_, index: string, output: string) =>
      this.pathOf({ index: Number(index), output }),
    )
  }

  pathOf({ index, output }: RawReference): string {
    const from = this.#before[index]
    if (from === undefined) throw invalid('it refers to a recipe that was not made before it')
    const { derivation, recipeHash } = from.package
    if (!derivation.outputs.includes(output))
      throw invalid(`${derivation.name} has no output ${JSON.stringify(output)}`)
    const key = `${recipeHash} ${output}`
    const known = this.#inputs.get(key)
    if (known !== undefined) return known.path
    this.used.add(index)
    const path = storePathOf(recipeHash, derivation.name, derivation.version, output)
    this.#inputs.set(key, { recipe: recipeHash, output, path })
    return path
  }

  sorted(): readonly DerivationInput[] {
    return sorted([...this.#inputs.values()], (input) => input.path)
  }
}

/** Inputs first; recipes that lower to the same derivation are one package. */
function reachable(roots: readonly number[], lowered: readonly Lowered[]): readonly EvaluatedPackage[] {
  const needed = new Set<number>(roots)
  for (let index = lowered.length - 1; index >= 0; index--) {
    if (needed.has(index)) for (const input of lowered[index]?.inputs ?? []) needed.add(input)
  }
  const packages = new Map<RecipeHash, EvaluatedPackage>()
  for (const [index, { package: each }] of lowered.entries()) {
    const known = packages.get(each.recipeHash)
    if (needed.has(index) && (known === undefined || known.metadata.exportName === ''))
      packages.set(each.recipeHash, each)
  }
  return [...packages.values()]
}

function refuseDuplicates(recipes: readonly RawRecipe[]): void {
  const seen = new Map<string, RawRecipe>()
  for (const recipe of recipes) {
    const key = `${recipe.name}@${recipe.version}${recipe.hidden ? ' (hidden)' : ''}`
    const other = seen.get(key)
    if (other !== undefined) {
      throw new AbnError('ABN_RECIPE_DUPLICATE', `${key} is there twice: ${clean(other.at)} and ${clean(recipe.at)}`, {
        hint: 'give one of them another name, or do not export it',
      })
    }
    seen.set(key, recipe)
  }
}

/** Now rather than after hours of building what comes before. Throws ABN_SOURCE_ADDRESS. */
function checkOrigin(origin: RawOrigin): void {
  if (origin.kind === 'urls') for (const url of origin.urls) checkAddress(url)
  if (origin.kind === 'git') parseHttpUrl(origin.url)
}

function hintOf(origin: RawOrigin): SourceHint {
  if (origin.kind === 'local') return { kind: 'local', path: origin.path }
  if (origin.kind === 'git') return { kind: 'git', url: origin.url, commit: origin.commit }
  return { kind: 'urls', urls: origin.urls, ...(origin.size === undefined ? {} : { size: origin.size }) }
}

/** Of a position or module identifier: '<channel>:<path>', or a path alone for ours. */
function channelAt(position: string): string {
  return /^([^:/]+):[^:]*\.ts(?::\d+:\d+)?$/.exec(position)?.[1] ?? mainChannel
}

/** Says where the recipe is that cannot be lowered. */
function placed<T>(recipe: RawRecipe, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    const reason = error.message.replace(/^derivation: /, '')
    const name = clean(`${recipe.name} ${recipe.version}`)
    const keeps = error.code === 'ABN_RECIPE_LOCAL_FILE' || error.code === 'ABN_SOURCE_ADDRESS'
    const code = keeps ? error.code : 'ABN_RECIPE_INVALID'
    const hint = error.hint === undefined ? {} : { hint: error.hint }
    throw new AbnError(code, `${clean(recipe.at)}: ${name}: ${clean(reason)}`, { ...hint, cause: error })
  }
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_RECIPE_INVALID', reason)
}

function sorted<T>(values: readonly T[], key: (value: T) => string): T[] {
  return [...values].sort((a, b) => compareBytewise(key(a), key(b)))
}
