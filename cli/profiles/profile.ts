// The profile that a command means, and changing it: one new generation for each change, with launchers where the store is not
// at /abn/store.
import { join } from 'node:path'
import type { PackageEntry } from '../../builder/evaluate/records.ts'
import { AbnError } from '../../format/errors.ts'
import { storeDirectory } from '../../format/store-path.ts'
import { highestPriority, isPriority, type ProfilePackage } from '../../store/manifest.ts'
import {
  defaultProfile,
  type Generation,
  profileRoot,
  readProfile,
  requireProfileName,
  switchToNewGeneration,
} from '../../store/profiles.ts'
import type { Store } from '../../store/store.ts'
import { type Arguments, type OptionTable, textOption } from '../args.ts'
import type { Output } from '../output.ts'

export const profileOption: OptionTable = {
  profile: { type: 'string', value: 'NAME', help: `the profile that is meant; '${defaultProfile}' unless told` },
}

/** Throws ABN_PROFILE_INVALID for what cannot be the name of a profile. */
export function profileOf(args: Arguments): string {
  const name = textOption(args, 'profile') ?? defaultProfile
  requireProfileName(name)
  return name
}

export const priorityOption: OptionTable = {
  priority: {
    type: 'string',
    value: 'N',
    help: `whose file is shown where two packages bring the same; 0 unless told, up to ${highestPriority}, --priority=-N for less`,
  },
}

/** Undefined when none is given. Throws ABN_USAGE. */
export function priorityOf(args: Arguments): number | undefined {
  const text = textOption(args, 'priority')
  if (text === undefined) return undefined
  const number = /^(0|-?[1-9][0-9]{0,3})$/.test(text) ? Number(text) : undefined
  if (isPriority(number)) return number
  throw new AbnError(
    'ABN_USAGE',
    `option --priority: expected a whole number from -${highestPriority} to ${highestPriority}, got '${text}'`,
  )
}

export type Wish = Pick<ProfilePackage, 'requested' | 'priority'>

/** What a profile notes of a package that was found for a wish. */
export function packageOf({ name, version, recipeHash, outputs }: PackageEntry, wish: Wish): ProfilePackage {
  const { requested, priority } = wish
  return { name, version, recipe: recipeHash, paths: Object.values(outputs).sort(), requested, priority }
}

export type Change = (packages: readonly ProfilePackage[]) => readonly ProfilePackage[]

/** Applies the change to the newest generation; another process that is quicker only makes it try again. */
export async function changeProfile(store: Store, profile: string, change: Change): Promise<Generation> {
  const launcher = await launcherFor(store)
  for (;;) {
    const current = readProfile(store, profile)
    const basedOn = current?.number ?? 0
    const packages = change(current?.manifest.packages ?? [])
    const now = Math.floor(Date.now() / 1000)
    try {
      return await switchToNewGeneration(store, profile, { packages, now, basedOn, ...launcher })
    } catch (error) {
      const overtaken = (readProfile(store, profile)?.number ?? 0) !== basedOn
      if (!(error instanceof AbnError && overtaken)) throw error
    }
  }
}

/** What a person has to type once, or undefined when the profile is on PATH already. */
export function pathLine(store: Store, profile: string): string | undefined {
  const directory = join(profileRoot(store, profile), 'bin')
  const isThere = (process.env.PATH ?? '').split(':').includes(directory)
  return isThere ? undefined : `export PATH="${directory.replace(/[\\"$`]/g, '\\$&')}:$PATH"`
}

export type Explained = { readonly profile: string; readonly example: string }

export function explainPath(store: Store, output: Output, { profile, example }: Explained): void {
  const line = pathLine(store, profile)
  if (line === undefined) return
  output.note(
    `hint: to start programs by their names, put this line into ~/.profile (or type 'abnpkg run ${example}'):`,
  )
  output.note(`  ${line}`)
}

/** `--profile NAME` after a command in a hint, where it is not the default. */
export function profileWords(profile: string): string {
  return profile === defaultProfile ? '' : ` --profile ${profile}`
}

async function launcherFor(store: Store) {
  const { isAtItsPlace, launcherMaker } = await import('../../builder/sandbox/launcher.ts')
  if (isAtItsPlace(store.layout.store)) return {}
  const { programCacheOf } = await import('../../builder/sandbox/programs.ts')
  const make = await launcherMaker({ store: store.layout.store, cache: programCacheOf(store) })
  return {
    launcher: (_: string, target: string) => make(`${storeDirectory}${target.slice(store.layout.store.length)}`),
  }
}
