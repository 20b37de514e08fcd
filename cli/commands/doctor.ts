// abnpkg doctor
import type { Command } from '../commands.ts'
import { noNames } from '../names.ts'
import { countText } from '../output.ts'
import { type Finding, findings } from '../store/doctor.ts'

export const doctor: Command = {
  usage: '',
  details: [
    'Looks at what abnpkg needs of this machine: Node, settings, the store and its disk, namespaces, PATH, the clock, caches and the',
    'policy. Says what is wrong and how to mend it; the exit status is 1 then. What is only unusual is a warning. Changes nothing.',
  ].join('\n'),
  options: { offline: { type: 'boolean', help: 'do not ask the caches' } },
  async run(args, { output, signal }) {
    noNames(args, 'doctor')
    const found: Finding[] = []
    for await (const finding of findings(args, signal)) {
      found.push(finding)
      const { state, name, text, mend } = finding
      const sign =
        state === 'good' ? output.paint('green', 'ok') : output.paint(state === 'wrong' ? 'red' : 'yellow', state)
      output.line(`${sign}${' '.repeat(9 - (state === 'good' ? 2 : state.length))}${name.padEnd(14)}${text}`)
      if (mend !== undefined) output.line(`${' '.repeat(23)}${mend}`)
    }
    const wrong = found.filter(({ state }) => state === 'wrong').length
    output.line(wrong === 0 ? 'nothing is wrong' : `${countText(wrong, 'thing')} to mend`)
    output.document({ wrong, findings: found })
    return wrong === 0 ? 0 : 1
  },
}
