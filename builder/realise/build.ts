/**
 * Builds one derivation: prepares its directory, runs its steps in a sandbox, tries its smoke tests, registers its outputs.
 *
 * The caller holds the derivation's lock. Crash order: everything happens in a workspace below var/tmp, whose lock the
 * kernel drops with this process, so that the next one removes it; only the registration at the end touches the store,
 * and it keeps the store whole by itself. The log is written as the build runs and may end early.
 */
import { resolvedHashOf } from '../../format/derivation.ts'
import type { Item } from '../../store/item.ts'
import type { DerivationLock } from '../../store/store.ts'
import { logNameOf } from './log.ts'
import type { PlannedBuild } from './plan.ts'
import { type BuildOptions, buildWith, inputClosure, outPathOf } from './run.ts'
import { runSmokeTests } from './smoke.ts'
import { writeTestReport } from './test-report.ts'

/** Builds and registers. Throws ABN_BUILD_…, ABN_SMOKE_FAILED, ABN_OUTPUT_…, ABN_SANDBOX_…, ABN_DISK_FULL. */
export async function buildAndRegister(
  build: PlannedBuild,
  lock: DerivationLock,
  options: BuildOptions,
): Promise<{ readonly items: readonly Item[]; readonly seconds: number }> {
  return await buildWith(build, { ...options, logSuffix: '' }, async (built) => {
    const { store, onEvent } = options
    const { derivation, recipeHash } = build.package
    await runSmokeTests(build, built, options)
    writeTestReport(store.layout, outPathOf(build), build.package.metadata.smoke)
    onEvent?.({ kind: 'phase', recipe: recipeHash, phase: 'register' })
    const inputs = derivation.inputs.map(({ path, recipe }) => {
      const { outputDigest } = store.readItem(path)
      return { path, recipe, outputDigest }
    })
    const { items } = await store.register({
      lock,
      name: derivation.name,
      version: derivation.version,
      outputs: [...built.outputs].map(([output, staged]) => ({ output, ...staged })),
      candidates: inputClosure(build, store),
      origin: {
        kind: 'built',
        at: Math.floor(Date.now() / 1000),
        seconds: Math.round(built.seconds),
        system: derivation.system,
        resolved: resolvedHashOf(derivation, new Map(inputs.map(({ path, outputDigest }) => [path, outputDigest]))),
        inputs,
        log: logNameOf(outPathOf(build)),
      },
    })
    return { items, seconds: built.seconds }
  })
}
