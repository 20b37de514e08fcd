import type { Step } from 'abnpkg'

/** Files by directory: names separated by a space, '.c' where there is no other suffix. */
export type Files = Readonly<Record<string, string>>

const atOnce = 48 // files a process: so many that starting one costs nothing, so few that all cores have work

/** Steps that compile every file, each in its own directory, so that no object mentions a path. */
export function compile(command: readonly string[], files: Files): Step[] {
  return Object.entries(files).flatMap(([directory, names]) =>
    chunks(names.split(' ').map(sourceName)).map((sources) => ({
      args: [...command, '-c', ...sources],
      cwd: `/build/${directory}`,
      parallel: true,
    })),
  )
}

/** The objects that compile() leaves behind, relative to /build. */
export function objects(files: Files): string[] {
  return Object.entries(files).flatMap(([directory, names]) =>
    names.split(' ').map((name) => `${directory}/${name.replace(/\.[^.]*$/, '')}.o`),
  )
}

/** The sources, relative to /build. */
export function sources(files: Files): string[] {
  return Object.entries(files).flatMap(([directory, names]) =>
    names.split(' ').map((name) => `${directory}/${sourceName(name)}`),
  )
}

const sourceName = (name: string) => (name.includes('.') ? name : `${name}.c`)

function chunks<T>(all: readonly T[]): T[][] {
  const result: T[][] = []
  for (let i = 0; i < all.length; i += atOnce) result.push(all.slice(i, i + atOnce))
  return result
}
