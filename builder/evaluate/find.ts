/**
 * Finds the package that a person means: 'hello' (the highest release), 'hello@2.10' (that version, or the highest 2.10.x) or
 * 'hello@^2.10' (the highest version in a semver range).
 * 'extra:hello' is that of the channel extra. Hidden packages are found too, if nothing else has the name.
 */
import { AbnError } from '../../format/errors.ts'
import type { BrokenModule } from './broken.ts'
import { mainChannel } from './channel.ts'
import type { Evaluation } from './evaluation.ts'
import { nearest } from './nearest.ts'
import type { EvaluatedPackage } from './package.ts'
import { clean } from './problem.ts'
import type { PackageEntry } from './records.ts'
import { compareVersions, semanticVersionOf } from './versions.ts'

export type PackageSpec = { readonly name: string; readonly range: string | undefined }

export type FindOptions = {
  /** For what is written down: not what a broken recipe may stand above, in version or because its channel goes first. */
  readonly refuseBroken?: boolean
}

/** Throws ABN_PACKAGE_SPEC, ABN_PACKAGE_UNKNOWN, ABN_PACKAGE_VERSION, or what is wrong with the recipe of that name. */
export async function findPackage(
  evaluation: Evaluation,
  spec: string,
  options: FindOptions = {},
): Promise<EvaluatedPackage> {
  return evaluation.load(await findEntry(evaluation, spec, options))
}

/** As findPackage, but reads no derivation. */
export async function findEntry(
  evaluation: Evaluation,
  spec: string,
  { refuseBroken = false }: FindOptions = {},
): Promise<PackageEntry> {
  const { name, range } = parsePackageSpec(spec)
  const all = evaluation.entriesNamed(name)
  if (all.length === 0) throw unknownPackage(evaluation, name)
  const listed = all.filter((entry) => !entry.hidden)
  const found = (await highest(listed, range)) ?? (await highest(all, range))
  const broken = evaluation.broken.length === 0 ? undefined : brokenInstead(evaluation, name, found ?? all[0])
  if (broken !== undefined && (found === undefined || broken.isEarlier || (refuseBroken && found.version !== range))) {
    throw brokenRecipe(name, broken.module)
  }
  if (found === undefined) throw unknownVersion(all, name, range ?? '')
  return found
}

/** What a person should know who takes `found` without refuseBroken: that a broken recipe may have what was meant. */
export function brokenBeside(evaluation: Evaluation, spec: string, found: PackageEntry): BrokenModule | undefined {
  const { name, range } = parsePackageSpec(spec)
  if (evaluation.broken.length === 0 || found.version === range) return undefined
  return brokenInstead(evaluation, name, found)?.module
}

/**
 * A broken module that may have a package of that name: in the channel of `found`, or in one that goes before it, whose package would
 * then be meant. What names it has is a guess.
 */
function brokenInstead(
  evaluation: Evaluation,
  name: string,
  found: PackageEntry | undefined,
): { readonly module: BrokenModule; readonly isEarlier: boolean } | undefined {
  const [, channel, plain = name] = /^([^:]*):(.*)$/s.exec(name) ?? []
  const order = [mainChannel, ...evaluation.channels.map((one) => one.name).filter((one) => one !== mainChannel)]
  const place = channel ?? (found === undefined ? mainChannel : evaluation.load(found).metadata.channel)
  const before = channel === undefined ? order.slice(0, order.indexOf(place)) : []
  for (const module of evaluation.broken) {
    const from = channelOfModule(module)
    if (module.names.includes(plain) && (from === place || before.includes(from))) {
      return { module, isEarlier: from !== place }
    }
  }
  return undefined
}

/** A broken recipe of that name and channel, if there may be one. */
export function brokenNamed(evaluation: Evaluation, name: string, channel: string): AbnError | undefined {
  const plain = name.slice(name.indexOf(':') + 1)
  const found = evaluation.broken.find((one) => channelOfModule(one) === channel && one.names.includes(plain))
  return found && brokenRecipe(name, found)
}

function channelOfModule({ module }: BrokenModule): string {
  return module.includes(':') ? module.slice(0, module.indexOf(':')) : mainChannel
}

function brokenRecipe(name: string, { code, message, hint }: BrokenModule): AbnError {
  return new AbnError(code, `the recipe of ${name} is broken: ${message}`, hint === undefined ? {} : { hint })
}

/** Throws ABN_PACKAGE_SPEC. */
export function parsePackageSpec(spec: string): PackageSpec {
  const at = spec.indexOf('@')
  const name = at < 0 ? spec : spec.slice(0, at)
  const range = at < 0 ? undefined : spec.slice(at + 1).trim()
  if (!/^(?:[a-z][a-z0-9-]{0,31}:)?[a-z0-9][a-z0-9+._-]{0,63}$/i.test(name) || range === '') {
    throw new AbnError('ABN_PACKAGE_SPEC', `not a package: ${JSON.stringify(clean(spec))}`, {
      hint: 'write NAME, NAME@VERSION or NAME@RANGE, such as hello@^2.10; CHANNEL:NAME for that of a channel',
    })
  }
  return { name, range: range === 'latest' ? undefined : range }
}

async function highest(entries: readonly PackageEntry[], range: string | undefined): Promise<PackageEntry | undefined> {
  const exact = entries.filter((entry) => entry.version === range)
  const candidates = range === undefined ? releases(entries) : exact.length > 0 ? exact : await inRange(entries, range)
  return [...candidates].sort((a, b) => compareVersions(b.version, a.version))[0]
}

/** Without those that come before a release, unless there are no others. */
function releases(entries: readonly PackageEntry[]): readonly PackageEntry[] {
  const found = entries.filter((entry) => !semanticVersionOf(entry.version)?.includes('-'))
  return found.length > 0 ? found : entries
}

async function inRange(entries: readonly PackageEntry[], range: string): Promise<readonly PackageEntry[]> {
  const { default: semver } = await import('semver')
  if (semver.validRange(range) === null) return []
  return entries.filter((entry) => {
    const version = semanticVersionOf(entry.version)
    return version !== undefined && semver.satisfies(version, range)
  })
}

function unknownPackage(evaluation: Evaluation, name: string): AbnError {
  const [, channel = '', plain = ''] = /^(.*:)?(.*)$/s.exec(name) ?? []
  const broken = evaluation.broken.find(
    ({ module, names }) => module.startsWith(channel) && (names.includes(plain) || module === channel),
  )
  if (broken !== undefined) return brokenRecipe(name, broken)
  const failed = evaluation.broken.find(({ module }) => module.endsWith(':') && channel === '')
  if (failed !== undefined) {
    const { module, code, message, hint } = failed
    return new AbnError(
      code,
      `there is no package called ${name}, but the channel ${module.slice(0, -1)} cannot be read: ${message}`,
      hint === undefined ? {} : { hint },
    )
  }
  const listed = new Set(evaluation.entries().flatMap((entry) => (entry.hidden ? [] : [entry.name])))
  const near = nearest(name, listed)
  return new AbnError('ABN_PACKAGE_UNKNOWN', `there is no package called ${name}`, {
    hint: near === undefined ? 'abnpkg search looks for packages' : `did you mean ${near}?`,
  })
}

function unknownVersion(entries: readonly PackageEntry[], name: string, range: string): AbnError {
  const versions = entries.map((entry) => entry.version).sort((a, b) => compareVersions(b, a))
  const shown = [...new Set(versions)].slice(0, 10).join(', ')
  return new AbnError('ABN_PACKAGE_VERSION', `there is no ${name} in version ${JSON.stringify(clean(range))}`, {
    hint: `there is ${shown}`,
  })
}
