// What most commands begin with: which store, which recipes.
import { accessSync, existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Channel } from '../builder/evaluate/channel.ts'
import type { Evaluation } from '../builder/evaluate/evaluation.ts'
import { AbnError } from '../format/errors.ts'
import { layoutOf } from '../store/layout.ts'
import { storeRootFrom } from '../store/root.ts'
import { openStore, Store } from '../store/store.ts'
import { type Arguments, textOption } from './args.ts'
import { settingsFiles } from './settings/settings-file.ts'

export function rootOf(args: Arguments): string {
  const given = textOption(args, 'root')
  return given === undefined ? storeRootFrom(process.env) : resolve(given)
}

/** The store, which is made when there is none. */
export function storeFor(args: Arguments): Store {
  return openStore({ root: rootOf(args) })
}

/** The store if there is one: a command that only looks makes none. Throws ABN_STORE_UNUSABLE where there can be none. */
export function existingStore(args: Arguments): Store | undefined {
  const root = rootOf(args)
  try {
    accessSync(`${root}/var/version`)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw new AbnError('ABN_STORE_UNUSABLE', `${root} cannot be a store`, {
      hint: 'name a directory that you can read and write with --root or ABNPKG_ROOT',
      cause,
    })
  }
  return openStore({ root })
}

/** As if the store were there: for commands that only look. */
export function storeToLookAt(args: Arguments): Store {
  return existingStore(args) ?? new Store(layoutOf(rootOf(args)), true)
}

/**
 * The packages of our own recipes and of the channels given, or else of those that the user has configured. Evaluates the
 * recipes, or finds them evaluated. Results are remembered only where there is a store.
 */
export async function evaluationFor(
  args: Arguments,
  signal: AbortSignal,
  channels?: readonly Channel[],
): Promise<Evaluation> {
  const root = rootOf(args)
  const { cache } = layoutOf(root)
  const remembering = existsSync(`${root}/var/version`) ? { cacheDirectory: `${cache}/evaluations` } : {}
  const { evaluate, ownChannel } = await import('../builder/evaluate/evaluate.ts')
  const directory = textOption(args, 'channel') ?? (process.env.ABNPKG_CHANNEL || undefined)
  const own = directory === undefined ? ownChannel : { ...ownChannel, directory: resolve(directory) }
  if (channels === undefined ? !hasChannels() : channels.length === 0)
    return evaluate([own], { ...remembering, signal })
  const { evaluateConfigured, evaluateWith } = await import('../builder/channels/evaluate-channels.ts')
  if (channels !== undefined) return evaluateWith(channels, { ...remembering, own, signal })
  const { readChannels } = await import('../builder/channels/configuration.ts')
  const { configurationDirectories } = await import('../builder/substitute/configuration.ts')
  const configured = readChannels(configurationDirectories(process.env))
  const checkout = { cacheDirectory: `${cache}/channels`, signal, offline: isOffline(args) }
  return evaluateConfigured(configured, { ...remembering, own, signal, checkout })
}

/** Whether nothing may be fetched. */
export function isOffline(args: Arguments): boolean {
  return args.options.offline === true || process.env.ABNPKG_OFFLINE === 'true'
}

/** Only a look, as most people have none: what the files say is for who reads them. */
function hasChannels(): boolean {
  return settingsFiles(process.env).some((file) => existsSync(`${dirname(file)}/channels.json`))
}
