/**
 * Finds the package that a person means: 'hello' (the highest release), 'hello@2.10' (that version, or the highest 2.10.x) or
 * 'hello@^2.10' (the highest version in a semver range).
 * 'extra:hello' is that of the channel extra. Hidden packages are found too, if nothing else has the name.
 */
import { AbnError } from '../../format/errors.ts'
import type { Evaluation } from './evaluation.ts'
import { nearest } from './nearest.ts'
import type { EvaluatedPackage } from './package.ts'
import { clean } from './problem.ts'
import type { PackageEntry } from './records.ts'
import { compareVersions, semanticVersionOf } from './versions.ts'

export type PackageSpec = { readonly name: string; readonly range: string | undefined }

/** Throws ABN_PACKAGE_SPEC, ABN_PACKAGE_UNKNOWN, ABN_PACKAGE_VERSION, or what is wrong with the recipe of that name. */
export async function findPackage(evaluation: Evaluation, spec: string): Promise<EvaluatedPackage> {
  return evaluation.load(await findEntry(evaluation, spec))
}

/** As findPackage, but reads no derivation. */
export async function findEntry(evaluation: Evaluation, spec: string): Promise<PackageEntry> {
  const { name, range } = parsePackageSpec(spec)
  const all = evaluation.entriesNamed(name)
  if (all.length === 0) throw unknownPackage(evaluation, name)
  const listed = all.filter((entry) => !entry.hidden)
  const found = (await highest(listed, range)) ?? (await highest(all, range))
  if (found === undefined) throw unknownVersion(all, name, range ?? '')
  return found
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
  if (broken !== undefined) {
    const { code, message, hint } = broken
    return new AbnError(code, `the recipe of ${name} is broken: ${message}`, hint === undefined ? {} : { hint })
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
