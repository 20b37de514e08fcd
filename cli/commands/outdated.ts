// abnpkg outdated
import { findEntry } from '../../builder/evaluate/find.ts'
import { compareVersions } from '../../builder/evaluate/versions.ts'
import { AbnError } from '../../format/errors.ts'
import type { Command } from '../commands.ts'
import { noNames } from '../names.ts'
import { lockedPackages } from '../project/changes.ts'
import { lockOf, requireProject } from '../project/find.ts'
import { recipesOf } from '../project/recipes.ts'
import { wantedPackages } from '../project/wanted.ts'
import { storeToLookAt } from '../session.ts'

type Row = {
  readonly name: string
  readonly group: string
  readonly wanted: string
  /** Null for what is not locked. */
  readonly locked: string | null
  /** Highest version in the range, and of all; null when there is none any more. */
  readonly update: string | null
  readonly latest: string | null
}

export const outdated: Command = {
  usage: '',
  details: [
    "Lists what the recipes have in a higher version than abnpkg.lock: 'update' is what abnpkg update would lock, 'latest' may be out of",
    'range. Writes nothing, and the exit status is 0 either way.',
  ].join('\n'),
  options: {},
  async run(args, surroundings) {
    const { output } = surroundings
    noNames(args, 'outdated')
    const project = requireProject(process.cwd())
    const locked = new Map(lockedPackages(lockOf(project)).map(({ name, version }) => [name, version]))
    const context = { args, surroundings, store: storeToLookAt(args), project }
    const { evaluation } = await recipesOf({ addresses: project.file.channels, pins: [] }, context)
    const versionOf = async (spec: string) => {
      try {
        return (await findEntry(evaluation, spec)).version
      } catch (error) {
        if (error instanceof AbnError && /^ABN_(PACKAGE_(UNKNOWN|VERSION)$|RECIPE_)/.test(error.code)) return null
        throw error
      }
    }
    const rows: Row[] = []
    for (const { name, wanted, group } of wantedPackages(project.file)) {
      const row = { name, group, wanted, locked: locked.get(name) ?? null }
      const [update, latest] = [await versionOf(`${name}@${wanted}`), await versionOf(name)]
      const isCurrent =
        row.locked !== null &&
        [update, latest].every((one) => one !== null && compareVersions(one, row.locked ?? '') <= 0)
      if (!isCurrent) rows.push({ ...row, update, latest })
    }
    const table = [['package', 'locked', 'update', 'latest', 'wanted'], ...rows.map(cellsOf)]
    const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((cells) => cells[column]?.length ?? 0)))
    for (const cells of rows.length === 0 ? [] : table) {
      output.line(cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    }
    if (rows.length === 0) output.line('everything is up to date')
    output.document({ directory: project.directory, outdated: rows })
    return 0
  },
}

function cellsOf({ name, locked, update, latest, wanted }: Row): string[] {
  return [name, locked ?? '-', update ?? '-', latest ?? '-', wanted]
}
