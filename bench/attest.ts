/**
 * Prints what signing costs a builder: statements signed and kept per second, the same again when nothing has changed, and the
 * share of it in the time of real builds. The packages are those of the test channel, which build in no time, so that the share
 * is as bad as it can be. Trusts the clock of this process; take ratios.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { evaluate, ownChannel } from '../builder/evaluate/evaluate.ts'
import type { EvaluatedPackage } from '../builder/evaluate/package.ts'
import { planBuild } from '../builder/realise/plan.ts'
import { realise } from '../builder/realise/realise.ts'
import { attestClosure } from '../builder/service/attestations.ts'
import { removeDirectory } from '../store/remove-directory.ts'
import { openStore } from '../store/store.ts'
import { newSecretKey } from '../trust/secret-key.ts'
import { channelOfMany } from './many-packages.ts'

const count = 200
const directory = mkdtempSync(join(tmpdir(), 'abn-bench-attest-'))
try {
  const evaluation = await evaluate([{ ...ownChannel, directory: channelOfMany(directory, count) }], {})
  const targets = evaluation.packages.filter(({ derivation }) => derivation.name.startsWith('many-'))
  const store = openStore({ root: join(directory, 'root') })
  const building = await seconds(() => buildAll(targets))
  const options = { store, signer: newSecretKey('bench'), software: {}, packages: evaluation, validSeconds: 86_400 }
  const sign = () => attestClosure(targets, { ...options, now: Math.floor(Date.now() / 1000) })
  const signing = await seconds(async () => sign())
  const again = await seconds(async () => sign())
  const rate = (time: number): string => `${Math.round(count / time)} a second`
  process.stdout.write(
    [
      `builds                    ${building.toFixed(1)} s for ${count}`,
      `signed and kept           ${signing.toFixed(2)} s, ${rate(signing)}`,
      `known already             ${again.toFixed(2)} s, ${rate(again)}`,
      `share of a build's time   ${((100 * signing) / building).toFixed(1)} %`,
      '',
    ].join('\n'),
  )

  async function buildAll(packages: readonly EvaluatedPackage[]): Promise<void> {
    const sourceCache = join(directory, 'sources')
    const plan = planBuild(packages, { store, packages: evaluation, sourceCache })
    await realise(plan, { store, sources: { cacheDirectory: sourceCache, channels: evaluation.channels } })
  }
} finally {
  removeDirectory(directory)
}

async function seconds(action: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await action()
  return (performance.now() - started) / 1000
}
