// What commands do with a project's lock: make it fit where they may, and bring what it names into the store.
import { AbnError } from '../../format/errors.ts'
import { type LockedPackage, type Lockfile, parseLockfile } from '../../format/lockfile.ts'
import type { StorePath } from '../../format/store-path.ts'
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

/**
 * Writes the project's files. What the lock names is a root before the lock is there, and what the old one named until then. Throws
 * ABN_DISK_FULL, and what writeProject throws: then the files are as they were.
 */
export function writeLocked(
  { before }: Pick<Proposal, 'before'>,
  files: { readonly text: string; readonly lockText: string },
  context: ProjectContext,
): Lockfile {
  const after = parseLockfile(files.lockText)
  writeProjectRoot(context.store, lockFileOf(context), [...pathsIn(before), ...pathsIn(after)])
  writeProject(context.project, files)
  forgetOld(after, context)
  return after
}

/** That more is a root than need be does no harm. */
export function forgetOld(lock: Lockfile, context: ProjectContext): void {
  try {
    keepFromCollection(lock, context)
  } catch (error) {
    if (!(error instanceof AbnError && error.code === 'ABN_DISK_FULL')) throw error
  }
}

/** All of the lock is a root as long as the lock is there, also what is left out now. */
function keepFromCollection(lock: Lockfile, context: ProjectContext): void {
  writeProjectRoot(context.store, lockFileOf(context), pathsIn(lock))
}

function pathsIn(lock: Lockfile | undefined): readonly StorePath[] {
  return lockedPackages(lock).flatMap(({ outputs, needs }) => [...outputs, ...needs].map(({ path }) => path))
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
  const { makeLock } = await import('./relock.ts')
  const proposal = await fittingProposal(context)
  const lockText = await makeLock(proposal, context)
  const lock = writeLocked(proposal, { text: context.project.text, lockText }, context)
  return { lock, changes: proposal.changes }
}

async function fittingProposal(context: ProjectContext): Promise<Proposal> {
  const { project } = context
  const { recipesOf } = await import('./recipes.ts')
  const { proposeLock } = await import('./relock.ts')
  const before = lockOf(project)
  const recipes = await recipesOf({ addresses: project.file.channels, pins: before?.channels ?? [] }, context)
  return proposeLock({ before, file: project.file, recipes })
}
