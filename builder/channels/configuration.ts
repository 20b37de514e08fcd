/**
 * Which channels a person follows: channels.json in the user's configuration directory, then in the system's. Specification:
 * docs/formats/channel.md. Nothing else adds a channel. Their order counts: of two channels with a package of one name
 * the earlier one is meant.
 */
import { existsSync, readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import type { JsonValue } from '../../format/canonical-json.ts'
import { AbnError } from '../../format/errors.ts'
import { below, booleanOf, fieldsOf, isObject, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { parseSha256 } from '../../format/hash.ts'
import { type ConfigurationDirectories, writeConfiguration } from '../substitute/configuration.ts'
import { parseObjectId } from './git-objects.ts'
import { type ChannelPin, parseChannelAddress, requireBranch, requireChannelName } from './pin.ts'
import { parseSshKey, type SshKey } from './ssh-key.ts'

/** `signed`: every commit since the introduction is checked. `live`: a directory, read as it is at every command. */
export type ConfiguredChannel = SignedChannel | UnsignedChannel | LiveChannel

export type SignedChannel = Followed & { readonly kind: 'signed'; readonly introduction: Introduction }
export type UnsignedChannel = Followed & { readonly kind: 'unsigned' }
export type LiveChannel = { readonly kind: 'live'; readonly name: string; readonly directory: string }

/** Whom to trust at first: that commit, if that key has signed it. */
export type Introduction = { readonly commit: string; readonly key: SshKey }

type Followed = {
  readonly name: string
  readonly pin: ChannelPin
  /** '' is the branch that the repository itself puts forward (HEAD). */
  readonly branch: string
  /** Stays at its commit until it is told otherwise. */
  readonly isPinned: boolean
}

export const channelsFileName = 'channels.json'

/** The user's come first and hide the system's of the same name. Throws ABN_CONFIGURATION. */
export function readChannels({ user, system }: ConfigurationDirectories): readonly ConfiguredChannel[] {
  const all = [user, system].flatMap((directory) => (directory === undefined ? [] : readChannelsIn(directory)))
  return all.filter((one, i) => all.findIndex(({ name }) => name === one.name) === i)
}

/** Those of one directory. Throws ABN_CONFIGURATION. */
export function readChannelsIn(directory: string): readonly ConfiguredChannel[] {
  const file = join(directory, channelsFileName)
  if (!existsSync(file)) return []
  const place: Place = { path: '', fail: (reason) => new AbnError('ABN_CONFIGURATION', `${file}: ${reason}`) }
  try {
    return parseChannels(readFileSync(file, 'utf8'), place)
  } catch (cause) {
    if (cause instanceof AbnError && cause.code === 'ABN_CONFIGURATION') throw cause
    const reason = cause instanceof AbnError ? `: ${cause.message}` : ''
    throw new AbnError('ABN_CONFIGURATION', `cannot read ${file}${reason}`, { cause })
  }
}

/** Throws place.fail and the errors of what it holds. */
export function parseChannels(text: string, place: Place): readonly ConfiguredChannel[] {
  requireThat(text.length < LONGEST, place, 'it is too long')
  const fields = fieldsOf(JSON.parse(text), place, ['channels', 'format'])
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  const channels = listOf(fields.channels, below(place, 'channels'), channelIn)
  const names = new Set(channels.map(({ name }) => name))
  requireThat(names.size === channels.length, below(place, 'channels'), 'two have the same name')
  return channels
}

export function writeChannels(directory: string, channels: readonly ConfiguredChannel[]): void {
  writeConfiguration(directory, channelsFileName, encodeChannels(channels))
}

export function encodeChannels(channels: readonly ConfiguredChannel[]): string {
  return `${JSON.stringify({ format: 1, channels: channels.map(jsonOfChannel) }, undefined, 2)}\n`
}

/** As it stands in the file. */
export function jsonOfChannel(channel: ConfiguredChannel): object {
  const { kind, name } = channel
  if (kind === 'live') return { name, kind, directory: channel.directory }
  const { pin, branch, isPinned } = channel
  const introduction = kind === 'signed' ? { introduction: channel.introduction } : {}
  return { name, kind, url: pin.url, branch, ...introduction, commit: pin.commit, digest: pin.digest, pinned: isPinned }
}

const LONGEST = 1024 * 1024

const FIELDS = {
  live: ['directory', 'kind', 'name'],
  unsigned: ['branch', 'commit', 'digest', 'kind', 'name', 'pinned', 'url'],
  signed: ['branch', 'commit', 'digest', 'introduction', 'kind', 'name', 'pinned', 'url'],
} as const

function channelIn(value: JsonValue, place: Place): ConfiguredChannel {
  requireThat(isObject(value), place, 'expected an object')
  const { kind } = value
  if (kind === 'live') {
    const fields = fieldsOf(value, place, FIELDS.live)
    const directory = textOf(fields.directory, below(place, 'directory'))
    requireThat(isAbsolute(directory), below(place, 'directory'), 'expected an absolute path')
    return { kind, name: nameIn(fields.name, place), directory }
  }
  if (kind === 'unsigned') return { kind, ...followedIn(fieldsOf(value, place, FIELDS.unsigned), place) }
  requireThat(kind === 'signed', below(place, 'kind'), 'expected signed, unsigned or live')
  const fields = fieldsOf(value, place, FIELDS.signed)
  const at = below(place, 'introduction')
  const { commit, key } = fieldsOf(fields.introduction, at, ['commit', 'key'])
  const introduction = {
    commit: parseObjectId(textOf(commit, below(at, 'commit'))),
    key: parseSshKey(textOf(key, below(at, 'key'))),
  }
  return { kind, ...followedIn(fields, place), introduction }
}

function followedIn(fields: Record<(typeof FIELDS.unsigned)[number], JsonValue>, place: Place): Followed {
  const name = nameIn(fields.name, place)
  const url = textOf(fields.url, below(place, 'url'))
  const branch = textOf(fields.branch, below(place, 'branch'))
  parseChannelAddress(url)
  if (branch !== '') requireBranch(branch)
  const commit = parseObjectId(textOf(fields.commit, below(place, 'commit')))
  const digest = parseSha256(textOf(fields.digest, below(place, 'digest')))
  return {
    name,
    pin: { name, url, commit, digest },
    branch,
    isPinned: booleanOf(fields.pinned, below(place, 'pinned')),
  }
}

function nameIn(value: JsonValue, place: Place): string {
  const name = textOf(value, below(place, 'name'))
  requireChannelName(name)
  return name
}
