/**
 * What a plan will cost, as far as the statements tell. Sizes on disk are what was attested. How well an archive compresses nobody
 * states: caches give hints, and without one it is guessed. Times are those of the builders' machines.
 */
import { buildsOf, type Plan, substitutesOf } from '../realise/plan.ts'
import type { Substitution } from './substitute.ts'

export type Estimate = {
  /** Compressed archives; about. */
  readonly downloadBytes: number
  /** Sources, of those whose recipe says it. */
  readonly sourceBytes: number
  /** Of what is substituted. */
  readonly diskBytes: number
  /** One after the other. */
  readonly buildSeconds: number
  /** Builds of which nobody says how long they take. */
  readonly unknownBuilds: number
}

export function estimateOf(
  plan: Plan,
  substitution: Pick<Substitution, 'secondsOf' | 'transferBytesOf'> | undefined,
): Estimate {
  const accepted = substitutesOf(plan.steps).flatMap((step) => step.accepted)
  const downloads = accepted.map(({ digest, bytes }) => downloadOf(bytes, substitution?.transferBytesOf(digest)))
  const times = buildsOf(plan.steps).map((step) => substitution?.secondsOf(step.package.recipeHash))
  return {
    downloadBytes: downloads.reduce((sum, bytes) => sum + bytes, 0),
    sourceBytes: plan.downloads.reduce((sum, { size }) => sum + (size ?? 0), 0),
    diskBytes: accepted.reduce((sum, { bytes }) => sum + bytes, 0),
    buildSeconds: times.reduce<number>((sum, seconds) => sum + (seconds ?? 0), 0),
    unknownBuilds: times.filter((seconds) => seconds === undefined).length,
  }
}

/** A hint that cannot be right is none: compressed data is hardly ever larger than what it holds. */
function downloadOf(bytes: number, hint: number | undefined): number {
  const isLikely = hint !== undefined && hint > 0 && hint <= bytes * 1.1 + 1024
  return isLikely ? hint : Math.round(bytes * USUAL_COMPRESSION)
}

/** Programs and texts under zstd. */
const USUAL_COMPRESSION = 0.35
