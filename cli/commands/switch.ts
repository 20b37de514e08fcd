// abnpkg switch N
import { listGenerations } from '../../store/profiles.ts'
import type { Command } from '../commands.ts'
import { oneName } from '../names.ts'
import { profileOf, profileOption } from '../profiles/profile.ts'
import { goTo, noGeneration, numberOf } from '../profiles/profile-history.ts'
import { storeToLookAt } from '../session.ts'

export const switchTo: Command = {
  usage: 'N',
  details: 'Goes to generation N of your profile, an older or a newer one. `abnpkg generations` lists them.',
  options: {
    ...profileOption,
    'dry-run': { type: 'boolean', help: 'only show what would change' },
  },
  async run(args, { output }) {
    const number = numberOf(oneName(args, 'switch'), 'switch')
    const profile = profileOf(args)
    const store = storeToLookAt(args)
    if (!listGenerations(store, profile).includes(number)) throw noGeneration(profile, `no generation ${number}`)
    return goTo(store, number, { args, output, profile })
  },
}
