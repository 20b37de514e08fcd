// abnpkg remove NAME...
import { nearest } from '../../builder/evaluate/nearest.ts'
import { AbnError } from '../../format/errors.ts'
import { readProfile } from '../../store/profiles.ts'
import type { Command } from '../commands.ts'
import { someNames } from '../names.ts'
import { changeProfile, profileOf, profileOption, profileWords } from '../profiles/profile.ts'
import { changesBetween, jsonOfChange, lineOfChange, lineOfDeed } from '../profiles/profile-changes.ts'
import { storeToLookAt } from '../session.ts'

export const remove: Command = {
  usage: 'NAME...',
  details: [
    'Takes packages out of your profile. They stay in the store, and rollback brings them back. With --project it takes them out of',
    'abnpkg.json and abnpkg.lock of the project that you are in.',
  ].join('\n'),
  options: {
    ...profileOption,
    project: { type: 'boolean', help: 'out of the project, not of your profile' },
    'dry-run': { type: 'boolean', help: 'only show what would be removed' },
  },
  async run(args, surroundings) {
    const { output } = surroundings
    if (args.options.project === true) {
      if (args.options.profile !== undefined) {
        throw new AbnError('ABN_USAGE', 'options --project and --profile exclude each other')
      }
      const { removeFromProject } = await import('../project/remove.ts')
      return removeFromProject(args, surroundings)
    }
    const names = someNames(args, 'remove')
    const profile = profileOf(args)
    const store = storeToLookAt(args)
    const before = readProfile(store, profile)?.manifest.packages ?? []
    const installed = before.map(({ name }) => name)
    for (const name of names) {
      if (installed.includes(name)) continue
      const guess = nearest(name, installed)
      throw new AbnError('ABN_NOT_INSTALLED', `${name} is not installed`, {
        hint: guess ? `did you mean ${guess}?` : `'abnpkg list${profileWords(profile)}' shows what is`,
      })
    }
    const changes = changesBetween(
      before,
      before.filter(({ name }) => !names.includes(name)),
    )
    if (args.options['dry-run'] === true) {
      for (const change of changes) output.line(lineOfChange(change, output))
      output.document({ profile, changes: changes.map(jsonOfChange) })
      return 0
    }
    const generation = await changeProfile(store, profile, (packages) =>
      packages.filter(({ name }) => !names.includes(name)),
    )
    for (const change of changes) output.line(lineOfDeed(change))
    output.document({ profile, generation: generation.number, changes: changes.map(jsonOfChange), removed: names })
    return 0
  },
}
