/** What happens while a plan is carried out, as it happens. Text comes from builds: strip it before printing it. */
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { Item } from '../../store/item.ts'
import type { FetchProgress } from '../fetch/sources.ts'
import type { Plan, PlannedBuild, PlannedSubstitute } from './plan.ts'

export type RealiseEvent =
  | { readonly kind: 'plan'; readonly plan: Plan }
  | { readonly kind: 'download'; readonly progress: FetchProgress }
  /** Another process builds it; this one waits for the result. */
  | { readonly kind: 'wait'; readonly recipe: RecipeHash }
  | { readonly kind: 'build-start'; readonly build: PlannedBuild }
  | { readonly kind: 'phase'; readonly recipe: RecipeHash; readonly phase: BuildPhase }
  /** Step number `step` of `steps` begins, counted from 0. */
  | { readonly kind: 'step'; readonly recipe: RecipeHash; readonly step: number; readonly steps: number }
  /** A line of output, without its line feed. */
  | { readonly kind: 'line'; readonly recipe: RecipeHash; readonly line: string }
  | {
      readonly kind: 'build-done'
      readonly build: PlannedBuild
      /** Whether it was built here and now, or by another process in the meantime. */
      readonly how: 'built' | 'found'
      readonly seconds: number
      readonly items: readonly Item[]
    }
  | { readonly kind: 'build-failed'; readonly build: PlannedBuild; readonly failure: BuildFailure }
  | { readonly kind: 'substitute-start'; readonly step: PlannedSubstitute }
  /** `bytes` more have come, compressed. */
  | { readonly kind: 'substitute-bytes'; readonly step: PlannedSubstitute; readonly bytes: number }
  /** What a cache sent, or did not have, and why it was not taken. */
  | {
      readonly kind: 'substitute-refused'
      readonly step: PlannedSubstitute
      readonly path: StorePath
      readonly cache: string
      readonly reason: string
    }
  | { readonly kind: 'substitute-done'; readonly step: PlannedSubstitute; readonly items: readonly Item[] }
  /** No cache has it; it has to be built. */
  | { readonly kind: 'substitute-missed'; readonly step: PlannedSubstitute }
  /** What was built here is not what configured operators attest. */
  | {
      readonly kind: 'divergence'
      readonly path: StorePath
      readonly built: Sha256
      readonly attested: readonly { readonly digest: Sha256; readonly operators: readonly string[] }[]
    }

export type BuildPhase = 'unpack' | 'build' | 'smoke' | 'register'

export type BuildFailure = {
  readonly error: unknown
  /** The whole log on disk; undefined when the build had not begun. */
  readonly log: string | undefined
  /** The last lines of the log. */
  readonly tail: readonly string[]
  /** Where the build directory was kept, if that was asked for. */
  readonly kept: string | undefined
}
