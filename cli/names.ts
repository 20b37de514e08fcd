// The names of packages on a command line.
import { AbnError } from '../format/errors.ts'
import type { Arguments } from './args.ts'

export function oneName(args: Arguments, command: string, hint = `see 'abnpkg ${command} --help'`): string {
  const [name] = args.names
  if (name === undefined || args.names.length > 1) {
    throw new AbnError('ABN_USAGE', `${command}: expected the name of one package, got ${args.names.length}`, {
      hint,
    })
  }
  return name
}

/** For commands that have no names. */
export function noNames(args: Arguments, command: string): void {
  const [first] = args.names
  if (first === undefined) return
  throw new AbnError('ABN_USAGE', `${command}: expected no names, got '${first}'`, {
    hint: `see 'abnpkg ${command} --help'`,
  })
}

export function someNames(args: Arguments, command: string): readonly string[] {
  if (args.names.length === 0) {
    throw new AbnError('ABN_USAGE', `${command}: expected the names of packages`, {
      hint: `see 'abnpkg ${command} --help'`,
    })
  }
  return [...new Set(args.names)]
}
