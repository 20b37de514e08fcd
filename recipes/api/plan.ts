/**
 * What a build system makes of a recipe: the part of a derivation that says what runs. A build system is any function from a
 * BuildContext to a Plan, so a channel can write its own; steps, gnuBuild and makeBuild are the ones that come with abnpkg.
 */
import {
  expectBoolean,
  expectFields,
  expectLine,
  expectList,
  expectText,
  expectTextRecord,
  expectTexts,
  fail,
} from './check.ts'

/** Made by steps, gnuBuild, makeBuild or a function of one's own. */
export type Build = (context: BuildContext) => Plan

export type BuildContext = {
  readonly name: string
  readonly version: string
  readonly outputs: readonly string[]
  /** Store paths, as text, of the tools and libraries. */
  readonly tools: readonly string[]
  readonly libraries: readonly string[]
  /** The shell that a tool provides (`provides: { sh: … }`). */
  readonly shell: string | undefined
  /** The variables that the tools provide (`provides: { variables: … }`), such as CC. */
  readonly variables: Readonly<Record<string, string>>
}

export type Plan = {
  /** Made, with parents, before the first step: relative to /build, or below `${out}`. */
  readonly directories?: readonly string[]
  /** Small files written before the first step: relative to /build, or below `${out}`. */
  readonly files?: readonly { readonly path: string; readonly text: string; readonly executable?: boolean }[]
  /** Symbolic links in the sandbox's root. `/bin/sh` comes from the tool that provides it. */
  readonly links?: readonly { readonly path: string; readonly target: string }[]
  readonly env?: Readonly<Record<string, string>>
  readonly steps: readonly Step[]
}

/** A command, as an argument array: no shell stands between. */
export type Step =
  | readonly string[]
  | {
      readonly args: readonly string[]
      /** Relative to /build, or absolute; /build unless told. */
      readonly cwd?: string
      readonly env?: Readonly<Record<string, string>>
      /** May run beside its parallel neighbours, as many at once as there are cores. */
      readonly parallel?: boolean
    }

/** A plan with every default filled in and everything sorted: what a derivation holds. */
export type CompletePlan = {
  readonly directories: readonly string[]
  readonly files: readonly { readonly path: string; readonly text: string; readonly executable: boolean }[]
  readonly links: readonly { readonly path: string; readonly target: string }[]
  readonly env: Readonly<Record<string, string>>
  readonly steps: readonly {
    readonly args: readonly string[]
    readonly cwd: string
    readonly env: Readonly<Record<string, string>>
    readonly parallel: boolean
  }[]
}

export function completePlan(plan: unknown, where: string): CompletePlan {
  const given = expectFields(plan, where, ['directories', 'files', 'links', 'env', 'steps'])
  const steps = expectList(given.steps, `${where}.steps`)
  if (steps.length === 0) fail(`${where}.steps`, 'expected at least one step')
  return {
    directories: [...new Set(expectTexts(given.directories ?? [], `${where}.directories`))].sort(),
    files: expectList(given.files ?? [], `${where}.files`).map((file, i) => completeFile(file, `${where}.files[${i}]`)),
    links: expectList(given.links ?? [], `${where}.links`).map((link, i) => completeLink(link, `${where}.links[${i}]`)),
    env: completeEnv(given.env ?? {}, `${where}.env`),
    steps: steps.map((step, i) => completeStep(step, `${where}.steps[${i}]`)),
  }
}

export function completeEnv(value: unknown, where: string): Readonly<Record<string, string>> {
  const entries = expectTextRecord(value, where)
  for (const [name] of entries) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) fail(where, `'${name}' is not a variable's name`)
    if (FIXED.has(name)) fail(where, `${name} is always set by the sandbox and cannot be changed`)
  }
  return Object.fromEntries(entries)
}

const FIXED: ReadonlySet<string> = new Set(['HOME', 'TMPDIR', 'TZ', 'LC_ALL', 'SOURCE_DATE_EPOCH', 'ABN_CORES'])

function completeFile(value: unknown, where: string): CompletePlan['files'][number] {
  const given = expectFields(value, where, ['path', 'text', 'executable'])
  return {
    path: expectLine(given.path, `${where}.path`),
    text: expectText(given.text, `${where}.text`),
    executable: expectBoolean(given.executable ?? false, `${where}.executable`),
  }
}

function completeLink(value: unknown, where: string): CompletePlan['links'][number] {
  const given = expectFields(value, where, ['path', 'target'])
  return { path: expectLine(given.path, `${where}.path`), target: expectLine(given.target, `${where}.target`) }
}

function completeStep(value: unknown, where: string): CompletePlan['steps'][number] {
  const fields = Array.isArray(value) ? { args: value } : value
  const given = expectFields(fields, where, ['args', 'cwd', 'env', 'parallel'])
  const args = expectTexts(given.args, `${where}.args`)
  if (args.length === 0 || args[0] === '') fail(`${where}.args`, 'expected a program and its arguments')
  const cwd = expectLine(given.cwd ?? '/build', `${where}.cwd`)
  return {
    args,
    cwd: cwd.startsWith('/') || cwd.startsWith('@{') ? cwd : cwd === '.' ? '/build' : `/build/${cwd}`,
    env: completeEnv(given.env ?? {}, `${where}.env`),
    parallel: expectBoolean(given.parallel ?? false, `${where}.parallel`),
  }
}
