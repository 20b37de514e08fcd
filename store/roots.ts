/**
 * What must never be removed: the packages of every generation of every profile, and the explicit roots in var/gcroots, files
 * with one store path a line. All that these refer to is kept with them (Store.closureOf).
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { AbnError } from '../format/errors.ts'
import { parseStorePath, type StorePath } from '../format/store-path.ts'
import { listGenerations, readGeneration } from './profiles.ts'
import type { Store } from './store.ts'
import { temporaryPrefix, writeDurably } from './write-durably.ts'

/** Sorted. An explicit root may name what is not in the store any more. */
export function readRoots(store: Store): readonly StorePath[] {
  const roots = new Set<StorePath>()
  for (const profile of readdirSync(store.layout.generations)) {
    for (const number of listGenerations(store, profile)) {
      for (const { paths } of readGeneration(store, profile, number).manifest.packages)
        for (const path of paths) roots.add(path)
    }
  }
  for (const name of readdirSync(store.layout.gcroots)) {
    if (name.startsWith(temporaryPrefix)) continue
    const lines = readFileSync(`${store.layout.gcroots}/${name}`, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
    for (const line of lines) roots.add(parseStorePath(line))
  }
  return [...roots].sort()
}

/** Replaces an earlier root of that name. Take the store's shared lock before the items are known to exist. */
export function writeRoot(store: Store, name: string, paths: readonly StorePath[]): void {
  requireRootName(name)
  mkdirSync(store.layout.gcroots, { recursive: true })
  writeDurably(`${store.layout.gcroots}/${name}`, paths.map((path) => `${path}\n`).join(''))
}

export function removeRoot(store: Store, name: string): void {
  requireRootName(name)
  rmSync(`${store.layout.gcroots}/${name}`, { force: true })
}

function requireRootName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$/.test(name)) {
    throw new AbnError('ABN_PROFILE_INVALID', `${JSON.stringify(name.slice(0, 100))} is not a name of a root`)
  }
}
