/**
 * What a plan will cost, as far as the statements tell. Sizes on disk are what was attested; how well an archive compresses nobody
 * states, so the download is an estimate. Times are those of the builders' machines.
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

export function estimateOf(plan: Plan, substitution: Pick<Substitution, 'secondsOf'> | undefined): Estimate {
  const diskBytes = substitutesOf(plan.steps)
    .flatMap(({ accepted }) => accepted)
    .reduce((sum, { bytes }) => sum + bytes, 0)
  const times = buildsOf(plan.steps).map((step) => substitution?.secondsOf(step.package.recipeHash))
  return {
    downloadBytes: Math.round(diskBytes * USUAL_COMPRESSION),
    sourceBytes: plan.downloads.reduce((sum, { size }) => sum + (size ?? 0), 0),
    diskBytes,
    buildSeconds: times.reduce<number>((sum, seconds) => sum + (seconds ?? 0), 0),
    unknownBuilds: times.filter((seconds) => seconds === undefined).length,
  }
}

/** Programs and texts under zstd. */
const USUAL_COMPRESSION = 0.35
