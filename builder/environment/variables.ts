/**
 * The variables by which programs find what is in packages. No directory of links is made: each variable is a list of the
 * packages' own directories, the package that was named first in front, and behind them what the variable held before.
 */
import { statSync } from 'node:fs'
import type { StorePath } from '../../format/store-path.ts'

type SearchPath = {
  readonly variable: string
  /** Below a package. */
  readonly directories: readonly string[]
  /** What an unset or empty variable stands for; an empty entry at the end where its readers take that for their default. */
  readonly unset?: string
}

const searchPaths: readonly SearchPath[] = [
  { variable: 'PATH', directories: ['bin', 'sbin'], unset: '/usr/local/bin:/usr/bin:/bin' },
  { variable: 'MANPATH', directories: ['share/man'], unset: '' },
  { variable: 'INFOPATH', directories: ['share/info'], unset: '' },
  { variable: 'XDG_DATA_DIRS', directories: ['share'], unset: '/usr/local/share:/usr/share' },
  { variable: 'CPATH', directories: ['include'] },
  { variable: 'LIBRARY_PATH', directories: ['lib'] },
  { variable: 'PKG_CONFIG_PATH', directories: ['lib/pkgconfig', 'share/pkgconfig'] },
  { variable: 'ACLOCAL_PATH', directories: ['share/aclocal'] },
]

export type VariablesOptions = {
  /** Where an item is on disk. */
  readonly physicalPath: (path: StorePath) => string
  /** What the lists are put in front of; undefined: they stand alone. */
  readonly inherited: Readonly<Record<string, string | undefined>> | undefined
}

/** Only variables for which the packages have something, and PATH in any case. */
export function searchVariables(
  items: readonly StorePath[],
  { physicalPath, inherited }: VariablesOptions,
): Readonly<Record<string, string>> {
  const entries = searchPaths.flatMap(({ variable, directories, unset }) => {
    const found = items.flatMap((item) => {
      const place = physicalPath(item)
      return directories.filter((each) => isDirectory(`${place}/${each}`)).map((each) => `${item}/${each}`)
    })
    if (found.length === 0 && variable !== 'PATH') return []
    const rest = inherited === undefined ? undefined : inherited[variable] || unset
    return [[variable, [...found, ...(rest === undefined ? [] : [rest])].join(':')] as const]
  })
  return Object.fromEntries(entries)
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
