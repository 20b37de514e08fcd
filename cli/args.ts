// Command lines: global options may stand before or after the command; everything unknown is refused, with
// the nearest known word as a hint. Parsing follows node:util parseArgs (GNU style, `--` ends the options).
import { type ParseArgsOptionDescriptor, parseArgs } from 'node:util'
import { nearest } from '../builder/evaluate/nearest.ts'
import { AbnError } from '../format/errors.ts'

export type OptionTable = Readonly<
  Record<string, ParseArgsOptionDescriptor & { readonly help: string; readonly value?: string }>
>

/** What a command sees of its line. `rest` is what stood after `--`. */
export type Arguments = {
  readonly options: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>
  readonly names: readonly string[]
  readonly rest: readonly string[]
}

export const globalOptions: OptionTable = {
  root: { type: 'string', value: 'DIR', help: 'where the store is (also $ABNPKG_ROOT)' },
  channel: { type: 'string', value: 'DIR', help: 'take recipes from this directory (also $ABNPKG_CHANNEL)' },
  json: { type: 'boolean', help: 'print one JSON document on standard output' },
  help: { type: 'boolean', short: 'h', help: 'explain the command' },
  version: { type: 'boolean', help: 'print the version' },
}

export function parseArguments(argv: readonly string[], table: OptionTable): Arguments {
  const end = argv.indexOf('--')
  const options = { ...globalOptions, ...table }
  try {
    const { values, positionals } = parseArgs({
      args: [...(end < 0 ? argv : argv.slice(0, end))],
      options,
      allowPositionals: true,
      strict: true,
    })
    return { options: values, names: positionals, rest: end < 0 ? [] : argv.slice(end + 1) }
  } catch (error) {
    throw usageErrorOf(error, Object.keys(options))
  }
}

/** Splits a line into the command's name and everything else; global options may stand before the name. */
export function splitCommand(argv: readonly string[]): {
  readonly name: string | undefined
  readonly args: readonly string[]
} {
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? ''
    if (word === '--') break
    if (!word.startsWith('-')) return { name: word, args: [...argv.slice(0, index), ...argv.slice(index + 1)] }
    if (globalOptions[word.slice(2)]?.type === 'string') index++
  }
  return { name: undefined, args: argv }
}

/** The whole number of at least `least` that was given with an option, if one was. */
export function numberOption(args: Arguments, name: string, { least }: { least: number }): number | undefined {
  const text = args.options[name]
  if (text === undefined) return undefined
  if (typeof text === 'string' && /^(0|[1-9][0-9]{0,5})$/.test(text) && Number(text) >= least) return Number(text)
  throw new AbnError(
    'ABN_USAGE',
    `option --${name}: expected a whole number of at least ${least}, got '${String(text)}'`,
  )
}

/** The time that was given with an option, in seconds: a number of them, or with s, m, h, d or w after it. */
export function durationOption(args: Arguments, name: string, { least }: { least: number }): number | undefined {
  const text = textOption(args, name)
  if (text === undefined) return undefined
  const seconds = secondsOf(text) ?? -1
  if (seconds >= least) return seconds
  throw new AbnError('ABN_USAGE', `option --${name}: expected a time such as 90s, 20m or 2h, got '${text}'`)
}

/** Seconds; undefined for what is no time. */
export function secondsOf(text: string): number | undefined {
  const [, count, unit] = /^([0-9]{1,6})([smhdw]?)$/.exec(text) ?? []
  if (count === undefined) return undefined
  return Number(count) * (UNIT_SECONDS[unit ?? ''] ?? 1)
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** The size that was given with an option, in bytes: 500M, 1.5G; units are powers of 1000, with `i` (2Gi) of 1024. */
export function sizeOption(args: Arguments, name: string): number | undefined {
  const text = textOption(args, name)
  if (text === undefined) return undefined
  const bytes = bytesOf(text)
  if (bytes !== undefined) return bytes
  throw new AbnError('ABN_USAGE', `option --${name}: expected a size such as 500M, 2G or 1.5Gi, got '${text}'`)
}

/** Undefined for what is no size. */
function bytesOf(text: string): number | undefined {
  const [, count, unit = '', binary] = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)([kKMGT]?)(i?)B?$/.exec(text) ?? []
  if (count === undefined || (unit === '' && binary !== '')) return undefined
  return Math.round(
    Number(count) * (binary === '' ? 1000 : 1024) ** ['', 'K', 'M', 'G', 'T'].indexOf(unit.toUpperCase()),
  )
}

export function textOption(args: Arguments, name: string): string | undefined {
  const text = args.options[name]
  return typeof text === 'string' ? text : undefined
}

function usageErrorOf(error: unknown, known: readonly string[]): unknown {
  if (!(error instanceof Error) || !('code' in error) || !String(error.code).startsWith('ERR_PARSE_ARGS')) return error
  const unknown = /^Unknown option '(-{1,2})([^']*)'/.exec(error.message)
  if (!unknown)
    return new AbnError(
      'ABN_USAGE',
      (error.message.split(/\.? To specify|\.?\n|\.$/)[0] ?? '').replace(/^Option/, 'option'),
    )
  const guess = nearest(unknown[2] ?? '', known)
  return new AbnError('ABN_USAGE', `unknown option ${unknown[1]}${unknown[2]}`, {
    hint: guess ? `did you mean --${guess}?` : 'see the options with --help',
  })
}
