// abnpkg add NAME[@RANGE]...
import { findEntry, parsePackageSpec } from '../../builder/evaluate/find.ts'
import { editProject, emptyProject, type PackageGroup, parseProject } from '../../format/project.ts'
import type { Command } from '../commands.ts'
import { someNames } from '../names.ts'
import { requireWorkOptions, workOptions } from '../plans/work.ts'
import { changedBits } from '../project/changes.ts'
import type { ProjectContext } from '../project/context.ts'
import { lockOf, newProject, projectAt } from '../project/find.ts'
import { weakerOption } from '../project/options.ts'
import { recipesOf } from '../project/recipes.ts'
import { makeLock, proposeLock } from '../project/relock.ts'
import { reportLock } from '../project/report.ts'
import { rangeFor } from '../project/resolve.ts'
import { sharedLock, writeLocked } from '../project/use.ts'
import { storeFor, storeToLookAt } from '../session.ts'

export const add: Command = {
  usage: 'NAME[@RANGE]...',
  details: [
    'Writes packages into abnpkg.json and locks them, all of them or none. Without a range it is the highest version, and what is',
    'compatible with it. Where there is no project, here or above, one begins here. For your profile there is abnpkg install.',
  ].join('\n'),
  options: {
    dev: { type: 'boolean', help: 'into devPackages: for those who work on the project' },
    ...weakerOption,
    ...workOptions,
  },
  async run(args, surroundings) {
    const { output } = surroundings
    const names = someNames(args, 'add')
    requireWorkOptions(args)
    const isDryRun = args.options['dry-run'] === true
    const group: PackageGroup = args.options.dev === true ? 'devPackages' : 'packages'
    const found = projectAt(process.cwd())
    const project = found ?? newProject(process.cwd())
    const store = isDryRun ? storeToLookAt(args) : storeFor(args)
    const context: ProjectContext = { args, surroundings, store, project }
    const before = lockOf(project)
    const recipes = await recipesOf({ addresses: project.file.channels, pins: before?.channels ?? [] }, context)
    const added = new Map<string, string>()
    for (const spec of names) {
      const { name, range } = parsePackageSpec(spec)
      const { version } = await findEntry(recipes.evaluation, spec, { refuseBroken: true })
      added.set(name, range ?? rangeFor(version))
    }
    const text = editProject(found?.text ?? emptyProject, (ranges) => {
      for (const [name, range] of added) {
        const other = group === 'packages' ? 'devPackages' : 'packages'
        ranges[other].delete(name)
        ranges[group].set(name, range)
      }
    })
    const file = parseProject(text)
    const proposal = await proposeLock({ before, file, recipes, unlock: new Set(added.keys()) })
    const wanted = [...added].map(([name, range]) => ({ name, range, group }))
    const report = { project: { ...project, file }, isDryRun, fields: { added: wanted } }
    if (isDryRun) {
      await reportLock({ ...report, changes: proposal.changes, isChanged: proposal.changes.length > 0 }, output)
      return 0
    }
    using _ = await sharedLock(context)
    const lockText = await makeLock(proposal, context)
    const after = writeLocked(proposal, { text, lockText }, context)
    if (found === undefined)
      output.note(`a new project: ${project.directory}/abnpkg.json; keep it and abnpkg.lock in version control`)
    for (const { name, range } of wanted) output.line(`added ${name} ${range} to ${group}`)
    const changes = [...proposal.changes, ...changedBits(before, after)]
    await reportLock({ ...report, changes, isChanged: lockText !== project.lockText }, output)
    return 0
  },
}
