// How `lock` and `update` end.
import { changedBits } from './changes.ts'
import type { ProjectContext } from './context.ts'
import { makeLock, type Proposal } from './relock.ts'
import { reportLock } from './report.ts'
import { sharedLock, writeLocked } from './use.ts'

/** Makes the lock that is proposed, writes it beside abnpkg.json as it is, and says what has changed. Throws what these throw. */
export async function lockAnew(proposal: Proposal, context: ProjectContext): Promise<void> {
  const { project, surroundings } = context
  using _ = await sharedLock(context)
  const lockText = await makeLock(proposal, context)
  const after = writeLocked(proposal, { text: project.text, lockText }, context)
  const changes = [...proposal.changes, ...changedBits(proposal.before, after)]
  const isChanged = lockText !== project.lockText
  await reportLock({ project, changes, isChanged, isDryRun: false }, surroundings.output)
}
