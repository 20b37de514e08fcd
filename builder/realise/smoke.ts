/**
 * Tries what was built, before it is registered: each smoke test is a command of the package, run in a sandbox that holds
 * the outputs, read-only, and what they refer to, and nothing else. So it also finds a reference that the scan would miss.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { StorePath } from '../../format/store-path.ts'
import { canonicaliseDirectory } from '../../store/canonicalise.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { inspectOutput } from '../../store/register.ts'
import { buildEnvironment } from '../sandbox/environment.ts'
import { defaultLimits } from '../sandbox/limits.ts'
import { programCacheOf } from '../sandbox/programs.ts'
import { runInSandbox } from '../sandbox/sandbox.ts'
import type { SandboxStep } from '../sandbox/spec.ts'
import { requireSmokeSuccess } from './failure.ts'
import type { PlannedBuild } from './plan.ts'
import { type BuildOptions, type Built, eventsInto, inputClosure } from './run.ts'

/** Throws ABN_SMOKE_FAILED, or ABN_OUTPUT_… for an output that cannot be registered anyway. */
export async function runSmokeTests(build: PlannedBuild, built: Built, options: BuildOptions): Promise<void> {
  const { metadata, recipeHash: recipe } = build.package
  if (metadata.smoke.length === 0) return
  const { store, cores, signal, onEvent } = options
  onEvent?.({ kind: 'phase', recipe, phase: 'smoke' })
  const scratch = join(built.directory, 'smoke')
  mkdirSync(scratch, { mode: 0o700 })
  const out = build.outputs.get('out') ?? ''
  const steps = metadata.smoke.map(
    ([program = '', ...args]): SandboxStep => ({
      args: [`${out}/${program}`, ...args],
      cwd: '/tmp',
      env: {},
      parallel: false,
    }),
  )
  const references = store.closureOf(referencesOf(build, built, options))
  const spec = {
    scratch,
    cache: programCacheOf(store),
    readOnly: [
      ...[...built.outputs.values()].map(({ path, directory }) => ({ source: directory, target: path })),
      ...references.map((path) => ({ source: store.physicalPath(path), target: path })),
    ],
    writable: [],
    files: [],
    links: [],
    env: buildEnvironment({}, { outputs: build.outputs, cores }),
    steps,
    cores: 1,
    limits: { ...defaultLimits(), seconds: SMOKE_SECONDS },
  }
  const result = await runInSandbox(spec, { signal, onEvent: eventsInto(built.log, () => {}) })
  requireSmokeSuccess(result, { ...build.package.derivation, steps, log: built.log })
}

const SMOKE_SECONDS = 300

/** Items outside this build that its outputs refer to. */
function referencesOf(build: PlannedBuild, { outputs }: Built, { store }: BuildOptions): readonly StorePath[] {
  const own = new Set<StorePath>(build.outputs.values())
  const candidates = [...inputClosure(build, store), ...own]
  const found = withDiskErrors('cannot inspect the outputs', () =>
    [...outputs.values()].flatMap(({ path, directory }) => {
      canonicaliseDirectory(directory, path)
      return inspectOutput(directory, path, candidates).references
    }),
  )
  return [...new Set(found)].filter((path) => !own.has(path))
}
