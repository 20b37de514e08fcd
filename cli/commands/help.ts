// abnpkg help [COMMAND]

import { nearest } from '../../builder/evaluate/nearest.ts'
import { AbnError } from '../../format/errors.ts'
import { type Command, commands } from '../commands.ts'
import { generalHelp, helpOf } from '../help.ts'

export const help: Command = {
  usage: '[COMMAND]',
  options: {},
  async run({ names }, { output }) {
    const [name, another] = names
    if (another !== undefined) throw new AbnError('ABN_USAGE', `help: expected one command, got ${names.length}`)
    if (name === undefined) {
      generalHelp(commands, output)
      return 0
    }
    const entry = commands[name]
    if (entry === undefined) {
      const guess = nearest(name, Object.keys(commands))
      throw new AbnError('ABN_COMMAND_UNKNOWN', `unknown command '${name}'`, {
        hint: guess ? `did you mean '${guess}'?` : "see 'abnpkg help'",
      })
    }
    helpOf(name, entry.summary, await entry.load(), output)
    return 0
  },
}
