/**
 * Builds a package again, whatever the store has, and compares with what is attested. Nothing is registered. What an operator attests and
 * the store does not have can be fetched for comparison only: nothing of it is ever run or kept.
 */
import type { Sha256 } from '../../format/hash.ts'
import { type StorePath, storeHashOf, storeItemOf } from '../../format/store-path.ts'
import { canonicaliseDirectory } from '../../store/canonicalise.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { outputDigestOfDirectory } from '../../store/output-digest.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { prepareAgain } from './build-again.ts'
import { differencesBetween } from './differences.ts'
import type { RealiseOptions } from './realise.ts'

export type Challenged = {
  readonly path: StorePath
  /** What came of building it here and now. */
  readonly built: Sha256
  /** Of each attested digest that is another: where the two differ, or undefined when the other could not be had. */
  readonly differing: readonly { readonly digest: Sha256; readonly differences: readonly string[] | undefined }[]
}

export type ChallengeOptions = RealiseOptions & {
  readonly attested: (path: StorePath) => readonly Sha256[]
  /** Unpacks the output with this digest into a directory that does not exist yet; false when it cannot be had. */
  readonly fetchOutput: (path: StorePath, digest: Sha256, directory: string) => Promise<boolean>
  /** Called with both directories, which are about to go away. */
  readonly compare?: (
    path: StorePath,
    directories: { readonly first: string; readonly second: string },
  ) => Promise<readonly string[]>
}

/** The inputs of the package are in the store. Throws what building throws. */
export async function challenge(one: EvaluatedPackage, options: ChallengeOptions): Promise<readonly Challenged[]> {
  using again = await prepareAgain(one, options)
  return await again.run(async ({ outputs, directory: workspace }) => {
    const results: Challenged[] = []
    for (const { path, directory } of outputs.values()) {
      const item = storeItemOf(path)
      const built = withDiskErrors('cannot hash the outputs', () => {
        canonicaliseDirectory(directory, path)
        return outputDigestOfDirectory(directory, item).outputDigest
      })
      const differing: { digest: Sha256; differences: readonly string[] | undefined }[] = []
      for (const digest of options.attested(path).filter((other) => other !== built)) {
        const first = await placeOf(path, digest, { options, workspace })
        const compare = options.compare ?? (async (_, directories) => differencesBetween(path, directories))
        differing.push({
          digest,
          differences: first === undefined ? undefined : await compare(path, { first, second: directory }),
        })
      }
      results.push({ path, built, differing })
    }
    return results
  })
}

type Where = { readonly options: ChallengeOptions; readonly workspace: string }

async function placeOf(path: StorePath, digest: Sha256, { options, workspace }: Where): Promise<string | undefined> {
  const { store, fetchOutput } = options
  if (store.has(path) && store.readItem(path).outputDigest === digest) return store.physicalPath(path)
  // Of both: whoever attests can say the same digest of several outputs.
  const directory = `${workspace}/attested-${storeHashOf(path)}-${digest}`
  return (await fetchOutput(path, digest, directory)) ? directory : undefined
}
