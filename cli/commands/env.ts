// abnpkg env
import { basename } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { profileRoot } from '../../store/profiles.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Command } from '../commands.ts'
import { noNames } from '../names.ts'
import { profileOf, profileOption, profileWords } from '../profiles/profile.ts'
import { environmentOf, linesFor, type Shell, shells } from '../profiles/shell-env.ts'
import { storeToLookAt } from '../session.ts'

export const env: Command = {
  usage: '',
  details: [
    "Prints what belongs into your shell's startup file, so that programs, manual pages, info pages and completions of your profile are",
    'found in every new shell: `abnpkg env >> ~/.bashrc`, `abnpkg env >> ~/.zshrc` (before compinit),',
    '`abnpkg env >> ~/.config/fish/config.fish`. For this shell only: `eval "$(abnpkg env)"`, in fish `abnpkg env | source`.',
    'The lines stay right whatever is installed later, and do nothing when they run twice.',
  ].join('\n'),
  options: {
    ...profileOption,
    shell: {
      type: 'string',
      value: 'NAME',
      help: 'bash (and other POSIX shells), zsh or fish; that of $SHELL unless told',
    },
  },
  async run(args, { output }) {
    noNames(args, 'env')
    const profile = profileOf(args)
    const shell = shellOf(args)
    const root = profileRoot(storeToLookAt(args), profile)
    const variables = environmentOf(root)
    const lines = linesFor(shell, root)
    output.line(`# abnpkg env --shell ${shell}${profileWords(profile)}`)
    for (const line of lines) output.line(line)
    output.document({ profile, shell, root, variables, text: `${lines.join('\n')}\n` })
    return 0
  },
}

/** Of a shell that is none of the three, the text for bash is the best guess: it is that of POSIX. */
function shellOf(args: Arguments): Shell {
  const given = textOption(args, 'shell')
  const named = given ?? basename(process.env.SHELL ?? '')
  const known = shells.find((shell) => shell === named)
  if (known !== undefined) return known
  if (given === undefined || given === 'sh') return 'bash'
  throw new AbnError('ABN_USAGE', `option --shell: expected ${shells.join(', ')}, got '${given}'`)
}
