/**
 * Builds again what is in the store and compares: the same derivation must give the same bits. Nothing is registered.
 */
import { AbnError } from '../../format/errors.ts'
import { storeItemOf } from '../../format/store-path.ts'
import { canonicaliseDirectory } from '../../store/canonicalise.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { outputDigestOfDirectory } from '../../store/output-digest.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { prepareAgain } from './build-again.ts'
import { differencesBetween } from './differences.ts'
import type { PlannedBuild } from './plan.ts'
import type { RealiseOptions } from './realise.ts'
import { type Built, labelOf } from './run.ts'

export type CheckOptions = RealiseOptions & {
  /** How many times to build; default 1. */
  readonly rounds?: number | undefined
}

/**
 * The outputs of the package are in the store, and so are its inputs. Throws ABN_CHECK_DIFFERS with the files that differ;
 * with keepFailed the other result is kept.
 */
export async function checkBuild(one: EvaluatedPackage, options: CheckOptions): Promise<void> {
  const { store, onEvent, rounds = 1 } = options
  using again = await prepareAgain(one, options)
  const { build } = again
  for (let round = 0; round < rounds; round++) {
    const seconds = await again.run(async (built) => {
      requireSame(build, built, options)
      return built.seconds
    })
    const items = [...build.outputs.values()].map((path) => store.readItem(path))
    onEvent?.({ kind: 'build-done', build, how: 'built', seconds, items })
  }
}

function requireSame(build: PlannedBuild, { outputs }: Built, { store }: CheckOptions): void {
  const differing = [...outputs.values()].flatMap(({ path, directory }) =>
    withDiskErrors('cannot compare the outputs', () => {
      canonicaliseDirectory(directory, path)
      const { outputDigest } = outputDigestOfDirectory(directory, storeItemOf(path))
      if (outputDigest === store.readItem(path).outputDigest) return []
      return differencesBetween(path, { first: store.physicalPath(path), second: directory })
    }),
  )
  if (differing.length === 0) return
  const shown = differing.slice(0, SHOWN)
  const more = differing.length > SHOWN ? [`  and ${differing.length - SHOWN} more`] : []
  const text = [...shown.map((difference) => `  ${difference}`), ...more].join('\n')
  throw new AbnError('ABN_CHECK_DIFFERS', `building ${labelOf(build)} again gave other bits:\n${text}`, {
    hint: 'keep the other result with --keep-failed and compare, for example with diffoscope',
  })
}

const SHOWN = 50
