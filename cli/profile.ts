// Changing the profile: one new generation for each change, with launchers where the store is not at /abn/store.
import { join } from 'node:path'
import { AbnError } from '../format/errors.ts'
import { storeDirectory } from '../format/store-path.ts'
import type { ProfilePackage } from '../store/manifest.ts'
import { defaultProfile, type Generation, profileRoot, readProfile, switchToNewGeneration } from '../store/profiles.ts'
import type { Store } from '../store/store.ts'
import type { Output } from './output.ts'

export type Change = (packages: readonly ProfilePackage[]) => readonly ProfilePackage[]

/** Applies the change to the newest generation; another process that is quicker only makes it try again. */
export async function changeProfile(store: Store, change: Change): Promise<Generation> {
  const launcher = await launcherFor(store)
  for (;;) {
    const current = readProfile(store, defaultProfile)
    const basedOn = current?.number ?? 0
    const packages = change(current?.manifest.packages ?? [])
    const now = Math.floor(Date.now() / 1000)
    try {
      return await switchToNewGeneration(store, defaultProfile, { packages, now, basedOn, ...launcher })
    } catch (error) {
      const overtaken = (readProfile(store, defaultProfile)?.number ?? 0) !== basedOn
      if (!(error instanceof AbnError && overtaken)) throw error
    }
  }
}

/** What a person has to type once, or undefined when the profile is on PATH already. */
export function pathLine(store: Store): string | undefined {
  const directory = join(profileRoot(store, defaultProfile), 'bin')
  const isThere = (process.env.PATH ?? '').split(':').includes(directory)
  return isThere ? undefined : `export PATH="${directory.replace(/[\\"$`]/g, '\\$&')}:$PATH"`
}

export function explainPath(store: Store, output: Output, example: string): void {
  const line = pathLine(store)
  if (line === undefined) return
  output.note(
    `hint: to start programs by their names, put this line into ~/.profile (or type 'abnpkg run ${example}'):`,
  )
  output.note(`  ${line}`)
}

async function launcherFor(store: Store) {
  const { isAtItsPlace, launcherMaker } = await import('../builder/sandbox/launcher.ts')
  if (isAtItsPlace(store.layout.store)) return {}
  const { programCacheOf } = await import('../builder/realise/run.ts')
  const make = await launcherMaker({ store: store.layout.store, cache: programCacheOf(store) })
  return {
    launcher: (_: string, target: string) => make(`${storeDirectory}${target.slice(store.layout.store.length)}`),
  }
}
