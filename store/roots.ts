/**
 * What must never be removed, with the reason: the packages of every generation of every profile; explicit roots; what projects have
 * locked; what living processes hold (hold.ts) or merely use (processes.ts). All that these refer to is kept with them.
 *
 * var/gcroots/<name> is a file with one store path a line. One whose first line is `while <absolute path>` counts as long as that
 * file exists: so a project that is deleted keeps nothing.
 */
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { AbnError } from '../format/errors.ts'
import { compareBytewise } from '../format/order.ts'
import { parseStorePath, type StorePath } from '../format/store-path.ts'
import { readHolds } from './hold.ts'
import { errorCode } from './io-errors.ts'
import type { Lock } from './lock.ts'
import { pathsInUse } from './processes.ts'
import { listGenerations, readGeneration } from './profiles.ts'
import type { Store } from './store.ts'
import { temporaryPrefix, writeDurably } from './write-durably.ts'

export type Root = { readonly kind: RootKind; readonly name: string; readonly path: StorePath }

/** 'generation': the name is `<profile> <number>`; 'project': its lock file; 'process': `<pid> <program>`. */
export type RootKind = 'generation' | 'explicit' | 'project' | 'hold' | 'process'

/**
 * All that exist now. With the store's exclusive lock, what dead processes and deleted projects left is removed on the way. Throws for
 * what cannot be read: a profile that is not understood, such as one of a newer abnpkg, must not count as empty.
 */
export function listRoots(store: Store, exclusive?: Lock): readonly Root[] {
  return [
    ...generationRoots(store),
    ...readExplicitRoots(store).flatMap(({ name, paths, whileExists, isGone }) => {
      if (isGone && exclusive?.isHeld) removeRoot(store, name)
      if (isGone) return []
      const kind = whileExists === undefined ? 'explicit' : 'project'
      return paths.map((path) => ({ kind, name: whileExists ?? name, path }) as const)
    }),
    ...readHolds(store, exclusive).flatMap(({ name, paths }) =>
      paths.map((path) => ({ kind: 'hold', name, path }) as const),
    ),
    ...pathsInUse(store).map(({ path, process }) => ({ kind: 'process', name: process, path }) as const),
  ]
}

/** Of generations and explicit roots. Sorted. An explicit root may name what is not in the store any more. */
export function readRoots(store: Store): readonly StorePath[] {
  const explicit = readExplicitRoots(store).flatMap(({ paths, isGone }) => (isGone ? [] : paths))
  return [...new Set([...generationRoots(store).map(({ path }) => path), ...explicit])].sort(compareBytewise)
}

export type ExplicitRoot = {
  readonly name: string
  readonly paths: readonly StorePath[]
  /** The file on whose existence it depends, and whether that is gone. */
  readonly whileExists: string | undefined
  readonly isGone: boolean
}

/** Sorted by name. */
export function readExplicitRoots(store: Store): readonly ExplicitRoot[] {
  return namesIn(store.layout.gcroots)
    .filter((name) => !name.startsWith(temporaryPrefix))
    .sort(compareBytewise)
    .map((name) => {
      const lines = readFileSync(`${store.layout.gcroots}/${name}`, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
      const whileExists = lines[0]?.startsWith(WHILE) ? lines[0].slice(WHILE.length) : undefined
      const paths = lines.slice(whileExists === undefined ? 0 : 1).map(parseStorePath)
      return { name, paths, whileExists, isGone: whileExists !== undefined && isGone(whileExists) }
    })
}

/** Replaces an earlier root of that name. Take the store's shared lock before the items are known to exist. */
export function writeRoot(store: Store, name: string, paths: readonly StorePath[]): void {
  requireRootName(name)
  writeRootFile(store, name, paths.map((path) => `${path}\n`).join(''))
}

/**
 * What a project's lock names, for as long as that lock file (an absolute path) exists. Writes only what has changed, so that it can be
 * called each time. In a store that this user may only read it does nothing.
 */
export function writeProjectRoot(store: Store, lockFile: string, paths: readonly StorePath[]): void {
  if (!isAbsolute(lockFile) || lockFile.includes('\n')) return
  const name = `project-${createHash('sha256').update(lockFile).digest('hex').slice(0, 32)}`
  const text = [`${WHILE}${lockFile}`, ...[...new Set(paths)].sort(compareBytewise)].map((line) => `${line}\n`).join('')
  const file = `${store.layout.gcroots}/${name}`
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  try {
    writeRootFile(store, name, text)
  } catch (error) {
    if (!(error instanceof AbnError && error.code === 'ABN_STORE_UNUSABLE')) throw error
  }
}

export function removeRoot(store: Store, name: string): void {
  requireRootName(name)
  rmSync(`${store.layout.gcroots}/${name}`, { force: true })
}

const WHILE = 'while '

function generationRoots(store: Store): readonly Root[] {
  return namesIn(store.layout.generations).flatMap((profile) =>
    listGenerations(store, profile).flatMap((number) =>
      readGeneration(store, profile, number).manifest.packages.flatMap(({ paths }) =>
        paths.map((path) => ({ kind: 'generation', name: `${profile} ${number}`, path }) as const),
      ),
    ),
  )
}

function writeRootFile(store: Store, name: string, text: string): void {
  mkdirSync(store.layout.gcroots, { recursive: true })
  writeDurably(`${store.layout.gcroots}/${name}`, text)
}

/** One that this user may not look at may be there. */
function isGone(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) === undefined
  } catch (error) {
    return errorCode(error) === 'ENOTDIR'
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

function requireRootName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$/.test(name)) {
    throw new AbnError('ABN_PROFILE_INVALID', `${JSON.stringify(name.slice(0, 100))} is not a name of a root`)
  }
}
