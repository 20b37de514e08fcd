/**
 * The build system of packages that come with a makefile only: `make && make check && make install`, with the toolchain and the
 * place to install to as variables on make's command line, where they win over those of the makefile.
 */
import { expectBoolean, expectFields, expectRelativePath, expectTexts } from './check.ts'
import { fixupLines, type InstallPhase, type PhaseOption, phasesPlan } from './phases.ts'
import type { Build } from './plan.ts'
import { command, quote } from './shell.ts'

export type MakeBuildOptions = {
  /** Where make runs, relative to /build; `.` unless told. */
  readonly directory?: string
  /** Arguments of every make: targets belong into the phases. `PREFIX=` and the toolchain's `CC=` and so on come first. */
  readonly make?: readonly string[]
  /** Nothing unless told: `{ replace: './configure --static' }`. */
  readonly configure?: PhaseOption
  /** Targets, beside the arguments of `make`: none unless told. */
  readonly build?: PhaseOption
  /** `make check` unless told. */
  readonly check?: PhaseOption
  /** `make install` unless told; or `{ files: { 'bin/lua': 'src/lua' } }`. */
  readonly install?: InstallPhase
  readonly fixup?: PhaseOption
  /** False where the makefiles do not bear `make -j`; the install phase is serial anyway. */
  readonly parallel?: boolean
}

/** build, check, install, fixup; configure if the recipe says how. */
export function makeBuild(options: MakeBuildOptions = {}): Build {
  const given = expectFields(options, 'makeBuild', FIELDS)
  const directory = given.directory === undefined ? '.' : expectRelativePath(given.directory, 'makeBuild.directory')
  const flags = expectTexts(given.make ?? [], 'makeBuild.make')
  const parallel = expectBoolean(given.parallel ?? true, 'makeBuild.parallel')
  return (context) => {
    const programs = PROGRAMS.filter((name) => context.variables[name] !== undefined)
    const defaults = ['PREFIX=@{out}', 'prefix=@{out}', ...programs.map((name) => `${name}=${context.variables[name]}`)]
    const given1 = flags.map(variableOf)
    const make = makeLines({
      flags: [...defaults.filter((flag) => !given1.includes(variableOf(flag))), ...flags],
      parallel,
    })
    return phasesPlan(context, 'makeBuild', [
      { name: 'configure', given: given.configure, lines: undefined, directory },
      { name: 'build', given: given.build, lines: (args = []) => make(args, 'parallel'), directory },
      { name: 'check', given: given.check, lines: (args = ['check']) => make(args, 'parallel'), directory },
      { name: 'install', given: given.install, lines: (args = ['install']) => make(args, 'serial'), directory },
      { name: 'fixup', given: given.fixup, lines: () => fixupLines(context), directory },
    ])
  }
}

const FIELDS = ['directory', 'make', 'configure', 'build', 'check', 'install', 'fixup', 'parallel'] as const

/** Flags such as CFLAGS are not among them: on the command line they would undo what the makefile adds to them. */
const PROGRAMS = ['CC', 'CXX', 'AR', 'AS', 'LD', 'NM', 'RANLIB', 'STRIP', 'OBJCOPY'] as const

type MakeOptions = { readonly flags: readonly string[]; readonly parallel: boolean }

export function makeLines({
  flags,
  parallel,
}: MakeOptions): (args: readonly string[], mode: 'parallel' | 'serial') => string {
  return (args, mode) => {
    const jobs = parallel && mode === 'parallel' ? ['-j"$ABN_CORES"'] : []
    return command(['make', ...jobs, ...[...flags, ...args].map(quote)])
  }
}

function variableOf(flag: string): string {
  let end = flag.indexOf('=')
  if (end < 0) return flag
  while (end > 0 && ':+?'.includes(flag.charAt(end - 1))) end--
  return flag.slice(0, end)
}
