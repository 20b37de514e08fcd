// What install, build and run have in common: work out what is to be done, show it, do it, and let people watch.
import { join, resolve } from 'node:path'
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import type { SourceSupplier } from '../../builder/fetch/sources.ts'
import type { RealiseEvent } from '../../builder/realise/events.ts'
import type { Plan } from '../../builder/realise/plan.ts'
import type { RealiseOptions } from '../../builder/realise/realise.ts'
import type { SandboxLimits } from '../../builder/sandbox/limits.ts'
import type { Substitution } from '../../builder/substitute/substitute.ts'
import { AbnError } from '../../format/errors.ts'
import type { Store } from '../../store/store.ts'
import { type Arguments, durationOption, numberOption, type OptionTable } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { countText, type Output, timeText } from '../output.ts'
import { isOffline } from '../session.ts'
import { jsonOfPlan, nameOf, planLines, type ShownPlan } from './plan-text.ts'
import { type Progress, startProgress } from './progress.ts'

export const workOptions: OptionTable = {
  jobs: { type: 'string', value: 'N', help: 'how many packages are built at once' },
  cores: { type: 'string', value: 'N', help: 'how many cores one build may use' },
  timeout: { type: 'string', value: 'TIME', help: 'stop a build that takes longer, such as 90s, 20m; 12h unless told' },
  'max-silent': { type: 'string', value: 'TIME', help: 'stop a build that says nothing for so long; 2h unless told' },
  'keep-going': { type: 'boolean', help: 'after a failure build what does not need what failed' },
  'keep-failed': { type: 'boolean', help: 'keep the directory of a build that fails' },
  'dry-run': { type: 'boolean', help: 'only show what would be done; writes nothing' },
  'source-only': { type: 'boolean', help: 'build everything from source and ask no cache' },
  offline: {
    type: 'boolean',
    help: 'use no network at all: what is needed has to be there, or to be built from what is',
  },
  'no-build': { type: 'boolean', help: 'fail rather than build anything' },
  'max-build-time': {
    type: 'string',
    value: 'TIME',
    help: 'fail if building is expected to take longer, such as 90s, 20m, 2h',
  },
  yes: { type: 'boolean', help: 'do not ask before a long build' },
}

/** Refuses wrong values before anything is touched. */
export function requireWorkOptions(args: Arguments): void {
  numberOption(args, 'jobs', { least: 1 })
  numberOption(args, 'cores', { least: 1 })
  durationOption(args, 'max-build-time', { least: 0 })
  durationOption(args, 'timeout', { least: 1 })
  durationOption(args, 'max-silent', { least: 1 })
  if (args.options['source-only'] && args.options['no-build']) {
    throw new AbnError('ABN_USAGE', 'options --source-only and --no-build exclude each other')
  }
}

export type Work = {
  readonly args: Arguments
  readonly store: Store
  readonly evaluation: Evaluation
  readonly surroundings: Surroundings
}

/** Sources that are shared by several stores may be kept in $ABNPKG_SOURCE_CACHE. */
export function sourceCacheOf(store: Store): string {
  const given = process.env.ABNPKG_SOURCE_CACHE
  return given ? resolve(given) : join(store.layout.cache, 'sources')
}

/** A plan, and with whose help it was made. */
export type WorkPlan = Plan & { readonly substitution: Substitution | undefined }

/** With a policy and something to do, asks the caches. Throws ABN_POLICY_INVALID or ABN_CONFIGURATION. */
export async function planFor(packages: readonly EvaluatedPackage[], work: Work): Promise<WorkPlan> {
  const plan = await planWith(packages, work, undefined)
  if (plan.steps.length === 0 || work.args.options['source-only'] === true || isOffline(work.args)) return plan
  const { configurationDirectories, readConfiguration } = await import('../../builder/substitute/configuration.ts')
  const { caches, policy } = readConfiguration(configurationDirectories(process.env))
  if (policy === undefined || caches.length === 0) return plan
  const { prepareSubstitution } = await import('../../builder/substitute/substitute.ts')
  const { store, evaluation, surroundings } = work
  const substitution = await prepareSubstitution(packages, {
    store,
    packages: evaluation,
    policy: policy.policy,
    caches,
    now: Math.floor(Date.now() / 1000),
    signal: surroundings.signal,
  })
  return planWith(packages, work, substitution)
}

async function planWith(
  packages: readonly EvaluatedPackage[],
  { store, evaluation }: Work,
  substitution: Substitution | undefined,
): Promise<WorkPlan> {
  const { planBuild } = await import('../../builder/realise/plan.ts')
  const options = { store, packages: evaluation, sourceCache: sourceCacheOf(store), choose: substitution?.choose }
  return { ...planBuild(packages, options), substitution }
}

/** Fetches or builds what the store does not have, with the plan shown first. */
export async function carryOut(plan: WorkPlan, work: Work): Promise<void> {
  const { substitution } = plan
  const targets = plan.targets.map((target) => target.package)
  try {
    // From here on no garbage is collected; what was collected since the plan was made is planned for again.
    using _ = await work.store.lock('shared', { signal: work.surroundings.signal })
    for (let next = await planWith(targets, work, substitution); next.steps.length > 0; ) {
      const missed = await carryOutOnce(next, work)
      if (missed.length === 0 || substitution === undefined) return
      work.surroundings.output.note(`${countText(missed.length, 'package')} could not be fetched; planning again`)
      substitution.giveUp(missed)
      next = await planWith(targets, work, substitution)
    }
  } finally {
    await substitution?.[Symbol.asyncDispose]()
  }
}

async function carryOutOnce(plan: WorkPlan, work: Work) {
  const { output } = work.surroundings
  const shown = await shownPlan(plan)
  for (const line of planLines(shown)) output.note(line)
  for (const path of plan.substitution?.keepConflicts() ?? []) {
    output.note(`DIVERGENCE: operators contradict each other about ${path}; kept in var/divergences`)
  }
  for (const line of shown.words?.keptLines(plan.substitution?.keepAlarms() ?? []) ?? []) output.note(line)
  await requireLeave(shown, work)
  await keepReasons(plan, work)
  const { realise } = await import('../../builder/realise/realise.ts')
  using progress = startProgress(output)
  progress.total(plan.steps.length)
  const options = await realiseOptions(work, progress)
  const { substitution } = plan
  const { missed } = await realise(plan, {
    ...options,
    substitute: substitution?.substitute,
    onBuilt: (items) => substitution?.noteBuilt(items, options.onEvent),
  })
  return missed
}

/** Why things come as they do, before they come. */
async function keepReasons(plan: WorkPlan, { args, store }: Work): Promise<void> {
  if (plan.substitution !== undefined) return plan.substitution.begin(plan)
  const { noteBuilds } = await import('../../builder/substitute/decision-records.ts')
  const paths = plan.steps.flatMap((step) => [...step.outputs.values()])
  noteBuilds(store, paths, args.options['source-only'] === true ? 'source-only' : undefined)
}

async function shownPlan(plan: WorkPlan): Promise<ShownPlan> {
  const { substitution } = plan
  const { estimateOf } = await import('../../builder/substitute/estimate.ts')
  const words = substitution === undefined ? undefined : await import('./plan-reasons.ts')
  return { plan, substitution, words, estimate: estimateOf(plan, substitution) }
}

const LONG_SECONDS = 300

/** Throws ABN_BUILD_NEEDED, ABN_BUILD_TOO_LONG or ABN_BUILD_DECLINED. */
async function requireLeave({ plan, estimate }: ShownPlan, { args, surroundings }: Work): Promise<void> {
  const builds = plan.steps.filter(({ kind }) => kind === 'build').map((step) => step.package)
  const [first] = builds
  if (first === undefined || estimate === undefined) return
  const what = builds.length === 1 ? nameOf(first) : `${nameOf(first)} and ${builds.length - 1} more`
  if (args.options['no-build'] === true) {
    throw new AbnError('ABN_BUILD_NEEDED', `${what} would have to be built from source`, {
      hint: 'the plan above says why; leave out --no-build to build it',
    })
  }
  const most = durationOption(args, 'max-build-time', { least: 0 })
  const { buildSeconds, unknownBuilds } = estimate
  if (most !== undefined && (buildSeconds > most || unknownBuilds > 0)) {
    const reason =
      buildSeconds > most
        ? `is expected to take about ${timeText(buildSeconds)}, allowed is ${timeText(most)}`
        : `takes a time that nobody has stated for ${countText(unknownBuilds, 'package')}`
    throw new AbnError('ABN_BUILD_TOO_LONG', `building ${what} ${reason}`, {
      hint: 'leave out --max-build-time to build it',
    })
  }
  if (buildSeconds <= LONG_SECONDS || args.options.yes === true) return
  const { askBeforeBuilding } = await import('./ask-first.ts')
  await askBeforeBuilding(buildSeconds, surroundings)
}

export async function realiseOptions(work: Work, progress: Progress): Promise<RealiseOptions> {
  const { args, store, evaluation, surroundings } = work
  return {
    store,
    sources: {
      cacheDirectory: sourceCacheOf(store),
      channels: evaluation.channels,
      offline: isOffline(args),
      suppliers: await sourceSuppliers(args),
    },
    jobs: numberOption(args, 'jobs', { least: 1 }),
    cores: numberOption(args, 'cores', { least: 1 }),
    limits: limitsOf(args),
    keepGoing: args.options['keep-going'] === true,
    keepFailed: args.options['keep-failed'] === true,
    signal: surroundings.signal,
    onEvent: watcher(progress),
  }
}

/** Caches have sources too, by hash: the last resort where upstream is gone. */
async function sourceSuppliers(args: Arguments): Promise<readonly SourceSupplier[]> {
  if (isOffline(args) || args.options['source-only'] === true) return []
  const { configurationDirectories, readConfiguration } = await import('../../builder/substitute/configuration.ts')
  const { caches } = readConfiguration(configurationDirectories(process.env))
  return caches.map((url) => ({ name: url, urlsOf: (sha256) => [`${url}/v1/sources/${sha256}`] }))
}

function limitsOf(args: Arguments): Partial<SandboxLimits> {
  const seconds = durationOption(args, 'timeout', { least: 1 })
  const silentSeconds = durationOption(args, 'max-silent', { least: 1 })
  return { ...(seconds === undefined ? {} : { seconds }), ...(silentSeconds === undefined ? {} : { silentSeconds }) }
}

/** For --dry-run: the plan is the result, after what else would change: lines before it, fields beside it. */
export async function printPlan(
  plan: WorkPlan,
  output: Output,
  { before = [], fields = {} }: { readonly before?: readonly string[]; readonly fields?: object } = {},
): Promise<void> {
  const shown = await shownPlan(plan)
  const lines = [...before, ...planLines(shown)]
  for (const line of lines) output.line(line)
  if (lines.length === 0) output.line('nothing to do')
  output.document({ ...fields, ...jsonOfPlan(shown) })
}

/** Turns events into progress. Failures are not told here: the error that ends the command tells them. */
export function watcher(progress: Progress): (event: RealiseEvent) => void {
  const fetched = new Map<string, number>()
  return (event) => {
    if (event.kind === 'download') {
      const { progress: part } = event
      if (part.kind === 'start') progress.note(`downloading ${part.address}`)
      else if (part.kind === 'bytes') progress.download(part.sha256, part.bytes, part.total)
      else if (part.kind === 'failed') progress.note(`  ${part.address}: ${part.reason}`)
      else progress.download(part.sha256, 0, 0)
    } else if (event.kind === 'wait') progress.begin(event.recipe, 'waiting for another process to build it')
    else if (event.kind === 'build-start')
      progress.begin(event.build.package.recipeHash, `building ${nameOf(event.build.package)}`)
    else if (event.kind === 'step') {
      if (event.steps > 1) progress.says(event.recipe, `step ${event.step + 1} of ${event.steps}`)
    } else if (event.kind === 'line') progress.says(event.recipe, event.line)
    else if (event.kind === 'build-done') {
      progress.end(event.build.package.recipeHash, `${event.how} ${nameOf(event.build.package)}`)
    } else if (event.kind === 'build-failed') {
      progress.fail(event.build.package.recipeHash, `failed ${nameOf(event.build.package)}`)
    } else if (event.kind === 'substitute-bytes') {
      const { recipeHash } = event.step.package
      fetched.set(recipeHash, (fetched.get(recipeHash) ?? 0) + event.bytes)
      progress.download(recipeHash, fetched.get(recipeHash) ?? 0, undefined)
    } else if (event.kind === 'substitute-refused') {
      progress.note(`  not taken from ${event.cache}: ${event.reason}`)
    } else if (event.kind === 'substitute-done') {
      const { step } = event
      progress.download(step.package.recipeHash, 0, 0)
      progress.end(step.package.recipeHash, `fetched ${nameOf(step.package)}`)
    } else if (event.kind === 'substitute-missed') {
      progress.fail(event.step.package.recipeHash, `no cache has ${nameOf(event.step.package)} as it was accepted`)
    } else if (event.kind === 'divergence') {
      progress.note(`DIVERGENCE: ${event.path} was built here as ${event.built.slice(0, 16)}…, but attested is`)
      for (const { digest, operators } of event.attested)
        progress.note(`  ${digest.slice(0, 16)}… by ${operators.join(', ')}`)
      progress.note('  it is kept in var/divergences; abnpkg why shows it')
    }
  }
}
