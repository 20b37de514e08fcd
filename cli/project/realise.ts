// Brings what a lock names into the store, and makes sure that it is what the lock names. When all of it is there, no recipe is read.
import { brokenNamed } from '../../builder/evaluate/find.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { AbnError } from '../../format/errors.ts'
import type { LockedPackage, Lockfile } from '../../format/lockfile.ts'
import { requirePackageKey } from '../../format/project.ts'
import type { Store } from '../../store/store.ts'
import { carryOut, planFor, type Work, type WorkPlan } from '../plans/work.ts'
import { lockedPathsOf, requireLockedItems, requireLockedPlan } from './check.ts'
import { lockFileOf, onWeakerOf, type ProjectContext } from './context.ts'

/**
 * How many of the packages had to be fetched or built. Hold the store's shared lock until a root or a hold refers to them. Throws
 * ABN_LOCKFILE_RECIPE, ABN_LOCKFILE_DIFFERS, ABN_LOCKFILE_WEAKER and what building throws.
 */
export async function realiseLocked(
  packages: readonly LockedPackage[],
  lock: Lockfile,
  context: ProjectContext,
): Promise<number> {
  const { store } = context
  const lacking = packages.filter((one) => !isThere([one], store))
  if (lacking.length > 0) {
    const { plan, work } = await planLocked(packages, lock, context)
    await carryOut(plan, work)
  }
  await requireLockedItems(packages, { store, lockFile: lockFileOf(context), onWeaker: onWeakerOf(context) })
  return lacking.length
}

/** Whether the store has all that they name. */
export function isThere(packages: readonly LockedPackage[], store: Store): boolean {
  return packages.every(({ outputs, needs }) => [...outputs, ...needs].every(({ path }) => store.has(path)))
}

/** What would have to be fetched or built, held against the lock; changes nothing. Throws as realiseLocked. */
export async function planLocked(
  packages: readonly LockedPackage[],
  lock: Lockfile,
  context: ProjectContext,
): Promise<{ readonly plan: WorkPlan; readonly work: Work }> {
  const { args, surroundings, store } = context
  const { channelsIn, recipesOf } = await import('./recipes.ts')
  const { evaluation, channels } = await recipesOf(channelsIn(lock), context)
  const lacking = packages.filter((one) => !isThere([one], store))
  const found = lacking.map((one): EvaluatedPackage => {
    const loaded = evaluation.byHash(one.recipe)
    if (loaded !== undefined && isTheSame(loaded, one)) return loaded
    const broken = brokenNamed(evaluation, one.name, one.channel)
    if (broken !== undefined) throw broken
    const at = lock.channels.find(({ name }) => name === one.channel)
    const here = channels.find(({ name }) => name === one.channel)
    throw recipeMissing(one, at?.digest === here?.digest)
  })
  const work = { args, store, evaluation, surroundings }
  const plan = await planFor(found, work)
  requireLockedPlan(plan, lockedPathsOf(packages), onWeakerOf(context))
  return { plan, work }
}

/** Name and version are in the recipe hash; a lock that says another one was changed by hand. */
function isTheSame({ derivation }: EvaluatedPackage, { name, version, outputs }: LockedPackage): boolean {
  const names = outputs.map(({ output }) => output).join(' ')
  return (
    derivation.name === requirePackageKey(name).name &&
    derivation.version === version &&
    derivation.outputs.join(' ') === names
  )
}

function recipeMissing({ name, version, channel, recipe }: LockedPackage, isSameState: boolean): AbnError {
  const why = isSameState
    ? `no recipe of the channel ${channel} makes what is locked`
    : `the recipes of the channel ${channel} are not those with which the lock was made`
  return new AbnError(
    'ABN_LOCKFILE_RECIPE',
    `${name} ${version} is locked as recipe ${recipe}, which is unknown here: ${why}`,
    {
      hint: isSameState
        ? "take abnpkg.lock from version control; 'abnpkg lock' locks what the recipes here make"
        : "use the abnpkg with which the lock was made, or lock what the recipes here make: 'abnpkg lock'",
    },
  )
}
