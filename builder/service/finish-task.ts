/**
 * What comes after a task's builds: sign, publish to every cache, compare with what others state there. Runs beside other builds; one
 * cache that fails or is slow does not keep the others from being served.
 */
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { type Attested, attestClosure } from './attestations.ts'
import { contradictionsOf, statedElsewhere } from './compare.ts'
import { inputsFirst } from './inputs-first.ts'
import { publish } from './publish.ts'
import { revokedKeys, revokedStatements } from './revocations.ts'
import type { Service } from './run.ts'
import { afterFailure, isFatal, problemOf } from './settle.ts'
import { sourceFinder } from './source-files.ts'
import { type Contradiction, type Task, writeTask } from './tasks.ts'

/** A task that is being carried out; `task` is what is known of it so far. */
export type Running = { task: Task; readonly service: Service; begun: boolean }

/** Told once. */
export function beginTask(running: Running): void {
  if (!running.begun) running.service.onEvent?.({ kind: 'task-start', task: running.task })
  running.begun = true
}

/** All that it needs is built. Goes on by itself, in service.underway. */
export function finishTask(running: Running): void {
  const { recipe } = running.task
  const { underway } = running.service
  beginTask(running)
  underway.set(
    recipe,
    signAndPublish(running).finally(() => underway.delete(recipe)),
  )
}

export function failTask(running: Running, error: AbnError): void {
  beginTask(running)
  save(running, afterFailure(running.task, error, running.service))
  running.service.onEvent?.({ kind: 'task-failed', task: running.task, error })
}

/** Never rejects. */
async function signAndPublish(running: Running): Promise<void> {
  const { service } = running
  const { store, evaluation, signal, onEvent, giveUp } = service
  try {
    using _ = await store.lock('shared', { signal })
    const one = evaluation.byHash(running.task.recipe)
    if (one === undefined) throw new TypeError('signAndPublish: the recipe is not in the channel')
    const { attested, renew } = await sign(running.task, one, service)
    save(running, { renew })
    await publishEverywhere(running, attested)
    save(running, { state: 'done', attempts: 0, notBefore: 0, error: null })
    onEvent?.({ kind: 'task-done', task: running.task })
  } catch (error) {
    if (signal.aborted) return
    try {
      if (isFatal(error)) throw error
      failTask(running, problemOf(error))
    } catch (worse) {
      giveUp(worse)
    }
  }
}

/** The task is saved each time when something has become true. */
function save(running: Running, changes: Partial<Task>): void {
  const { store, nowSeconds } = running.service
  running.task = { ...running.task, ...changes, changed: nowSeconds() }
  writeTask(store, running.task)
}

/** Throws the failure of the first cache, in the order of the configuration, that has one. */
async function publishEverywhere(running: Running, attested: readonly Attested[]): Promise<void> {
  const { service } = running
  const { config, lanes, signal, onEvent } = service
  const contradictions = new Map<string, readonly Contradiction[]>()
  const results = await Promise.allSettled(
    config.caches.map(async (url) => {
      const found = await lanes(url, () => {
        signal.throwIfAborted()
        return bringTo(url, { task: running.task, attested, service })
      })
      contradictions.set(url, found)
      for (const contradiction of found) onEvent?.({ kind: 'contradiction', task: running.task, contradiction })
      const attestation = digestFor(running.task.recipe, attested)
      const published = [...running.task.published.filter(({ cache }) => cache !== url), { cache: url, attestation }]
      save(running, { published, contradictions: config.caches.flatMap((cache) => contradictions.get(cache) ?? []) })
    }),
  )
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

type Signed = { readonly attested: readonly Attested[]; readonly renew: number }

async function sign(task: Task, one: EvaluatedPackage, service: Service): Promise<Signed> {
  const { store, signer, keyDirectory, software, evaluation, config, sessions, onEvent, nowSeconds } = service
  const validSeconds = config.validDays * 86_400
  const recipes = inputsFirst([one], evaluation).map(({ recipeHash }) => recipeHash)
  await sessions?.ready(recipes)
  const { attested } = attestClosure([one], {
    store,
    signer,
    software,
    revoked: keyDirectory === undefined ? undefined : revokedStatements(keyDirectory, signer.publicKey),
    revokedSessions: keyDirectory === undefined ? undefined : revokedKeys(keyDirectory, signer.publicKey),
    sessionOf: sessions?.sessionOf,
    kept: sessions?.kept,
    packages: evaluation,
    now: nowSeconds(),
    validSeconds,
  })
  for (const each of attested) tellOutside(each, service)
  sessions?.signed(attested.map((each) => each.package.recipeHash))
  const fresh = attested.filter((each) => each.fresh).length
  onEvent?.({ kind: 'attested', task, statements: attested.length, fresh })
  // attestPackage signs anew when a quarter of the time is left.
  const first = Math.min(...attested.map(({ attestation }) => attestation.statement.expires))
  return { attested, renew: first - Math.floor(validSeconds / 4) }
}

function tellOutside({ package: one, session, fresh }: Attested, { sessions, onEvent }: Service): void {
  if (!fresh || session !== undefined || sessions?.sessionOf(one.recipeHash) === undefined) return
  const { name, version } = one.derivation
  const what = `${name} ${version} was built outside its session by this machine's clock, and is signed by the operator's key`
  const hint =
    'keep the clock right, or give sessions more hours; collect the item as garbage to have it built within one'
  onEvent?.({ kind: 'problem', error: new AbnError('ABN_BUILDER_SESSION', what, { hint }) })
}

type Bringing = { readonly task: Task; readonly attested: readonly Attested[]; readonly service: Service }

/** Publishes what this cache has not yet got from this process, and says who contradicts it there. */
async function bringTo(url: string, { task, attested, service }: Bringing): Promise<readonly Contradiction[]> {
  const { store, config, signer, evaluation, sourceCache, clientOf, taken, broughtTo, signal, onEvent } = service
  const cache = clientOf(url)
  const brought = broughtTo(url)
  const known = taken.get(url) ?? new Set<Sha256>()
  taken.set(url, known)
  const news = attested.filter(({ attestation }) => !known.has(attestation.digest))
  const sourceFile = config.sources ? sourceFinder(sourceCache, evaluation) : undefined
  const published = await publish(news, { store, cache, brought, signal, sourceFile }).catch((error: unknown) => {
    // It may have lost them.
    brought.clear()
    throw error
  })
  for (const { attestation } of news) known.add(attestation.digest)
  onEvent?.({ kind: 'published', task, cache: url, published })
  const others = await statedElsewhere(
    cache,
    attested.map((each) => each.package.recipeHash),
  )
  const ours = attested.map(({ attestation }) => attestation.statement)
  return contradictionsOf(ours, others, { cache: url, own: signer.publicKey, operators: config.operators })
}

function digestFor(recipe: RecipeHash, attested: readonly Attested[]): Sha256 {
  const found = attested.find((each) => each.package.recipeHash === recipe)
  if (found === undefined) throw new TypeError('digestFor: the package itself is not attested')
  return found.attestation.digest
}
