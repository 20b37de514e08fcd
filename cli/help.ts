// What --help prints; with --json the same as data.
import { globalOptions, type OptionTable } from './args.ts'
import { type Command, type CommandEntry, commandGroups } from './commands.ts'
import type { Output } from './output.ts'

export function generalHelp(commands: Readonly<Record<string, CommandEntry>>, { line, document, paint }: Output): void {
  line('usage: abnpkg COMMAND [options] [NAME...]')
  line()
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  for (const { title, names } of groupsOf(commands)) {
    line(paint('bold', title))
    for (const name of names) line(`  ${name.padEnd(width)}  ${commands[name]?.summary}`)
    line()
  }
  optionLines(globalOptions).forEach((text) => {
    line(text)
  })
  line()
  line("'abnpkg COMMAND --help' explains a command. Exit status: 0 done, 1 failed, 2 usage, 130 interrupted.")
  const list = groupsOf(commands).flatMap(({ title, names }) =>
    names.map((name) => ({ name, summary: commands[name]?.summary, group: title })),
  )
  document({ commands: list, options: optionList(globalOptions) })
}

/** Commands that exist, by groups; those of none come last. */
export function groupsOf(commands: Readonly<Record<string, CommandEntry>>): readonly Group[] {
  const grouped = new Set(Object.values(commandGroups).flat())
  const groups = Object.entries(commandGroups).map(([title, names]) => ({
    title,
    names: names.filter((name) => commands[name] !== undefined),
  }))
  const rest = Object.keys(commands).filter((name) => !grouped.has(name))
  return [...groups, { title: 'other', names: rest }].filter(({ names }) => names.length > 0)
}

type Group = { readonly title: string; readonly names: readonly string[] }

export function helpOf(name: string, summary: string, command: Command, { line, document }: Output): void {
  line(`usage: abnpkg ${name} ${command.usage}`.trimEnd())
  line(summary)
  if (command.details) line(`\n${command.details}`)
  line()
  for (const text of optionLines({ ...command.options, ...globalOptions })) line(text)
  document({ name, summary, usage: command.usage, options: optionList({ ...command.options, ...globalOptions }) })
}

function optionLines(options: OptionTable): string[] {
  const lines = Object.entries(options).map(([name, { short, value, help }]) => {
    return { words: `${short ? `-${short}, ` : ''}--${name}${value ? ` ${value}` : ''}`, help }
  })
  const width = Math.max(...lines.map(({ words }) => words.length))
  return lines.map(({ words, help }) => `  ${words.padEnd(width)}  ${help}`)
}

function optionList(options: OptionTable): object[] {
  return Object.entries(options).map(([name, { help, value, type }]) => ({ name, type, value, help }))
}
