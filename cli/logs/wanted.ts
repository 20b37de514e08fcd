// Which packages are meant: those that are named, or those that the lock of the project names. And what was kept about them.
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import { findPackage } from '../../builder/evaluate/find.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { outputPathsOf } from '../../builder/realise/plan.ts'
import { readDecisionRecord } from '../../builder/substitute/decision-records.ts'
import { AbnError } from '../../format/errors.ts'
import type { LockedPackage } from '../../format/lockfile.ts'
import type { Store } from '../../store/store.ts'
import type { Evidence } from '../../trust/evidence.ts'
import type { Arguments } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { evaluationFor, storeToLookAt } from '../session.ts'

export type Target = {
  readonly package: EvaluatedPackage
  /** As the project has it locked. */
  readonly locked: LockedPackage | undefined
}

export type Targets = { readonly evaluation: Evaluation; readonly targets: readonly Target[] }

/** Throws ABN_USAGE without names outside a project, ABN_PACKAGE_UNKNOWN, ABN_LOCKFILE_MISSING, ABN_LOCKFILE_RECIPE. */
export async function packagesToProve(
  names: readonly string[],
  args: Arguments,
  surroundings: Surroundings,
): Promise<Targets> {
  if (names.length === 0) return packagesOfProject(args, surroundings)
  const evaluation = await evaluationFor(args, surroundings.signal)
  const targets: Target[] = []
  for (const name of new Set(names)) targets.push({ package: await findPackage(evaluation, name), locked: undefined })
  return { evaluation, targets }
}

async function packagesOfProject(args: Arguments, surroundings: Surroundings): Promise<Targets> {
  const { lockOf, projectAt } = await import('../project/find.ts')
  const project = projectAt(process.cwd())
  if (project === undefined) {
    throw new AbnError('ABN_USAGE', 'expected the name of a package', {
      hint: 'outside a project nothing is meant else',
    })
  }
  const lock = lockOf(project)
  if (lock === undefined) {
    throw new AbnError('ABN_LOCKFILE_MISSING', `${project.directory} has no abnpkg.lock`, {
      hint: "'abnpkg lock' makes one; or name the packages",
    })
  }
  const { channelsIn, recipesOf } = await import('../project/recipes.ts')
  const { lockedPackages } = await import('../project/changes.ts')
  const context = { args, surroundings, store: storeToLookAt(args), project }
  const { evaluation } = await recipesOf(channelsIn(lock), context)
  const targets = lockedPackages(lock).map((locked): Target => {
    const found = evaluation.byHash(locked.recipe)
    if (found !== undefined) return { package: found, locked }
    throw new AbnError(
      'ABN_LOCKFILE_RECIPE',
      `${locked.name} ${locked.version} is locked as recipe ${locked.recipe}, which is unknown here`,
      {
        hint: 'use the recipes with which the lock was made, or name the packages',
      },
    )
  })
  return { evaluation, targets }
}

/** Of those of their outputs that were fetched. Throws ABN_DECISION_MISSING when none was. */
export function recordedEvidence(packages: readonly EvaluatedPackage[], store: Store): readonly Evidence[] {
  const records = new Set(
    packages.flatMap((one) =>
      [...outputPathsOf(one).values()].flatMap((path) => {
        const origin = store.has(path) ? store.readItem(path).origin : undefined
        return origin?.kind === 'substituted' ? origin.decision : []
      }),
    ),
  )
  if (records.size === 0) {
    throw new AbnError('ABN_DECISION_MISSING', 'nothing was kept about it here: it was not fetched', {
      hint: 'without --offline your caches are asked',
    })
  }
  return [...records].flatMap((name) => readDecisionRecord(store, name).evidence)
}
