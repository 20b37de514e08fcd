// abnpkg list
import { defaultProfile, readProfile } from '../../store/profiles.ts'
import type { Command } from '../commands.ts'
import { noNames } from '../names.ts'
import { existingStore } from '../session.ts'

export const list: Command = {
  usage: '',
  details: 'Lists the packages of your profile, with what you asked for where that says more than the version.',
  options: {},
  async run(args, { output }) {
    noNames(args, 'list')
    const store = existingStore(args)
    const generation = store && readProfile(store, defaultProfile)
    const packages = generation?.manifest.packages ?? []
    const width = Math.max(0, ...packages.map(({ name }) => name.length))
    for (const { name, version, requested } of packages) {
      const asked = requested === name || requested === `${name}@${version}` ? '' : `  (${requested})`
      output.line(`${output.paint('bold', name.padEnd(width))}  ${version}${asked}`)
    }
    if (packages.length === 0) output.note('nothing is installed')
    output.document({ generation: generation?.number ?? 0, packages })
    return 0
  },
}
