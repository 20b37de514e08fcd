/**
 * The phases of a build system as one readable POSIX shell script, /build/.abn/build.sh: a function a phase, each in a subshell
 * of its own so that a `cd` ends with it, called in order by the last lines. `sh .abn/build.sh check` runs one phase alone.
 */
import {
  expectFields,
  expectLine,
  expectObject,
  expectRelativePath,
  expectText,
  expectTextRecord,
  expectTexts,
  fail,
} from './check.ts'
import type { BuildContext, Plan } from './plan.ts'
import { command, indent, quote } from './shell.ts'

/** What may be said about a phase: extended, replaced, or switched off with the reason. Texts are shell lines. */
export type Phase =
  | {
      /** Arguments in place of the phase's usual ones. */
      readonly args?: readonly string[]
      readonly before?: string
      readonly replace?: string
      readonly after?: string
    }
  | {
      /** Why the phase does not run. */
      readonly off: string
    }

/** A list stands for `{ args: […] }`. */
export type PhaseOption = Phase | readonly string[]

export type InstallPhase =
  | PhaseOption
  | {
      /** Copied in place of `make install`: path in the output → path in the source. */
      readonly files: Readonly<Record<string, string>>
      readonly before?: string
      readonly after?: string
    }

export type PhaseName = 'configure' | 'build' | 'check' | 'install' | 'fixup'

/** A phase as its build system would run it: shell lines, for the given or the usual arguments. */
export type PhaseDefinition = {
  readonly name: PhaseName
  readonly given: unknown
  /** Undefined: the phase is there only if the recipe says what it does. */
  readonly lines: ((args: readonly string[] | undefined) => string) | undefined
  /** Where it runs, relative to /build. */
  readonly directory: string
}

export function phasesPlan(context: BuildContext, system: string, definitions: readonly PhaseDefinition[]): Plan {
  const { shell } = context
  if (shell === undefined) {
    return fail(system, "none of the tools provides a shell (a recipe with `provides: { sh: 'bin/sh' }`)")
  }
  const phases = definitions.flatMap((definition) => {
    const body = phaseBody(definition, `${system}.${definition.name}`)
    return body === undefined ? [] : [{ name: definition.name, text: phaseFunction(definition, body) }]
  })
  if (phases.length === 0) fail(system, 'every phase is off')
  const names = phases.map((phase) => phase.name).join(' ')
  const script = [
    `# ${context.name} ${context.version}, ${system}: the phases, run in order by the last lines.`,
    'set -eu',
    ...phases.map((phase) => phase.text),
    `for phase in \${*:-${names}}; do\n  echo "phase: $phase"\n  "phase_$phase"\ndone\n`,
  ].join('\n\n')
  return {
    files: [{ path: '.abn/build.sh', text: script }],
    env: { ...context.variables, CONFIG_SHELL: shell, SHELL: shell, ...libraryFlags(context) },
    steps: [[shell, '.abn/build.sh']],
  }
}

/** How compilers, linkers and pkg-config find the libraries. */
function libraryFlags({ libraries, variables }: BuildContext): Readonly<Record<string, string>> {
  if (libraries.length === 0) return {}
  const join = (variable: string, flags: readonly string[]) => [...flags, variables[variable] ?? ''].join(' ').trim()
  return {
    CPPFLAGS: join(
      'CPPFLAGS',
      libraries.map((library) => `-I${library}/include`),
    ),
    LDFLAGS: join(
      'LDFLAGS',
      libraries.map((library) => `-L${library}/lib`),
    ),
    PKG_CONFIG_PATH: libraries.map((library) => `${library}/lib/pkgconfig`).join(':'),
  }
}

function phaseBody({ name, given, lines }: PhaseDefinition, where: string): string | undefined {
  const fields = Array.isArray(given) ? { args: given } : expectObject(given ?? {}, where)
  const known = [
    'args',
    'before',
    'replace',
    'after',
    'off',
    ...(name === 'install' ? (['files'] as const) : []),
  ] as const
  const phase = expectFields<'args' | 'before' | 'replace' | 'after' | 'off' | 'files'>(fields, where, known)
  if (phase.off !== undefined) {
    expectLine(phase.off, `${where}.off`)
    if (Object.keys(fields).length > 1) fail(where, "a phase that is 'off' has nothing else")
    return undefined
  }
  const instead = ['args', 'replace', 'files'].filter((field) => field in fields)
  if (instead.length > 1) fail(where, `${instead.join(' and ')} exclude each other`)
  const args = phase.args === undefined ? undefined : expectTexts(phase.args, `${where}.args`)
  const main =
    phase.replace !== undefined
      ? shellLines(phase.replace, `${where}.replace`)
      : phase.files !== undefined
        ? copyLines(phase.files, `${where}.files`)
        : lines?.(args)
  if (main === undefined && args !== undefined) fail(where, "it has no arguments here; say with 'replace' what to run")
  const parts = [
    phase.before === undefined ? undefined : shellLines(phase.before, `${where}.before`),
    main,
    phase.after === undefined ? undefined : shellLines(phase.after, `${where}.after`),
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? undefined : parts.join('\n')
}

function phaseFunction({ name, directory }: PhaseDefinition, body: string): string {
  const enter = `cd ${quote(directory === '.' ? '/build' : `/build/${directory}`)}`
  return `phase_${name}() (\n${indent(`${enter}\n${body}`)}\n)`
}

/** Shell lines as a recipe gives them: the indentation that they share is taken away. */
function shellLines(value: unknown, where: string): string {
  const all = expectText(value, where).split('\n')
  const first = all.findIndex((line) => line.trim() !== '')
  if (first < 0) fail(where, 'expected shell lines, got none')
  const lines = all.slice(first, all.findLastIndex((line) => line.trim() !== '') + 1)
  const margins = lines.filter((line) => line.trim() !== '').map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0)
  const margin = Math.min(...margins)
  return margin === 0 ? lines.join('\n') : lines.map((line) => line.slice(margin)).join('\n')
}

function copyLines(value: unknown, where: string): string {
  const files = expectTextRecord(value, where).map(([to, from]) => [expectRelativePath(to, where), from] as const)
  if (files.length === 0) fail(where, 'expected at least one file')
  const parent = (to: string) => (to.includes('/') ? `@{out}/${to.slice(0, to.lastIndexOf('/'))}` : '@{out}')
  const directories = [...new Set(files.map(([to]) => parent(to)))]
  return [
    command(['mkdir', '-p', ...directories.map(quote)]),
    ...files.map(([to, from]) => command(['cp', quote(from), quote(`@{out}/${to}`)])),
  ].join('\n')
}

/**
 * The last phase: removes what only a build needs or what two packages would both bring, and makes scripts find their
 * interpreter in the store instead of /bin or /usr/bin.
 */
export function fixupLines(context: BuildContext): string {
  const shell = context.shell ?? '/bin/sh'
  const outputs = context.outputs.map((output) => `@{${output}}`).join(' ')
  // A function, because `$` means something in a text.
  return FIXUP.replace('OUTPUTS', outputs).replaceAll('SHELL_PATH', () => shell)
}

const FIXUP = `for output in OUTPUTS; do
  [ -d "$output" ] || continue
  rm -f "$output/share/info/dir"
  find "$output" -name '*.la' -type f -exec rm -f {} +
  find "$output" -type f -perm -100 | while IFS= read -r file; do
    IFS= read -r line < "$file" || :
    case $line in
      '#!'*) ;;
      *) continue ;;
    esac
    set -f; set -- \${line#??}; set +f
    [ $# -gt 0 ] || continue
    if [ "\${1##*/}" = env ] && [ $# -gt 1 ]; then shift; fi
    case $1 in
      /abn/store/*) continue ;;
      sh | */sh) program=SHELL_PATH ;;
      *) program=$(command -v "\${1##*/}" || :) ;;
    esac
    shift
    case $program in
      /*) sed -i "1s|.*|#!$program\${*:+ $*}|" "$file" ;;
      *) echo "fixup: not in the tools, left as it is: $line ($file)" ;;
    esac
  done
done`
