// abnpkg completions SHELL
import { AbnError } from '../../format/errors.ts'
import { readProfile } from '../../store/profiles.ts'
import { type Arguments, globalOptions } from '../args.ts'
import { type Command, commands, type Surroundings } from '../commands.ts'
import { completionScript } from '../completions.ts'
import { profileOf, profileOption } from '../profiles/profile.ts'
import { evaluationFor, existingStore } from '../session.ts'

export const completions: Command = {
  usage: 'bash | zsh | fish',
  details: [
    'Prints what lets your shell complete commands, options and names of packages. To be put into its startup file:',
    '',
    '  bash   eval "$(abnpkg completions bash)"                      in ~/.bashrc',
    '  zsh    eval "$(abnpkg completions zsh)"                       in ~/.zshrc, after compinit',
    '  fish   abnpkg completions fish | source                       in ~/.config/fish/config.fish',
    '',
    'completions names [PREFIX] and completions installed [PREFIX] print the names that there are; the scripts use them.',
  ].join('\n'),
  options: { ...profileOption },
  async run(args, surroundings) {
    const [word, prefix = '', ...more] = args.names
    if (more.length === 0 && (word === 'names' || word === 'installed')) {
      const names = word === 'names' ? await packageNames(args, surroundings) : installedNames(args)
      const found = names.filter((name) => name.startsWith(prefix))
      for (const name of found) surroundings.output.line(name)
      surroundings.output.document(found)
      return 0
    }
    if ((word !== 'bash' && word !== 'zsh' && word !== 'fish') || args.names.length > 1) {
      throw new AbnError('ABN_USAGE', `completions: expected bash, zsh or fish, got '${args.names.join(' ')}'`)
    }
    const loaded = await Promise.all(
      Object.entries(commands).map(async ([name, entry]) => {
        const { usage, options } = await entry.load()
        return { name, summary: entry.summary, usage, options }
      }),
    )
    const script = completionScript(word, loaded, globalOptions)
    surroundings.output.line(script)
    surroundings.output.document({ shell: word, script })
    return 0
  },
}

async function packageNames(args: Arguments, { signal }: Surroundings): Promise<readonly string[]> {
  const evaluation = await evaluationFor(args, signal)
  const shown = evaluation.entries().filter(({ hidden }) => !hidden)
  return [...new Set(shown.map(({ name }) => name))].sort()
}

function installedNames(args: Arguments): readonly string[] {
  const store = existingStore(args)
  const packages = (store && readProfile(store, profileOf(args))?.manifest.packages) ?? []
  return packages.map(({ name }) => name)
}
