/** The order in which a closure is built and attested. */
import type { RecipeHash } from '../../format/hash.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import type { PackageIndex } from '../realise/plan.ts'

/** The packages and all that they are built from, each once, inputs before what needs them. */
export function inputsFirst(
  targets: readonly EvaluatedPackage[],
  packages: Pick<PackageIndex, 'byHash'>,
): readonly EvaluatedPackage[] {
  const found = new Map<RecipeHash, EvaluatedPackage>()
  const visit = (one: EvaluatedPackage): void => {
    if (found.has(one.recipeHash)) return
    for (const { recipe } of one.derivation.inputs) {
      const input = packages.byHash(recipe)
      if (input) visit(input)
    }
    found.set(one.recipeHash, one)
  }
  for (const target of targets) visit(target)
  return [...found.values()]
}
