/**
 * Where the store is: $ABNPKG_ROOT, else /abn when it is writable or can be created, else ~/.local/share/abnpkg.
 */
import { isAbsolute, join, resolve } from 'node:path'
import { AbnError } from '../format/errors.ts'

/** An absolute path. Throws ABN_STORE_UNUSABLE when there is neither a root nor a home directory. */
export function storeRootFrom(environment: Readonly<Record<string, string | undefined>>): string {
  if (environment.ABNPKG_ROOT) return resolve(environment.ABNPKG_ROOT)
  if (isWritable('/abn')) return '/abn'
  const home = environment.HOME
  if (home === undefined || !isAbsolute(home)) {
    throw new AbnError('ABN_STORE_UNUSABLE', '/abn is not writable and there is no home directory', {
      hint: 'set ABNPKG_ROOT to a directory for the store',
    })
  }
  return join(home, '.local/share/abnpkg')
}

function isWritable(path: string): boolean {
  // As an import it would load far more (node:fs/promises), and this module is on the way of every command.
  const { accessSync, constants } = process.getBuiltinModule('node:fs')
  try {
    accessSync(path, constants.W_OK | constants.X_OK)
    return true
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return isMissing && path !== '/' && isWritable('/')
  }
}
