// abnpkg sync
import type { Command } from '../commands.ts'
import { noNames } from '../names.ts'
import { countText } from '../output.ts'
import { requireWorkOptions, workOptions } from '../plans/work.ts'
import { textOfChange } from '../project/changes.ts'
import { requireProject } from '../project/find.ts'
import { lockModeOf, lockOptions, weakerOption } from '../project/options.ts'
import { noteSuggestions, suggestionsOf } from '../project/suggestions.ts'
import { previewLock, useLock } from '../project/use.ts'
import { storeFor, storeToLookAt } from '../session.ts'

export const sync: Command = {
  usage: '',
  details: [
    "Brings what abnpkg.lock names into the store, bit by bit as it was locked, and keeps it there as long as the lock is there. 'abnpkg",
    "shell' in the project does the same and then begins a shell with it. A lock that does not fit abnpkg.json is made to fit first,",
    'unless --locked or --frozen is given or CI=true is set.',
  ].join('\n'),
  options: { ...lockOptions, ...weakerOption, ...workOptions },
  async run(args, surroundings) {
    const { output } = surroundings
    noNames(args, 'sync')
    requireWorkOptions(args)
    lockModeOf(args)
    const project = requireProject(process.cwd())
    if (args.options['dry-run'] === true) {
      await previewLock({ args, surroundings, store: storeToLookAt(args), project })
      return 0
    }
    const { packages, changes, realised } = await useLock({ args, surroundings, store: storeFor(args), project })
    for (const change of changes) output.line(`locked ${textOfChange(change)}`)
    output.line(`${countText(packages.length, 'package')} as locked${realised === 0 ? ', all of it was there' : ''}`)
    const suggestions = await suggestionsOf(project.file)
    noteSuggestions(suggestions, output)
    output.document({
      directory: project.directory,
      changes,
      realised,
      packages: packages.map(({ name, version, group, recipe, outputs }) => {
        const paths = Object.fromEntries(outputs.map(({ output: out, path }) => [out, path]))
        return { name, version, group, recipe, outputs: paths }
      }),
      suggestions,
    })
    return 0
  },
}
