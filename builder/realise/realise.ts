/**
 * Carries out a plan: independent builds side by side, each after what it needs, one build of a derivation at a time on
 * this machine. Substitutes are fetched beside them, all as soon as possible, and become items after what they refer to.
 *
 * Lock order: as in store.ts; a build holds its own derivation's lock and waits for no other one. After a failure no
 * build begins any more (unless asked to keep going), but those under way are finished, because their results are kept and may have taken long.
 */
import { availableParallelism } from 'node:os'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash } from '../../format/hash.ts'
import type { Item } from '../../store/item.ts'
import type { Store } from '../../store/store.ts'
import type { SandboxLimits } from '../sandbox/limits.ts'
import { buildAndRegister } from './build.ts'
import type { RealiseEvent } from './events.ts'
import { buildsOf, type Plan, type PlannedBuild, type PlannedStep, type PlannedSubstitute } from './plan.ts'
import { slots } from './slots.ts'
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
  /** After a failure, goes on with all that does not need what failed. */
  readonly keepGoing?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: ((event: RealiseEvent) => void) | undefined
  /** Carries out the substitutes of the plan (substitute/substitute.ts); needed when it has any. */
  readonly substitute?: Substitute | undefined
  /** Called after each build, for whoever knows what others attest. */
  readonly onBuilt?: ((items: readonly Item[]) => void) | undefined
}

/**
 * Fetches and registers the outputs, these when `needs` has resolved. Undefined when no cache has them. Rejects when `needs`
 * does, and for failures that are not a cache's.
 */
export type Substitute = (
  step: PlannedSubstitute,
  needs: Promise<unknown>,
  options: Pick<RealiseOptions, 'onEvent'>,
) => Promise<readonly Item[] | undefined>

/** What could not be substituted, with all that waited for it. Empty: every target of the plan is in the store. */
export type Realised = { readonly missed: readonly RecipeHash[] }

/**
 * When it resolves with nothing missed, every target of the plan is in the store. Else plan again, without the substitutes that
 * were missed; what was finished before stays. Without substitutes in the plan nothing can be missed. To keep it there, hold the store's shared lock from before
 * until a profile or another root refers to it. Throws the first failure: ABN_SOURCE_…, ABN_BUILD_… and what else
 * building throws; or the signal's reason. What was finished before stays.
 */
export async function realise(plan: Plan, options: RealiseOptions): Promise<Realised> {
  const { store, signal, onEvent } = options
  onEvent?.({ kind: 'plan', plan })
  if (plan.steps.length === 0) return { missed: [] }
  using _ = await store.lock('shared', { signal })
  const stopFetching = new AbortController()
  const sources = fetchForBuilds(buildsOf(plan.steps), {
    ...options.sources,
    signal: signal ? AbortSignal.any([signal, stopFetching.signal]) : stopFetching.signal,
    onProgress: (progress) => onEvent?.({ kind: 'download', progress }),
  })
  try {
    const missed = await schedule(plan.steps, {
      jobs: Math.max(1, options.jobs ?? defaultJobs()),
      signal,
      keepGoing: options.keepGoing === true,
      ready: (step) => sources.filesOf(step.package),
      build: (step) => buildUnlessThere(step, sources, options),
      substitute: (step, needs) => substituteStep(step, needs, options),
    })
    return { missed }
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
  readonly keepGoing: boolean
  /** What must have happened before a build takes the place of another. */
  readonly ready: (step: PlannedBuild) => Promise<unknown>
  readonly build: (step: PlannedBuild) => Promise<void>
  /** Whether it is there now. */
  readonly substitute: (step: PlannedSubstitute, needs: Promise<unknown>) => Promise<boolean>
}

/** A need of the step was missed. */
const MISSED = Symbol('missed')

/**
 * Runs the steps in an order that their needs allow, `jobs` builds at a time. A substitute that is missed holds up what needs it and
 * nothing else. Throws the first error when all have ended.
 */
async function schedule(
  steps: readonly PlannedStep[],
  { jobs, signal, keepGoing, ready, build, substitute }: Schedule,
): Promise<readonly RecipeHash[]> {
  const finished = new Map<RecipeHash, Promise<void>>()
  const missed: RecipeHash[] = []
  const errors: unknown[] = []
  const places = slots(jobs)
  const isStopping = () => errors.length > 0 && !keepGoing
  const buildInPlace = async (step: PlannedBuild): Promise<void> => {
    await ready(step)
    await places.take()
    try {
      if (isStopping()) throw MISSED
      signal?.throwIfAborted()
      await build(step)
    } finally {
      places.give()
    }
  }
  const attempt = async (step: PlannedStep): Promise<void> => {
    const needs = Promise.all(step.needs.map((need) => finished.get(need)))
    needs.catch(() => {})
    try {
      if (step.kind === 'substitute') {
        if (await substitute(step, needs)) return
        missed.push(step.package.recipeHash)
        throw MISSED
      }
      await needs
      if (isStopping()) throw MISSED
      await buildInPlace(step)
    } catch (error) {
      if (error !== MISSED) errors.push(error)
      throw MISSED
    }
  }
  // Needs come first in a plan, so that their promises are there when a step looks for them.
  for (const step of steps) {
    const attempted = attempt(step)
    attempted.catch(() => {})
    finished.set(step.package.recipeHash, attempted)
  }
  await Promise.allSettled(finished.values())
  signal?.throwIfAborted()
  if (errors.length > 0) throw keepGoing ? togetherError(errors) : errors[0]
  return missed
}

/** The first decides the code, and all are told. */
function togetherError(errors: readonly unknown[]): unknown {
  const [first, ...others] = errors
  if (others.length === 0 || !(first instanceof AbnError)) return first
  const told = errors.map((error) => (error instanceof Error ? error.message : String(error))).join('\n')
  const hint = first.hint === undefined ? {} : { hint: first.hint }
  return new AbnError(first.code, `${errors.length} failures:\n${told}`, { ...hint, cause: first })
}

async function substituteStep(
  step: PlannedSubstitute,
  needs: Promise<unknown>,
  { substitute, onEvent }: RealiseOptions,
): Promise<boolean> {
  if (substitute === undefined) throw new TypeError('realise: the plan has substitutes, and nobody to fetch them')
  const items = await substitute(step, needs, { onEvent })
  onEvent?.(items === undefined ? { kind: 'substitute-missed', step } : { kind: 'substitute-done', step, items })
  return items !== undefined
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
  options.onBuilt?.(items)
}

/** The items of a build's outputs if all of them are in the store. */
function itemsOf({ outputs }: PlannedBuild, store: Store): readonly Item[] | undefined {
  const paths = [...outputs.values()]
  return paths.every((path) => store.has(path)) ? paths.map((path) => store.readItem(path)) : undefined
}
