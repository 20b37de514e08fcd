// abnpkg remove --project NAME...
import { encodeLockfile } from '../../format/lockfile.ts'
import { editProject } from '../../format/project.ts'
import type { Arguments } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { someNames } from '../names.ts'
import { existingStore } from '../session.ts'
import { lockOf, requireProject, writeProject } from './find.ts'
import { requireInProject } from './names.ts'
import { forgetOld } from './use.ts'

/** Takes packages out of abnpkg.json and abnpkg.lock; reads no recipe. Throws ABN_PROJECT_MISSING or ABN_PROJECT_PACKAGE. */
export async function removeFromProject(args: Arguments, surroundings: Surroundings): Promise<number> {
  const { output } = surroundings
  const names = someNames(args, 'remove --project')
  const isDryRun = args.options['dry-run'] === true
  const project = requireProject(process.cwd())
  requireInProject(names, project)
  const before = lockOf(project)
  const text = editProject(project.text, (ranges) => {
    for (const name of names) for (const group of [ranges.packages, ranges.devPackages]) group.delete(name)
  })
  const lock = before && { ...before, packages: before.packages.filter(({ name }) => !names.includes(name)) }
  if (!isDryRun) {
    writeProject(project, { text, lockText: lock && encodeLockfile(lock) })
    const store = existingStore(args)
    if (store !== undefined && lock !== undefined) forgetOld(lock, { args, surroundings, store, project })
  }
  for (const name of names) output.line(`${isDryRun ? 'would remove' : 'removed'} ${name} from the project`)
  output.document({ directory: project.directory, removed: names })
  return 0
}
