/**
 * Builds what is due, all tasks in one plan, so that independent ones are built side by side and what several need is built once. As
 * soon as all that a task needs is built, the task goes on by itself (finish-task.ts), while the others are being built.
 */
import type { RecipeHash } from '../../format/hash.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import type { RealiseEvent } from '../realise/events.ts'
import { planBuild } from '../realise/plan.ts'
import { realise } from '../realise/realise.ts'
import { beginTask, failTask, finishTask, type Running } from './finish-task.ts'
import { inputsFirst } from './inputs-first.ts'
import type { Service } from './run.ts'
import { isFatal, problemOf } from './settle.ts'
import type { Task } from './tasks.ts'

type Waiting = { readonly running: Running; readonly needs: Set<RecipeHash> }

/**
 * Resolves when nothing more is built; what is being published is in service.underway. Throws the signal's reason, and what makes
 * going on senseless.
 */
export async function buildDue(due: readonly Task[], service: Service): Promise<void> {
  if (due.length === 0) return
  const { store, signal, onEvent } = service
  // Held until the last task has its own: nothing is collected in between.
  using _ = await store.lock('shared', { signal })
  // The whole chain is built, so that the whole chain can be attested, also where a part of it was collected as garbage.
  const closures = due.map((task) => inputsFirst([packageOf(task, service)], service.evaluation))
  const whole = [...new Map(closures.flat().map((one) => [one.recipeHash, one])).values()]
  const plan = planBuild(whole, { store, packages: service.evaluation, sourceCache: service.sourceCache })
  const planned = new Set(plan.steps.map((step) => step.package.recipeHash))
  const waiting = new Set<Waiting>()
  for (const [i, task] of due.entries()) {
    const needs = (closures[i] ?? []).map(({ recipeHash }) => recipeHash).filter((recipe) => planned.has(recipe))
    const running = { task, service, begun: false }
    if (needs.length === 0) finishTask(running)
    else waiting.add({ running, needs: new Set(needs) })
  }
  const fatal: unknown[] = []
  const settle = (event: RealiseEvent): void => {
    if (event.kind !== 'build-start' && event.kind !== 'build-done' && event.kind !== 'build-failed') return
    const recipe = event.build.package.recipeHash
    if (event.kind === 'build-failed' && isFatal(event.failure.error)) fatal.push(event.failure.error)
    for (const one of waiting) {
      if (event.kind === 'build-start') {
        if (one.running.task.recipe === recipe) beginTask(one.running)
      } else if (one.needs.delete(recipe) && event.kind === 'build-failed' && !isFatal(event.failure.error)) {
        waiting.delete(one)
        failTask(one.running, problemOf(event.failure.error))
      } else if (one.needs.size === 0) {
        waiting.delete(one)
        finishTask(one.running)
      }
    }
  }
  try {
    await carryOut(plan, service, {
      keepGoing: true,
      onEvent: (event) => {
        onEvent?.({ kind: 'realise', event })
        if (!signal.aborted) settle(event)
      },
    })
  } catch (error) {
    signal.throwIfAborted()
    if (fatal.length > 0) throw fatal[0]
    if (isFatal(error)) throw error
  }
  // A source that nobody has is nobody's build: each task that waits for one is tried alone, and told its own reason.
  for (const { running } of waiting) await buildAlone(running)
}

async function buildAlone(running: Running): Promise<void> {
  const { task, service } = running
  const { store, evaluation, sourceCache, signal, onEvent } = service
  const closure = inputsFirst([packageOf(task, service)], service.evaluation)
  beginTask(running)
  try {
    const plan = planBuild(closure, { store, packages: evaluation, sourceCache })
    await carryOut(plan, service, { keepGoing: false, onEvent: (event) => onEvent?.({ kind: 'realise', event }) })
    finishTask(running)
  } catch (error) {
    signal.throwIfAborted()
    if (isFatal(error)) throw error
    failTask(running, problemOf(error))
  }
}

async function carryOut(
  plan: ReturnType<typeof planBuild>,
  { store, config, evaluation, sourceCache, signal }: Service,
  options: { readonly keepGoing: boolean; readonly onEvent: (event: RealiseEvent) => void },
): Promise<void> {
  if (plan.steps.length === 0) return
  await realise(plan, {
    store,
    sources: { cacheDirectory: sourceCache, channels: evaluation.channels },
    jobs: config.jobs,
    cores: config.cores,
    signal,
    ...options,
  })
}

function packageOf({ recipe }: Task, { evaluation }: Service): EvaluatedPackage {
  const one = evaluation.byHash(recipe)
  if (one === undefined) throw new TypeError('buildDue: the recipe is not in the channel')
  return one
}
