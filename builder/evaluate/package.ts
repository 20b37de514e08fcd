/**
 * What evaluation yields: a package is a derivation with its hash, and beside it what does not affect the build.
 */
import type { Derivation } from '../../format/derivation.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import type { SourceHint } from '../fetch/hint.ts'

export type EvaluatedPackage = {
  readonly derivation: Derivation
  readonly recipeHash: RecipeHash
  readonly metadata: PackageMetadata
}

export type PackageMetadata = {
  /** Under which name which module exports it; both empty for a recipe that only others use. */
  readonly exportName: string
  readonly module: string
  /** The channel whose recipe it is; paths of local sources are relative to that channel's directory. */
  readonly channel: string
  readonly summary: string
  readonly homepage: string
  /** An SPDX expression. */
  readonly license: string
  /** Commands to try; the first part is relative to the output. */
  readonly smoke: readonly (readonly string[])[]
  /** Where to look for each source and patch. */
  readonly sources: Readonly<Record<Sha256, SourceHint>>
  /** Not listed and not searched, but it can be named. */
  readonly hidden: boolean
}
