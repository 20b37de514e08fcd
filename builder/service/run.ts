/**
 * The builder as a service: finds work, builds it from source, signs it, publishes it, again and again. What it has done is
 * known by the store, by var/attestations and by the caches; its own notes (tasks.ts) only say what to try when. So it may be
 * killed at any instant, and goes on where it was.
 *
 * Lock order: builder-service for as long as it runs, then as in store.ts.
 */
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { tryLock } from '../../store/lock.ts'
import type { Store } from '../../store/store.ts'
import type { SecretKey } from '../../trust/secret-key.ts'
import type { Evaluation } from '../evaluate/evaluation.ts'
import type { BuilderConfig } from './config.ts'
import { findWork, statedByOthers } from './find-work.ts'
import { type CacheClient, mayPass, openCacheClient, pause } from './remote.ts'
import { freshRevocations, publishRevocations } from './revocations.ts'
import type { ServiceEvent } from './service-events.ts'
import { carryOutTask } from './task-steps.ts'
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
}

/**
 * Resolves to all tasks when `once` is done or the signal is aborted. Throws ABN_BUILDER_BUSY, ABN_BUILDER_STATE and what makes
 * going on senseless, such as ABN_DISK_FULL; what fails of a single task is in the task.
 */
export async function runBuilder(options: ServiceOptions): Promise<readonly Task[]> {
  const { store, config, signal, once, nowSeconds } = options
  using _ = await takeServiceLock(store, signal)
  const clients = new Map<string, CacheClient>()
  const clientOf = (url: string): CacheClient => {
    const client = clients.get(url) ?? openCacheClient({ url, signer: options.signer, signal, nowSeconds })
    clients.set(url, client)
    return client
  }
  const taken = new Map<string, Set<Sha256>>()
  beginAnew(store, nowSeconds())
  try {
    for (;;) {
      const service = await lookForWork({ ...options, clientOf, taken })
      if (service) await bringRevocations(service)
      const wait = service === undefined ? config.everySeconds : await workOff(service)
      if (once) return readTasks(store)
      options.onEvent?.({ kind: 'idle', seconds: wait })
      await pause(wait, signal)
    }
  } catch (error) {
    if (signal.aborted) return readTasks(store)
    throw error
  } finally {
    for (const client of clients.values()) await client[Symbol.asyncDispose]()
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
async function lookForWork(options: Omit<Service, 'evaluation' | 'order'>): Promise<Service | undefined> {
  const { store, config, signal, onEvent, clientOf, nowSeconds, reproduce, signer } = options
  const onProblem = (error: AbnError): void => {
    signal.throwIfAborted()
    onEvent?.({ kind: 'problem', error })
  }
  let evaluation: Evaluation
  try {
    evaluation = await options.evaluate()
  } catch (error) {
    if (!(error instanceof AbnError) || options.once) throw error
    onProblem(error)
    return undefined
  }
  const found = await findWork(config.work, { evaluation, clientOf, onProblem })
  const caches = config.caches.map(clientOf)
  const wanted = reproduce ? await statedByOthers(found, { caches, own: signer.publicKey.id, onProblem }) : found
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

/** Carries out what is due. Resolves to how many seconds there is nothing to do. */
async function workOff(service: Service): Promise<number> {
  const { store, config, once, signal, nowSeconds } = service
  for (const recipe of service.order) {
    const task = readTask(store, recipe)
    if (task !== undefined && isDue(task, service)) await attempt(task, service)
    signal.throwIfAborted()
  }
  if (once) return 0
  const now = nowSeconds()
  const next = readTasks(store).flatMap(({ state, notBefore }) => (state === 'waiting' ? [notBefore - now] : []))
  return Math.max(1, Math.min(config.everySeconds, ...next))
}

/** Policies may want to hear from an operator now and then, also when there is nothing to take back. */
async function bringRevocations({
  config,
  keyDirectory,
  signer,
  clientOf,
  taken,
  signal,
  onEvent,
  nowSeconds,
}: Service): Promise<void> {
  if (keyDirectory === undefined) return
  const list = freshRevocations(keyDirectory, signer, nowSeconds())
  for (const url of config.caches) {
    const known = taken.get(url) ?? new Set<Sha256>()
    taken.set(url, known)
    if (known.has(list.digest)) continue
    try {
      await publishRevocations(clientOf(url), list)
      known.add(list.digest)
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof AbnError)) throw error
      onEvent?.({ kind: 'problem', error })
    }
  }
}

function isDue(task: Task, { config, once, evaluation, nowSeconds }: Service): boolean {
  if (evaluation.byHash(task.recipe) === undefined) return false
  switch (task.state) {
    case 'waiting':
      return once || task.notBefore <= nowSeconds()
    case 'failed':
      return false
    case 'done': {
      const isEverywhere = config.caches.every((cache) => task.published.some((one) => one.cache === cache))
      return !isEverywhere || task.renew <= nowSeconds()
    }
    default:
      return task.state satisfies never
  }
}

async function attempt(task: Task, service: Service): Promise<void> {
  const { store, signal, onEvent, nowSeconds } = service
  onEvent?.({ kind: 'task-start', task })
  let current = task
  const save = (changes: Partial<Task>): void => {
    current = { ...current, ...changes, changed: nowSeconds() }
    writeTask(store, current)
  }
  try {
    await carryOutTask(task, service, save)
    save({ state: 'done', attempts: 0, notBefore: 0, error: null })
    onEvent?.({ kind: 'task-done', task: current })
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof AbnError) || FATAL.has(error.code)) throw error
    save(afterFailure(current, error, service))
    onEvent?.({ kind: 'task-failed', task: current, error })
  }
}

/** These are about the machine, and every other task would meet them too. */
const FATAL: ReadonlySet<string> = new Set(['ABN_DISK_FULL', 'ABN_STORE_UNUSABLE', 'ABN_BUG'])

/** What passes by itself is tried for ever, what does not a few times. */
function afterFailure(task: Task, error: AbnError, { config: { retry }, nowSeconds }: Service): Partial<Task> {
  const attempts = task.attempts + 1
  const seconds = Math.min(retry.maximumSeconds, retry.firstSeconds * 2 ** Math.min(20, attempts - 1))
  return {
    state: mayPass(error) || attempts < retry.attempts ? 'waiting' : 'failed',
    attempts,
    notBefore: nowSeconds() + seconds,
    error: { code: error.code, message: error.message.slice(0, 4000).replaceAll('\0', '') },
  }
}
