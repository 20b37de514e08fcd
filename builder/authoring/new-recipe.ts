/**
 * A first recipe from an address, from a name, or from Debian's source package: fetches the archive, looks into it, guesses, and
 * says what it has guessed. What a person has to decide is left as TODO, and lint finds it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { diskError, withDiskErrors } from '../../store/io-errors.ts'
import { compareVersions } from '../evaluate/versions.ts'
import { unpackSource } from '../unpack/source.ts'
import { type DebianOptions, type DebianSource, findDebianSource, requireDebianSource } from './debian.ts'
import { type Draft, type DraftBuild, todo } from './draft.ts'
import { type Facts, lookInto, summaryOf, unpackOf } from './look.ts'
import { mirrored, type NameAndVersion, nameAndVersionOf, plainName, versionsIn } from './names.ts'
import { type Packaging, readPackaging, recipesFor } from './packaging.ts'
import type { Arrived } from './upstream.ts'

export type NewRecipe = {
  readonly draft: Draft
  /** What was guessed, and from what. */
  readonly guesses: readonly string[]
  /** What will probably not work. */
  readonly warnings: readonly string[]
}

export type NewRecipeOptions = DebianOptions & {
  /** In place of what the address says. */
  readonly name?: string | undefined
  readonly version?: string | undefined
  /** Whether there is a recipe of that name. */
  readonly has: (name: string) => boolean
  /** Whether it is one of ours; `has` unless told. */
  readonly isOurs?: (name: string) => boolean
}

/** Throws ABN_UPSTREAM_…, ABN_UNPACK_…, ABN_AUTHORING_ARCHIVE. */
export async function newRecipe(wanted: string, options: NewRecipeOptions): Promise<NewRecipe> {
  if (!/^[a-z]+:\/\//i.test(wanted)) return newFromName(wanted, options)
  const named = nameAndVersionOf(wanted)
  const name = options.name ?? named?.name
  const version = options.version ?? named?.version
  if (name === undefined || version === undefined) {
    throw new AbnError('ABN_AUTHORING_ARCHIVE', `no name and version can be read from ${wanted}`, {
      hint: 'say them: --name NAME --version VERSION',
    })
  }
  return draftFrom({ name, version, urls: [mirrored(wanted)] }, options)
}

/** From the places that are known: Debian's source index, GNU's archive. */
async function newFromName(name: string, options: NewRecipeOptions): Promise<NewRecipe> {
  const failures: unknown[] = []
  const attempt = async <T>(work: () => Promise<T>) => {
    try {
      return await work()
    } catch (error) {
      options.signal.throwIfAborted()
      if (!(error instanceof AbnError && error.code === 'ABN_UPSTREAM_UNREACHABLE')) throw error
      failures.push(error)
      return undefined
    }
  }
  const gnu = await attempt(async () => newestAtGnu(name, options))
  const debian = await attempt(async () => findDebianSource(name, options))
  if (debian !== undefined && (gnu === undefined || compareVersions(gnu.version, debian.upstreamVersion) <= 0)) {
    return draftFromDebian(debian, options)
  }
  if (gnu !== undefined)
    return draftFrom({ name: options.name ?? name, version: gnu.version, urls: [gnu.url] }, options)
  if (failures.length > 0) throw failures[0]
  throw new AbnError('ABN_UPSTREAM_UNKNOWN', `neither GNU nor Debian has sources called ${name}`, {
    hint: 'give the address of the archive: abnpkg recipe new https://…/name-1.0.tar.gz',
  })
}

async function newestAtGnu(name: string, { upstream }: NewRecipeOptions) {
  const directory = `mirror://gnu/${name}/`
  const [newest] = versionsIn((await upstream.text([directory])) ?? '', name)
  return newest === undefined ? undefined : { version: newest.version, url: `${directory}${newest.file}` }
}

/** Throws ABN_UPSTREAM_UNKNOWN when Debian has no such source package. */
export async function importFromDebian(name: string, options: NewRecipeOptions): Promise<NewRecipe> {
  return draftFromDebian(requireDebianSource(name, await findDebianSource(name, options)), options)
}

async function draftFromDebian(source: DebianSource, options: NewRecipeOptions): Promise<NewRecipe> {
  const name = options.name ?? plainName(source.name)
  const made = await draftFrom({ name, version: source.upstreamVersion, urls: [source.archive.url] }, options)
  if (made.draft.sha256 !== source.archive.sha256) {
    throw new AbnError('ABN_SOURCE_WRONG_HASH', `${source.archive.url} has not the SHA-256 that Debian's index says`, {
      hint: 'try again later: the mirror may be in the middle of an update',
    })
  }
  const packaging = await packagingOf(source, options)
  const { libraries, tools, others } = recipesFor(source.buildDepends, options.has)
  const summary = packaging?.summary === undefined ? undefined : summaryOf(packaging.summary)
  const comments = [
    `From Debian's source package ${source.name} ${source.version}.`,
    ...listed("Debian's patches, which are not applied:", packaging?.patches ?? []),
    ...listed('Options that Debian configures it with:', packaging?.options ?? []),
    ...listed('Debian builds it with these too, for which we have no recipe:', others),
  ]
  return {
    draft: {
      ...made.draft,
      summary: summary ?? made.draft.summary,
      homepage: source.homepage ?? made.draft.homepage,
      licence: packaging?.licence ?? made.draft.licence,
      libraries: [...new Set([...made.draft.libraries, ...libraries])].sort(),
      tools: [...new Set([...made.draft.tools, ...tools])].sort(),
      comments: [...comments, ...made.draft.comments],
    },
    guesses: [`version, summary, homepage and licence from Debian's ${source.name} ${source.version}`, ...made.guesses],
    warnings: made.warnings,
  }
}

async function packagingOf(
  source: DebianSource,
  { upstream, signal }: NewRecipeOptions,
): Promise<Packaging | undefined> {
  const { packaging } = source
  const arrived = packaging && (await upstream.file([packaging.url]))
  if (packaging === undefined || arrived === undefined || arrived.sha256 !== packaging.sha256) return undefined
  return inside({ ...arrived, url: packaging.url }, signal, readPackaging)
}

type Wanted = NameAndVersion & { readonly urls: readonly string[] }

async function draftFrom({ name, version, urls }: Wanted, options: NewRecipeOptions): Promise<NewRecipe> {
  const arrived = await options.upstream.file(urls)
  if (arrived === undefined) {
    throw new AbnError('ABN_UPSTREAM_UNKNOWN', `there is nothing at ${urls.join(', ')}`, {
      hint: 'look for the address of the archive at the homepage of the package',
    })
  }
  const facts = await inside(arrived, options.signal, (directory) => lookInto(directory, name))
  const build = buildOf(facts)
  const needed = [...facts.tools, ...facts.obstacles.tools]
  const tools = [...new Set(needed)].filter(options.has).sort()
  const libraries = facts.libraries.filter(options.has)
  const draft: Draft = {
    name,
    version,
    summary: facts.summary ?? `${todo}: say in one line what it is`,
    homepage: homepageOf(arrived.url, name),
    licence: facts.licence?.spdx ?? todo,
    urls: [arrived.url],
    sha256: arrived.sha256,
    isZip: arrived.url.endsWith('.zip'),
    strip: facts.top === undefined ? 0 : 1,
    tools,
    libraries,
    build,
    programs: facts.saysVersion ? facts.programs : [],
    comments:
      facts.system === 'other' ? [`${todo}: its build system is ${facts.systemName}; write the build yourself.`] : [],
  }
  return { draft, guesses: guessesOf(facts, draft, arrived), warnings: warningsOf(facts, draft, options) }
}

/** As the recipe has it: a template. */
const PREFIX = '--prefix=$' + '{out}'

function buildOf(facts: Facts): DraftBuild {
  const { system, handwritten, isOldConfigSub, targets, testsNeed, programs } = facts
  const { make, before } = facts.obstacles
  const off = testsNeed === undefined ? undefined : { off: `the test suite needs ${testsNeed}` }
  if (system !== 'make') {
    const own = handwritten && [PREFIX, ...(handwritten.takesCompiler ? ['CC=tcc'] : [])]
    const omit = own === undefined && isOldConfigSub ? ['--build'] : []
    return { system: 'gnu', configure: own, omit, make, before, check: off, install: undefined }
  }
  const target = ['check', 'test', 'tests'].find((one) => targets.has(one))
  const check =
    off ?? (target === undefined ? { off: 'the makefile has no tests' } : target === 'check' ? undefined : { target })
  const files = Object.fromEntries(programs.map((program) => [`bin/${program}`, program]))
  return { system: 'make', make, before, check, install: targets.has('install') ? undefined : files }
}

function guessesOf(facts: Facts, draft: Draft, arrived: Arrived): readonly string[] {
  const { system, licence, testsNeed, top } = facts
  const parsers = draft.tools.filter((tool) => facts.tools.includes(tool))
  const how = {
    gnu: 'configure is there: gnuBuild',
    make: 'a makefile is there: makeBuild',
    other: `build system: ${facts.systemName}`,
  }
  return [
    `sha256 of the ${arrived.bytes} bytes that came from ${arrived.url}: compare it with what upstream has signed`,
    how[system],
    ...(facts.handwritten === undefined ? [] : ['autoconf has not made its configure: it gets --prefix only']),
    ...(draft.build.omit?.length ? ['its config.sub is old: configure is not told the kind of system'] : []),
    ...(top === undefined ? ['several directories at the top of the archive: strip 0'] : []),
    licence === undefined
      ? 'no licence was recognised'
      : `licence from ${licence.file}; whether "or later" holds is for you to see`,
    ...(draft.libraries.length > 0 ? [`libraries from its configuration: ${draft.libraries.join(', ')}`] : []),
    ...(parsers.length > 0 ? [`tools from files without a compiled form: ${parsers.join(', ')}`] : []),
    ...facts.obstacles.guesses,
    ...(testsNeed === undefined ? [] : [`no tests: they need ${testsNeed}`]),
    ...(draft.programs.length > 0
      ? [`programs: ${draft.programs.join(', ')}`]
      : ['no smoke test: no program of it seems to know --version; write one that shows that it works']),
  ]
}

function warningsOf(
  { warnings, system, systemName, tools, obstacles }: Facts,
  { name }: Draft,
  { has, isOurs = has }: NewRecipeOptions,
) {
  return [
    ...warnings,
    ...(system === 'other' ? [`no recipe function is for its build system (${systemName})`] : []),
    ...[...tools, ...obstacles.tools]
      .filter((tool) => !has(tool))
      .map(
        (tool) =>
          `its build needs ${tool}, for which there is no recipe: 'abnpkg recipe new ${tool}', then this again with --force`,
      ),
    ...(isOurs(name)
      ? [`we have a recipe of that name, which is meant by ${name}; write CHANNEL:${name} for yours`]
      : []),
  ]
}

/** Unpacks into a directory of its own, which goes away afterwards. Throws ABN_UNPACK_… or ABN_AUTHORING_ARCHIVE. */
async function inside<T>(
  { path, url }: Pick<Arrived, 'path' | 'url'>,
  signal: AbortSignal,
  look: (directory: string) => T,
): Promise<T> {
  const unpack = unpackOf(basename(url))
  if (unpack === undefined) {
    throw new AbnError('ABN_AUTHORING_ARCHIVE', `${basename(url)} is no archive that recipes can unpack`, {
      hint: 'there is tar (plain, gz, bz2, xz, zst) and zip',
    })
  }
  const root = withDiskErrors(`cannot write in ${tmpdir()}`, () => mkdtempSync(join(tmpdir(), 'abnpkg-look-')))
  try {
    await unpackSource({
      file: path,
      unpack,
      root,
      to: 'source',
      signal,
      limits: { bytes: 2 * 2 ** 30, entries: 100_000 },
    })
    return look(join(root, 'source'))
  } catch (error) {
    throw diskError(`cannot unpack ${basename(url)} in ${root}`, error)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

function homepageOf(url: string, name: string): string | undefined {
  if (url.startsWith('mirror://gnu/')) return `https://www.gnu.org/software/${name}/`
  return /^https:\/\/(?:github|gitlab)\.com\/[^/]+\/[^/]+/.exec(url)?.[0]
}

function listed(what: string, names: readonly string[]): string[] {
  const lines: string[] = []
  for (const name of names.slice(0, 40)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + name.length < WIDEST) lines[lines.length - 1] = `${last} ${name}`
    else lines.push(`  ${name}`)
  }
  return names.length === 0 ? [] : [what, ...lines]
}

/** Columns of a comment, without the sign before it. */
const WIDEST = 110
