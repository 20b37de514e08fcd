/**
 * The phases of a build as commands of a POSIX shell. They are functions, so that a makefile that calls `install` or `patch` gets the
 * program of that name; so does a person who types `command install`.
 *
 * Each runs what the derivation would run, in a process with the variables of the build and no others.
 */
import { type Derivation, expandPlaceholders } from '../../format/derivation.ts'
import type { StorePath } from '../../format/store-path.ts'

/** Of the build systems of recipes/api, in order; the first two are the driver's. */
const usualPhases = ['unpack', 'patch', 'configure', 'build', 'check', 'install', 'fixup']

/** Variables that a person's shell has and a build does not. */
export const shellVariables = ['ENV', 'PS1', 'TERM', 'SHLVL', 'OLDPWD', 'ABNPKG_SHELL']

/** The text of a file that a shell reads when it starts. */
export function commandsOf(derivation: Derivation, outputs: ReadonlyMap<string, StorePath>): string {
  const phases = phasesOf(derivation)
  const runs = phases.map((phase) => [phase, `abn_build .abn/build.sh ${phase}`] as const)
  const bodies = new Map([
    ...usualPhases.map((phase) => [phase, `echo '${derivation.name} has no phase ${phase}' >&2; return 1`] as const),
    ...['unpack', 'patch'].map((phase) => [phase, `echo '${phase}: abnpkg did it when /build was made' >&2`] as const),
    ...(phases.length > 0 ? runs : [['build', 'abn_build'] as const]),
  ])
  const steps = derivation.steps.map((step) => stepLine(step, outputs))
  return [
    `# ${derivation.name} ${derivation.version}: the phases of its build as commands. Written by abnpkg develop.`,
    `phases='${phases.length > 0 ? phases.join(' ') : 'build'}'`,
    `PS1='[abn ${derivation.name}] $ '`,
    `abn_build() ( unset ${shellVariables.join(' ')}; cd /build && ${runner(derivation, phases)} )`,
    ...(phases.length > 0 ? [] : [`abn_steps() {\n  ${steps.join(' &&\n  ')}\n}`]),
    ...[...bodies].map(([phase, body]) => `${phase}() { ${body}; }`),
    '',
  ].join('\n')
}

/** Those of the script that phases.ts of recipes/api has written; none for another kind of build. */
export function phasesOf({ files, steps }: Derivation): readonly string[] {
  const script = files.find(({ path }) => path === '.abn/build.sh')
  if (script === undefined || steps.length !== 1 || steps[0]?.args[1] !== '.abn/build.sh') return []
  return [...script.text.matchAll(/^phase_([a-z]+)\(\) \($/gm)].map(([, name]) => name ?? '')
}

function runner({ steps }: Derivation, phases: readonly string[]): string {
  return phases.length > 0 ? `exec ${quote(steps[0]?.args[0] ?? 'sh')} "$@"` : 'abn_steps'
}

function stepLine({ args, cwd, env }: Derivation['steps'][number], outputs: ReadonlyMap<string, StorePath>): string {
  const fill = (text: string): string => quote(expandPlaceholders(text, outputs))
  const variables = Object.entries(env).map(([name, value]) => `export ${name}=${fill(value)} && `)
  return `( cd ${fill(cwd)} && ${variables.join('')}${args.map(fill).join(' ')} )`
}

function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
