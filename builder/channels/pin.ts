/**
 * A channel at one commit, as configurations and lockfiles name it; the names and addresses that channels may have. What git
 * is given as an address is either an http(s) URL or the absolute path of a directory, never anything that begins with a
 * dash or names another transport.
 */
import { isAbsolute } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'

export type ChannelPin = {
  readonly name: string
  /** https://…, http://…, or the absolute path of a repository on this machine. */
  readonly url: string
  /** The full name of a commit. */
  readonly commit: string
  /** Of the canonical archive of what the channel may use of the commit: channel-tree.ts. */
  readonly digest: Sha256
}

export type ChannelAddress =
  | { readonly kind: 'http'; readonly url: string }
  | { readonly kind: 'directory'; readonly directory: string }

/** Throws ABN_CHANNEL_NAME. */
export function requireChannelName(name: string): void {
  if (!NAME.test(name)) {
    throw new AbnError('ABN_CHANNEL_NAME', `not a name for a channel: ${JSON.stringify(name.slice(0, 80))}`, {
      hint: 'use a lowercase letter, then lowercase letters, digits and single dashes, at most 32',
    })
  }
  if (!RESERVED.has(name)) return
  throw new AbnError('ABN_CHANNEL_NAME', `a channel cannot be called '${name}': the name has a meaning of its own`, {
    hint: 'choose another name; it is yours only, and recipes of the channel need not know it',
  })
}

/** Throws ABN_CHANNEL_ADDRESS. */
export function parseChannelAddress(text: string): ChannelAddress {
  if (text.length > 2000 || /[\p{Cc}\p{Cf}]/u.test(text)) throw invalid(text, 'it is too long or has hidden characters')
  if (isAbsolute(text)) return { kind: 'directory', directory: text }
  const url = URL.parse(text)
  if (url === null || !/^https?:\/\//i.test(text) || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw invalid(text, 'expected https://… or the path of a directory')
  }
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    throw invalid(text, 'it may not hold a user, a password or a fragment')
  }
  return { kind: 'http', url: url.href }
}

/** The name of a branch, as `git check-ref-format --branch` allows it, and plainer. Throws ABN_CHANNEL_ADDRESS. */
export function requireBranch(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$/.test(name) && !/\.\.|\/\/|\/$|\.$|\.lock(\/|$)|\/[.-]/.test(name)) return
  throw new AbnError('ABN_CHANNEL_ADDRESS', `not the name of a branch: ${JSON.stringify(name.slice(0, 80))}`)
}

const NAME = /^[a-z](?:-?[a-z0-9]){0,31}$/
const RESERVED = new Set(['abnpkg', 'module', 'node', 'http', 'https', 'file', 'mirror', 'recipes', 'bootstrap'])

function invalid(text: string, reason: string): AbnError {
  return new AbnError('ABN_CHANNEL_ADDRESS', `not the address of a channel: ${JSON.stringify(text.slice(0, 200))}`, {
    hint: reason,
  })
}
