/**
 * A channel is a directory with recipe modules. Only plain files are read, never through a symbolic link below the channel's
 * directory, so that a recipe can show the evaluator nothing but what the channel holds.
 */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { compareBytewise } from '../../format/order.ts'

export type Channel = {
  /** Recipes of other channels import its modules as '<name>/<module>'. Ours is 'abnpkg'. */
  readonly name: string
  readonly directory: string
  /** Where in the directory the modules are, such as 'recipes/packages'. */
  readonly modules: string
}

/** Module identifiers are paths from the channel's directory, after '<channel>:' for channels other than ours. */
export type ModuleId = string

export const mainChannel = 'abnpkg'

/** All files of a channel's modules directory that end in .ts, and the directories; both relative to the channel's directory. */
export type ChannelListing = { readonly modules: readonly string[]; readonly directories: readonly string[] }

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._+-]*$/

export function moduleIdOf(channel: Channel, path: string): ModuleId {
  return channel.name === mainChannel ? path : `${channel.name}:${path}`
}

/** Throws ABN_CHANNEL_UNREADABLE. */
export function listChannel(channel: Channel): ChannelListing {
  const modules: string[] = []
  const directories: string[] = []
  const visit = (path: string) => {
    directories.push(path)
    for (const entry of readDirectory(channel, path)) {
      const below = `${path}/${entry.name}`
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      if (entry.isDirectory()) visit(below)
      else if (entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts')) {
        if (!entry.isFile()) throw unreadable(channel, below, 'it is not a plain file; links are not followed')
        if (!NAME.test(entry.name)) throw unreadable(channel, below, 'use only A-Z a-z 0-9 . _ + - in names of modules')
        modules.push(below)
      }
    }
  }
  requirePlainPath(channel, channel.modules)
  visit(channel.modules)
  return { modules: modules.sort(compareBytewise), directories: directories.sort(compareBytewise) }
}

/** Throws when a directory on the way from the channel's directory to `path` is a symbolic link. */
function requirePlainPath(channel: Channel, path: string): void {
  const parts = path.split('/')
  for (let count = 1; count <= parts.length; count++) {
    const stat = lstatSync(join(channel.directory, ...parts.slice(0, count)), { throwIfNoEntry: false })
    if (!stat?.isDirectory()) throw unreadable(channel, path, 'there is no such directory')
  }
}

function readDirectory(channel: Channel, path: string) {
  try {
    return readdirSync(join(channel.directory, path), { withFileTypes: true })
  } catch (cause) {
    throw unreadable(channel, path, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

function unreadable(channel: Channel, path: string, reason: string, cause?: unknown): AbnError {
  return new AbnError('ABN_CHANNEL_UNREADABLE', `cannot read ${join(channel.directory, path)}: ${reason}`, {
    hint: `a channel is a directory with recipes in ${channel.modules}/`,
    cause,
  })
}
