// abnpkg remove NAME...
import { nearest } from '../../builder/evaluate/nearest.ts'
import { AbnError } from '../../format/errors.ts'
import { defaultProfile, readProfile } from '../../store/profiles.ts'
import type { Command } from '../commands.ts'
import { someNames } from '../names.ts'
import { storeToLookAt } from '../session.ts'

export const remove: Command = {
  usage: 'NAME...',
  details: 'Takes packages out of your profile. They stay in the store.',
  options: {},
  async run(args, { output }) {
    const names = someNames(args, 'remove')
    const store = storeToLookAt(args)
    const installed = readProfile(store, defaultProfile)?.manifest.packages.map(({ name }) => name) ?? []
    for (const name of names) {
      if (installed.includes(name)) continue
      const guess = nearest(name, installed)
      throw new AbnError('ABN_NOT_INSTALLED', `${name} is not installed`, {
        hint: guess ? `did you mean ${guess}?` : "'abnpkg list' shows what is",
      })
    }
    const { changeProfile } = await import('../profile.ts')
    const generation = await changeProfile(store, (packages) => packages.filter(({ name }) => !names.includes(name)))
    for (const name of names) output.line(`removed ${name}`)
    output.document({ generation: generation.number, removed: names })
    return 0
  },
}
