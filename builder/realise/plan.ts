/**
 * What has to be done so that some packages are in the store: which derivations to build, in which order, and which
 * sources to download for them. Looks at the store and at the source cache, changes nothing.
 *
 * A step is `build` today. A substitute will be another kind: it needs the item's references instead of its inputs, so
 * it is decided here, before the inputs are looked at, and not when its turn comes.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Derivation } from '../../format/derivation.ts'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { type StorePath, storePathOf } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import type { SourceHint } from '../fetch/hint.ts'

export type Plan = {
  readonly targets: readonly PlannedTarget[]
  /** Each after all that it needs. */
  readonly steps: readonly PlannedStep[]
  readonly downloads: readonly PlannedDownload[]
}

export type PlannedTarget = { readonly package: EvaluatedPackage; readonly outputs: ReadonlyMap<string, StorePath> }

export type PlannedStep = PlannedBuild

export type PlannedBuild = {
  readonly kind: 'build'
  readonly package: EvaluatedPackage
  /** Output name → store path. */
  readonly outputs: ReadonlyMap<string, StorePath>
  /** Which steps of this plan come first. */
  readonly needs: readonly RecipeHash[]
}

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
}

/** Throws ABN_INPUT_UNKNOWN. */
export function planBuild(targets: readonly EvaluatedPackage[], { store, packages, sourceCache }: PlanOptions): Plan {
  const steps = new Map<RecipeHash, PlannedBuild>()
  const done = new Set<RecipeHash>()
  const visit = (one: EvaluatedPackage): void => {
    if (done.has(one.recipeHash)) return
    const outputs = outputPathsOf(one)
    if ([...outputs.values()].every((path) => store.has(path))) {
      done.add(one.recipeHash)
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
    downloads: downloadsOf(ordered, sourceCache),
  }
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
