// Why a package of the same version has become another one: which recipe, of itself or of something that it is made from, says
// something else now. The old inputs are what the store recorded when the item came; of what is not there any more
// (inputs of builds may be collected as garbage) nothing further is known, and it is said so.
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { canonicalJson } from '../../format/canonical-json.ts'
import { parseDerivation, recipeHashOf } from '../../format/derivation.ts'
import type { RecipeHash } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import type { ProfilePackage } from '../../store/manifest.ts'
import type { Store } from '../../store/store.ts'
import type { PackageChange } from './profile-changes.ts'

/** The roots of a change: what changed of itself, not what only followed. */
export type Cause =
  | { readonly kind: 'version'; readonly name: string; readonly from: string; readonly to: string }
  /** Its own recipe says something else. */
  | { readonly kind: 'recipe'; readonly name: string; readonly version: string; readonly isItself: boolean }
  /** It changed; what it was made from is not recorded here. */
  | { readonly kind: 'unknown'; readonly name: string; readonly version: string; readonly isItself: boolean }

export type Known = { readonly store: Store; readonly evaluation: Evaluation }

/** The changes with their causes, for those that only became another recipe. */
export async function withCauses(changes: readonly PackageChange[], known: Known): Promise<readonly PackageChange[]> {
  const inputs = await recordedInputs(known.store)
  return changes.map((change) => {
    const { from, to } = change
    if (from === undefined || to === undefined || from.recipe === to.recipe || from.version !== to.version)
      return change
    return { ...change, causes: causesOf(from, to, { ...known, inputs }) }
  })
}

const SHOWN = 3

/** `tool 1 → 2 and the recipe of musl 1.2.5 changed`. */
export function textOfCauses(causes: readonly Cause[]): string {
  const texts = causes.slice(0, SHOWN).map(textOf)
  if (causes.length > SHOWN) texts.push(`${causes.length - SHOWN} more`)
  const last = texts.pop() ?? ''
  return texts.length === 0 ? last : `${texts.join(', ')} and ${last}`
}

function textOf(cause: Cause): string {
  if (cause.kind === 'version') return `${cause.name} ${cause.from} → ${cause.to}`
  if (cause.kind === 'recipe') {
    return cause.isItself ? 'its recipe changed' : `the recipe of ${cause.name} ${cause.version} changed`
  }
  return cause.isItself ? 'of something that is not recorded here' : `${cause.name} ${cause.version} changed`
}

type Sources = Known & { readonly inputs: (path: StorePath) => readonly OldInput[] | undefined }

type OldInput = { readonly path: StorePath; readonly recipe: RecipeHash }

function causesOf(from: ProfilePackage, to: ProfilePackage, sources: Sources): readonly Cause[] {
  const found = new Map<string, Cause>()
  const seen = new Set<string>()
  const path = from.paths.find((one) => sources.store.has(one))
  const after = sources.evaluation.byHash(to.recipe)
  const itself = { name: to.name, version: to.version, isItself: true }
  if (path === undefined || after === undefined) return [{ kind: 'unknown', ...itself }]
  visit({ path, recipe: from.recipe }, after, itself)
  const order = (cause: Cause) => `${cause.kind !== 'version' && cause.isItself ? 0 : 1} ${cause.name}`
  return [...found.values()].sort((a, b) => compareBytewise(order(a), order(b)))

  function visit(old: OldInput, now: EvaluatedPackage, what: Itself): void {
    if (seen.has(old.recipe)) return
    seen.add(old.recipe)
    const inputs = sources.inputs(old.path)
    if (inputs === undefined) {
      note({ kind: 'unknown', ...what })
      return
    }
    const { pairs, isWhole } = paired(inputs, now, sources)
    const changed = pairs.filter(({ before, input }) => before.recipe !== input.recipe)
    if (!isWhole || !followsFrom(now, changed, old.recipe)) note({ kind: 'recipe', ...what })
    for (const { before, input, was } of changed) {
      const next = sources.evaluation.byHash(input.recipe)
      if (next === undefined) continue
      const { name, version } = next.derivation
      if (was.version !== version) note({ kind: 'version', name, from: was.version, to: version })
      else visit(before, next, { name, version, isItself: false })
    }
  }

  function note(cause: Cause): void {
    found.set(`${cause.kind} ${cause.name}`, cause)
  }
}

type Itself = { readonly name: string; readonly version: string; readonly isItself: boolean }

type Pair = {
  readonly before: OldInput
  readonly was: Named
  readonly input: EvaluatedPackage['derivation']['inputs'][number]
}

/** Old and new inputs of the same name and output. `isWhole`: none is left over on either side. */
function paired(inputs: readonly OldInput[], now: EvaluatedPackage, sources: Sources) {
  const left = inputs.map((before) => ({ before, was: nameOf(before, sources) }))
  const pairs: Pair[] = []
  for (const input of now.derivation.inputs) {
    const name = sources.evaluation.byHash(input.recipe)?.derivation.name
    const matches = ({ was }: { was: Named }) => was.name === name && (was.output ?? input.output) === input.output
    // Of two with that name, what has not changed is paired with itself.
    const same = left.findIndex((one) => one.before.recipe === input.recipe && matches(one))
    const index = same >= 0 ? same : left.findIndex(matches)
    const [found] = index < 0 ? [] : left.splice(index, 1)
    if (found !== undefined) pairs.push({ ...found, input })
  }
  return { pairs, isWhole: left.length === 0 && pairs.length === now.derivation.inputs.length }
}

/** Whether the old recipe hash comes out when the old inputs are put into the new derivation: then nothing else changed. */
function followsFrom({ derivation }: EvaluatedPackage, changed: readonly Pair[], old: RecipeHash): boolean {
  const inputs = derivation.inputs.map((input) => {
    const before = changed.find((one) => one.input === input)?.before
    return before === undefined ? input : { ...input, path: before.path, recipe: before.recipe }
  })
  const sorted = [...inputs].sort((a, b) => compareBytewise(a.path, b.path))
  let text = canonicalJson({ ...derivation, inputs: sorted })
  for (const { before, input } of changed) text = text.replaceAll(input.path, before.path)
  try {
    return recipeHashOf(parseDerivation(Buffer.from(text))) === old
  } catch {
    return false
  }
}

type Named = { readonly name: string; readonly version: string; readonly output: string | undefined }

function nameOf({ path, recipe }: OldInput, { store, evaluation }: Known): Named {
  if (store.has(path)) return store.readItem(path)
  const known = evaluation.byHash(recipe)?.derivation
  if (known !== undefined) return { name: known.name, version: known.version, output: undefined }
  const [, name = '', version = ''] = /^[^-]*-(.+?)-([0-9].*)$/.exec(storeItemOf(path)) ?? []
  return { name, version, output: undefined }
}

/** What an item was made from: of one that was built, what its record says; of another, what was decided about. */
async function recordedInputs(store: Store): Promise<(path: StorePath) => readonly OldInput[] | undefined> {
  const { readDecisionRecord } = await import('../../builder/substitute/decision-records.ts')
  return (path) => {
    if (!store.has(path)) return undefined
    const { origin } = store.readItem(path)
    if (origin.kind === 'built') return origin.inputs
    try {
      const { decisions } = readDecisionRecord(store, origin.decision)
      return decisions.find(({ request }) => request.path === path)?.request.inputs
    } catch {
      return undefined
    }
  }
}
