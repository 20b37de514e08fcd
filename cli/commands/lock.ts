// abnpkg lock
import type { Command } from '../commands.ts'
import { noNames } from '../names.ts'
import { requireWorkOptions, workOptions } from '../plans/work.ts'
import type { ProjectContext } from '../project/context.ts'
import { requireProject } from '../project/find.ts'
import { lockAnew } from '../project/lock-anew.ts'
import { lockToMakeAnew } from '../project/merge.ts'
import { weakerOption } from '../project/options.ts'
import { recipesOf } from '../project/recipes.ts'
import { freshIn, makeLock, proposeLock } from '../project/relock.ts'
import { reportLock } from '../project/report.ts'
import { storeFor, storeToLookAt } from '../session.ts'

export const lock: Command = {
  usage: '',
  details: [
    'Makes abnpkg.lock fit abnpkg.json and the recipes at hand. What is locked stays where it can; what is new is fetched or built, for',
    'only then are its bits known. A conflict that git has left in abnpkg.lock is resolved: both sides count as locked.',
  ].join('\n'),
  options: {
    check: {
      type: 'boolean',
      help: 'only say whether the lock would change: then the exit status is 1; writes nothing',
    },
    ...weakerOption,
    ...workOptions,
  },
  async run(args, surroundings) {
    noNames(args, 'lock')
    requireWorkOptions(args)
    const isCheck = args.options.check === true
    const isDryRun = isCheck || args.options['dry-run'] === true
    const project = requireProject(process.cwd())
    const store = isDryRun ? storeToLookAt(args) : storeFor(args)
    const context: ProjectContext = { args, surroundings, store, project }
    const before = lockToMakeAnew(project)
    const recipes = await recipesOf({ addresses: project.file.channels, pins: before?.channels ?? [] }, context)
    const proposal = await proposeLock({ before, file: project.file, recipes })
    if (isDryRun) {
      const isChanged = freshIn(proposal).length > 0 || (await makeLock(proposal, context)) !== project.lockText
      await reportLock({ project, changes: proposal.changes, isChanged, isDryRun }, surroundings.output)
      return isCheck && isChanged ? 1 : 0
    }
    await lockAnew(proposal, context)
    return 0
  },
}
