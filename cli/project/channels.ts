// The channels that a project names. It may name only what the user has, under the same name and address. The lock may name a commit of
// such a channel, and the lock is a stranger's: of a signed channel the commit must be one that counts since the introduction that the user
// has given, of another one it must be among those before the user's own commit or the newest one of the branch.
import { mkdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type ConfiguredChannel, readChannels } from '../../builder/channels/configuration.ts'
import type { FollowedChannel } from '../../builder/channels/follow.ts'
import { type ChannelPin, parseChannelAddress } from '../../builder/channels/pin.ts'
import type { Channel } from '../../builder/evaluate/channel.ts'
import { configurationDirectories } from '../../builder/substitute/configuration.ts'
import { AbnError } from '../../format/errors.ts'
import { sha256Of } from '../../format/hash.ts'
import type { LockedChannel } from '../../format/lockfile.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { isOffline } from '../session.ts'
import type { ProjectContext } from './context.ts'

export type WantedChannels = {
  /** Addresses by name. */
  readonly addresses: ReadonlyMap<string, string>
  /** At these commits, where they are named; else as the user has them now. */
  readonly pins: readonly LockedChannel[]
}

export type ProjectChannel = {
  readonly channel: Channel
  readonly address: string
  /** Undefined for a directory that is read as it is. */
  readonly pin: ChannelPin | undefined
}

/** Throws ABN_PROJECT_CHANNEL, and what fetching a channel throws. */
export async function projectChannels(
  { addresses, pins }: WantedChannels,
  context: ProjectContext,
): Promise<readonly ProjectChannel[]> {
  if (addresses.size === 0) return []
  const configured = readChannels(configurationDirectories(process.env))
  const channels: ProjectChannel[] = []
  for (const [name, address] of addresses) {
    const own = configured.find((one) => one.name === name)
    if (own === undefined || !isAt(own, address, context)) throw notOfTheUser(name, address, own)
    if (own.kind === 'live') {
      const channel = { name, directory: own.directory, modules: 'recipes/packages' }
      channels.push({ channel, address, pin: undefined })
    } else {
      const locked = pins.find((one) => one.name === name)
      const pin = locked === undefined ? own.pin : await trustedPin(own, locked, context)
      const { checkedOut } = await import('../../builder/channels/checkout.ts')
      channels.push({ channel: await checkedOut(pin, fetchOptions(context)), address, pin })
    }
  }
  return channels
}

/** A path is relative to the project. */
function isAt(own: ConfiguredChannel, address: string, { project }: ProjectContext): boolean {
  const isUrl = /^https?:/i.test(address)
  const parsed = parseChannelAddress(isUrl ? address : resolve(project.directory, address))
  const place = parsed.kind === 'http' ? parsed.url : parsed.directory
  return place === (own.kind === 'live' ? own.directory : own.pin.url)
}

function notOfTheUser(name: string, address: string, own: ConfiguredChannel | undefined): AbnError {
  const has = own === undefined ? 'you have none of that name' : 'yours of that name is another one'
  return new AbnError(
    'ABN_PROJECT_CHANNEL',
    `the project takes packages from the channel ${name} at ${address}; ${has}`,
    {
      hint:
        own === undefined
          ? `if you want recipes from there: 'abnpkg channel add ${name} ${address}'`
          : "'abnpkg channel list' shows yours",
    },
  )
}

/** The locked commit as a pin. Throws ABN_PROJECT_CHANNEL when it may not be believed. */
async function trustedPin(own: FollowedChannel, locked: LockedChannel, context: ProjectContext): Promise<ChannelPin> {
  const { name, commit, digest } = locked
  const { url } = own.pin
  if (commit === undefined) throw untrusted(name, 'the lock names no commit of it')
  const pin = { name, url, commit, digest }
  if (commit === own.pin.commit) {
    if (digest === own.pin.digest) return pin
    throw untrusted(name, `commit ${commit} holds ${own.pin.digest}, and the lock says ${digest}`)
  }
  const note = `${context.store.layout.cache}/projects/commit-${sha256Of(JSON.stringify([own.kind, introductionOf(own), own.branch, pin]))}`
  if (isNoted(note)) return pin
  if (isOffline(context.args)) {
    throw new AbnError(
      'ABN_CHANNEL_OFFLINE',
      `whether commit ${commit} of the channel ${name} counts is not known here, and this run is offline`,
      {
        hint: 'run once without --offline',
      },
    )
  }
  await requireTrusted(own, pin, context)
  mkdirSync(`${context.store.layout.cache}/projects`, { recursive: true })
  writeDurably(note, 'counts\n')
  return pin
}

async function requireTrusted(
  own: FollowedChannel,
  { name, url, commit, digest }: ChannelPin,
  context: ProjectContext,
): Promise<void> {
  const { Repository } = await import('../../builder/channels/repository.ts')
  const { authenticate, readHistory } = await import('../../builder/channels/authenticate.ts')
  const { readChannelTree } = await import('../../builder/channels/channel-tree.ts')
  const { parseObjectId } = await import('../../builder/channels/git-objects.ts')
  await using repository = await Repository.open(url, fetchOptions(context))
  const { read } = repository
  const head = parseObjectId(commit)
  await repository.fetchCommit(head)
  let history =
    own.kind === 'signed'
      ? await authenticate(read, { head, introduction: own.introduction })
      : await readHistory(read, head)
  if (own.kind === 'unsigned') {
    // A server gives out commits that never were in the branch, such as those of somebody's copy of the repository.
    const yours = parseObjectId(own.pin.commit)
    await repository.fetchCommit(yours)
    const isOlder = (await readHistory(read, yours)).contains(commit)
    if (!isOlder && !(await readHistory(read, await repository.fetchBranch(own.branch))).contains(commit)) {
      throw untrusted(name, `commit ${commit} is not in its history`)
    }
    history = await readHistory(read, head)
  }
  const tree = await readChannelTree(read, history.headCommit.tree)
  if (tree.digest !== digest)
    throw untrusted(name, `commit ${commit} holds ${tree.digest}, and the lock says ${digest}`)
}

function introductionOf(own: FollowedChannel): object | null {
  return own.kind === 'signed' ? own.introduction : null
}

function fetchOptions({ store, surroundings, args }: ProjectContext) {
  const offline = isOffline(args)
  return { cacheDirectory: `${store.layout.cache}/channels`, signal: surroundings.signal, offline }
}

function isNoted(file: string): boolean {
  try {
    return readFileSync(file, 'utf8') === 'counts\n'
  } catch {
    return false
  }
}

function untrusted(name: string, why: string): AbnError {
  return new AbnError(
    'ABN_PROJECT_CHANNEL',
    `the lock names a state of the channel ${name} that is not taken: ${why}`,
    {
      hint: "take abnpkg.lock from version control; 'abnpkg update' locks the state that you have",
    },
  )
}
