// abnpkg develop NAME [-- COMMAND]
import { existsSync, realpathSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { findPackage } from '../../builder/evaluate/find.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import type { Sha256 } from '../../format/hash.ts'
import { numberOption, textOption } from '../args.ts'
import type { Command } from '../commands.ts'
import { leaveSignalsToProgram, realiseAndHold, requireNoJson, shellForContainer } from '../environment.ts'
import { oneName } from '../names.ts'
import { startProgress } from '../plans/progress.ts'
import {
  planFor,
  printPlan,
  realiseOptions,
  requireWorkOptions,
  type Work,
  watcher,
  workOptions,
} from '../plans/work.ts'
import { evaluationFor, storeFor, storeToLookAt } from '../session.ts'

export const develop: Command = {
  usage: 'NAME[@RANGE] [-- COMMAND ARGUMENTS...]',
  details: [
    "Unpacks and patches a package's sources into a directory, ./NAME-VERSION unless told, and starts a shell, or runs a command, in",
    'which everything is as in its build: variables, tools, paths, no network. The phases are commands there, such as configure,',
    "build, check, install; 'unpack' and 'patch' after -- stop at that. A directory that is there already is gone on with. The",
    'exit status is that of the shell or command.',
  ].join('\n'),
  takesRest: true,
  options: {
    directory: { type: 'string', value: 'DIR', help: 'where the sources are, or are to be' },
    ...workOptions,
  },
  async run(args, surroundings) {
    const spec = oneName(args, 'develop', 'what comes after -- is the command: abnpkg develop NAME -- build')
    requireWorkOptions(args)
    requireNoJson('develop', args, surroundings)
    const dryRun = args.options['dry-run'] === true
    const store = dryRun ? storeToLookAt(args) : storeFor(args)
    const evaluation = await evaluationFor(args, surroundings.signal)
    const one = await findPackage(evaluation, spec)
    const { name, version, inputs } = one.derivation
    const work = { args, store, evaluation, surroundings }
    const packages = inputs.flatMap(({ recipe }) => evaluation.byHash(recipe) ?? [])
    if (dryRun) {
      await printPlan(await planFor(packages, work), surroundings.output)
      return 0
    }
    const directory = placeOf(textOption(args, 'directory') ?? `${name}-${version}`)
    const [only] = args.rest.length === 1 ? args.rest : []
    const isDriverPhase = only === 'unpack' || only === 'patch'
    const { requireShowable } = await import('../../builder/environment/shell.ts')
    requireShowable(directory, store)
    const { openWorkbench } = await import('../../builder/environment/workbench.ts')
    const { outputPathsOf } = await import('../../builder/realise/plan.ts')
    const outputs = outputPathsOf(one)
    const workbench = await openWorkbench(one.derivation, {
      directory,
      outputs,
      files: () => sourcesFor(one, work),
      until: only === 'unpack' ? 'unpack' : 'patch',
      signal: surroundings.signal,
    })
    if (workbench.changed) surroundings.output.note(`the sources of ${name} ${version} are in ${directory}`)
    if (isDriverPhase) {
      if (!workbench.changed) surroundings.output.note(`nothing to ${only}: ${directory} is as far as that already`)
      return 0
    }

    const needed = { items: inputs.map(({ path }) => path), packages: () => packages }
    const { hold } = await realiseAndHold(needed, 'develop', work)
    using _ = hold
    const hasShell = one.derivation.links.some(({ path }) => path === '/bin/sh')
    const fallback = hasShell ? undefined : await shellForContainer(work, 'develop')
    using __ = fallback?.hold
    const { runInDevelopment } = await import('../../builder/environment/develop.ts')
    const { programCacheOf } = await import('../../builder/sandbox/programs.ts')
    leaveSignalsToProgram()
    return await runInDevelopment({
      store,
      cache: programCacheOf(store),
      package: one,
      outputs,
      directory,
      workbench,
      cores: numberOption(args, 'cores', { least: 1 }) ?? availableParallelism(),
      term: process.env.TERM,
      shell: fallback?.shell,
      command: args.rest,
    })
  },
}

/** Without symbolic links, as far as it is there: it is mounted, and must be what was looked at. */
function placeOf(given: string): string {
  const place = resolve(given)
  return existsSync(place) ? realpathSync(place) : place
}

async function sourcesFor(one: EvaluatedPackage, work: Work): Promise<ReadonlyMap<Sha256, string>> {
  const { fetchForBuilds } = await import('../../builder/realise/sources.ts')
  const { outputPathsOf } = await import('../../builder/realise/plan.ts')
  using progress = startProgress(work.surroundings.output)
  const { sources, signal } = await realiseOptions(work, progress)
  const onEvent = watcher(progress)
  const build = { kind: 'build', package: one, outputs: outputPathsOf(one), needs: [] } as const
  const onProgress = (part: Parameters<NonNullable<Parameters<typeof fetchForBuilds>[1]['onProgress']>>[0]): void =>
    onEvent({ kind: 'download', progress: part })
  return await fetchForBuilds([build], { ...sources, signal, onProgress }).filesOf(one)
}
