// abnpkg list
import { readProfile } from '../../store/profiles.ts'
import type { Command } from '../commands.ts'
import { noNames } from '../names.ts'
import { profileOf, profileOption } from '../profiles/profile.ts'
import { wishOf } from '../profiles/profile-changes.ts'
import { existingStore } from '../session.ts'

export const list: Command = {
  usage: '',
  details: 'Lists the packages of your profile, with what you asked for where that says more than the version.',
  options: profileOption,
  async run(args, { output }) {
    noNames(args, 'list')
    const profile = profileOf(args)
    const store = existingStore(args)
    const generation = store && readProfile(store, profile)
    const packages = generation?.manifest.packages ?? []
    const width = Math.max(0, ...packages.map(({ name }) => name.length))
    for (const one of packages) {
      output.line(`${output.paint('bold', one.name.padEnd(width))}  ${one.version}${wishOf(one)}`)
    }
    if (packages.length === 0) output.note('nothing is installed')
    output.document({ profile, generation: generation?.number ?? 0, packages })
    return 0
  },
}
