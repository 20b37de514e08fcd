/**
 * The build environment of a recipe, for a person: the container is what the sandbox of the build is (the same variables, the same
 * tools on PATH, /build, the outputs at their store paths, no network), with a shell in it and the phases as commands.
 */
import { basename, join } from 'node:path'
import { expandPlaceholders } from '../../format/derivation.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { buildEnvironment } from '../sandbox/environment.ts'
import { runInContainer } from './container.ts'
import { type ContainerShell, closureMounts } from './shell.ts'
import type { Workbench } from './workbench.ts'

export type Development = {
  readonly store: Store
  readonly cache: string // where compiled programs are kept
  readonly package: EvaluatedPackage
  readonly outputs: ReadonlyMap<string, StorePath>
  readonly directory: string // what is /build
  readonly workbench: Workbench
  readonly cores: number
  readonly term: string | undefined
  /** For a build that has no shell of its own; not on PATH. */
  readonly shell: ContainerShell | undefined
  /** None: an interactive shell. */
  readonly command: readonly string[]
}

/** Gives the exit status that a shell would report. */
export async function runInDevelopment(development: Development): Promise<number> {
  const { store, outputs, directory, workbench, command, term } = development
  const { derivation } = development.package
  const fill = (text: string): string => expandPlaceholders(text, outputs)
  const env = Object.fromEntries(Object.entries(derivation.env).map(([name, value]) => [name, fill(value)]))
  const links = derivation.links.map(({ path, target }) => ({ path, target: fill(target) }))
  const sh = shellOf(development)
  if (!links.some(({ path }) => path === '/bin/sh')) links.push({ path: '/bin/sh', target: sh })
  const inputs = derivation.inputs.map(({ path }) => path)
  const items = development.shell === undefined ? inputs : [...inputs, development.shell.item]
  const own = [...workbench.outputs].flatMap(([output, source]) => {
    const target = outputs.get(output)
    return target === undefined ? [] : [{ source, target, writable: true }]
  })
  return await runInContainer({
    cache: development.cache,
    mounts: [
      // An output may be there already, from a build; here it is to be made anew.
      ...closureMounts(items, store).filter(({ target }) => !own.some((one) => one.target === target)),
      ...own,
      { source: directory, target: '/build', writable: true },
      { source: join(directory, '.abn'), target: '/build/.abn', writable: false },
    ],
    files: [],
    links,
    home: undefined,
    network: 'none',
    env: {
      ...buildEnvironment(env, { outputs, cores: development.cores }),
      ABNPKG_SHELL: derivation.name,
      ENV: startup,
      ...(term === undefined ? {} : { TERM: term }),
    },
    cwd: '/build',
    args: command.length > 0 ? [sh, '-c', `. ${startup}; "$@"`, 'sh', ...command] : interactive(sh),
  })
}

const startup = '/build/.abn/commands.sh'

/** That of the build, else the one that was given. */
export function shellOf({ package: { derivation }, shell }: Pick<Development, 'package' | 'shell'>): string {
  const own = derivation.links.find(({ path }) => path === '/bin/sh')?.target
  const found = own ?? shell?.path
  if (found === undefined) throw new TypeError('develop: neither the build nor the caller has a shell')
  return found
}

/** Every other shell reads what ENV names. */
function interactive(shell: string): readonly string[] {
  return basename(shell) === 'bash' ? [shell, '--rcfile', startup] : [shell]
}
