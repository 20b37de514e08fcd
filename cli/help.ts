// What --help prints; with --json the same as data.
import { globalOptions, type OptionTable } from './args.ts'
import type { Command, CommandEntry } from './commands.ts'
import type { Output } from './output.ts'

export function generalHelp(commands: Readonly<Record<string, CommandEntry>>, { line, document }: Output): void {
  line('usage: abnpkg COMMAND [options] [NAME...]')
  line()
  for (const [name, { summary }] of Object.entries(commands)) line(`  ${name.padEnd(8)}  ${summary}`)
  line()
  optionLines(globalOptions).forEach((text) => {
    line(text)
  })
  line()
  line("'abnpkg COMMAND --help' explains a command. Exit status: 0 done, 1 failed, 2 usage, 130 interrupted.")
  const list = Object.entries(commands).map(([name, { summary }]) => ({ name, summary }))
  document({ commands: list, options: optionList(globalOptions) })
}

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
