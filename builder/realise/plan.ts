/**
 * What has to be done so that some packages are in the store: which derivations to build and which to substitute, in which
 * order, and which sources to download for them. Looks at the store and at the source cache, changes nothing.
 *
 * What a build needs are its inputs; what a substitute needs is only what its outputs refer to. So which one it is gets decided
 * here, before the inputs are looked at, by whoever plans (substitute/decide.ts asks the policy); without that, all is built.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Derivation } from '../../format/derivation.ts'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { type StorePath, storePathOf } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import type { SourceHint } from '../fetch/hint.ts'

export type Plan = {
  readonly targets: readonly PlannedTarget[]
  /** Each after all that it needs. */
  readonly steps: readonly PlannedStep[]
  readonly downloads: readonly PlannedDownload[]
}

export type PlannedTarget = { readonly package: EvaluatedPackage; readonly outputs: ReadonlyMap<string, StorePath> }

export type PlannedStep = PlannedBuild | PlannedSubstitute

export type PlannedBuild = {
  readonly kind: 'build'
  readonly package: EvaluatedPackage
  /** Output name → store path. */
  readonly outputs: ReadonlyMap<string, StorePath>
  /** Which steps of this plan come first. */
  readonly needs: readonly RecipeHash[]
}

export type PlannedSubstitute = {
  readonly kind: 'substitute'
  readonly package: EvaluatedPackage
  /** Output name → store path. */
  readonly outputs: ReadonlyMap<string, StorePath>
  /** What the policy accepted, for every output. */
  readonly accepted: readonly AcceptedOutput[]
  /** Which steps of this plan come first: those that make what the outputs refer to. */
  readonly needs: readonly RecipeHash[]
}

export type AcceptedOutput = {
  readonly path: StorePath
  readonly digest: Sha256
  /** Of the archive. */
  readonly bytes: number
  /** Sorted. */
  readonly references: readonly StorePath[]
  /** Why; its outcome says the same as the fields above. */
  readonly decision: Decision
}

/** What may be substituted for a package, and which packages hold what its outputs refer to; undefined: build it. */
export type ChooseSubstitute = (
  one: EvaluatedPackage,
) => { readonly accepted: readonly AcceptedOutput[]; readonly referenced: readonly EvaluatedPackage[] } | undefined

/** A source that is not in the cache and that does not come with the recipes. */
export type PlannedDownload = {
  readonly sha256: Sha256
  readonly hint: SourceHint
  /** Of the first package that needs it. */
  readonly package: EvaluatedPackage
  /** Bytes; undefined where the recipe does not say. */
  readonly size: number | undefined
}

/** Where packages are found; an Evaluation is one. */
export type PackageIndex = { byHash(hash: RecipeHash): EvaluatedPackage | undefined }

export type PlanOptions = {
  readonly store: Store
  readonly packages: PackageIndex
  readonly sourceCache: string
  readonly choose?: ChooseSubstitute | undefined
}

/** Throws ABN_INPUT_UNKNOWN. */
export function planBuild(
  targets: readonly EvaluatedPackage[],
  { store, packages, sourceCache, choose }: PlanOptions,
): Plan {
  const steps = new Map<RecipeHash, PlannedStep>()
  const done = new Set<RecipeHash>()
  const visit = (one: EvaluatedPackage): void => {
    if (done.has(one.recipeHash)) return
    const outputs = outputPathsOf(one)
    if ([...outputs.values()].every((path) => store.has(path))) {
      done.add(one.recipeHash)
      return
    }
    const chosen = choose?.(one)
    if (chosen !== undefined) {
      // Marked first: outputs of one derivation may refer to each other.
      done.add(one.recipeHash)
      for (const other of chosen.referenced) visit(other)
      const needs = chosen.referenced.map(({ recipeHash }) => recipeHash).filter((recipe) => steps.has(recipe))
      steps.set(one.recipeHash, { kind: 'substitute', package: one, outputs, accepted: chosen.accepted, needs })
      return
    }
    const missing = one.derivation.inputs.filter(({ path }) => !store.has(path))
    for (const { recipe } of missing) visit(packageOf(recipe, one, packages))
    const needs = [...new Set(missing.map(({ recipe }) => recipe))]
    steps.set(one.recipeHash, { kind: 'build', package: one, outputs, needs })
    done.add(one.recipeHash)
  }
  for (const target of targets) visit(target)
  const ordered = [...steps.values()]
  return {
    targets: targets.map((one) => ({ package: one, outputs: outputPathsOf(one) })),
    steps: ordered,
    downloads: downloadsOf(buildsOf(ordered), sourceCache),
  }
}

export function buildsOf(steps: readonly PlannedStep[]): readonly PlannedBuild[] {
  return steps.filter((step) => step.kind === 'build')
}

export function substitutesOf(steps: readonly PlannedStep[]): readonly PlannedSubstitute[] {
  return steps.filter((step) => step.kind === 'substitute')
}

/** Output name → store path, for every output. */
export function outputPathsOf({ derivation, recipeHash }: EvaluatedPackage): ReadonlyMap<string, StorePath> {
  const { name, version } = derivation
  return new Map(derivation.outputs.map((output) => [output, storePathOf(recipeHash, name, version, output)]))
}

/** What a derivation takes from outside the store: sources and patches, each once. */
export function sourcesOf(derivation: Derivation): readonly Sha256[] {
  return [...new Set(derivation.sources.flatMap(({ sha256, patches }) => [sha256, ...patches]))]
}

/** A source that a recipe gives no address for may still be in the cache, or be had by its hash. */
export function hintFor(sha256: Sha256, { metadata }: EvaluatedPackage): SourceHint {
  return metadata.sources[sha256] ?? { kind: 'urls', urls: [] }
}

function packageOf(hash: RecipeHash, wanted: EvaluatedPackage, packages: PackageIndex): EvaluatedPackage {
  const found = packages.byHash(hash)
  if (found) return found
  const { name, version } = wanted.derivation
  throw new AbnError('ABN_INPUT_UNKNOWN', `${name} ${version} needs recipe ${hash}, which is not among the recipes`, {
    hint: 'evaluate the channel that it comes from too',
  })
}

function downloadsOf(steps: readonly PlannedBuild[], sourceCache: string): readonly PlannedDownload[] {
  const found = new Map<Sha256, PlannedDownload>()
  for (const { package: one } of steps) {
    for (const sha256 of sourcesOf(one.derivation)) {
      const hint = hintFor(sha256, one)
      if (hint.kind === 'local' || found.has(sha256) || existsSync(join(sourceCache, sha256))) continue
      found.set(sha256, { sha256, hint, package: one, size: hint.kind === 'urls' ? hint.size : undefined })
    }
  }
  return [...found.values()]
}
