// Names of packages of a project.
import { nearest } from '../../builder/evaluate/nearest.ts'
import { AbnError } from '../../format/errors.ts'
import type { Project } from './find.ts'
import { wantedPackages } from './wanted.ts'

/** Throws ABN_PROJECT_PACKAGE. */
export function requireInProject(names: readonly string[], { file, directory }: Project): void {
  const known = wantedPackages(file).map(({ name }) => name)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return
  const guess = nearest(unknown, known)
  const hint = guess === undefined ? "'abnpkg add NAME' adds one" : `did you mean ${guess}?`
  throw new AbnError('ABN_PROJECT_PACKAGE', `${unknown} is not among the packages of ${directory}/abnpkg.json`, {
    hint,
  })
}
