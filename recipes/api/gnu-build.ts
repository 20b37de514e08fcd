/**
 * The build system of GNU packages and of all that look alike: `./configure && make && make check && make install`.
 * Unpacking and patching is the driver's; the phases from configure on are a script (phases.ts).
 */
import { expectBoolean, expectFields, expectList, expectRelativePath, expectTexts, fail } from './check.ts'
import { makeLines } from './make-build.ts'
import { fixupLines, type InstallPhase, type PhaseOption, phasesPlan } from './phases.ts'
import type { Build } from './plan.ts'
import { command, quote } from './shell.ts'

export type GnuBuildOptions = {
  /** Where the package's top directory is, relative to /build; `.` unless told. */
  readonly directory?: string
  /** To build outside the source: a directory, relative to `directory`, that is made first. */
  readonly buildDirectory?: string
  /** More arguments of ./configure; or the phase in full. */
  readonly configure?: PhaseOption
  /** Which of the arguments that ./configure gets by default it does not get; 'all' for a hand-written configure. */
  readonly omit?: 'all' | readonly ConfigureDefault[]
  /** Arguments of every make: `['V=1']`. */
  readonly make?: readonly string[]
  /** Arguments of make, beside those of `make`: none unless told. */
  readonly build?: PhaseOption
  /** `make check` unless told. */
  readonly check?: PhaseOption
  /** `make install` unless told. */
  readonly install?: InstallPhase
  readonly fixup?: PhaseOption
  /** False where the makefiles do not bear `make -j`; the install phase is serial anyway. */
  readonly parallel?: boolean
}

export type ConfigureDefault = (typeof CONFIGURE_DEFAULTS)[number]

/**
 * `--build` spares config.guess, which looks at the machine. Translations need gettext, and dependency tracking is of use only
 * to who builds twice in one directory.
 */
const CONFIGURE_DEFAULTS = ['--prefix', '--build', '--disable-nls', '--disable-dependency-tracking'] as const

const CONFIGURE_VALUES: Readonly<Record<ConfigureDefault, string>> = {
  '--prefix': '--prefix=@{out}',
  '--build': '--build=x86_64-pc-linux-musl',
  '--disable-nls': '--disable-nls',
  '--disable-dependency-tracking': '--disable-dependency-tracking',
}

/** configure, build, check, install, fixup. */
export function gnuBuild(options: GnuBuildOptions = {}): Build {
  const given = expectFields(options, 'gnuBuild', FIELDS)
  const top = given.directory === undefined ? '.' : expectRelativePath(given.directory, 'gnuBuild.directory')
  const below =
    given.buildDirectory === undefined ? undefined : expectRelativePath(given.buildDirectory, 'gnuBuild.buildDirectory')
  const directory = below === undefined ? top : top === '.' ? below : `${top}/${below}`
  const script = below === undefined ? './configure' : `${'../'.repeat(below.split('/').length)}configure`
  const defaults = defaultArguments(given.omit ?? [])
  const make = makeLines({
    flags: expectTexts(given.make ?? [], 'gnuBuild.make'),
    parallel: expectBoolean(given.parallel ?? true, 'gnuBuild.parallel'),
  })
  const configure = (args: readonly string[] = []) => {
    const given = new Set(args.map(settingOf))
    const all = [...defaults.filter((each) => !given.has(settingOf(each))), ...args]
    return command([script, ...all.map(quote)])
  }
  return (context) => {
    const plan = phasesPlan(context, 'gnuBuild', [
      { name: 'configure', given: given.configure, lines: configure, directory },
      { name: 'build', given: given.build, lines: (args = []) => make(args, 'parallel'), directory },
      { name: 'check', given: given.check, lines: (args = ['check']) => make(args, 'parallel'), directory },
      { name: 'install', given: given.install, lines: (args = ['install']) => make(args, 'serial'), directory },
      { name: 'fixup', given: given.fixup, lines: () => fixupLines(context), directory },
    ])
    return below === undefined ? plan : { ...plan, directories: [directory] }
  }
}

const FIELDS = [
  'directory',
  'buildDirectory',
  'configure',
  'omit',
  'make',
  'build',
  'check',
  'install',
  'fixup',
  'parallel',
] as const

function defaultArguments(omit: unknown): string[] {
  if (omit === 'all') return []
  const omitted = expectList(omit, 'gnuBuild.omit')
  for (const each of omitted) {
    if (!CONFIGURE_DEFAULTS.some((name) => name === each)) {
      fail('gnuBuild.omit', `expected some of ${CONFIGURE_DEFAULTS.join(', ')}, or 'all'; got ${String(each)}`)
    }
  }
  return CONFIGURE_DEFAULTS.filter((name) => !omitted.includes(name)).map((name) => CONFIGURE_VALUES[name])
}

/** What an argument sets: `--nls` for `--enable-nls` as for `--disable-nls`, `--prefix` for `--prefix=/x`. */
function settingOf(arg: string): string {
  const end = arg.indexOf('=')
  const option = end < 0 ? arg : arg.slice(0, end)
  for (const verb of ['--disable-', '--enable-']) if (option.startsWith(verb)) return `--${option.slice(verb.length)}`
  return option
}
