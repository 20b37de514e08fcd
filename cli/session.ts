// What most commands begin with: which store, which recipes.
import { accessSync, existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Evaluation } from '../builder/evaluate/evaluation.ts'
import { AbnError } from '../format/errors.ts'
import { layoutOf } from '../store/layout.ts'
import { storeRootFrom } from '../store/root.ts'
import { openStore, Store } from '../store/store.ts'
import { type Arguments, textOption } from './args.ts'

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

/** Evaluates the recipes, or finds them evaluated. Results are remembered only where there is a store. */
export async function evaluationFor(args: Arguments, signal: AbortSignal): Promise<Evaluation> {
  const { evaluate, ownChannel } = await import('../builder/evaluate/evaluate.ts')
  const root = rootOf(args)
  const directory = textOption(args, 'channel') ?? (process.env.ABNPKG_CHANNEL || undefined)
  const channel = directory === undefined ? ownChannel : { ...ownChannel, directory: resolve(directory) }
  const cacheDirectory = `${layoutOf(root).cache}/evaluations`
  return evaluate([channel], existsSync(`${root}/var/version`) ? { cacheDirectory, signal } : { signal })
}
