/** Builds a package again, whatever the store has of it: for who compares, as nothing of it is registered. */
import { availableParallelism } from 'node:os'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { outputPathsOf, type PlannedBuild } from './plan.ts'
import type { RealiseOptions } from './realise.ts'
import { type Built, buildWith } from './run.ts'
import { fetchForBuilds } from './sources.ts'

/** Nobody else builds the package until it is disposed of. */
export type Again = Disposable & {
  readonly build: PlannedBuild
  /** As buildWith, as often as it is called. */
  run<T>(use: (built: Built) => Promise<T>): Promise<T>
}

/** The inputs of the package are in the store. Fetches its sources, then waits for its lock; throws what these throw. */
export async function prepareAgain(one: EvaluatedPackage, options: RealiseOptions): Promise<Again> {
  const { store, signal, onEvent } = options
  const build: PlannedBuild = { kind: 'build', package: one, outputs: outputPathsOf(one), needs: [] }
  const sources = fetchForBuilds([build], {
    ...options.sources,
    signal,
    onProgress: (progress) => onEvent?.({ kind: 'download', progress }),
  })
  const files = await sources.filesOf(one)
  const lock = await store.lockDerivation(one.recipeHash, {
    signal,
    onWait: () => onEvent?.({ kind: 'wait', recipe: one.recipeHash }),
  })
  const cores = options.cores ?? availableParallelism()
  return {
    build,
    async run(use) {
      onEvent?.({ kind: 'build-start', build })
      return await buildWith(build, { ...options, cores, files, logSuffix: '-check' }, use)
    },
    [Symbol.dispose]: () => lock[Symbol.dispose](),
  }
}
