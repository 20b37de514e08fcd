// What a word on the command line means to commands that look into the store: a store path; a package of the profile; else the
// package that the recipes give, if it is there; else whatever is there by that name. So also what no recipe makes any more is found.
import { readdirSync } from 'node:fs'
import { AbnError } from '../../format/errors.ts'
import {
  parseStoreItem,
  parseStorePath,
  type StorePath,
  storeDirectory,
  storePathOfItem,
} from '../../format/store-path.ts'
import { readProfile } from '../../store/profiles.ts'
import type { Group } from '../../store/sizes.ts'
import type { Store } from '../../store/store.ts'
import type { Arguments } from '../args.ts'
import { profileOf } from '../profiles/profile.ts'
import { evaluationFor } from '../session.ts'

export type Looked = { readonly store: Store; readonly args: Arguments; readonly signal: AbortSignal }

/** Its paths that are in the store, at least one. Throws ABN_ITEM_MISSING. */
export async function namedInStore(word: string, { store, args, signal }: Looked): Promise<Group> {
  if (word.startsWith(`${storeDirectory}/`) || word.startsWith(`${store.layout.store}/`))
    return groupOfPath(word, store)
  const installed = readProfile(store, profileOf(args))?.manifest.packages ?? []
  const mine = installed.find(({ name, version }) => word === name || word === `${name}@${version}`)
  if (mine?.paths.every((path) => store.has(path))) return { label: `${mine.name} ${mine.version}`, paths: mine.paths }
  const evaluated = await evaluatedPaths(word, { store, args, signal })
  if (evaluated) return evaluated
  const there = allPaths(store).filter((path) => isCalled(path, word))
  if (there.length > 0) {
    const newest = there.map((path) => store.readItem(path)).sort((a, b) => b.origin.at - a.origin.at)[0]
    const paths = there.filter((path) => store.readItem(path).recipe === newest?.recipe)
    if (newest) return { label: `${newest.name} ${newest.version}`, paths }
  }
  throw new AbnError('ABN_ITEM_MISSING', `${word} is not in the store`, {
    hint: `abnpkg build ${word} builds it; abnpkg search finds names`,
  })
}

/** Sorted. Names of records that are none of ours are left out. */
export function allPaths(store: Store): readonly StorePath[] {
  return readdirSync(store.layout.items)
    .filter((name) => /^[a-z2-7]{32}-.*\.json$/.test(name))
    .sort()
    .map((name) => storePathOfItem(parseStoreItem(name.slice(0, -'.json'.length))))
}

/** `/abn/store/<hash>-lua-5.4` as `lua-5.4`. */
export function shortName(path: StorePath): string {
  return path.slice(storeDirectory.length + 34)
}

function groupOfPath(word: string, store: Store): Group {
  const item = word
    .replace(/\/+$/, '')
    .slice(word.startsWith(`${storeDirectory}/`) ? storeDirectory.length : store.layout.store.length)
  const path = parseStorePath(storeDirectory + item)
  store.readItem(path)
  return { label: shortName(path), paths: [path] }
}

/** Undefined where no recipe is found, or what it makes is not there. */
async function evaluatedPaths(word: string, { store, args, signal }: Looked): Promise<Group | undefined> {
  const { findEntry } = await import('../../builder/evaluate/find.ts')
  try {
    const { name, version, outputs } = await findEntry(await evaluationFor(args, signal), word)
    const paths = Object.values(outputs).filter((path) => store.has(path))
    return paths.length === 0 ? undefined : { label: `${name} ${version}`, paths }
  } catch (error) {
    signal.throwIfAborted()
    // A channel that cannot be evaluated does not keep anybody from looking at what is there.
    if (error instanceof AbnError) return undefined
    throw error
  }
}

/** `lua` or `lua@5.4.6` for lua-5.4.6, with or without an output. Versions begin with a letter or a digit, names may hold hyphens. */
function isCalled(path: StorePath, word: string): boolean {
  const [name = '', version] = word.split('@')
  const text = shortName(path)
  if (!text.startsWith(`${name}-`)) return false
  const rest = text.slice(name.length + 1)
  return version === undefined ? /^[0-9]/.test(rest) : rest === version || rest.startsWith(`${version}-`)
}
