// Completion scripts for shells, made from the table of commands: names of commands, what stands first in their usage, options; names of
// packages are asked for when they are wanted (`abnpkg completions names`), from what is remembered of the recipes.
import type { OptionTable } from './args.ts'

export type CompletedCommand = {
  readonly name: string
  readonly summary: string
  readonly usage: string
  readonly options: OptionTable
}

export type Shell = 'bash' | 'zsh' | 'fish'

export function completionScript(shell: Shell, commands: readonly CompletedCommand[], global: OptionTable): string {
  const described = commands.map((command) => describe(command, global))
  if (shell === 'fish') return fishScript(described, optionsOf(global))
  return shell === 'bash' ? bashScript(described, global) : zshScript(described, global)
}

/** Which words a command takes. */
type Words = 'packages' | 'installed' | 'commands' | 'files'

type Described = CompletedCommand & {
  /** First words, such as add and remove of `channel add NAME URL | remove NAME`. */
  readonly first: readonly string[]
  readonly words: Words
  readonly all: readonly Option[]
}

type Option = {
  readonly name: string
  readonly short: string | undefined
  readonly value: string | undefined
  readonly help: string
}

const INSTALLED: ReadonlySet<string> = new Set(['remove', 'upgrade'])
/** Commands of whose usage a NAME is none of a package. */
const OTHER_NAMES: ReadonlySet<string> = new Set([
  'cache',
  'channel',
  'config',
  'key',
  'policy',
  'profile',
  'builder',
  'witness',
])

function describe(command: CompletedCommand, global: OptionTable): Described {
  const { name, usage, options } = command
  const first = usage
    .replace(/[[\]]/g, ' ')
    .split('|')
    .flatMap((part) => /^\s*([a-z][a-z-]*)(\s|$)/.exec(part)?.[1] ?? [])
  return { ...command, first, words: wordsOf(name, usage), all: optionsOf({ ...options, ...global }) }
}

function wordsOf(name: string, usage: string): Words {
  if (name === 'help') return 'commands'
  if (INSTALLED.has(name)) return 'installed'
  return /\bNAME|PACKAGE/.test(usage) && !OTHER_NAMES.has(name) ? 'packages' : 'files'
}

function optionsOf(table: OptionTable): Option[] {
  return Object.entries(table).map(([name, { short, value, help }]) => ({ name, short, value, help }))
}

function withValue(options: readonly Option[]): string {
  const names = options.flatMap(({ name, short, value }) =>
    value === undefined ? [] : [`--${name}`, ...(short ? [`-${short}`] : [])],
  )
  return names.length === 0 ? "''" : names.join('|')
}

function flags(options: readonly Option[]): string {
  return options.map(({ name }) => `--${name}`).join(' ')
}

/** Sets `options`, `valued` (does the word before take a value?), `first` and `kind` by the command: the same in bash and zsh. */
function cases(commands: readonly Described[], global: OptionTable): string {
  const top = optionsOf(global)
  const rows = commands.map(
    ({ name, first, words, all }) =>
      `    ${name}) options='${flags(all)}' first='${first.join(' ')}' kind=${words}\n` +
      `      case $before in ${withValue(all)}) valued=1 ;; esac ;;`,
  )
  return [
    `    '') options='${flags(top)}' first='' kind=commands`,
    `      case $before in ${withValue(top)}) valued=1 ;; esac ;;`,
    ...rows,
  ].join('\n')
}

function valuesOfGlobal(global: OptionTable): string {
  return withValue(optionsOf(global))
}

function bashScript(commands: readonly Described[], global: OptionTable): string {
  return `# Completions of abnpkg for bash: eval "$(abnpkg completions bash)"
_abnpkg() {
  local cur=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} command='' words='' i
  local options='' first='' kind=files valued='' count=0
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      --) compopt -o default 2>/dev/null; return ;;
      ${valuesOfGlobal(global)}) ((i++)) ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=\${COMP_WORDS[i]}; else count=$((count + 1)); fi ;;
    esac
  done
  case $command in
${cases(commands, global)}
  esac
  if [[ -n $valued ]]; then compopt -o default 2>/dev/null; return; fi
  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$cur")); return; fi
  if [[ -n $first && $count == 0 ]]; then words=$first; fi
  case $kind in
    commands) words="$words ${commands.map(({ name }) => name).join(' ')}" ;;
    packages) if [[ -z $first || $count -gt 0 ]]; then words="$words $(abnpkg completions names "$cur" 2>/dev/null)"; fi ;;
    installed) words="$words $(abnpkg completions installed "$cur" 2>/dev/null)" ;;
    files) if [[ -z $words ]]; then compopt -o default 2>/dev/null; return; fi ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _abnpkg abnpkg`
}

function zshScript(commands: readonly Described[], global: OptionTable): string {
  const list = commands.map(
    ({ name, summary }) => `    '${name}:${summary.replaceAll("'", "'\\''").replaceAll(':', '\\:')}'`,
  )
  return `#compdef abnpkg
# Completions of abnpkg for zsh: put this into a file _abnpkg in a directory of $fpath, or eval it after compinit.
_abnpkg() {
  local cur=$words[CURRENT] before=$words[CURRENT-1] command='' i
  local options='' first='' kind=files valued='' count=0
  local -a list; list=(
${list.join('\n')}
  )
  for ((i = 2; i < CURRENT; i++)); do
    case $words[i] in
      --) _files; return ;;
      ${valuesOfGlobal(global)}) ((i++)) ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=$words[i]; else count=$((count + 1)); fi ;;
    esac
  done
  case $command in
${cases(commands, global)}
  esac
  if [[ -n $valued ]]; then _files; return; fi
  if [[ $cur == -* ]]; then compadd -- \${=options}; return; fi
  if [[ -n $first && $count == 0 ]]; then compadd -- \${=first}; fi
  case $kind in
    commands) _describe command list ;;
    packages) if [[ -z $first || $count -gt 0 ]]; then compadd -- \${(f)"$(abnpkg completions names "$cur" 2>/dev/null)"}; fi ;;
    installed) compadd -- \${(f)"$(abnpkg completions installed "$cur" 2>/dev/null)"} ;;
    files) if [[ -z $first ]]; then _files; fi ;;
  esac
}
compdef _abnpkg abnpkg`
}

function fishScript(commands: readonly Described[], global: readonly Option[]): string {
  const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const line = (condition: string, rest: string) =>
    `complete -c abnpkg -n ${quoted(`__abnpkg_is ${condition}`)} ${rest}`
  const optionText = ({ name, short, value, help }: Option) =>
    `-l ${name}${short ? ` -s ${short}` : ''}${value ? ' -r -F' : ''} -d ${quoted(help)}`
  const lines = [
    '# Completions of abnpkg for fish: abnpkg completions fish | source',
    ...fishFunction(global),
    'complete -c abnpkg -f',
    line('--', '-F'),
  ]
  for (const option of global) lines.push(`complete -c abnpkg ${optionText(option)}`)
  for (const { name, summary, first, words, options } of commands) {
    lines.push(line("''", `-a ${name} -d ${quoted(summary)}`))
    for (const option of optionsOf(options)) lines.push(line(name, optionText(option)))
    if (first.length > 0) lines.push(line(`${name} first`, `-a ${quoted(first.join(' '))}`))
    const where = first.length > 0 ? `${name} more` : name
    if (words === 'files') lines.push(line(where, '-F'))
    else lines.push(line(where, `-a ${quoted(fishWords(words, commands))}`))
  }
  return lines.join('\n')
}

/** Whether the words up to the cursor are of that command ('': there is none yet; --: the end of options was there). */
function fishFunction(global: readonly Option[]): readonly string[] {
  return [
    'function __abnpkg_is',
    '    set -l command',
    '    set -l count 0',
    '    set -l skip 0',
    '    for token in (commandline -opc)[2..-1]',
    '        if test $skip = 1',
    '            set skip 0',
    '            continue',
    '        end',
    '        switch $token',
    '            case --',
    '                test "$argv[1]" = --',
    '                return',
    `            case ${withValue(global).replaceAll('|', ' ')}`,
    '                set skip 1',
    "            case '-*'",
    "            case '*'",
    '                if test -z "$command"',
    '                    set command $token',
    '                else',
    '                    set count (math $count + 1)',
    '                end',
    '        end',
    '    end',
    '    test "$argv[1]" = "$command"; or return 1',
    '    switch "$argv[2]"',
    '        case first',
    '            test $count = 0',
    '        case more',
    '            test $count -gt 0',
    "        case '*'",
    '            return 0',
    '    end',
    'end',
  ]
}

function fishWords(words: Exclude<Words, 'files'>, commands: readonly Described[]): string {
  if (words === 'commands') return commands.map(({ name }) => name).join(' ')
  return `(abnpkg completions ${words === 'packages' ? 'names' : 'installed'} (commandline -ct) 2>/dev/null)`
}
