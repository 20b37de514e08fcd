/**
 * Makes, switches and removes the generations of profiles.
 *
 * Crash order: the generation is made in a workspace, renamed to its number, and then the profile's link is replaced by a
 * rename. So a crash leaves the old profile, perhaps with a generation that no profile has switched to yet; that one has its
 * number and is listed, and it can be switched to or deleted as any other.
 */
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { AbnError } from '../format/errors.ts'
import { compareBytewise } from '../format/order.ts'
import { flushFiles } from './flush.ts'
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
  const manifest: Manifest = { at: Math.max(0, options.now), packages }
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
  const number = Math.max(current, ...listGenerations(store, profile)) + 1
  const place = generationPath(store, profile, number)
  const staged = `${workspace.directory}/generation`
  const what = `cannot write profile ${profile}`
  const launcher: NewGeneration['launcher'] = (path, target) =>
    /^s?bin\/[^/]+$/.test(path) ? options.launcher?.(path, target) : undefined
  const previous = current === 0 ? undefined : `${generationPath(store, profile, current)}/root`
  const written = withDiskErrors(what, () => {
    mkdirSync(`${staged}/root`, { recursive: true })
    const programs = writeForest(`${staged}/root`, nodes, { place: `${place}/root`, launcher, previous })
    writeDurably(`${staged}/manifest.json`, bytes)
    mkdirSync(`${store.layout.generations}/${profile}`, { recursive: true })
    return programs
  })
  if (store.isDurable) await flushFiles(written)
  return withDiskErrors(what, () => {
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
  if (currentNumber(store, profile) === number) return generation
  for (const one of generation.manifest.packages) sourcesOf(store, one)
  using workspace = await store.createWorkspace()
  withDiskErrors(`cannot switch profile ${profile}`, () =>
    point(store, profile, { number, workspace: workspace.directory }),
  )
  return generation
}

/** Not while garbage is collected, which reads the manifests of all generations. */
export async function removeGeneration(store: Store, profile: string, number: number): Promise<void> {
  requireProfileName(profile)
  using _shared = await store.lock('shared')
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

/** Crash order: the link, then the generations, so that what is left is a profile without a current generation. */
export async function removeProfile(store: Store, profile: string): Promise<void> {
  requireProfileName(profile)
  using _shared = await store.lock('shared')
  using _own = await takeLock(`${store.layout.locks}/profile-${profile}`, 'exclusive')
  const generations = `${store.layout.generations}/${profile}`
  if (!existsSync(generations)) {
    throw new AbnError('ABN_PROFILE_INVALID', `there is no profile called ${profile}`, {
      hint: '`abnpkg profile list` shows which there are',
    })
  }
  using workspace = await store.createWorkspace()
  withDiskErrors(`cannot remove profile ${profile}`, () => {
    rmSync(`${store.layout.profiles}/${profile}`, { force: true })
    syncPath(store.layout.profiles)
    discard(workspace, generations)
  })
}

const PROGRAM_DIRECTORIES = ['bin', 'sbin']

/** Throws ABN_ITEM_MISSING. */
function sourcesOf(store: Store, { name, version, paths, priority }: ProfilePackage): ForestSource[] {
  return paths.map((path) => {
    if (!store.has(path)) {
      throw new AbnError('ABN_ITEM_MISSING', `${path} is not in the store`, { hint: 'build or install it again' })
    }
    const output = path.split(`-${name}-${version}-`)[1]
    const label = `${name}@${version}${output === undefined ? '' : ` (${output})`}`
    return { label, directory: store.physicalPath(path), priority }
  })
}

function point(store: Store, profile: string, { number, workspace }: { number: number; workspace: string }): void {
  const link = `${workspace}/link`
  symlinkSync(`../generations/${profile}/${number}`, link)
  renameSync(link, `${store.layout.profiles}/${profile}`)
  syncPath(store.layout.profiles)
}
