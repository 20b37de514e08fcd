// abnpkg generations
import type { Command } from '../commands.ts'
import { noNames } from '../names.ts'
import { profileOf, profileOption } from '../profiles/profile.ts'
import { jsonOfChange, lineOfChange } from '../profiles/profile-changes.ts'
import { historyOf, timeOf } from '../profiles/profile-history.ts'
import { storeToLookAt } from '../session.ts'

export const generations: Command = {
  usage: '',
  details: [
    'Lists the generations of your profile, oldest number first, each with what it changed: + came, - went, ~ is another one. The',
    'current one is marked with *. Numbers tell the order; the times are those of the clock, which may have been wrong.',
  ].join('\n'),
  options: profileOption,
  async run(args, { output }) {
    noNames(args, 'generations')
    const profile = profileOf(args)
    const history = historyOf(storeToLookAt(args), profile)
    const width = Math.max(...history.map(({ generation }) => String(generation.number).length))
    for (const { generation, isCurrent, changes } of history) {
      const { number, manifest } = generation
      const count = manifest.packages.length
      const title = `${String(number).padStart(width)}  ${timeOf(generation)}  ${count} package${count === 1 ? '' : 's'}`
      output.line(`${isCurrent ? '*' : ' '} ${isCurrent ? output.paint('bold', title) : title}`)
      for (const change of changes) output.line(`  ${' '.repeat(width)}  ${lineOfChange(change, output)}`)
    }
    if (history.length === 0) output.note(`profile ${profile} has no generations yet`)
    output.document({
      profile,
      current: history.find(({ isCurrent }) => isCurrent)?.generation.number ?? 0,
      generations: history.map(({ generation: { number, manifest }, isCurrent, changes }) => ({
        number,
        isCurrent,
        at: manifest.at,
        packages: manifest.packages.length,
        changes: changes.map(jsonOfChange),
      })),
    })
    return 0
  },
}
