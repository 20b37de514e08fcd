// What commands do with a project's lock: make it fit where they may, and bring what it names into the store.
import { AbnError } from '../../format/errors.ts'
import { type LockedPackage, type Lockfile, parseLockfile } from '../../format/lockfile.ts'
import { writeProjectRoot } from '../../store/roots.ts'
import { type LockChange, lockedPackages, misfits, textOfChange } from './changes.ts'
import { lockFileOf, type ProjectContext } from './context.ts'
import { lockOf, type Project, writeProject } from './find.ts'
import { lockModeOf } from './options.ts'
import { isThere, planLocked, realiseLocked } from './realise.ts'
import type { Proposal } from './relock.ts'

export type Used = {
  /** What was asked for, without devPackages where they are left out. */
  readonly packages: readonly LockedPackage[]
  readonly changes: readonly LockChange[]
  /** How many of the packages were not wholly there. */
  readonly realised: number
}

/**
 * Realises what the project's lock names. Without --locked and --frozen (and CI) the lock is made to fit abnpkg.json first. Throws
 * ABN_LOCKFILE_MISSING, ABN_LOCKFILE_OUTDATED and what realiseLocked and makeLock throw.
 */
export async function useLock(context: ProjectContext): Promise<Used> {
  const { project, store } = context
  const fitting = fittingLock(project, context)
  if (fitting !== undefined) {
    const packages = wantedOf(fitting, context)
    // Nothing is to be done, so that no lock of the store is needed, which a store that may only be read could not give.
    if (isThere(packages, store)) {
      await realiseLocked(packages, fitting, context)
      keepFromCollection(fitting, context)
      if (isThere(packages, store)) return { packages, changes: [], realised: 0 }
    }
  }
  // Held until a root refers to what is there.
  using _ = await sharedLock(context)
  const { lock, changes } = fitting === undefined ? await relock(context) : { lock: fitting, changes: [] }
  const packages = wantedOf(lock, context)
  const realised = await realiseLocked(packages, lock, context)
  keepFromCollection(lock, context)
  return { packages, changes, realised }
}

/** So that no garbage collection comes between. */
export async function sharedLock({ store, surroundings }: Pick<ProjectContext, 'store' | 'surroundings'>) {
  return store.lock('shared', { signal: surroundings.signal })
}

/** All of the lock is a root as long as the lock is there, also what is left out now. */
export function keepFromCollection(lock: Lockfile, context: ProjectContext): void {
  const paths = lockedPackages(lock).flatMap(({ outputs, needs }) => [...outputs, ...needs].map(({ path }) => path))
  writeProjectRoot(context.store, lockFileOf(context), [...new Set(paths)])
}

function wantedOf(lock: Lockfile, { args }: ProjectContext): readonly LockedPackage[] {
  return lockedPackages(lock).filter(({ group }) => group === 'packages' || args.options['no-dev'] !== true)
}

/** Undefined when it has to be made first. Throws ABN_LOCKFILE_MISSING or ABN_LOCKFILE_OUTDATED when it may not be. */
function fittingLock(project: Project, { args }: ProjectContext): Lockfile | undefined {
  const mode = lockModeOf(args)
  const lock = lockOf(project)
  if (lock === undefined) {
    if (mode === 'write') return undefined
    throw new AbnError('ABN_LOCKFILE_MISSING', `${project.directory} has no abnpkg.lock`, {
      hint: "'abnpkg lock' makes one; keep it in version control",
    })
  }
  if (mode === 'frozen') return lock
  const reasons = misfits(project.file, lock)
  if (reasons.length === 0) return lock
  if (mode === 'write') return undefined
  throw new AbnError('ABN_LOCKFILE_OUTDATED', `abnpkg.lock does not fit abnpkg.json: ${reasons.join('; ')}`, {
    hint: "'abnpkg lock' makes it fit; --frozen uses it as it is",
  })
}

/** What useLock would do: prints it, and changes nothing. Throws as useLock, but for what building throws. */
export async function previewLock(context: ProjectContext): Promise<void> {
  const { output } = context.surroundings
  const { printPlan } = await import('../plans/work.ts')
  const lock = fittingLock(context.project, context)
  if (lock !== undefined) {
    const { plan } = await planLocked(wantedOf(lock, context), lock, context)
    return printPlan(plan, output, { fields: { changes: [] } })
  }
  const { planFresh } = await import('./relock.ts')
  const proposal = await fittingProposal(context)
  const { plan } = await planFresh(proposal, context)
  const { changes } = proposal
  const before = changes.map((change) => `would lock ${textOfChange(change)}`)
  await printPlan(plan, output, { before, fields: { changes } })
}

async function relock(context: ProjectContext): Promise<{ lock: Lockfile; changes: readonly LockChange[] }> {
  const { project } = context
  const { makeLock } = await import('./relock.ts')
  const proposal = await fittingProposal(context)
  const lockText = await makeLock(proposal, context)
  writeProject(project, { text: project.text, lockText })
  return { lock: parseLockfile(lockText), changes: proposal.changes }
}

async function fittingProposal(context: ProjectContext): Promise<Proposal> {
  const { project } = context
  const { recipesOf } = await import('./recipes.ts')
  const { proposeLock } = await import('./relock.ts')
  const before = lockOf(project)
  const recipes = await recipesOf({ addresses: project.file.channels, pins: before?.channels ?? [] }, context)
  return proposeLock({ before, file: project.file, recipes })
}
