// abnpkg install NAME...
import { brokenBeside, findEntry } from '../../builder/evaluate/find.ts'
import { AbnError } from '../../format/errors.ts'
import type { ProfilePackage } from '../../store/manifest.ts'
import { readProfile } from '../../store/profiles.ts'
import type { Store } from '../../store/store.ts'
import type { Command } from '../commands.ts'
import { someNames } from '../names.ts'
import { requireWorkOptions, workOptions } from '../plans/work.ts'
import { explainPath, packageOf, priorityOf, priorityOption, profileOf, profileOption } from '../profiles/profile.ts'
import { isSame } from '../profiles/profile-changes.ts'
import { evaluationFor, storeFor, storeToLookAt } from '../session.ts'

export const install: Command = {
  usage: 'NAME[@VERSION]...',
  details: [
    'Fetches or builds what is not in the store yet and adds the packages to your profile, all of them or none. NAME is the',
    'newest release, NAME@VERSION that version, NAME@RANGE the newest in a range such as ^5.4; upgrade keeps to what was asked for.',
    'Where two packages bring the same file, the one with the higher --priority shows its own.',
  ].join('\n'),
  options: { ...profileOption, ...priorityOption, ...workOptions },
  async run(args, surroundings) {
    const { output } = surroundings
    const names = someNames(args, 'install')
    requireWorkOptions(args)
    const profile = profileOf(args)
    const priority = priorityOf(args)
    const dryRun = args.options['dry-run'] === true
    const store = dryRun ? storeToLookAt(args) : storeFor(args)
    const evaluation = await evaluationFor(args, surroundings.signal)
    const before = readProfile(store, profile)
    const present = new Map(before?.manifest.packages.map((one) => [one.name, one]))
    const wanted: ProfilePackage[] = []
    for (const requested of names) {
      const entry = await findEntry(evaluation, requested)
      const broken = brokenBeside(evaluation, requested, entry)
      if (broken !== undefined) {
        output.note(
          `warning: ${broken.module} is broken, so that ${requested} means ${entry.version} for now: ${broken.message}`,
        )
      }
      wanted.push(packageOf(entry, { requested, priority: priority ?? present.get(entry.name)?.priority ?? 0 }))
    }
    requireEachOnce(wanted)
    if (!dryRun && wanted.every((one) => isInstalled(one, present.get(one.name), store))) {
      for (const { name, version } of wanted) output.line(`${name} ${version} is installed already`)
      output.document({ profile, generation: before?.number ?? 0, changed: false, changes: [], packages: wanted })
      return 0
    }
    const { moveProfile } = await import('../profiles/move-profile.ts')
    const taken = new Set(wanted.map(({ name }) => name))
    const moved = await moveProfile(
      (packages) => [...packages.filter(({ name }) => !taken.has(name)), ...wanted],
      { args, store, evaluation, surroundings },
      { profile, wanted, tells: 'after' },
    )
    if (moved === undefined) return 0
    explainPath(store, output, { profile, example: wanted[0]?.name ?? '' })
    output.document({ profile, ...moved, changed: true, packages: wanted })
    return 0
  },
}

/** A profile has one version of a package. */
function requireEachOnce(wanted: readonly ProfilePackage[]): void {
  const twice = wanted.find(({ name }, i) => wanted.findIndex((one) => one.name === name) !== i)
  if (twice === undefined) return
  const wishes = wanted.filter(({ name }) => name === twice.name).map(({ requested }) => requested)
  throw new AbnError('ABN_USAGE', `install: ${wishes.join(' and ')} are the same package`, {
    hint: 'name one of them, or install the other one into another --profile',
  })
}

function isInstalled(wanted: ProfilePackage, present: ProfilePackage | undefined, store: Store): boolean {
  return present !== undefined && isSame(present, wanted) && wanted.paths.every((path) => store.has(path))
}
