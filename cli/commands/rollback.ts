// abnpkg rollback
import { currentNumber, listGenerations } from '../../store/profiles.ts'
import type { Command } from '../commands.ts'
import { noNames } from '../names.ts'
import { profileOf, profileOption } from '../profiles/profile.ts'
import { goTo, noGeneration } from '../profiles/profile-history.ts'
import { storeToLookAt } from '../session.ts'

export const rollback: Command = {
  usage: '',
  details: [
    'Goes back to the generation with the next lower number. The later ones stay: `abnpkg switch N` goes to any, and the next',
    'install makes a new one with a number of its own.',
  ].join('\n'),
  options: {
    ...profileOption,
    'dry-run': { type: 'boolean', help: 'only show what would change' },
  },
  async run(args, { output }) {
    noNames(args, 'rollback')
    const profile = profileOf(args)
    const store = storeToLookAt(args)
    const current = currentNumber(store, profile) ?? 0
    const before = listGenerations(store, profile).findLast((number) => number < current)
    if (before === undefined) {
      throw noGeneration(profile, current === 0 ? 'no generations' : `no generation before ${current}`)
    }
    return goTo(store, before, { args, output, profile })
  },
}
