/**
 * Runs the steps of one derivation in a sandbox, in a workspace of its own, and hands over what they made.
 */
import { chmodSync, lstatSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { expandPlaceholders } from '../../format/derivation.ts'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import { errorCode } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import { buildEnvironment } from '../sandbox/environment.ts'
import { takeFromSandbox } from '../sandbox/identity.ts'
import { defaultLimits, type SandboxLimits } from '../sandbox/limits.ts'
import { programCacheOf } from '../sandbox/programs.ts'
import { runInSandbox } from '../sandbox/sandbox.ts'
import type { SandboxEvent, SandboxSpec, SandboxStep } from '../sandbox/spec.ts'
import type { RealiseEvent } from './events.ts'
import { requireSuccess } from './failure.ts'
import { type BuildLog, logPathOf, openLog } from './log.ts'
import type { PlannedBuild } from './plan.ts'
import { prepareBuild, type Staging } from './prepare.ts'

export type BuildOptions = {
  readonly store: Store
  /** Each source and patch of the derivation as a file on disk, checked. */
  readonly files: ReadonlyMap<Sha256, string>
  readonly cores: number
  readonly limits?: Partial<SandboxLimits> | undefined
  readonly keepFailed?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: ((event: RealiseEvent) => void) | undefined
}

/** What a build made, before anything is done with it. `directory` holds all of it and is about to be removed. */
export type Built = Staging & { readonly directory: string; readonly log: BuildLog; readonly seconds: number }

export type BuildWithOptions = BuildOptions & {
  /** Distinguishes the log of a build whose result is not kept. */
  readonly logSuffix: string
}

/**
 * Runs a build and hands what it made to `use`, after which it is removed. When either fails, the error goes out as an
 * event with the end of the log and, with keepFailed, the place where the build directory is kept.
 */
export async function buildWith<T>(
  build: PlannedBuild,
  options: BuildWithOptions,
  use: (built: Built) => Promise<T>,
): Promise<T> {
  const { store, onEvent, logSuffix } = options
  const { recipeHash: recipe } = build.package
  using workspace = await store.createWorkspace()
  const log = openLog(logPathOf(store.layout, outPathOf(build), logSuffix), (line) =>
    onEvent?.({ kind: 'line', recipe, line }),
  )
  try {
    return await use(await runSteps(build, { ...options, directory: workspace.directory, log }))
  } catch (cause) {
    const wanted = options.keepFailed && !options.signal?.aborted && !isDiskFull(cause)
    const kept = wanted ? tryToKeep(build, store, workspace.directory) : undefined
    const error = kept === undefined ? cause : withPlace(cause, kept)
    onEvent?.({ kind: 'build-failed', build, failure: { error, log: log.path, tail: log.tail(), kept: kept?.place } })
    throw error
  } finally {
    await log.close()
  }
}

/** Then nothing is kept: it may be what fills the disk. */
function isDiskFull(error: unknown): boolean {
  return error instanceof AbnError && error.code === 'ABN_DISK_FULL'
}

/** The error also says where the build directory is. */
function withPlace(cause: unknown, { place, problem }: Kept): unknown {
  if (!(cause instanceof AbnError)) return cause
  const lines = [
    ...(place === undefined ? [] : [`build directory: ${place}`]),
    ...(problem === undefined ? [] : [`not all of the build directory could be kept: ${problem}`]),
  ]
  const message = [cause.message, ...lines].join('\n')
  return new AbnError(cause.code, message, cause.hint === undefined ? { cause } : { hint: cause.hint, cause })
}

/** Everything that the inputs of a build refer to, themselves included. */
export function inputClosure({ package: { derivation } }: PlannedBuild, store: Store): readonly StorePath[] {
  return store.closureOf(derivation.inputs.map(({ path }) => path))
}

/** `hello 2.10` */
export function labelOf({ package: { derivation } }: PlannedBuild): string {
  return `${derivation.name} ${derivation.version}`
}

/** For a sandbox's events: output goes to the log, steps and lines to the listener. */
export function eventsInto(log: BuildLog, onStep: (step: number) => void): (event: SandboxEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'output':
        return log.write(event.bytes)
      case 'step':
        return onStep(event.step)
      default:
        return event satisfies never
    }
  }
}

type StepOptions = BuildOptions & { readonly directory: string; readonly log: BuildLog }

async function runSteps(build: PlannedBuild, options: StepOptions): Promise<Built> {
  const { store, files, cores, limits, signal, onEvent, directory, log } = options
  const { derivation, recipeHash: recipe } = build.package
  const started = performance.now()
  onEvent?.({ kind: 'phase', recipe, phase: 'unpack' })
  const staging = stage(build, directory)
  await prepareBuild(derivation, staging, { files, signal })
  onEvent?.({ kind: 'phase', recipe, phase: 'build' })
  const fill = (text: string): string => expandPlaceholders(text, build.outputs)
  const steps = derivation.steps.map((step) => filledStep(step, fill))
  const spec: SandboxSpec = {
    scratch: directory,
    cache: programCacheOf(store),
    readOnly: inputClosure(build, store).map((path) => ({ source: store.physicalPath(path), target: path })),
    writable: [
      { source: staging.build, target: '/build' },
      ...[...staging.outputs.values()].map((output) => ({ source: output.directory, target: output.path })),
    ],
    files: [],
    links: derivation.links.map(({ path, target }) => ({ path, target: fill(target) })),
    env: buildEnvironment(filledValues(derivation.env, fill), { outputs: build.outputs, cores }),
    steps,
    cores,
    limits: { ...defaultLimits(), ...limits },
  }
  const onStep = (step: number): void => onEvent?.({ kind: 'step', recipe, step, steps: steps.length })
  const result = await runInSandbox(spec, { signal, onEvent: eventsInto(log, onStep) })
  requireSuccess(result, { ...derivation, steps, log })
  return { ...staging, directory, log, seconds: (performance.now() - started) / 1000 }
}

/** The directories that will be /build and the outputs, of whatever umask. */
function stage({ outputs }: PlannedBuild, directory: string): Staging {
  const make = (name: string): string => {
    const path = join(directory, name)
    mkdirSync(path)
    chmodSync(path, 0o755)
    return path
  }
  const staged = [...outputs].map(([output, path]) => [output, { path, directory: make(`output-${output}`) }] as const)
  return { build: make('build'), outputs: new Map(staged) }
}

function filledStep(step: SandboxStep, fill: (text: string) => string): SandboxStep {
  return { ...step, args: step.args.map(fill), cwd: fill(step.cwd), env: filledValues(step.env, fill) }
}

function filledValues(
  env: Readonly<Record<string, string>>,
  fill: (text: string) => string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, fill(value)]))
}

/** Where the output named 'out' will be. */
export function outPathOf({ outputs }: PlannedBuild): StorePath {
  const path = outputs.get('out')
  if (path === undefined) throw new TypeError('a derivation without the output out')
  return path
}

/** Where something was kept, and why something was not. */
type Kept = { readonly place?: string | undefined; readonly problem?: string | undefined }

/** The failure of the build is what its user wants to hear of; that of keeping it is said beside it. */
function tryToKeep(build: PlannedBuild, store: Store, directory: string): Kept {
  try {
    return keep(build, store, directory)
  } catch (error) {
    return { problem: reasonOf(error) }
  }
}

/** Moves the directory of a failed build to var/failed, as the user's own. It stays until somebody removes it. */
function keep(build: PlannedBuild, store: Store, directory: string): Kept {
  const above = join(store.root, 'var/failed')
  mkdirSync(above, { recursive: true })
  const place = join(above, `${storeItemOf(outPathOf(build))}-${Date.now().toString(36)}`)
  mkdirSync(place, { mode: 0o700 })
  takeFromSandbox(directory)
  const problems: string[] = []
  for (const name of ['build', 'tmp', ...[...build.outputs.keys()].map((output) => `output-${output}`)]) {
    try {
      // Moving a directory changes its "..", for which it must be writable.
      makeWritable(join(directory, name))
      renameSync(join(directory, name), join(place, name))
    } catch (error) {
      // What is not there, because the build did not get so far, need not be kept.
      if (errorCode(error) !== 'ENOENT') problems.push(reasonOf(error))
    }
  }
  return { place, problem: problems.length > 0 ? problems.join('; ') : undefined }
}

/** Only a build could have put something else than a directory there, and it cannot: they are where its own are mounted. */
function makeWritable(directory: string): void {
  const { mode } = lstatSync(directory)
  if ((mode & 0o700) !== 0o700) chmodSync(directory, (mode & 0o7777) | 0o700)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
