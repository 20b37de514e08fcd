// For `abnpkg shell` and `run` inside a project: what its lock names, realised.
import type { StorePath } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import type { Arguments } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { storeFor } from '../session.ts'
import { textOfChange } from './changes.ts'
import { projectAt } from './find.ts'
import { useLock } from './use.ts'

export type ProjectEnvironment = {
  /** The outputs of the project's packages, in the order of their names. */
  readonly items: readonly StorePath[]
  readonly store: Store
  /** Where abnpkg.json is. */
  readonly directory: string
}

/**
 * Undefined where there is no project. Understands lockOptions and weakerOption (options.ts) and workOptions. What it names is a root for
 * garbage collection from then on. Throws what useLock throws.
 */
export async function projectEnvironment(
  args: Arguments,
  surroundings: Surroundings,
): Promise<ProjectEnvironment | undefined> {
  const project = projectAt(process.cwd())
  if (project === undefined) return undefined
  const store = storeFor(args)
  const { packages, changes } = await useLock({ args, surroundings, store, project })
  for (const change of changes) surroundings.output.note(`locked ${textOfChange(change)}`)
  return {
    items: packages.flatMap(({ outputs }) => outputs.map(({ path }) => path)),
    store,
    directory: project.directory,
  }
}
