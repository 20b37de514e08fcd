// abnpkg gc
import { rmSync } from 'node:fs'
import { getCompileCacheDir } from 'node:module'
import { AbnError } from '../../format/errors.ts'
import type { Garbage, GarbageOptions } from '../../store/collect-garbage.ts'
import type { Item } from '../../store/item.ts'
import { listGenerations, listProfiles, readGeneration, readProfile } from '../../store/profiles.ts'
import type { Store } from '../../store/store.ts'
import { type Arguments, durationOption, sizeOption, textOption } from '../args.ts'
import type { Command, Surroundings } from '../commands.ts'
import { countText, type Output, sizeText, timeText } from '../output.ts'
import { sourceCacheOf } from '../plans/work.ts'
import { evaluationFor, existingStore, storeFor } from '../session.ts'
import { type Leftover, leftoversOf, unnamedDownloads } from '../store/leftovers.ts'

export const gc: Command = {
  usage: '[roots | add-root NAME PACKAGE... | remove-root NAME...]',
  details: [
    'Removes what nothing needs: items to which no root leads, and what is left of them (logs, decisions), of crashes and of downloads',
    'that were given up. Roots are all generations of all profiles, what projects have locked, running shells and programs, and',
    'what add-root names. Other abnpkg processes may work meanwhile: what they use or make stays.',
    '',
    '  abnpkg gc --dry-run            what would go, and what it would take to build it again',
    '  abnpkg gc --older-than 30d     forget generations made before that first; keep what came into the store since',
    '  abnpkg gc --max-free 5G        stop when that much is free again; what has been there longest goes first',
    '  abnpkg gc roots                what is kept, and why',
    '  abnpkg gc add-root NAME PACKAGE...   keep packages or store paths until remove-root NAME',
  ].join('\n'),
  options: {
    'dry-run': { type: 'boolean', help: 'only show what would be removed; writes nothing' },
    'max-free': { type: 'string', value: 'SIZE', help: 'stop when so much is free again, such as 500M or 2G' },
    'older-than': {
      type: 'string',
      value: 'TIME',
      help: 'first forget generations older than that, such as 30d; keep items that are younger',
    },
    'keep-inputs': { type: 'boolean', help: 'keep also what the packages that stay were built from' },
    sources: { type: 'string', value: 'WHICH', help: 'also drop downloads: unused (no recipe names them) or all' },
  },
  async run(args, surroundings) {
    const [word] = args.names
    if (word === undefined) return collect(args, surroundings)
    const { runRoots } = await import('../store/gc-roots.ts')
    return runRoots(args, surroundings)
  },
}

async function collect(args: Arguments, surroundings: Surroundings): Promise<number> {
  const { output, signal } = surroundings
  const dryRun = args.options['dry-run'] === true
  const now = Math.floor(Date.now() / 1000)
  const age = durationOption(args, 'older-than', { least: 0 })
  const which = sourcesOption(args)
  const store = dryRun ? existingStore(args) : storeFor(args)
  if (store === undefined) {
    output.line('there is no store yet')
    output.document({
      dryRun,
      generations: [],
      items: [],
      bytes: 0,
      leftovers: [],
      leftoverBytes: 0,
      kept: { items: 0, bytes: 0 },
    })
    return 0
  }
  const old = age === undefined ? [] : oldGenerations(store, now - age)
  const isOld = new Set(old.map(({ profile, number }) => `${profile} ${number}`))
  const sources = sourceCacheOf(store)
  const options: GarbageOptions = {
    enoughBytes: sizeOption(args, 'max-free'),
    keepSince: age === undefined ? undefined : now - age,
    keepInputs: args.options['keep-inputs'] === true,
    except: ({ kind, name }) => kind === 'generation' && isOld.has(name),
  }
  const channels = await channelDigests()
  const downloads = which === undefined ? [] : await droppedDownloads(which, { args, store, surroundings })
  const { collectGarbage, findGarbage } = await import('../../store/collect-garbage.ts')
  let leftovers: readonly Leftover[] = []
  const find = (garbage: Garbage) => {
    leftovers = leftoversOf(store, garbage, { now, sources, channels, compileCache: getCompileCacheDir() })
    return leftovers
  }
  let garbage: Garbage
  if (dryRun) {
    garbage = findGarbage(store, options)
    find(garbage)
  } else {
    const { removeGeneration } = await import('../../store/switch-profile.ts')
    for (const { profile, number } of old) await removeGeneration(store, profile, number)
    garbage = await collectGarbage(store, {
      ...options,
      signal,
      onWait: () => output.note('waiting until other abnpkg processes have finished what they add to the store'),
      leftovers: (found) => {
        // Downloads may be on another file system, to be removed where they are.
        const { gone, elsewhere } = Object.groupBy(find(found), ({ path }) =>
          path.startsWith(`${store.root}/`) ? 'gone' : 'elsewhere',
        )
        removeFiles([...(elsewhere ?? []), ...downloads])
        return (gone ?? []).map(({ path }) => path)
      },
      onProgress: (done, of) => output.live([`  ${output.paint('bold', `${done} of ${of}`)} removed`]),
    })
    output.live([])
  }
  report({ dryRun, generations: old, garbage, leftovers, downloads }, output)
  if (signal.aborted) throw signal.reason
  return 0
}

/** Throws ABN_CONFIGURATION: what cannot be read must not count as nothing. */
async function channelDigests(): Promise<ReadonlySet<string>> {
  const { readChannels } = await import('../../builder/channels/configuration.ts')
  const { configurationDirectories } = await import('../../builder/substitute/configuration.ts')
  const channels = readChannels(configurationDirectories(process.env))
  return new Set(channels.flatMap((one) => (one.kind === 'live' ? [] : [one.pin.digest])))
}

type OldGeneration = { readonly profile: string; readonly number: number }

/** Never the current ones. */
function oldGenerations(store: Store, before: number): readonly OldGeneration[] {
  return listProfiles(store).flatMap((profile) => {
    const current = readProfile(store, profile)?.number
    return listGenerations(store, profile)
      .filter((number) => number !== current && readGeneration(store, profile, number).manifest.at < before)
      .map((number) => ({ profile, number }))
  })
}

type Which = 'unused' | 'all'

function sourcesOption(args: Arguments): Which | undefined {
  const which = textOption(args, 'sources')
  if (which === undefined || which === 'unused' || which === 'all') return which
  throw new AbnError('ABN_USAGE', `option --sources: expected unused or all, got '${which}'`)
}

type Download = Omit<Leftover, 'kind'>
type Place = { readonly args: Arguments; readonly store: Store; readonly surroundings: Surroundings }

async function droppedDownloads(which: Which, { args, store, surroundings }: Place): Promise<readonly Download[]> {
  const directory = sourceCacheOf(store)
  if (which === 'all') return unnamedDownloads(directory, new Set())
  const evaluation = await evaluationFor(args, surroundings.signal)
  const derivations = evaluation.packages.map(({ derivation }) => derivation)
  const named = derivations.flatMap(({ sources }) => sources.flatMap(({ sha256, patches }) => [sha256, ...patches]))
  return unnamedDownloads(directory, new Set(named))
}

function removeFiles(files: readonly Download[]): void {
  for (const { path } of files) rmSync(path, { force: true })
}

type Report = {
  readonly dryRun: boolean
  readonly generations: readonly OldGeneration[]
  readonly garbage: Garbage
  readonly leftovers: readonly Leftover[]
  readonly downloads: readonly Download[]
}

function report({ dryRun, generations, garbage, leftovers, downloads }: Report, output: Output): void {
  const { items, staying, bytes } = garbage
  const verb = dryRun ? 'would remove' : 'removed'
  for (const { profile, number } of generations) output.line(`${verb} generation ${number} of profile ${profile}`)
  const seconds = items.reduce((sum, { origin }) => sum + (origin.kind === 'built' ? origin.seconds : 0), 0)
  const again = seconds > 0 ? `; ${dryRun ? 'building them took' : 'building them had taken'} ${timeText(seconds)}` : ''
  output.line(
    items.length === 0
      ? `nothing to collect`
      : `${verb} ${countText(items.length, 'item')}, ${sizeText(bytes)}${again}`,
  )
  if (dryRun) for (const item of [...items].sort((a, b) => b.bytes - a.bytes)) output.line(lineOf(item))
  const others = Map.groupBy(leftovers, ({ kind }) => kind)
  for (const [kind, some] of others) output.line(`${verb} ${countText(some.length, kind)}, ${sizeText(sumOf(some))}`)
  if (garbage.leavings.length > 0)
    output.line(`${verb} ${countText(garbage.leavings.length, 'directory', 'directories')} left by crashes`)
  if (downloads.length > 0)
    output.line(`${verb} ${countText(downloads.length, 'download')}, ${sizeText(sumOf(downloads))}`)
  const kept = staying.reduce((sum, item) => sum + item.bytes, 0)
  output.line(`kept: ${countText(staying.length, 'item')}, ${sizeText(kept)}`)
  output.document({
    dryRun,
    generations,
    items: items.map(({ path, bytes: size, origin }) => ({ path, bytes: size, origin: origin.kind })),
    bytes,
    leftovers,
    leavings: garbage.leavings,
    downloads,
    kept: { items: staying.length, bytes: kept },
  })
}

function lineOf({ name, version, output: which, bytes, origin }: Item): string {
  const label = `${name} ${version}${which === 'out' ? '' : ` (${which})`}`
  const came =
    origin.kind === 'built' ? `built in ${origin.seconds < 1 ? 'under 1 s' : timeText(origin.seconds)}` : 'fetched'
  return `  ${sizeText(bytes).padStart(7)}  ${label}, ${came}`
}

function sumOf(files: readonly { readonly bytes: number }[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0)
}
