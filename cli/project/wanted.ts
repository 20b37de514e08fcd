// The packages that abnpkg.json names, those of both groups.
import type { PackageGroup, ProjectFile } from '../../format/project.ts'

export type Wanted = { readonly name: string; readonly wanted: string; readonly group: PackageGroup }

export function wantedPackages(file: ProjectFile): readonly Wanted[] {
  return (['packages', 'devPackages'] as const).flatMap((group) =>
    [...file[group]].map(([name, wanted]) => ({ name, wanted, group })),
  )
}
