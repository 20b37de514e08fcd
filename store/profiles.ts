/**
 * Profiles: `var/profiles/<name>` is a symbolic link to a generation, `var/generations/<name>/<number>/`, which holds
 * manifest.json and `root/`, a link forest (bin, lib, share, …). A generation never changes once it has its number.
 *
 * Reading is here; what makes and switches generations is in switch-profile.ts and loaded when it is used.
 * Every generation that exists is a root for garbage collection (roots.ts).
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { AbnError } from '../format/errors.ts'
import { compareBytewise } from '../format/order.ts'
import { errorCode, withDiskErrors } from './io-errors.ts'
import { type Manifest, type ProfilePackage, parseManifest } from './manifest.ts'
import type { Store } from './store.ts'

/** The profile that commands use when none is named. */
export const defaultProfile = 'default'

export type Generation = { readonly number: number; readonly manifest: Manifest }

/** The current generation, or undefined for a profile without one. Throws ABN_PROFILE_INVALID. */
export function readProfile(store: Store, profile: string): Generation | undefined {
  requireProfileName(profile)
  const number = currentNumber(store, profile)
  return number === undefined ? undefined : readGeneration(store, profile, number)
}

/** Throws ABN_PROFILE_INVALID when there is no such generation. */
export function readGeneration(store: Store, profile: string, number: number): Generation {
  const file = `${generationPath(store, profile, number)}/manifest.json`
  return withDiskErrors(`cannot read ${file}`, () => {
    try {
      return { number, manifest: parseManifest(readFileSync(file)) }
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
      throw new AbnError('ABN_PROFILE_INVALID', `profile ${profile} has no generation ${number}`, {
        hint: '`abnpkg generations` lists those that there are',
        cause: error,
      })
    }
  })
}

/** Where the profile's forest is, by way of the link that each switch replaces. */
export function profileRoot(store: Store, profile: string): string {
  return `${store.layout.profiles}/${profile}/root`
}

/** Ascending. */
export function listGenerations(store: Store, profile: string): readonly number[] {
  return namesIn(`${store.layout.generations}/${profile}`)
    .filter((name) => /^[1-9][0-9]{0,8}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
}

/** Sorted. Those of which a crash left only generations are among them. */
export function listProfiles(store: Store): readonly string[] {
  const names = [...namesIn(store.layout.profiles), ...namesIn(store.layout.generations)]
  return [...new Set(names)].filter((name) => PROFILE_NAME.test(name)).sort(compareBytewise)
}

export type NewGeneration = {
  readonly packages: readonly ProfilePackage[]
  /** Seconds since 1970. */
  readonly now: number
  /** As for writeForest; called for files in `bin` and `sbin` only. */
  readonly launcher?: (path: string, target: string) => string | Uint8Array | undefined
  /** The number of the generation that the packages were derived from; 0 for none. Default: not checked. */
  readonly basedOn?: number
}

/**
 * Makes a generation and switches the profile to it. Nothing has changed when it throws: ABN_PROFILE_COLLISION,
 * ABN_PROFILE_INVALID (also when another process was faster: basedOn), ABN_ITEM_MISSING, ABN_DISK_FULL.
 */
export async function switchToNewGeneration(
  store: Store,
  profile: string,
  options: NewGeneration,
): Promise<Generation> {
  const writer = await import('./switch-profile.ts')
  return await writer.switchToNewGeneration(store, profile, options)
}

/** Switches to a generation that exists. Throws ABN_PROFILE_INVALID, or ABN_ITEM_MISSING when packages of it are gone. */
export async function switchToGeneration(store: Store, profile: string, number: number): Promise<Generation> {
  const writer = await import('./switch-profile.ts')
  return await writer.switchToGeneration(store, profile, number)
}

/** Removes a profile with all its generations. Throws ABN_PROFILE_INVALID when there is none. */
export async function removeProfile(store: Store, profile: string): Promise<void> {
  const writer = await import('./switch-profile.ts')
  await writer.removeProfile(store, profile)
}

/** Removes a generation that is not the current one. Throws ABN_PROFILE_INVALID. */
export async function removeGeneration(store: Store, profile: string, number: number): Promise<void> {
  const writer = await import('./switch-profile.ts')
  await writer.removeGeneration(store, profile, number)
}

const PROFILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** Undefined for a profile without a generation. Throws ABN_PROFILE_INVALID. */
export function currentNumber(store: Store, profile: string): number | undefined {
  const link = `${store.layout.profiles}/${profile}`
  let target: string
  try {
    target = readlinkSync(link)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw new AbnError('ABN_PROFILE_INVALID', `${link} is not a symbolic link to a generation`, { cause: error })
  }
  const prefix = `../generations/${profile}/`
  const number = target.startsWith(prefix) ? target.slice(prefix.length) : ''
  if (!/^[1-9][0-9]{0,8}$/.test(number) || !existsSync(link)) {
    throw new AbnError('ABN_PROFILE_INVALID', `${link} leads to ${JSON.stringify(target)}, which is no generation`, {
      hint: 'remove the link and install again',
    })
  }
  return Number(number)
}

export function generationPath(store: Store, profile: string, number: number): string {
  return `${store.layout.generations}/${profile}/${number}`
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
}

export function requireProfileName(profile: string): void {
  if (!PROFILE_NAME.test(profile)) {
    throw new AbnError('ABN_PROFILE_INVALID', `${JSON.stringify(profile.slice(0, 100))} is not a name of a profile`)
  }
}
