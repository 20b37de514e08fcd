// What install, build and run have in common: work out what is to be done, show it, do it, and let people watch.
import { join, resolve } from 'node:path'
import type { Evaluation } from '../builder/evaluate/evaluation.ts'
import type { EvaluatedPackage } from '../builder/evaluate/package.ts'
import type { RealiseEvent } from '../builder/realise/events.ts'
import type { Plan } from '../builder/realise/plan.ts'
import type { RealiseOptions } from '../builder/realise/realise.ts'
import type { Store } from '../store/store.ts'
import { type Arguments, numberOption, type OptionTable } from './args.ts'
import type { Surroundings } from './commands.ts'
import { countText, type Output, sizeText } from './output.ts'
import { type Progress, startProgress } from './progress.ts'

export const workOptions: OptionTable = {
  jobs: { type: 'string', value: 'N', help: 'how many packages are built at once' },
  cores: { type: 'string', value: 'N', help: 'how many cores one build may use' },
  'keep-failed': { type: 'boolean', help: 'keep the directory of a build that fails' },
  'dry-run': { type: 'boolean', help: 'only show what would be done; writes nothing' },
}

/** Refuses wrong values before anything is touched. */
export function requireWorkOptions(args: Arguments): void {
  numberOption(args, 'jobs', { least: 1 })
  numberOption(args, 'cores', { least: 1 })
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

export async function planFor(packages: readonly EvaluatedPackage[], { store, evaluation }: Work): Promise<Plan> {
  const { planBuild } = await import('../builder/realise/plan.ts')
  return planBuild(packages, { store, packages: evaluation, sourceCache: sourceCacheOf(store) })
}

/** Builds what the store does not have, with the plan shown first. */
export async function carryOut(plan: Plan, work: Work): Promise<void> {
  if (plan.steps.length === 0) return
  const { output } = work.surroundings
  const { realise } = await import('../builder/realise/realise.ts')
  for (const line of planLines(plan)) output.note(line)
  using progress = startProgress(output)
  progress.total(plan.steps.length)
  await realise(plan, realiseOptions(work, progress))
}

export function realiseOptions({ args, store, evaluation, surroundings }: Work, progress: Progress): RealiseOptions {
  return {
    store,
    sources: { cacheDirectory: sourceCacheOf(store), channels: evaluation.channels },
    jobs: numberOption(args, 'jobs', { least: 1 }),
    cores: numberOption(args, 'cores', { least: 1 }),
    keepFailed: args.options['keep-failed'] === true,
    signal: surroundings.signal,
    onEvent: watcher(progress),
  }
}

/** For --dry-run: the plan is the result. */
export function printPlan(plan: Plan, output: Output): void {
  const lines = planLines(plan)
  for (const line of lines) output.line(line)
  if (lines.length === 0) output.line('nothing to do')
  output.document({
    builds: plan.steps.map(({ package: { derivation, recipeHash }, outputs }) => ({
      name: derivation.name,
      version: derivation.version,
      recipeHash,
      outputs: Object.fromEntries(outputs),
    })),
    downloads: plan.downloads.map(({ sha256, hint, size }) => ({ sha256, hint, size })),
  })
}

function planLines({ steps, downloads }: Plan): string[] {
  const lines: string[] = []
  if (downloads.length > 0) {
    const sizes = downloads.flatMap(({ size }) => size ?? [])
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    const known = sizes.length === 0 ? '' : `, ${sizes.length < downloads.length ? 'more than ' : ''}${sizeText(bytes)}`
    lines.push(`to download: ${countText(downloads.length, 'source')}${known}`)
    for (const { hint } of downloads) {
      lines.push(
        `  ${hint.kind === 'urls' ? hint.urls[0] : hint.kind === 'git' ? `${hint.url} ${hint.commit}` : hint.path}`,
      )
    }
  }
  if (steps.length > 0) {
    lines.push(`to build: ${countText(steps.length, 'package')}`)
    lines.push(...wrapped(steps.map(({ package: one }) => nameOf(one))))
  }
  return lines
}

export function nameOf({ derivation }: EvaluatedPackage): string {
  return `${derivation.name} ${derivation.version}`
}

function wrapped(words: readonly string[], width = 96): string[] {
  const lines: string[] = []
  for (const [index, word] of words.entries()) {
    const text = index < words.length - 1 ? `${word},` : word
    const last = lines.at(-1)
    if (last === undefined || last.length + text.length + 1 > width) lines.push(`  ${text}`)
    else lines[lines.length - 1] = `${last} ${text}`
  }
  return lines
}

/** Turns events into progress. Failures are not told here: the error that ends the command tells them. */
export function watcher(progress: Progress): (event: RealiseEvent) => void {
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
    }
  }
}
