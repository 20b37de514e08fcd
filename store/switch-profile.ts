/**
 * Makes, switches and removes the generations of profiles.
 *
 * Crash order: the generation is made in a workspace, renamed to its number, and then the profile's link is replaced by a
 * rename. So a crash leaves the old profile, perhaps with a generation that no profile has switched to yet.
 */
import { mkdirSync, renameSync, symlinkSync } from 'node:fs'
import { AbnError } from '../format/errors.ts'
import { compareBytewise } from '../format/order.ts'
import { type ForestSource, planForest, writeForest } from './forest.ts'
import { withDiskErrors } from './io-errors.ts'
import { takeLock } from './lock.ts'
import { encodeManifest, type Manifest, type ProfilePackage } from './manifest.ts'
import {
  currentNumber,
  type Generation,
  generationPath,
  listGenerations,
  type NewGeneration,
  readGeneration,
  requireProfileName,
} from './profiles.ts'
import type { Store } from './store.ts'
import { discard } from './workspace.ts'
import { syncPath, writeDurably } from './write-durably.ts'

export async function switchToNewGeneration(
  store: Store,
  profile: string,
  options: NewGeneration,
): Promise<Generation> {
  requireProfileName(profile)
  const packages = [...options.packages].sort((a, b) => compareBytewise(a.name, b.name))
  const manifest: Manifest = { format: 1, at: options.now, packages }
  const bytes = encodeManifest(manifest)
  using _shared = await store.lock('shared')
  using _own = await takeLock(`${store.layout.locks}/profile-${profile}`, 'exclusive')
  const current = currentNumber(store, profile) ?? 0
  if (options.basedOn !== undefined && options.basedOn !== current) {
    throw new AbnError('ABN_PROFILE_INVALID', `profile ${profile} was changed by another process`, {
      hint: 'try again',
    })
  }
  const nodes = planForest(
    packages.flatMap((one) => sourcesOf(store, one)),
    options.launcher ? PROGRAM_DIRECTORIES : [],
  )
  using workspace = await store.createWorkspace()
  return withDiskErrors(`cannot write profile ${profile}`, () => {
    const number = Math.max(current, ...listGenerations(store, profile)) + 1
    const place = generationPath(store, profile, number)
    const staged = `${workspace.directory}/generation`
    mkdirSync(`${staged}/root`, { recursive: true })
    const launcher: NewGeneration['launcher'] = (path, target) =>
      /^s?bin\/[^/]+$/.test(path) ? options.launcher?.(path, target) : undefined
    writeForest(`${staged}/root`, nodes, { place: `${place}/root`, launcher })
    writeDurably(`${staged}/manifest.json`, bytes)
    mkdirSync(`${store.layout.generations}/${profile}`, { recursive: true })
    renameSync(staged, place)
    syncPath(`${store.layout.generations}/${profile}`)
    point(store, profile, { number, workspace: workspace.directory })
    return { number, manifest }
  })
}

export async function switchToGeneration(store: Store, profile: string, number: number): Promise<Generation> {
  requireProfileName(profile)
  using _own = await takeLock(`${store.layout.locks}/profile-${profile}`, 'exclusive')
  const generation = readGeneration(store, profile, number)
  using workspace = await store.createWorkspace()
  withDiskErrors(`cannot switch profile ${profile}`, () =>
    point(store, profile, { number, workspace: workspace.directory }),
  )
  return generation
}

export async function removeGeneration(store: Store, profile: string, number: number): Promise<void> {
  requireProfileName(profile)
  using _own = await takeLock(`${store.layout.locks}/profile-${profile}`, 'exclusive')
  readGeneration(store, profile, number)
  if (currentNumber(store, profile) === number) {
    throw new AbnError('ABN_PROFILE_INVALID', `generation ${number} is the current one of profile ${profile}`, {
      hint: 'switch to another generation first',
    })
  }
  using workspace = await store.createWorkspace()
  discard(workspace, generationPath(store, profile, number))
}

const PROGRAM_DIRECTORIES = ['bin', 'sbin']

function sourcesOf(store: Store, { name, version, paths }: ProfilePackage): ForestSource[] {
  return paths.map((path) => {
    if (!store.has(path)) {
      throw new AbnError('ABN_ITEM_MISSING', `${path} is not in the store`, { hint: 'build or install it again' })
    }
    return { label: `${name}@${version}`, directory: store.physicalPath(path) }
  })
}

function point(store: Store, profile: string, { number, workspace }: { number: number; workspace: string }): void {
  const link = `${workspace}/link`
  symlinkSync(`../generations/${profile}/${number}`, link)
  renameSync(link, `${store.layout.profiles}/${profile}`)
  syncPath(store.layout.profiles)
}
