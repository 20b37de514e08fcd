// abnpkg config list, get, set, unset, path
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { nearest } from '../../builder/evaluate/nearest.ts'
import { writeConfiguration } from '../../builder/substitute/configuration.ts'
import { AbnError } from '../../format/errors.ts'
import type { Arguments } from '../args.ts'
import type { Command } from '../commands.ts'
import type { Output } from '../output.ts'
import { requireValidSettings, settingNames, settingOf, settingValueOf, settingWords } from '../settings/settings.ts'
import {
  isSettingName,
  problemOf,
  type SettingName,
  type SettingValue,
  settings,
  settingsFiles,
  valuesIn,
} from '../settings/settings-file.ts'

export const config: Command = {
  usage: 'list | get NAME | set NAME VALUE | unset NAME | path',
  details: [
    'Settings are kept in one file, config.json in your configuration directory; for all users in /etc/abnpkg. An option on the',
    'command line goes before an environment variable, that before your file, that before the one of the machine.',
    '',
    ...settingNames().map(
      (name) =>
        `  ${name.padEnd(13)} $${settings[name].variable.padEnd(22)} ${settingWords[name].summary.replaceAll('`', '')}`,
    ),
    '',
    'Caches, the policy and channels have commands and files of their own.',
  ].join('\n'),
  options: { system: { type: 'boolean', help: 'the settings of the machine, for all users' } },
  async run(args, { output }) {
    const [word, ...rest] = args.names
    const [name, value] = rest
    if (word === 'path' && rest.length === 0) return printPath(args, output)
    if ((word === undefined || word === 'list') && rest.length === 0) return list(output)
    if (word === 'get' && name !== undefined && rest.length === 1) return get(nameOf(name), output)
    if (word === 'set' && name !== undefined && value !== undefined && rest.length === 2)
      return change(nameOf(name), value, { args, output })
    if (word === 'unset' && name !== undefined && rest.length === 1)
      return change(nameOf(name), undefined, { args, output })
    throw new AbnError('ABN_USAGE', `config: expected list, get NAME, set NAME VALUE, unset NAME or path`, {
      hint: "see 'abnpkg config --help'",
    })
  },
}

function list(output: Output): number {
  requireValidSettings()
  const rows = settingNames().map((name) => {
    const { variable } = settings[name]
    const set = settingOf(name)
    return {
      name,
      value: set?.value ?? null,
      from: set?.from ?? null,
      otherwise: settingWords[name].otherwise,
      variable,
    }
  })
  for (const { name, value, from, otherwise } of rows) {
    const text = value === null ? output.paint('dim', otherwise) : `${value}  ${output.paint('dim', `(${from})`)}`
    output.line(`${name.padEnd(13)} ${text}`)
  }
  output.document(rows)
  return 0
}

function get(name: SettingName, output: Output): number {
  requireValidSettings()
  const set = settingOf(name)
  if (set === undefined) output.note(`not set; ${settingWords[name].otherwise}`)
  else output.line(String(set.value))
  output.document({ name, value: set?.value ?? null, from: set?.from ?? null })
  return set === undefined ? 1 : 0
}

type Change = { readonly args: Arguments; readonly output: Output }

/** Undefined: takes it out. A file that is not valid is not written over. */
function change(name: SettingName, text: string | undefined, { args, output }: Change): number {
  const file = fileOf(args)
  const before = existsSync(file) ? valuesIn(readText(file)) : new Map<SettingName, SettingValue>()
  if (typeof before === 'string') {
    throw new AbnError('ABN_CONFIGURATION', `${file}: ${before}`, { hint: 'mend it with an editor, or remove it' })
  }
  const after = new Map(before)
  if (text === undefined) after.delete(name)
  else {
    const value = settingValueOf(name, text)
    const problem = problemOf(name, value)
    if (problem !== undefined) throw new AbnError('ABN_USAGE', `config: ${name}: ${problem}`)
    after.set(name, value)
  }
  const values = Object.fromEntries([...after].sort(([a], [b]) => (a < b ? -1 : 1)))
  writeConfiguration(dirname(file), basename(file), `${JSON.stringify({ format: 1, ...values }, undefined, 2)}\n`)
  output.line(text === undefined ? `${name} is not set in ${file}` : `${name} is ${after.get(name)} in ${file}`)
  const { variable } = settings[name]
  const set = settingOf(name)
  if (set?.from === `$${variable}`) output.note(`hint: $${variable} goes before the file while it is set`)
  output.document({ name, value: after.get(name) ?? null, file })
  return 0
}

function printPath(args: Arguments, output: Output): number {
  const file = fileOf(args)
  output.line(file)
  output.document({ file, exists: existsSync(file) })
  return 0
}

function fileOf(args: Arguments): string {
  const files = settingsFiles(process.env)
  const file = args.options.system === true ? files.at(-1) : files[0]
  if (file === undefined || (files.length < 2 && args.options.system !== true)) {
    throw new AbnError('ABN_CONFIGURATION', 'there is no home directory', { hint: 'set HOME, or use --system' })
  }
  return file
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new AbnError('ABN_CONFIGURATION', `cannot read ${file}`, { cause })
  }
}

function nameOf(word: string): SettingName {
  if (isSettingName(word)) return word
  const guess = nearest(word, settingNames())
  throw new AbnError('ABN_USAGE', `config: there is no setting called '${word}'`, {
    hint: guess ? `did you mean ${guess}?` : "see 'abnpkg config list'",
  })
}
