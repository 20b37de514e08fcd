// What commands print of a changed lock.
import type { Output } from '../output.ts'
import { type LockChange, textOfChange } from './changes.ts'
import { lockName, type Project } from './find.ts'
import { noteSuggestions, suggestionsOf } from './suggestions.ts'

export type Report = {
  readonly project: Pick<Project, 'directory' | 'file'>
  readonly changes: readonly LockChange[]
  /** Whether abnpkg.lock was written, or would be. */
  readonly isChanged: boolean
  readonly isDryRun: boolean
  /** For the document. */
  readonly fields?: object
}

export async function reportLock(report: Report, output: Output): Promise<void> {
  const { project, changes, isChanged, isDryRun, fields } = report
  for (const change of changes) output.line(`${isDryRun ? 'would lock' : 'locked'} ${textOfChange(change)}`)
  if (!isChanged) output.line(`${lockName} is as it has to be`)
  else if (changes.length === 0) output.line(`${lockName} ${isDryRun ? 'would change' : 'was changed'} in its details`)
  const suggestions = await suggestionsOf(project.file)
  noteSuggestions(suggestions, output)
  output.document({ directory: project.directory, changed: isChanged, changes, suggestions, ...fields })
}
