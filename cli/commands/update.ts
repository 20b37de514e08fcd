// abnpkg update [NAME...]
import type { Command } from '../commands.ts'
import { requireWorkOptions, workOptions } from '../plans/work.ts'
import type { ProjectContext } from '../project/context.ts'
import { requireProject } from '../project/find.ts'
import { lockAnew } from '../project/lock-anew.ts'
import { lockToMakeAnew } from '../project/merge.ts'
import { requireInProject } from '../project/names.ts'
import { weakerOption } from '../project/options.ts'
import { recipesOf } from '../project/recipes.ts'
import { proposeLock } from '../project/relock.ts'
import { reportLock } from '../project/report.ts'
import { storeFor, storeToLookAt } from '../session.ts'

export const update: Command = {
  usage: '[NAME...]',
  details: [
    'Locks the highest versions that the ranges in abnpkg.json allow, of these packages or of all, from the recipes of abnpkg and of the',
    "channels as they are now ('abnpkg channel update' fetches newer ones). The others keep their versions; when their recipes have",
    'changed with their channel, they are locked anew too, and you are told.',
  ].join('\n'),
  options: { ...weakerOption, ...workOptions },
  async run(args, surroundings) {
    requireWorkOptions(args)
    const isDryRun = args.options['dry-run'] === true
    const project = requireProject(process.cwd())
    requireInProject(args.names, project)
    const store = isDryRun ? storeToLookAt(args) : storeFor(args)
    const context: ProjectContext = { args, surroundings, store, project }
    const before = lockToMakeAnew(project)
    const recipes = await recipesOf({ addresses: project.file.channels, pins: [] }, context)
    const unlock = args.names.length === 0 ? 'all' : new Set(args.names)
    const proposal = await proposeLock({ before, file: project.file, recipes, unlock })
    if (isDryRun) {
      const { changes } = proposal
      await reportLock({ project, changes, isChanged: changes.length > 0, isDryRun }, surroundings.output)
      return 0
    }
    await lockAnew(proposal, context)
    return 0
  },
}
