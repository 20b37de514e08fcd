/**
 * Turns the errors of the operating system that a person can do something about into AbnErrors; others pass unchanged.
 */
import { AbnError } from '../format/errors.ts'

/** Runs `action`; `what` says what failed, as in "cannot write /abn/var/version". */
export function withDiskErrors<T>(what: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw diskError(what, error)
  }
}

export function diskError(what: string, cause: unknown): unknown {
  if (cause instanceof AbnError) return cause
  switch (errorCode(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new AbnError('ABN_DISK_FULL', `${what}: no space left on the disk`, {
        hint: diskFullHint,
        cause,
      })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new AbnError('ABN_STORE_UNUSABLE', `${what}: ${messageOf(cause)}`, {
        hint: 'run as the user that owns the store, or set ABNPKG_ROOT to a directory of your own',
        cause,
      })
    case 'EIO':
    case 'ELOOP':
    case 'ENAMETOOLONG':
    case 'ENOTDIR':
      return new AbnError('ABN_STORE_UNUSABLE', `${what}: ${messageOf(cause)}`, { cause })
    default:
      return cause
  }
}

/** What can be removed at any time without harm. */
export const diskFullHint =
  'free some space, for example with `abnpkg gc`, or in var/failed, var/log and var/cache below the root of the store, or put the store on a larger disk with ABNPKG_ROOT'

/** 'ENOENT' and the like, or undefined. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
