// Makes a lock anew: what may stay stays, the rest is resolved, brought into the store, and written down as it came. Nothing is written
// before all of it is there.
import type { LockedPackage, Lockfile } from '../../format/lockfile.ts'
import { encodeLockfile, sortedLock } from '../../format/lockfile.ts'
import type { ProjectFile } from '../../format/project.ts'
import { carryOut, planFor, type Work, type WorkPlan } from '../plans/work.ts'
import { changesOf, type LockChange, lockedPackages, thisSystem } from './changes.ts'
import { lockedPathsOf, requireLockedEntry, requireLockedPlan, requireNoWeaker } from './check.ts'
import { onWeakerOf, type ProjectContext } from './context.ts'
import { entryMaker } from './entries.ts'
import type { Recipes } from './recipes.ts'
import { type Resolved, resolveProject } from './resolve.ts'

export type RelockOptions = {
  /** The lock as it is. */
  readonly before: Lockfile | undefined
  readonly file: ProjectFile
  readonly recipes: Recipes
  /** What may move although it is in its range. */
  readonly unlock?: 'all' | ReadonlySet<string>
}

export type Proposal = {
  readonly before: Lockfile | undefined
  /** By name: what stays unless it is resolved to something else. */
  readonly locked: ReadonlyMap<string, LockedPackage>
  readonly recipes: Recipes
  readonly resolved: readonly Resolved[]
  readonly changes: readonly LockChange[]
}

/** What the lock would come to be; changes nothing. Throws ABN_PACKAGE_UNKNOWN or ABN_PACKAGE_VERSION. */
export async function proposeLock({ before, file, recipes, unlock = new Set() }: RelockOptions): Promise<Proposal> {
  const kept = lockedPackages(before).filter(({ name }) => unlock !== 'all' && !unlock.has(name))
  const locked = new Map(kept.map((one) => [one.name, one]))
  const resolved = await resolveProject(file, recipes.evaluation, locked)
  return { before, locked, recipes, resolved, changes: changesOf(before, resolved) }
}

/** What is not in the lock as it is, and so has to be in the store to be locked. */
export function freshIn(proposal: Proposal): readonly Resolved[] {
  return proposal.resolved.filter((one) => keptEntry(one, proposal) === undefined)
}

/**
 * Realises what is fresh, and yields the text of the lock. Hold the store's shared lock until a root refers to it. Throws what building
 * throws, ABN_LOCKFILE_DIFFERS, ABN_LOCKFILE_WEAKER.
 */
export async function makeLock(proposal: Proposal, context: ProjectContext): Promise<string> {
  const { before, recipes, resolved } = proposal
  const kept = keptIn(proposal)
  const fresh = await realiseFresh(proposal, context)
  const names = new Set(resolved.map(({ name }) => name))
  const others = before?.packages.filter(({ name, system }) => system !== thisSystem && names.has(name)) ?? []
  // When nothing is fresh, all recipes that count are as they were: other recipes have changed, which is no reason to touch the lock.
  const channels = recipes.channels.map((channel) => {
    const old = before?.channels.find(({ name, url }) => name === channel.name && url === channel.url)
    return fresh.length === 0 && old !== undefined ? old : channel
  })
  return encodeLockfile(sortedLock({ channels, packages: [...fresh, ...kept, ...others] }))
}

function keptIn(proposal: Proposal): readonly LockedPackage[] {
  return proposal.resolved.flatMap((one) => {
    const old = keptEntry(one, proposal)
    return old === undefined ? [] : [{ ...old, wanted: one.wanted, group: one.group }]
  })
}

/** Of the same recipe, from the same channel. */
function keptEntry({ name, entry }: Resolved, { locked, recipes }: Proposal): LockedPackage | undefined {
  const old = locked.get(name)
  if (old?.recipe !== entry.recipeHash) return undefined
  return recipes.evaluation.load(entry).metadata.channel === old.channel ? old : undefined
}

/** What would have to be fetched or built for the lock; changes nothing. Throws ABN_LOCKFILE_DIFFERS or ABN_LOCKFILE_WEAKER. */
export async function planFresh(
  proposal: Proposal,
  context: ProjectContext,
): Promise<{ readonly plan: WorkPlan; readonly work: Work }> {
  const { args, surroundings, store } = context
  const { evaluation } = proposal.recipes
  const loaded = freshIn(proposal).map(({ entry }) => evaluation.load(entry))
  const work = { args, store, evaluation, surroundings }
  const plan = await planFor(loaded, work)
  requireLockedPlan(plan, lockedPathsOf(keptIn(proposal)), onWeakerOf(context))
  return { plan, work }
}

async function realiseFresh(proposal: Proposal, context: ProjectContext): Promise<readonly LockedPackage[]> {
  const fresh = freshIn(proposal)
  if (fresh.length === 0) return []
  const { plan, work } = await planFresh(proposal, context)
  await carryOut(plan, work)
  const onWeaker = onWeakerOf(context)
  const paths = lockedPathsOf(keptIn(proposal))
  const entryOf = entryMaker(context.store)
  const before = lockedPackages(proposal.before)
  return fresh.map((one) => {
    const { channel } = work.evaluation.load(one.entry).metadata
    const entry = entryOf(one, channel)
    requireLockedEntry(entry, paths, onWeaker)
    const old = before.find(({ name }) => name === one.name)
    if (old !== undefined) requireNoWeaker(old, entry, onWeaker)
    return entry
  })
}
