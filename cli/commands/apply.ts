// abnpkg apply FILE
import { basename } from 'node:path'
import { findEntry } from '../../builder/evaluate/find.ts'
import type { ProfilePackage } from '../../store/manifest.ts'
import { readProfile } from '../../store/profiles.ts'
import type { Command } from '../commands.ts'
import { oneName } from '../names.ts'
import { requireWorkOptions, workOptions } from '../plans/work.ts'
import { readManifestFile } from '../profiles/manifest-file.ts'
import { packageOf, profileOf, profileOption } from '../profiles/profile.ts'
import { changesBetween } from '../profiles/profile-changes.ts'
import { evaluationFor, storeFor, storeToLookAt } from '../session.ts'

export const apply: Command = {
  usage: 'FILE',
  details: [
    'Makes your profile exactly what the manifest says, in one step: what it names is installed or brought to the newest version in the',
    'range, what it does not name is removed. Shows the differences first. FILE is a module that imports only `manifest` from',
    "'abnpkg' and can do nothing but list packages; '-' reads standard input. `abnpkg profile export` writes one.",
  ].join('\n'),
  options: { ...profileOption, ...workOptions },
  async run(args, surroundings) {
    const { output, signal } = surroundings
    const file = oneName(args, 'apply')
    requireWorkOptions(args)
    const profile = profileOf(args)
    const text = readManifestFile(file)
    const dryRun = args.options['dry-run'] === true
    const { evaluateManifest } = await import('../../builder/evaluate/manifest.ts')
    const entries = await evaluateManifest({ fileName: basename(file), text }, signal)
    const store = dryRun ? storeToLookAt(args) : storeFor(args)
    const evaluation = await evaluationFor(args, signal)
    const wanted: ProfilePackage[] = []
    for (const { spec, priority } of entries) {
      wanted.push(packageOf(await findEntry(evaluation, spec), { requested: spec, priority }))
    }
    const current = readProfile(store, profile)
    const isDone =
      changesBetween(current?.manifest.packages ?? [], wanted).length === 0 &&
      wanted.every(({ paths }) => paths.every((path) => store.has(path)))
    if (isDone && !dryRun) {
      output.line(`profile ${profile} is as ${file === '-' ? 'the manifest' : file} says`)
      output.document({ profile, generation: current?.number ?? 0, changed: false, changes: [] })
      return 0
    }
    const { moveProfile } = await import('../profiles/move-profile.ts')
    const moved = await moveProfile(
      () => wanted,
      { args, store, evaluation, surroundings },
      { profile, wanted, tells: 'before' },
    )
    if (moved === undefined) return 0
    output.line(`profile ${profile} is at generation ${moved.generation}`)
    output.document({ profile, ...moved, changed: true })
    return 0
  },
}
