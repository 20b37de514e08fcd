// The errors of fetching: which code, which words, and what to do next.

import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import type { FailureKind, Tried } from './outcome.ts'

export const sourceFailure = { ofTried, ofLocal, ofOffline, ofFileSystem, combine }

/** All addresses failed. A wrong file is worse news than an absent one, and an absent one than a broken network. */
function ofTried(sha256: Sha256, tried: readonly Tried[], cacheDirectory: string): AbnError {
  const lines = tried.map(({ address, failure }) => `  ${address}: ${failure.detail}`)
  const has = (...kinds: readonly FailureKind[]) => tried.some(({ failure }) => kinds.includes(failure.why))
  const byHand = `save the file as ${cacheDirectory}/${sha256}`
  const listing =
    lines.length === 0
      ? ', because the recipe names no address that this machine can look up'
      : `:\n${lines.join('\n')}`
  if (has('wrong-hash', 'wrong-size')) {
    return new AbnError(
      'ABN_SOURCE_WRONG_HASH',
      `no address has the source that the recipe names: expected SHA-256 ${sha256}${listing}`,
      {
        hint: `if upstream has replaced the file, have the recipe checked; if you have the right one, ${byHand}`,
      },
    )
  }
  if (has('network', 'slow', 'skipped')) {
    return new AbnError('ABN_SOURCE_UNREACHABLE', `could not download the source with SHA-256 ${sha256}${listing}`, {
      hint: `check the network and http_proxy, name a mirror in ABNPKG_DEBIAN_MIRROR, or ${byHand}`,
    })
  }
  return new AbnError('ABN_SOURCE_NOT_FOUND', `could not find the source with SHA-256 ${sha256}${listing}`, {
    hint: `name a Debian mirror in ABNPKG_DEBIAN_MIRROR, add an address to the recipe, or ${byHand}`,
  })
}

function ofLocal(sha256: Sha256, { path, got }: { readonly path: string; readonly got: string }): AbnError {
  return new AbnError('ABN_SOURCE_WRONG_HASH', `local source "${path}": expected SHA-256 ${sha256}, got ${got}`, {
    hint: 'it changed after the recipe was evaluated: run the command again',
  })
}

function ofOffline(sha256: Sha256, cacheDirectory: string): AbnError {
  return new AbnError(
    'ABN_SOURCE_OFFLINE',
    `the source with SHA-256 ${sha256} is not cached, and this run is offline`,
    {
      hint: `run once without --offline, or save the file as ${cacheDirectory}/${sha256}`,
    },
  )
}

function ofFileSystem(error: Error & { readonly code: string }, cacheDirectory: string): AbnError {
  if (error.code === 'ENOSPC' || error.code === 'EDQUOT') {
    return new AbnError('ABN_DISK_FULL', `no space left for sources in ${cacheDirectory}`, {
      hint: 'make room, or set ABNPKG_SOURCE_CACHE to a directory on another disk',
      cause: error,
    })
  }
  return new AbnError('ABN_SOURCE_CACHE', `cannot use the source cache ${cacheDirectory}: ${error.message}`, {
    hint: 'make the directory writable, or set ABNPKG_SOURCE_CACHE to another one',
    cause: error,
  })
}

/** One error for what several sources ran into; the first decides the code. */
function combine(errors: readonly unknown[], cacheDirectory: string): unknown {
  const unexpected = errors.find((error) => !(error instanceof AbnError))
  if (unexpected !== undefined)
    return isFileSystemError(unexpected) ? ofFileSystem(unexpected, cacheDirectory) : unexpected
  const [first, ...others] = errors.filter((error) => error instanceof AbnError)
  if (first === undefined || others.length === 0) return first
  const message = [first, ...others].map((error) => error.message).join('\n')
  return new AbnError(first.code, message, { ...(first.hint === undefined ? {} : { hint: first.hint }), cause: errors })
}

export function isFileSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string'
}
