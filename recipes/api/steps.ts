/**
 * The plainest build system: commands as argument arrays, run one after the other. For the early chain, which has no shell
 * yet, and for packages that need nothing more.
 */
import { expectList, expectTexts, fail } from './check.ts'
import type { Build, Plan, Step } from './plan.ts'

/** Runs the given commands: `steps([['tcc', '-o', `${out}/bin/a`, 'a.c']])`, or with directories, files, links and env. */
export function steps(plan: Plan | readonly Step[]): Build {
  if (isList(plan)) return () => ({ steps: plan })
  if (typeof plan !== 'object' || plan === null) fail('steps', 'expected a list of commands, or { steps: [ … ] }')
  return () => plan
}

function isList(plan: Plan | readonly Step[]): plan is readonly Step[] {
  return Array.isArray(plan)
}

/** The same commands, each of which may run beside its neighbours: for many compilations that do not need each other. */
export function parallel(
  commands: readonly (readonly string[])[],
  options: { readonly cwd?: string } = {},
): readonly Step[] {
  return expectList(commands, 'parallel').map((command, i) => ({
    args: expectTexts(command, `parallel[${i}]`),
    parallel: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  }))
}
