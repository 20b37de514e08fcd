// A lock in which git has left a conflict: both sides were locks, and what both have locked counts as locked.
import { compareVersions } from '../../builder/evaluate/versions.ts'
import { AbnError } from '../../format/errors.ts'
import {
  type LockedChannel,
  type LockedPackage,
  type Lockfile,
  parseLockfile,
  sortedLock,
} from '../../format/lockfile.ts'
import { lockOf, type Project } from './find.ts'

/** The lock, or what both sides of a conflict have locked. Throws ABN_LOCKFILE_INVALID, also when they contradict each other. */
export function lockToMakeAnew(project: Project): Lockfile | undefined {
  try {
    return lockOf(project)
  } catch (error) {
    if (!(error instanceof AbnError && error.code === 'ABN_LOCKFILE_CONFLICT')) throw error
    const { ours, theirs } = sidesOf(project.lockText ?? '')
    return bothSides(parseLockfile(ours), parseLockfile(theirs))
  }
}

/** Of a package in two versions the higher one; of one recipe only one can be right. */
export function bothSides(ours: Lockfile, theirs: Lockfile): Lockfile {
  const packages = new Map<string, LockedPackage>(ours.packages.map((one) => [keyOf(one), one]))
  for (const one of theirs.packages) {
    const other = packages.get(keyOf(one))
    if (other === undefined || compareVersions(one.version, other.version) > 0) packages.set(keyOf(one), one)
    else if (other.recipe === one.recipe) requireSame(other, one)
  }
  const channels = new Map<string, LockedChannel>([...theirs.channels, ...ours.channels].map((one) => [one.name, one]))
  return sortedLock({ channels: [...channels.values()], packages: [...packages.values()] })
}

/** The texts on the two sides of the marks, and what is common to them. */
function sidesOf(text: string): { ours: string; theirs: string } {
  const sides = { ours: '', theirs: '' }
  let side: 'both' | 'ours' | 'base' | 'theirs' = 'both'
  for (const line of text.split(/(?<=\n)/)) {
    if (line.startsWith('<<<<<<<')) side = 'ours'
    else if (line.startsWith('|||||||')) side = 'base'
    else if (line.startsWith('=======')) side = 'theirs'
    else if (line.startsWith('>>>>>>>')) side = 'both'
    else {
      if (side === 'both' || side === 'ours') sides.ours += line
      if (side === 'both' || side === 'theirs') sides.theirs += line
    }
  }
  return sides
}

function keyOf({ name, system }: LockedPackage): string {
  return `${name} ${system}`
}

function requireSame(ours: LockedPackage, theirs: LockedPackage): void {
  const digests = ({ outputs, needs }: LockedPackage) =>
    [...outputs, ...needs].map(({ path, digest }) => `${path} ${digest}`)
  if (digests(ours).join() === digests(theirs).join()) return
  throw new AbnError(
    'ABN_LOCKFILE_INVALID',
    `abnpkg.lock: the two sides of the merge have locked other bits for ${ours.name} ${ours.version}, of one recipe`,
    { hint: `choose one of them by hand; 'abnpkg challenge ${ours.name}' builds it to compare` },
  )
}
