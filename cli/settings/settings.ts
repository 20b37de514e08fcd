// What settings there are, in words, and what holds now: an option of the command, else the environment variable, else the person's
// config.json, else the machine's, else the default. docs/settings.md and docs/schemas/config.schema.json are made from here.
import { AbnError } from '../../format/errors.ts'
import type { Arguments, OptionTable } from '../args.ts'
import {
  type Applied,
  isSettingName,
  problemOf,
  type Setting,
  type SettingName,
  type SettingValue,
  settings,
} from './settings-file.ts'

type Words = { readonly summary: string; readonly otherwise: string; readonly example: string }

/** `otherwise`: what holds where nothing is set. */
export const settingWords: Readonly<Record<SettingName, Words>> = {
  color: {
    summary: 'Whether what is printed has colours. `NO_COLOR` in the environment means never, too.',
    otherwise: 'auto: on a terminal',
    example: 'never',
  },
  cores: { summary: 'How many cores one build may use.', otherwise: 'all of the machine', example: '4' },
  debianMirror: {
    summary: 'Where `mirror://debian/` sources come from.',
    otherwise: "what the machine's apt uses",
    example: 'https://mirror.example.org/debian',
  },
  jobs: { summary: 'How many packages are built at once.', otherwise: 'half as many as there are cores', example: '2' },
  keepFailed: {
    summary: 'Whether the directory of a build that fails is kept (gc drops it after a week).',
    otherwise: 'false',
    example: 'true',
  },
  maxBuildTime: {
    summary: 'Fail rather than build what is expected to take longer.',
    otherwise: 'no limit',
    example: '30m',
  },
  maxSilent: { summary: 'Stop a build that says nothing for so long.', otherwise: '2h', example: '20m' },
  offline: { summary: 'Download nothing and ask no cache.', otherwise: 'false', example: 'true' },
  progress: {
    summary: 'Whether a terminal shows what goes on, in lines that are rewritten.',
    otherwise: 'auto: on a terminal',
    example: 'never',
  },
  root: {
    summary: 'Where the store is.',
    otherwise: '/abn where that can be written or made, else ~/.local/share/abnpkg',
    example: '/data/abn',
  },
  sourceCache: {
    summary: 'Where downloads are kept; several stores may share it.',
    otherwise: 'var/cache/sources below the root',
    example: '/data/sources',
  },
  timeout: { summary: 'Stop a build that takes longer.', otherwise: '12h', example: '4h' },
}

/** What the files said when this process started. Set once, by main.ts. */
let applied: Applied = { from: new Map(), problem: undefined }

export function noteApplied(now: Applied): void {
  applied = now
}

/** Throws ABN_CONFIGURATION when a file of settings is not valid. */
export function requireValidSettings(): void {
  if (applied.problem === undefined) return
  throw new AbnError('ABN_CONFIGURATION', applied.problem, {
    hint: "docs/settings.md lists the settings; 'abnpkg config path' says where the file is",
  })
}

export type Effective = {
  readonly value: SettingValue
  /** The name of the variable, or the file. */
  readonly from: string
}

/** Undefined when it is not set. Throws ABN_CONFIGURATION for a variable that holds no value of the setting. */
export function settingOf(name: SettingName, env: NodeJS.ProcessEnv = process.env): Effective | undefined {
  const { variable } = settings[name]
  const text = env[variable]
  if (text === undefined || text === '') return undefined
  const inFile = applied.from.get(name)
  if (inFile && String(inFile.value) === text) return { value: inFile.value, from: inFile.file }
  const value = settingValueOf(name, text)
  // A relative directory is resolved by whoever uses the variable.
  const problem = settings[name].kind === 'directory' ? undefined : problemOf(name, value)
  if (problem !== undefined) throw new AbnError('ABN_CONFIGURATION', `$${variable}: ${problem}`)
  return { value, from: `$${variable}` }
}

/** The arguments with the settings as the values of options that the command has and the line has not. */
export function withSettings(args: Arguments, table: OptionTable): Arguments {
  const set = Object.keys(settings).flatMap((name) => {
    if (!isSettingName(name) || name === 'root') return []
    const { option }: Setting = settings[name]
    if (option === undefined || table[option] === undefined || args.options[option] !== undefined) return []
    const value = settingOf(name)?.value
    if (value === undefined || value === false) return []
    return [[option, table[option].type === 'boolean' ? value === true : String(value)] as const]
  })
  return set.length === 0 ? args : { ...args, options: { ...args.options, ...Object.fromEntries(set) } }
}

/** The value that a text stands for, on a command line or in a variable; whether it may be one is another question. */
export function settingValueOf(name: SettingName, text: string): SettingValue {
  const { kind } = settings[name]
  if (kind === 'number') return /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : text
  if (kind === 'boolean')
    return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text
  return text
}

export function settingNames(): readonly SettingName[] {
  return Object.keys(settings).filter(isSettingName)
}
