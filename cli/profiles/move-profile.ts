// What install, upgrade and apply have in common: work out what changes in a profile, show it with the reasons, realise what is
// missing, and make one new generation of it.
import type { ProfilePackage } from '../../store/manifest.ts'
import { readProfile } from '../../store/profiles.ts'
import { carryOut, planFor, printPlan, type Work } from '../plans/work.ts'
import { type Change, changeProfile } from './profile.ts'
import { changesBetween, jsonOfChange, lineOfChange, lineOfDeed } from './profile-changes.ts'
import { withCauses } from './why-changed.ts'

export type Move = {
  readonly profile: string
  /** What has to be in the store; what the profile shows already is there. */
  readonly wanted: readonly ProfilePackage[]
  /** Whether the differences are told before the work begins, or what was done after it. */
  readonly tells: 'before' | 'after'
  /** Shown after the differences, such as what stays and why; fields of the document of --dry-run. */
  readonly lines?: readonly string[]
  readonly fields?: object
}

export type Moved = { readonly generation: number; readonly changes: readonly object[] }

/** Undefined after a --dry-run, whose result is printed. With nothing to change, no generation is made. */
export async function moveProfile(change: Change, work: Work, move: Move): Promise<Moved | undefined> {
  const { args, store, evaluation, surroundings } = work
  const { output, signal } = surroundings
  const { profile, wanted, lines = [], fields = {} } = move
  const current = readProfile(store, profile)
  const before = current?.manifest.packages ?? []
  const changes = await withCauses(changesBetween(before, change(before)), { store, evaluation })
  const changeLines = [...changes.map((one) => lineOfChange(one, output)), ...lines]
  const packages = wanted.flatMap(({ recipe }) => evaluation.byHash(recipe) ?? [])
  const plan = await planFor(packages, work)
  const changesAsJson = changes.map(jsonOfChange)
  if (args.options['dry-run'] === true) {
    await printPlan(plan, output, { before: changeLines, fields: { profile, changes: changesAsJson, ...fields } })
    return undefined
  }
  if (move.tells === 'before') for (const line of changeLines) output.line(line)
  // Held until the profile refers to what was built, so that no garbage collection comes between.
  using _ = await store.lock('shared', { signal })
  await carryOut(plan, work)
  if (changes.length === 0) return { generation: current?.number ?? 0, changes: [] }
  const { number } = await changeProfile(store, profile, change)
  if (move.tells === 'after') for (const one of changes) output.line(lineOfDeed(one))
  return { generation: number, changes: changesAsJson }
}
