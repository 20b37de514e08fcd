// abnpkg install NAME...
import { EvaluationCache } from '../../builder/evaluate/cache.ts'
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import { findEntry } from '../../builder/evaluate/find.ts'
import type { PackageEntry } from '../../builder/evaluate/records.ts'
import { recordPathOf } from '../../store/layout.ts'
import type { ProfilePackage } from '../../store/manifest.ts'
import { defaultProfile, readProfile } from '../../store/profiles.ts'
import type { Store } from '../../store/store.ts'
import type { Command } from '../commands.ts'
import { someNames } from '../names.ts'
import { rememberNothingToDo } from '../quick.ts'
import { evaluationFor, storeFor, storeToLookAt } from '../session.ts'
import { carryOut, planFor, printPlan, requireWorkOptions, workOptions } from '../work.ts'

export const install: Command = {
  usage: 'NAME[@VERSION]...',
  details: 'Fetches or builds what is not in the store yet and adds the packages to your profile, all of them or none.',
  options: workOptions,
  async run(args, surroundings) {
    const { output } = surroundings
    const names = someNames(args, 'install')
    requireWorkOptions(args)
    const dryRun = args.options['dry-run'] === true
    const store = dryRun ? storeToLookAt(args) : storeFor(args)
    const evaluation = await evaluationFor(args, surroundings.signal)
    const wanted: ProfilePackage[] = []
    const entries: PackageEntry[] = []
    for (const name of names) {
      const entry = await findEntry(evaluation, name)
      entries.push(entry)
      wanted.push(packageOf(entry, name))
    }
    const before = readProfile(store, defaultProfile)
    const changed = wanted.filter((one) => !isInstalled(one, before?.manifest.packages ?? [], store))
    if (changed.length > 0 || dryRun) {
      const work = { args, store, evaluation, surroundings }
      const plan = await planFor(
        entries.map((entry) => evaluation.load(entry)),
        work,
      )
      if (dryRun) {
        await printPlan(plan, output)
        return 0
      }
      // Held until the profile refers to what was built, so that no garbage collection comes between.
      using _ = await store.lock('shared', { signal: surroundings.signal })
      await carryOut(plan, work)
      const { changeProfile, explainPath } = await import('../profile.ts')
      const names = new Set(wanted.map(({ name }) => name))
      await changeProfile(store, (packages) => [...packages.filter(({ name }) => !names.has(name)), ...wanted])
      for (const { name, version } of changed) output.line(`installed ${name} ${version}`)
      explainPath(store, output, changed[0]?.name ?? '')
    } else {
      const lines = wanted.map(({ name, version }) => `${name} ${version} is installed already`)
      for (const line of lines) output.line(line)
      remember(lines, wanted, { store, evaluation })
    }
    const generation = readProfile(store, defaultProfile)?.number ?? 0
    output.document({ generation, changed: changed.length > 0, packages: wanted })
    return 0
  },
}

function packageOf({ name, version, recipeHash, outputs }: PackageEntry, requested: string): ProfilePackage {
  return { name, version, recipe: recipeHash, paths: Object.values(outputs).sort(), requested }
}

type Looked = { readonly store: Store; readonly evaluation: Evaluation }

/** So that the next time can go the short way of quick.ts. */
function remember(lines: readonly string[], wanted: readonly ProfilePackage[], { store, evaluation }: Looked) {
  const state = new EvaluationCache(`${store.layout.cache}/evaluations`, evaluation.channels).rememberedState()
  if (state === undefined) return
  const records = wanted.flatMap(({ paths }) => paths.map((path) => recordPathOf(store.layout, path)))
  rememberNothingToDo(process.argv.slice(2), process.env, { records, state: state.path, key: state.key, lines })
}

function isInstalled(wanted: ProfilePackage, installed: readonly ProfilePackage[], store: Store): boolean {
  const found = installed.find(({ name }) => name === wanted.name)
  return (
    found?.recipe === wanted.recipe &&
    found.requested === wanted.requested &&
    wanted.paths.every((path) => store.has(path))
  )
}
