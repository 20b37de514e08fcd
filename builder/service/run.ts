/**
 * The builder as a service: finds work, builds it from source, signs it, publishes it, again and again. What it has done is
 * known by the store, by var/attestations and by the caches; its own notes (tasks.ts) only say what to try when. So it may be
 * killed at any instant, and goes on where it was. Builds go on while what is built is published, and each cache has a queue of its
 * own, so that a slow one delays nobody.
 *
 * Lock order: builder-service for as long as it runs, then as in store.ts.
 */
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { tryLock } from '../../store/lock.ts'
import type { Store } from '../../store/store.ts'
import type { SecretKey } from '../../trust/secret-key.ts'
import type { Evaluation } from '../evaluate/evaluation.ts'
import { outputPathsOf } from '../realise/plan.ts'
import { type Brought, bringSession } from '../session/bring.ts'
import { openSessions, type TeeParts } from '../session/open.ts'
import type { Sessions } from '../session/sessions.ts'
import { isTakenBack } from './attestations.ts'
import { buildDue } from './build-due.ts'
import type { BuilderConfig } from './config.ts'
import { findWork, statedByOthers } from './find-work.ts'
import { createLanes, type Lanes } from './lanes.ts'
import { type CacheClient, openCacheClient, pause } from './remote.ts'
import { freshRevocations, publishRevocations, readRevocations } from './revocations.ts'
import type { ServiceEvent } from './service-events.ts'
import { problemOf } from './settle.ts'
import { newTask, readTask, readTasks, removeTask, type Task, writeTask } from './tasks.ts'

export type ServiceOptions = {
  readonly store: Store
  readonly signer: SecretKey
  /** Where the signer's revocation list is; undefined: it issues none. */
  readonly keyDirectory?: string | undefined
  readonly config: BuilderConfig
  readonly software: Readonly<Record<string, string>>
  /** Called for every look at the channel. */
  readonly evaluate: () => Promise<Evaluation>
  readonly sourceCache: string
  /** Ends when everything was tried once, instead of waiting for more. */
  readonly once: boolean
  /** Only what a cache has a statement of by somebody else. */
  readonly reproduce: boolean
  /** In place of what the machine has: tests bring a kernel of their own. */
  readonly tee?: TeeParts | undefined
  readonly signal: AbortSignal
  readonly nowSeconds: () => number
  readonly onEvent?: ((event: ServiceEvent) => void) | undefined
}

/** What the service shares with the steps of its tasks. */
export type Service = ServiceOptions & {
  readonly evaluation: Evaluation
  readonly clientOf: (url: string) => CacheClient
  /** What is to be done first comes first. */
  readonly order: readonly RecipeHash[]
  /** What each cache has taken from this process, with all files: not asked again. */
  readonly taken: Map<string, Set<Sha256>>
  readonly lanes: Lanes
  /** Undefined when the operator's key signs everything. */
  readonly sessions: Sessions | undefined
  /** Which sessions each cache has taken. */
  readonly broughtTo: (url: string) => Brought
  /** Built, and on their way to caches; none of these promises rejects. */
  readonly underway: Map<RecipeHash, Promise<void>>
  /** Ends the service with this error. */
  readonly giveUp: (error: unknown) => void
}

type Standing = Omit<Service, 'evaluation' | 'order'>

/**
 * Resolves to all tasks when `once` is done or the signal is aborted. Throws ABN_BUILDER_BUSY, ABN_BUILDER_STATE and what makes
 * going on senseless, such as ABN_DISK_FULL; what fails of a single task is in the task.
 */
export async function runBuilder(options: ServiceOptions): Promise<readonly Task[]> {
  const { store, nowSeconds } = options
  using _ = await takeServiceLock(store, options.signal)
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const clients = new Map<string, CacheClient>()
  const clientOf = (url: string): CacheClient => {
    const client = clients.get(url) ?? openCacheClient({ url, signer: options.signer, signal, nowSeconds })
    clients.set(url, client)
    return client
  }
  const underway = new Map<RecipeHash, Promise<void>>()
  const giveUp = (error: unknown): void => stop.abort(error)
  const brought = new Map<string, Brought>()
  const broughtTo = (url: string): Brought => {
    const known = brought.get(url) ?? new Set()
    brought.set(url, known)
    return known
  }
  beginAnew(store, nowSeconds())
  using sessions = openSessions({ ...options, signal })
  const onEvent: ServiceOptions['onEvent'] = (event) => {
    if (event.kind === 'realise') sessions?.note(event.event)
    options.onEvent?.(event)
  }
  const parts = { clientOf, broughtTo, sessions, taken: new Map(), lanes: createLanes(), underway, giveUp }
  try {
    // Before anything is built: a builder that cannot have the session that it is told to have does nothing at all.
    await sessions?.start()
    await serve({ ...options, ...parts, signal, onEvent })
  } catch (error) {
    stop.abort(error)
    if (!options.signal.aborted) throw stop.signal.reason
  } finally {
    stop.abort(new Error('the service ends'))
    await Promise.all(underway.values())
    for (const client of clients.values()) await client[Symbol.asyncDispose]()
  }
  return readTasks(store)
}

async function serve(standing: Standing): Promise<void> {
  // A plan may take days, and newer collateral is not to wait for it.
  const hourly = setInterval(() => void bringSessions(standing), 3_600_000).unref()
  try {
    await serveFor(standing)
  } finally {
    clearInterval(hourly)
  }
}

async function serveFor(standing: Standing): Promise<void> {
  const { config, once, signal, underway, onEvent } = standing
  for (;;) {
    const service = await lookForWork(standing)
    const bringing = service && Promise.all([bringRevocations(service), bringSessions(service)])
    if (service) await buildDue(dueTasks(service), service)
    if (once) {
      await Promise.all([bringing, ...underway.values()])
      signal.throwIfAborted()
      return
    }
    const wait = service === undefined ? config.everySeconds : secondsUntilDue(service)
    onEvent?.({ kind: 'idle', seconds: wait })
    await pause(wait, signal)
  }
}

/** `builder status` looks at it for a moment, so that it is tried more than once. */
async function takeServiceLock(store: Store, signal: AbortSignal): Promise<Disposable> {
  for (let tries = 0; tries < 5; tries++) {
    const lock = tryLock(`${store.layout.locks}/builder-service`, 'exclusive')
    if (lock !== undefined) return lock
    await pause(0.1, signal)
  }
  throw new AbnError('ABN_BUILDER_BUSY', `another builder works on the store in ${store.root}`, {
    hint: 'give each builder a store of its own, with --root',
  })
}

/** What failed is tried again by a new process: somebody may have mended it. */
function beginAnew(store: Store, now: number): void {
  for (const task of readTasks(store)) {
    if (task.state === 'failed')
      writeTask(store, { ...task, state: 'waiting', attempts: 0, notBefore: 0, changed: now })
  }
}

/** Makes tasks of what is found. Undefined when the recipes cannot be evaluated now. */
async function lookForWork(options: Standing): Promise<Service | undefined> {
  const { store, config, signal, onEvent, clientOf, nowSeconds, reproduce, signer } = options
  const onProblem = (error: AbnError): void => {
    signal.throwIfAborted()
    onEvent?.({ kind: 'problem', error })
  }
  let evaluation: Evaluation
  try {
    evaluation = await options.evaluate()
  } catch (error) {
    if (options.once) throw error
    onProblem(problemOf(error))
    return undefined
  }
  const found = await findWork(config.work, { evaluation, clientOf, onProblem })
  const caches = config.caches.map(clientOf)
  const wanted = reproduce ? await statedByOthers(found, { caches, own: signer.publicKey, onProblem }) : found
  const tasks = new Map(readTasks(store).map((task) => [task.recipe, task]))
  for (const { recipeHash: recipe, derivation } of wanted) {
    if (!tasks.has(recipe)) writeTask(store, newTask({ recipe, ...derivation }, nowSeconds()))
  }
  for (const task of tasks.values()) {
    // Of recipes that the channel has no more.
    if (task.state !== 'done' && evaluation.byHash(task.recipe) === undefined) removeTask(store, task.recipe)
  }
  const order = new Set([...wanted.map(({ recipeHash }) => recipeHash), ...tasks.keys()])
  return { ...options, evaluation, order: [...order] }
}

function dueTasks(service: Service): readonly Task[] {
  const isRevoked = revokedIn(service)
  return service.order.flatMap((recipe) => {
    const task = readTask(service.store, recipe)
    return task !== undefined && isDue(task, service, isRevoked) ? [task] : []
  })
}

/** What the operator has taken back of what is kept here. A list that cannot be read is told when it is to be published. */
function revokedIn({ store, keyDirectory, signer: { publicKey: key } }: Service): (recipe: RecipeHash) => boolean {
  try {
    const revoked = keyDirectory === undefined ? undefined : readRevocations(keyDirectory, key)?.list
    return (recipe) => revoked !== undefined && isTakenBack(store, recipe, { key, revoked })
  } catch (error) {
    if (!(error instanceof AbnError)) throw error
    return () => false
  }
}

/** How long there is nothing to do. */
function secondsUntilDue({ store, config, underway, nowSeconds }: Service): number {
  const now = nowSeconds()
  const next = readTasks(store).flatMap(({ state, notBefore }) => (state === 'waiting' ? [notBefore - now] : []))
  // What is being published may fail, and is then to be tried again before long.
  const soon = underway.size > 0 ? [config.retry.firstSeconds] : []
  return Math.max(1, Math.min(config.everySeconds, ...next, ...soon))
}

/**
 * Policies may want to hear from an operator now and then, also when there is nothing to take back. Never rejects: what a cache
 * did not take is brought again the next time.
 */
async function bringRevocations(service: Service): Promise<void> {
  const { config, keyDirectory, signer, clientOf, lanes, taken, signal, onEvent, nowSeconds } = service
  if (keyDirectory === undefined) return
  const bring = async (url: string): Promise<void> => {
    const list = freshRevocations(keyDirectory, signer, nowSeconds())
    const known = taken.get(url) ?? new Set<Sha256>()
    taken.set(url, known)
    if (known.has(list.digest)) return
    await publishRevocations(clientOf(url), list)
    known.add(list.digest)
  }
  const attempts = config.caches.map(async (url) => {
    try {
      await lanes(url, () => bring(url))
    } catch (error) {
      if (!signal.aborted) onEvent?.({ kind: 'problem', error: problemOf(error) })
    }
  })
  await Promise.all(attempts)
}

/**
 * The session that signs from now on, before there is a statement by it, and newer collateral as it comes. Never rejects, as above; who
 * publishes statements brings their sessions first in any case.
 */
async function bringSessions(standing: Standing): Promise<void> {
  const { config, sessions, clientOf, broughtTo, lanes, signal, onEvent } = standing
  if (sessions === undefined) return
  const attempt = async (action: () => Promise<unknown>): Promise<void> => {
    try {
      await action()
    } catch (error) {
      if (!signal.aborted) onEvent?.({ kind: 'problem', error: problemOf(error) })
    }
  }
  await attempt(() => sessions.refresh())
  const current = sessions.current()
  const bring = (url: string) =>
    lanes(url, async () => {
      for (const one of current) await bringSession(clientOf(url), one, broughtTo(url))
    })
  await Promise.all(config.caches.map((url) => attempt(() => bring(url))))
}

function isDue(task: Task, service: Service, isRevoked: (recipe: RecipeHash) => boolean): boolean {
  const { store, config, once, evaluation, underway, nowSeconds } = service
  const one = evaluation.byHash(task.recipe)
  if (one === undefined || underway.has(task.recipe)) return false
  switch (task.state) {
    case 'waiting':
      return once || task.notBefore <= nowSeconds()
    case 'failed':
      // What was taken back is built anew once it has left the store.
      return (
        task.error?.code === 'ABN_ATTEST_REVOKED' && [...outputPathsOf(one).values()].some((path) => !store.has(path))
      )
    case 'done': {
      const isEverywhere = config.caches.every((cache) => task.published.some((one) => one.cache === cache))
      return !isEverywhere || task.renew <= nowSeconds() || isRevoked(task.recipe)
    }
    default:
      return task.state satisfies never
  }
}
