// abnpkg recipe new|import|lint|check|refresh
import { existsSync, realpathSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join, relative } from 'node:path'
import { type Draft, recipeText } from '../../builder/authoring/draft.ts'
import type { NewRecipe, NewRecipeOptions } from '../../builder/authoring/new-recipe.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { AbnError } from '../../format/errors.ts'
import { layoutOf } from '../../store/layout.ts'
import { writeDurably } from '../../store/write-durably.ts'
import { type Arguments, textOption } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
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
import {
  type Authored,
  authored,
  authoredPackage,
  brokenIn,
  channelAt,
  makeRecipeDirectory,
  moduleIds,
  moduleOf,
  modulePath,
  recipeDirectory,
} from '../recipes/authoring.ts'
import { noteBroken } from '../recipes/broken.ts'
import { evaluationFor, isOffline, rootOf, storeFor, storeToLookAt } from '../session.ts'

export const recipe: Command = {
  usage: 'new URL|NAME | import debian NAME | lint [NAME|FILE...] | check NAME... | refresh [NAME...]',
  details: [
    'For people who write recipes. A recipe is a file in recipes/packages of a directory of yours: the current one or the nearest',
    'one above it that has them, or that of --directory. docs/recipes.md teaches it with an example.',
    '',
    '  new      write a first recipe: fetches the archive, looks into it, says what was guessed; a NAME is looked for at GNU',
    '           and in Debian',
    '  import   write one from what Debian says of its source package',
    '  lint     say what should be changed, with line numbers; all recipes without a name',
    '  check    build it, then twice more under other conditions, and compare every bit',
    '  refresh  look for a newer version where its addresses lead, and put it into the recipe; all without a name',
  ].join('\n'),
  options: {
    directory: { type: 'string', value: 'DIR', help: 'where recipes/packages is' },
    name: { type: 'string', value: 'NAME', help: 'new, import: call the package so' },
    version: { type: 'string', value: 'VERSION', help: 'new: the version, where the address does not say it' },
    force: { type: 'boolean', help: 'new, import: write over a recipe that is there' },
    offline: { type: 'boolean', help: 'ask nobody' },
    ...workOptions,
  },
  async run(args, surroundings) {
    const [verb, ...names] = args.names
    const [first, second] = names
    if (verb === 'new' && first !== undefined && names.length === 1) return writeNew(first, args, surroundings)
    if (verb === 'import' && first === 'debian' && second !== undefined && names.length === 2) {
      return importDebian(second, args, surroundings)
    }
    if (verb === 'lint') return lint(names, args, surroundings)
    if (verb === 'check' && names.length > 0) return check(names, args, surroundings)
    if (verb === 'refresh') return refresh(names, args, surroundings)
    throw new AbnError('ABN_USAGE', `recipe: expected new URL, import debian NAME, lint, check NAME or refresh`, {
      hint: "see 'abnpkg recipe --help'",
    })
  },
}

async function writeNew(wanted: string, args: Arguments, surroundings: Surroundings): Promise<number> {
  const { newRecipe } = await import('../../builder/authoring/new-recipe.ts')
  return write(args, surroundings, (options) => newRecipe(wanted, options))
}

async function importDebian(name: string, args: Arguments, surroundings: Surroundings): Promise<number> {
  const { importFromDebian } = await import('../../builder/authoring/new-recipe.ts')
  return write(args, surroundings, (options) => importFromDebian(name, options))
}

async function write(
  args: Arguments,
  surroundings: Surroundings,
  make: (options: NewRecipeOptions) => Promise<NewRecipe>,
): Promise<number> {
  const { output, signal } = surroundings
  const directory = recipeDirectory(args)
  const evaluation = await evaluationFor(args, signal, [])
  const isOurs = (name: string) => evaluation.entriesNamed(name).some(({ hidden }) => !hidden)
  const isHere = (name: string) => !directory.isOwn && existsSync(modulePath(directory, name))
  const has = (name: string) => isOurs(name) || isHere(name)
  const [name, version] = [textOption(args, 'name'), textOption(args, 'version')]
  await using asking = await askingWith(args, surroundings)
  const { draft, guesses, warnings } = await make({ ...asking.options, has, isOurs, name, version })
  const path = modulePath(directory, draft.name)
  const isDry = args.options['dry-run'] === true
  if (existsSync(path) && !isDry && args.options.force !== true) {
    throw new AbnError('ABN_AUTHORING_EXISTS', `${path} is there already`, {
      hint: `'abnpkg recipe refresh ${draft.name}' brings it up to date; --force writes over it`,
    })
  }
  const text = recipeText(draft, (one) => (directory.isOwn || (isHere(one) && !isOurs(one)) ? './' : 'abnpkg/'))
  if (!isDry) {
    makeRecipeDirectory(directory)
    writeDurably(path, text)
  }
  const shown = relative(process.cwd(), path) || path
  output.line(isDry ? text.trimEnd() : `wrote ${shown}`)
  for (const guess of guesses) output.note(`guessed: ${guess}`)
  for (const warning of warnings) output.note(`warning: ${warning}`)
  if (!isDry) explainNext(draft, directory, output)
  output.document({ path, text, written: !isDry, guesses, warnings, draft })
  return 0
}

function explainNext(
  { name }: Draft,
  directory: ReturnType<typeof recipeDirectory>,
  output: Surroundings['output'],
): void {
  output.note(`next: read it, then 'abnpkg recipe lint ${name}' and 'abnpkg recipe check ${name}'`)
  const channel = channelAt(directory)
  if (channel?.name !== 'here') return
  output.note(
    `to install from it: abnpkg channel add mine ${relative(process.cwd(), directory.directory) || '.'} --live`,
  )
}

async function lint(names: readonly string[], args: Arguments, { output, signal }: Surroundings): Promise<number> {
  const { lintModule } = await import('../../builder/authoring/lint.ts')
  const found = await authored(args, signal)
  const results: object[] = []
  const told = new Set<object>()
  let count = 0
  const report = (path: string, line: number | undefined, rule: string, text: string) => {
    count++
    const at = relative(process.cwd(), path) || path
    output.line(`${output.paint('bold', line === undefined ? at : `${at}:${line}`)}: ${text} (${rule})`)
    results.push({ path, line: line ?? null, rule, text })
  }
  const reportBroken = (path: string, { code, message }: Pick<AbnError, 'code' | 'message'>) => {
    const [, line, text = message] = /^[^\s:]+:[^\s]*?:?(\d+):\d+: (.*)$/s.exec(message) ?? []
    report(path, line === undefined ? undefined : Number(line), code, text)
  }
  const words =
    names.length > 0
      ? names
      : moduleIds(found).map((id) => join(found.directory.directory, id.slice(id.indexOf(':') + 1)))
  for (const word of words) {
    try {
      const { path, text, packages, broken } = await moduleOf(word, found)
      for (const one of broken) {
        reportBroken(path, one)
        told.add(one)
      }
      if (packages.length === 0 && broken.length > 0) continue
      for (const one of lintModule(text, packages, { file: basename(path) })) report(path, one.line, one.rule, one.text)
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof AbnError) || !error.code.startsWith('ABN_RECIPE_')) throw error
      reportBroken(word, error)
    }
  }
  if (names.length > 0) noteBroken({ broken: found.evaluation.broken.filter((one) => !told.has(one)) }, output)
  if (count === 0) output.note(`${countText(words.length, 'recipe')}: nothing to complain about`)
  output.document(results)
  return count === 0 ? 0 : 1
}

async function check(names: readonly string[], args: Arguments, surroundings: Surroundings): Promise<number> {
  const { output, signal } = surroundings
  requireWorkOptions(args)
  const found = await authored(args, signal)
  noteBroken(found.evaluation, output)
  const packages: EvaluatedPackage[] = []
  for (const name of names) packages.push(await authoredPackage(name, found))
  const isDry = args.options['dry-run'] === true
  const store = isDry ? storeToLookAt(args) : storeFor(args)
  const work: Work = {
    args,
    store,
    evaluation: found.evaluation,
    surroundings,
  }
  const plan = await planFor(packages, work)
  if (isDry) {
    await printPlan(plan, output)
    return 0
  }
  using _ = await store.lock('shared', { signal })
  await carryOut(plan, work)
  const { checkBuild } = await import('../../builder/realise/check.ts')
  const counts = coreCounts()
  for (const one of packages) {
    const inputs = one.derivation.inputs.flatMap(({ recipe: hash }) => found.evaluation.byHash(hash) ?? [])
    await carryOut(await planFor(inputs, work), work)
    for (const cores of counts) {
      using progress = startProgress(output)
      await checkBuild(one, { ...(await realiseOptions(work, progress)), cores })
    }
    output.line(
      `${nameOf(one)}: the same bits ${countText(counts.length + 1, 'time')} (with ${counts.join(' and ')} cores)`,
    )
  }
  output.document(
    packages.map(({ derivation, recipeHash }) => ({
      name: derivation.name,
      version: derivation.version,
      recipeHash,
      cores: counts,
    })),
  )
  return 0
}

/** A build may learn how many cores it has, and nothing else of the machine. */
function coreCounts(): readonly number[] {
  return [1, Math.max(3, availableParallelism() + 1)]
}

async function refresh(names: readonly string[], args: Arguments, surroundings: Surroundings): Promise<number> {
  const { output, signal } = surroundings
  const { findNewer } = await import('../../builder/authoring/newer.ts')
  const found = await authored(args, signal)
  const packages =
    names.length > 0 ? await Promise.all(names.map((name) => authoredPackage(name, found))) : listedIn(found)
  await using asking = await askingWith(args, surroundings)
  const results: object[] = []
  let unknown = 0
  for (const { module, names: missing, code, message } of names.length > 0 ? [] : brokenIn(found)) {
    unknown++
    output.line(`${missing.join(', ') || module}: broken: ${message}`)
    results.push({ module, names: missing, error: { code, message } })
  }
  for (const one of packages) {
    const { name } = one.derivation
    const newer = await findNewer(one, asking.options)
    const { current, newest, places } = newer
    const failed = places.filter(({ failure }) => failure !== undefined)
    if (newest === undefined && places.length === failed.length) unknown++
    if (newest === undefined) {
      output.line(`${name} ${current}: ${places.length > failed.length ? 'nothing newer' : 'nobody could be asked'}`)
    } else if (args.options['dry-run'] === true) output.line(`${name} ${current}: there is ${newest}`)
    else await bringTo(newest, one, { found, asking, output })
    for (const { asked, version, failure } of places)
      output.note(`  ${asked}: ${failure ?? version ?? 'nothing there'}`)
    results.push({
      name,
      ...newer,
      newest: newest ?? null,
      written: newest !== undefined && args.options['dry-run'] !== true,
    })
  }
  output.document(results)
  return unknown === 0 ? 0 : 1
}

function listedIn({ evaluation, channel }: Authored): readonly EvaluatedPackage[] {
  const own = channel?.name ?? 'abnpkg'
  return evaluation.packages.filter(
    ({ metadata }) => metadata.channel === own && metadata.exportName !== '' && !metadata.hidden,
  )
}

type Bringing = { readonly found: Authored; readonly asking: Asking; readonly output: Surroundings['output'] }

async function bringTo(version: string, one: EvaluatedPackage, { found, asking, output }: Bringing): Promise<void> {
  const { rewriteRecipe } = await import('../../builder/authoring/rewrite.ts')
  const { derivation, metadata } = one
  const [hint, ...others] = Object.entries(metadata.sources)
  if (hint === undefined || others.length > 0 || hint[1].kind !== 'urls') {
    throw new AbnError(
      'ABN_AUTHORING_REWRITE',
      `${derivation.name}: only a recipe with one archive can be brought to ${version}`,
      {
        hint: 'change the version and the hashes with an editor',
      },
    )
  }
  const urls = hint[1].urls.map((url) => url.replaceAll(derivation.version, version))
  const arrived = await asking.options.upstream.file(urls)
  if (arrived === undefined) {
    throw new AbnError('ABN_UPSTREAM_UNKNOWN', `none of the addresses of ${derivation.name} has version ${version}`, {
      hint: `it was looked for at ${urls.join(', ')}`,
    })
  }
  const { path, text } = await moduleOf(
    metadata.module === ''
      ? derivation.name
      : join(found.directory.directory, metadata.module.slice(metadata.module.indexOf(':') + 1)),
    found,
  )
  const [from] = derivation.sources
  if (from === undefined) throw new TypeError('bringTo: no source')
  const change = { from: { version: derivation.version, sha256: from.sha256 }, to: { version, sha256: arrived.sha256 } }
  // What a link leads to, and with its mode.
  writeDurably(realpathSync(path), rewriteRecipe(text, metadata.exportName, change), statSync(path).mode & 0o777)
  output.line(`${derivation.name} ${derivation.version} → ${version}, from ${arrived.url}`)
}

type Asking = AsyncDisposable & { readonly options: Omit<NewRecipeOptions, 'has'> }

async function askingWith(args: Arguments, { output, signal }: Surroundings): Promise<Asking> {
  const { Upstream } = await import('../../builder/authoring/upstream.ts')
  const { cache } = layoutOf(rootOf(args))
  const sourceCache = process.env.ABNPKG_SOURCE_CACHE || join(cache, 'sources')
  const upstream = new Upstream({
    signal,
    sourceCache,
    offline: isOffline(args),
    onAsk: (address) => output.note(`asking ${address}`),
  })
  return {
    options: { upstream, cacheDirectory: join(cache, 'debian'), signal },
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  }
}
