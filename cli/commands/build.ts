// abnpkg build NAME...
import { findPackage } from '../../builder/evaluate/find.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { numberOption } from '../args.ts'
import type { Command } from '../commands.ts'
import { someNames } from '../names.ts'
import { countText } from '../output.ts'
import { nameOf } from '../plans/plan-text.ts'
import { startProgress } from '../plans/progress.ts'
import {
  carryOut,
  planFor,
  printPlan,
  realiseOptions,
  requireWorkOptions,
  type Work,
  workOptions,
} from '../plans/work.ts'
import { evaluationFor, storeFor, storeToLookAt } from '../session.ts'

export const build: Command = {
  usage: 'NAME[@VERSION]...',
  details: [
    'Makes packages, with all that they need and the store does not have, and prints where they are. What your policy accepts',
    'is fetched; --source-only builds all of it.',
  ].join('\n'),
  options: {
    ...workOptions,
    check: { type: 'boolean', help: 'build again what is in the store, and compare every bit' },
    rounds: { type: 'string', value: 'N', help: 'build N times in all, and compare every bit' },
  },
  async run(args, surroundings) {
    const { output } = surroundings
    const names = someNames(args, 'build')
    requireWorkOptions(args)
    const rounds = numberOption(args, 'rounds', { least: 2 }) ?? (args.options.check === true ? 2 : 1)
    const dryRun = args.options['dry-run'] === true
    const store = dryRun ? storeToLookAt(args) : storeFor(args)
    const evaluation = await evaluationFor(args, surroundings.signal)
    const packages: EvaluatedPackage[] = []
    for (const name of names) packages.push(await findPackage(evaluation, name))
    const work = { args, store, evaluation, surroundings }
    const plan = await planFor(packages, work)
    if (dryRun) {
      await printPlan(plan, output)
      return 0
    }
    using _ = await store.lock('shared', { signal: surroundings.signal })
    await carryOut(plan, work)
    if (rounds > 1) await buildAgain(packages, work, rounds)

    const results = plan.targets.map(({ package: one, outputs }) => ({
      name: one.derivation.name,
      version: one.derivation.version,
      recipeHash: one.recipeHash,
      built: plan.steps.some((step) => step.kind === 'build' && step.package === one),
      rounds,
      outputs: [...outputs].map(([name, path]) => ({
        output: name,
        storePath: path,
        directory: store.physicalPath(path),
        outputDigest: store.readItem(path).outputDigest,
      })),
    }))
    for (const { outputs } of results) for (const { directory } of outputs) output.line(directory)
    output.document(results)
    return 0
  },
}

async function buildAgain(packages: readonly EvaluatedPackage[], work: Work, rounds: number): Promise<void> {
  const { output } = work.surroundings
  const { checkBuild } = await import('../../builder/realise/check.ts')
  for (const one of packages) {
    // What a build needs may have been collected since the package itself was built.
    await carryOut(await planFor(inputsOf(one, work), work), work)
    using progress = startProgress(output)
    await checkBuild(one, { ...(await realiseOptions(work, progress)), rounds: rounds - 1 })
    output.note(`${nameOf(one)}: the same bits ${countText(rounds, 'time')} out of ${rounds}`)
  }
}

function inputsOf({ derivation }: EvaluatedPackage, { evaluation }: Work): EvaluatedPackage[] {
  return derivation.inputs.flatMap(({ recipe }) => evaluation.byHash(recipe) ?? [])
}
