/** Which shell is started, and how it is told not to undo the environment. */
import { accessSync, constants, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { AbnError } from '../../format/errors.ts'

/** Read by every interactive bash of ours, inside a container too. */
export const bashStartupFile = join(import.meta.dirname, 'bashrc')

/** The user's own shell, else /bin/sh. Throws ABN_SHELL_MISSING. */
export function userShell(wanted: string | undefined): string {
  const found = [wanted, '/bin/sh'].find((path) => path?.startsWith('/') && isProgram(path))
  if (found !== undefined) return found
  throw new AbnError('ABN_SHELL_MISSING', `there is no shell: neither ${wanted ?? '$SHELL'} nor /bin/sh is a program`, {
    hint: 'set SHELL, or say after -- what to run',
  })
}

/** `startup`: the start-up file of bash, as the shell will see it. A pure shell reads none of the user's. */
export function shellArguments(
  shell: string,
  { pure, startup }: { readonly pure: boolean; readonly startup: string },
): readonly string[] {
  switch (basename(shell)) {
    case 'bash':
      return ['--rcfile', startup]
    case 'zsh':
      return pure ? ['-f'] : []
    case 'fish':
      return pure ? ['--no-config'] : []
    default:
      return []
  }
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
