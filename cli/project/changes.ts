// Whether a lock fits abnpkg.json, and what differs between two states of a lock; for people and as data.
import { compareVersions } from '../../builder/evaluate/versions.ts'
import type { RecipeHash } from '../../format/hash.ts'
import type { LockedPackage, Lockfile } from '../../format/lockfile.ts'
import type { ProjectFile } from '../../format/project.ts'
import type { Resolved } from './resolve.ts'
import { wantedPackages } from './wanted.ts'

export const thisSystem = 'x86_64-linux'

/** Of this system. */
export function lockedPackages(lock: Lockfile | undefined): readonly LockedPackage[] {
  return lock?.packages.filter(({ system }) => system === thisSystem) ?? []
}

/** Why the lock does not fit, in one sentence each; none when it does. Looks at the two files only. */
export function misfits(file: ProjectFile, lock: Lockfile): readonly string[] {
  const locked = new Map(lockedPackages(lock).map((one) => [one.name, one]))
  const wanted = wantedPackages(file)
  const names = new Set(wanted.map(({ name }) => name))
  return [
    ...wanted.flatMap(({ name, wanted: range, group }) => {
      const before = locked.get(name)
      if (before === undefined) return [`${name} is not locked`]
      if (before.wanted !== range) return [`${name} is locked for ${before.wanted}, and wanted is ${range}`]
      return before.group === group ? [] : [`${name} is locked among ${before.group}`]
    }),
    ...[...locked.keys()].filter((name) => !names.has(name)).map((name) => `${name} is locked, and not wanted`),
    ...[...file.channels].flatMap(([name, address]) => {
      const channel = lock.channels.find((one) => one.name === name)
      if (channel === undefined) return [`the channel ${name} is not locked`]
      return channel.url === address ? [] : [`the channel ${name} is locked with another address`]
    }),
    ...lock.channels
      .filter(({ name }) => name !== 'abnpkg' && !file.channels.has(name))
      .map(({ name }) => `the channel ${name} is locked, and not wanted`),
  ]
}

type State = { readonly version: string; readonly recipe: RecipeHash }

export type LockChange = {
  readonly name: string
  readonly kind: 'added' | 'removed' | 'upgraded' | 'downgraded' | 'recipe' | 'bits' | 'range'
  readonly from?: State
  readonly to?: State
}

/** Sorted by name. */
export function changesOf(before: Lockfile | undefined, after: readonly Resolved[]): readonly LockChange[] {
  const locked = new Map(lockedPackages(before).map((one) => [one.name, one]))
  const kept = new Set(after.map(({ name }) => name))
  const changes = after.flatMap(({ name, wanted, group, entry }): LockChange[] => {
    const old = locked.get(name)
    const to = { version: entry.version, recipe: entry.recipeHash }
    if (old === undefined) return [{ name, kind: 'added', to }]
    const from = { version: old.version, recipe: old.recipe }
    const order = compareVersions(from.version, to.version)
    if (order !== 0) return [{ name, kind: order < 0 ? 'upgraded' : 'downgraded', from, to }]
    if (from.recipe !== to.recipe) return [{ name, kind: 'recipe', from, to }]
    return old.wanted === wanted && old.group === group ? [] : [{ name, kind: 'range', from, to }]
  })
  const removed = [...locked.values()].flatMap(({ name, version, recipe }): LockChange[] =>
    kept.has(name) ? [] : [{ name, kind: 'removed', from: { version, recipe } }],
  )
  return [...changes, ...removed].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Packages that are the same by name, version and recipe, and yet have other digests. */
export function changedBits(before: Lockfile | undefined, after: Lockfile): readonly LockChange[] {
  const locked = new Map(lockedPackages(before).map((one) => [one.name, one]))
  const digests = ({ outputs, needs }: LockedPackage) => [...outputs, ...needs].map(({ digest }) => digest).join()
  return lockedPackages(after).flatMap((one): LockChange[] => {
    const old = locked.get(one.name)
    if (old?.recipe !== one.recipe || digests(old) === digests(one)) return []
    const state = { version: one.version, recipe: one.recipe }
    return [{ name: one.name, kind: 'bits', from: state, to: state }]
  })
}

/** `greet 1.0.0 -> 1.1.0` */
export function textOfChange({ name, kind, from, to }: LockChange): string {
  switch (kind) {
    case 'added':
      return `${name} ${to?.version}: new`
    case 'removed':
      return `${name} ${from?.version}: not locked any more`
    case 'upgraded':
    case 'downgraded':
      return `${name} ${from?.version} -> ${to?.version}`
    case 'recipe':
      return `${name} ${to?.version}: made by another recipe`
    case 'bits':
      return `${name} ${to?.version}: other bits`
    case 'range':
      return `${name} ${to?.version}: same version, another range or group`
    default:
      return kind satisfies never
  }
}
