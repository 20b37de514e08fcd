// From ranges to packages: what is locked stays, as long as it is in its range and not told to move; the rest is the highest in its range.
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import { findEntry } from '../../builder/evaluate/find.ts'
import type { PackageEntry } from '../../builder/evaluate/records.ts'
import { semanticVersionOf } from '../../builder/evaluate/versions.ts'
import type { LockedPackage } from '../../format/lockfile.ts'
import type { PackageGroup, ProjectFile } from '../../format/project.ts'
import { wantedPackages } from './wanted.ts'

export type Resolved = {
  readonly name: string
  readonly wanted: string
  readonly group: PackageGroup
  readonly entry: PackageEntry
}

/** `locked`: what may stay, by name. Throws ABN_PACKAGE_UNKNOWN, ABN_PACKAGE_VERSION or what is wrong with a recipe. */
export async function resolveProject(
  file: ProjectFile,
  evaluation: Evaluation,
  locked: ReadonlyMap<string, LockedPackage>,
): Promise<readonly Resolved[]> {
  const resolved: Resolved[] = []
  for (const { name, wanted, group } of wantedPackages(file)) {
    const before = locked.get(name)
    const kept = before && (await isInRange(before.version, wanted)) ? sameVersion(before, evaluation) : undefined
    resolved.push({
      name,
      wanted,
      group,
      entry: kept ?? (await findEntry(evaluation, `${name}@${wanted}`, { refuseBroken: true })),
    })
  }
  return resolved
}

/** As find.ts reads a range: the version itself, or a range of node-semver. */
export async function isInRange(version: string, range: string): Promise<boolean> {
  if (version === range) return true
  const { default: semver } = await import('semver')
  const semantic = semanticVersionOf(version)
  return semantic !== undefined && semver.satisfies(semantic, range)
}

/** What `add` writes for a package of which nobody has said a range: what a change that breaks nothing may bring. */
export function rangeFor(version: string): string {
  if (/^(0|[1-9][0-9]{0,9})(\.(0|[1-9][0-9]{0,9})){0,2}$/.test(version)) return `^${version}`
  const semantic = semanticVersionOf(version)
  return semantic === undefined ? version : `^${semantic}`
}

function sameVersion({ name, version, recipe }: LockedPackage, evaluation: Evaluation): PackageEntry | undefined {
  const entries = evaluation.entriesNamed(name).filter((entry) => entry.version === version)
  return entries.find(({ recipeHash }) => recipeHash === recipe) ?? entries.find(({ hidden }) => !hidden) ?? entries[0]
}
