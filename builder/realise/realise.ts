/**
 * Carries out a plan: independent builds side by side, each after what it needs, one build of a derivation at a time on
 * this machine.
 *
 * Lock order: as in store.ts; a build holds its own derivation's lock and waits for no other one. After a failure no
 * build begins any more, but those under way are finished, because their results are kept and may have taken long.
 */
import { availableParallelism } from 'node:os'
import type { RecipeHash } from '../../format/hash.ts'
import type { Item } from '../../store/item.ts'
import type { Store } from '../../store/store.ts'
import type { SandboxLimits } from '../sandbox/limits.ts'
import { buildAndRegister } from './build.ts'
import type { RealiseEvent } from './events.ts'
import type { Plan, PlannedBuild, PlannedStep } from './plan.ts'
import { fetchForBuilds, type SourceOptions, type Sources } from './sources.ts'

export type RealiseOptions = {
  readonly store: Store
  readonly sources: Omit<SourceOptions, 'signal' | 'onProgress'>
  /** Builds at the same time. */
  readonly jobs?: number | undefined
  /** What each build may use; it learns it as ABN_CORES. */
  readonly cores?: number | undefined
  readonly limits?: Partial<SandboxLimits> | undefined
  readonly keepFailed?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: ((event: RealiseEvent) => void) | undefined
}

/**
 * When it resolves, every target of the plan is in the store. To keep it there, hold the store's shared lock from before
 * until a profile or another root refers to it. Throws the first failure: ABN_SOURCE_…, ABN_BUILD_… and what else
 * building throws; or the signal's reason. What was finished before stays.
 */
export async function realise(plan: Plan, options: RealiseOptions): Promise<void> {
  const { store, signal, onEvent } = options
  onEvent?.({ kind: 'plan', plan })
  if (plan.steps.length === 0) return
  using _ = await store.lock('shared', { signal })
  const stopFetching = new AbortController()
  const sources = fetchForBuilds(plan.steps, {
    ...options.sources,
    signal: signal ? AbortSignal.any([signal, stopFetching.signal]) : stopFetching.signal,
    onProgress: (progress) => onEvent?.({ kind: 'download', progress }),
  })
  try {
    await schedule(plan.steps, {
      jobs: Math.max(1, options.jobs ?? defaultJobs()),
      signal,
      ready: (step) => sources.filesOf(step.package),
      run: (step) => carryOut(step, sources, options),
    })
  } finally {
    stopFetching.abort(new Error('the sources are not needed any more'))
  }
}

/** Each build uses several cores most of the time, so that half as many builds as cores keep them busy. */
export function defaultJobs(): number {
  return Math.max(1, Math.min(8, Math.ceil(availableParallelism() / 2)))
}

type Schedule = {
  readonly jobs: number
  readonly signal: AbortSignal | undefined
  /** What must have happened before a step takes the place of another. */
  readonly ready: (step: PlannedStep) => Promise<unknown>
  readonly run: (step: PlannedStep) => Promise<void>
}

/** Runs the steps in an order that their needs allow, `jobs` at a time. Throws the first error when all have ended. */
async function schedule(steps: readonly PlannedStep[], { jobs, signal, ready, run }: Schedule): Promise<void> {
  const finished = new Map<RecipeHash, Promise<void>>()
  const errors: unknown[] = []
  const places = slots(jobs)
  const attempt = async (step: PlannedStep): Promise<void> => {
    await Promise.all(step.needs.map((need) => finished.get(need)))
    if (errors.length > 0) return
    try {
      await ready(step)
      await places.take()
      try {
        if (errors.length > 0) return
        signal?.throwIfAborted()
        await run(step)
      } finally {
        places.give()
      }
    } catch (error) {
      errors.push(error)
    }
  }
  // Needs come first in a plan, so that their promises are there when a step looks for them.
  for (const step of steps) finished.set(step.package.recipeHash, attempt(step))
  await Promise.all(finished.values())
  signal?.throwIfAborted()
  if (errors.length > 0) throw errors[0]
}

/** At most `count` between take and give, in the order of asking. */
function slots(count: number): { take(): Promise<void>; give(): void } {
  let free = count
  const waiting: (() => void)[] = []
  return {
    async take() {
      if (free > 0) free--
      else await new Promise<void>((resolve) => waiting.push(resolve))
    },
    give() {
      const next = waiting.shift()
      if (next) next()
      else free++
    },
  }
}

/** The one place where a substitute will be fetched instead. */
async function carryOut(step: PlannedStep, sources: Sources, options: RealiseOptions): Promise<void> {
  switch (step.kind) {
    case 'build':
      return await buildUnlessThere(step, sources, options)
    default:
      return step.kind satisfies never
  }
}

async function buildUnlessThere(build: PlannedBuild, sources: Sources, options: RealiseOptions): Promise<void> {
  const { store, signal, onEvent } = options
  const { recipeHash: recipe } = build.package
  const files = await sources.filesOf(build.package)
  using lock = await store.lockDerivation(recipe, {
    signal,
    onWait: () => onEvent?.({ kind: 'wait', recipe }),
  })
  const there = itemsOf(build, store)
  if (there) {
    onEvent?.({ kind: 'build-done', build, how: 'found', seconds: 0, items: there })
    return
  }
  onEvent?.({ kind: 'build-start', build })
  const cores = options.cores ?? availableParallelism()
  const { items, seconds } = await buildAndRegister(build, lock, { ...options, cores, files })
  onEvent?.({ kind: 'build-done', build, how: 'built', seconds, items })
}

/** The items of a build's outputs if all of them are in the store. */
function itemsOf({ outputs }: PlannedBuild, store: Store): readonly Item[] | undefined {
  const paths = [...outputs.values()]
  return paths.every((path) => store.has(path)) ? paths.map((path) => store.readItem(path)) : undefined
}
