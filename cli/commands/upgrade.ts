// abnpkg upgrade [NAME...]
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import { findEntry } from '../../builder/evaluate/find.ts'
import { nearest } from '../../builder/evaluate/nearest.ts'
import type { PackageEntry } from '../../builder/evaluate/records.ts'
import { compareVersions } from '../../builder/evaluate/versions.ts'
import { AbnError } from '../../format/errors.ts'
import type { ProfilePackage } from '../../store/manifest.ts'
import { readProfile } from '../../store/profiles.ts'
import type { Command } from '../commands.ts'
import { requireWorkOptions, workOptions } from '../plans/work.ts'
import { packageOf, profileOf, profileOption, profileWords } from '../profiles/profile.ts'
import { isSame } from '../profiles/profile-changes.ts'
import { evaluationFor, storeToLookAt } from '../session.ts'

export const upgrade: Command = {
  usage: '[NAME...]',
  details: [
    'Brings the packages of your profile, or those named, to the newest versions within what you asked for, and builds anew what is',
    'made from something newer. Shows what changes and why. What you asked for by version stays; nothing goes to an older version.',
    'install NAME@RANGE changes what is asked for.',
  ].join('\n'),
  options: { ...profileOption, ...workOptions },
  async run(args, surroundings) {
    const { output } = surroundings
    requireWorkOptions(args)
    const profile = profileOf(args)
    const store = storeToLookAt(args)
    const installed = readProfile(store, profile)
    const packages = installed?.manifest.packages ?? []
    const named = new Set(args.names)
    for (const name of named) requireInstalled(name, packages, profile)
    const chosen = packages.filter(({ name }) => named.size === 0 || named.has(name))
    const evaluation = await evaluationFor(args, surroundings.signal)
    if (evaluation.broken.length > 0) (await import('../recipes/broken.ts')).noteBroken(evaluation, output)
    const found: { readonly before: ProfilePackage; readonly outcome: Outcome }[] = []
    for (const before of chosen) {
      found.push({ before, outcome: await outcomeFor(before, evaluation, { isNamed: named.has(before.name) }) })
    }
    const wanted = found.flatMap(({ outcome }) => (outcome.kind === 'moves' ? outcome.to : []))
    const stays = found.flatMap(({ before, outcome }) => (outcome.kind === 'stays' ? { before, ...outcome } : []))
    const kept = stays.map(({ before: { name, version, requested }, because, available }) => {
      return { name, version, requested, because, available }
    })
    const lines = kept.map((one) => `= ${one.name} ${one.version}, ${STAYS[one.because](one.requested, one.available)}`)
    if (wanted.length === 0 && args.options['dry-run'] !== true) {
      for (const line of lines) output.line(line)
      output.line(packages.length === 0 ? 'nothing is installed' : 'nothing to upgrade')
      output.document({ profile, generation: installed?.number ?? 0, changed: false, changes: [], kept })
      return 0
    }
    const { moveProfile } = await import('../profiles/move-profile.ts')
    const newer = new Map(wanted.map((one) => [one.name, one]))
    const moved = await moveProfile(
      (now) => now.map((one) => (isExpected(one, packages) ? (newer.get(one.name) ?? one) : one)),
      { args, store, evaluation, surroundings },
      { profile, wanted, tells: 'before', lines, fields: { kept } },
    )
    if (moved === undefined) return 0
    output.line(`profile ${profile} is at generation ${moved.generation}`)
    output.document({ profile, ...moved, changed: true, kept })
    return 0
  },
}

type Stay = 'requested' | 'older' | 'gone' | 'broken'

type Outcome =
  | { readonly kind: 'moves'; readonly to: ProfilePackage }
  | { readonly kind: 'stays'; readonly because: Stay; readonly available: string | null }
  | { readonly kind: 'same' }

const STAYS: Readonly<Record<Stay, (requested: string, available: string | null) => string>> = {
  requested: (requested, available) => `as asked for by ${requested}; there is ${available}`,
  older: (_, available) => `which is newer than what the recipes have, ${available}`,
  gone: (requested) => `because no recipe is ${requested} any more`,
  broken: (requested) => `because the recipe of ${requested} is broken`,
}

async function outcomeFor(
  before: ProfilePackage,
  evaluation: Evaluation,
  { isNamed }: { readonly isNamed: boolean },
): Promise<Outcome> {
  const { name, requested, priority, version } = before
  const entry = await findOrGone(evaluation, requested, isNamed)
  if (entry === 'gone' || entry === 'broken') return { kind: 'stays', because: entry, available: null }
  if (compareVersions(entry.version, version) < 0) {
    return { kind: 'stays', because: 'older', available: entry.version }
  }
  const to = packageOf(entry, { requested, priority })
  if (!isSame(before, to)) return { kind: 'moves', to }
  const newest = await findOrGone(evaluation, name, false)
  return newest !== 'gone' && newest !== 'broken' && compareVersions(newest.version, version) > 0
    ? { kind: 'stays', because: 'requested', available: newest.version }
    : { kind: 'same' }
}

/** A package without a recipe, or with a broken one, holds up the others only when it is named. */
async function findOrGone(
  evaluation: Evaluation,
  spec: string,
  isNamed: boolean,
): Promise<PackageEntry | 'gone' | 'broken'> {
  try {
    return await findEntry(evaluation, spec)
  } catch (error) {
    if (isNamed || !(error instanceof AbnError)) throw error
    if (['ABN_PACKAGE_UNKNOWN', 'ABN_PACKAGE_VERSION', 'ABN_PACKAGE_SPEC'].includes(error.code)) return 'gone'
    if (error.code.startsWith('ABN_RECIPE_')) return 'broken'
    throw error
  }
}

/** Not what another process has changed in the meantime. */
function isExpected(one: ProfilePackage, packages: readonly ProfilePackage[]): boolean {
  const before = packages.find(({ name }) => name === one.name)
  return before !== undefined && isSame(before, one)
}

function requireInstalled(name: string, packages: readonly ProfilePackage[], profile: string): void {
  const installed = packages.map((one) => one.name)
  if (installed.includes(name)) return
  const at = name.indexOf('@')
  if (at > 0 && installed.includes(name.slice(0, at))) {
    throw new AbnError('ABN_USAGE', `upgrade: expected the name of a package, got '${name}'`, {
      hint: `\`abnpkg install ${name}${profileWords(profile)}\` changes what is asked for`,
    })
  }
  const guess = nearest(name, installed)
  throw new AbnError('ABN_NOT_INSTALLED', `${name} is not installed`, {
    hint: guess ? `did you mean ${guess}?` : `'abnpkg list${profileWords(profile)}' shows what is`,
  })
}
