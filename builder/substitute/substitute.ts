/**
 * One run of a client: asks the caches once, lets the policy decide, fetches what it accepted. Nothing is written before something is
 * realised, so that a plan can be shown without. No policy, no cache or nothing to be had: nobody is asked.
 *
 * Locks: none while fetching; the adopter takes a derivation's lock for the moment of registering (store/adopt.ts).
 */
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import { type Adopter, createAdopter } from '../../store/adopt.ts'
import type { Item } from '../../store/item.ts'
import type { Store } from '../../store/store.ts'
import type { Workspace } from '../../store/workspace.ts'
import type { VerifiedEvidence } from '../../trust/evidence.ts'
import type { Policy } from '../../trust/policy/policy.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import type { LogAlarm } from '../log/alarm.ts'
import type { RealiseEvent } from '../realise/events.ts'
import {
  type AcceptedOutput,
  type ChooseSubstitute,
  type PackageIndex,
  type Plan,
  type PlannedSubstitute,
  substitutesOf,
} from '../realise/plan.ts'
import type { Substitute } from '../realise/realise.ts'
import { alarmsIn, type KeptAlarm, keepAlarms } from './alarms.ts'
import { closureOf, emptyStore } from './closure.ts'
import { asksForInputs, couldAccept, type Decided, decide, type WhyBuilt } from './decide.ts'
import { writeBuiltNote, writeDecisionRecord } from './decision-records.ts'
import { conflictsIn, divergenceFrom, keepDivergence, writeDivergence } from './divergences.ts'
import { type CacheReport, type Gathered, gatherEvidence, type Question } from './gather.ts'
import { connectToCache, type Pace } from './http.ts'
import { keepMemory, readMemory } from './memory.ts'
import { openPool, type Pool, startThreads } from './pool.ts'
import { settleLogs } from './settle-logs.ts'

export type SubstitutionOptions = {
  readonly store: Store
  readonly packages: PackageIndex
  readonly policy: Policy
  /** Addresses; parseCacheAddress makes them. */
  readonly caches: readonly string[]
  /** In seconds since 1970. */
  readonly now: number
  readonly signal?: AbortSignal | undefined
  readonly pace?: Pace | undefined
  readonly patienceSeconds?: number | undefined
  /** Decides also about what the store has, to tell about it; nothing of that is fetched. */
  readonly everything?: boolean | undefined
  /** Decides as if the store were empty, for others who have none of it; nothing of that is fetched. */
  readonly afresh?: boolean | undefined
}

export type Substitution = AsyncDisposable & {
  /** For planBuild. */
  readonly choose: ChooseSubstitute
  readonly reports: readonly CacheReport[]
  readonly evidence: VerifiedEvidence
  /** Logs whose trees do not fit each other: nothing of them counts. */
  readonly alarms: readonly LogAlarm[]
  readonly whyBuilt: (one: EvaluatedPackage) => WhyBuilt
  readonly decisionsAbout: Decided['decisionsAbout']
  readonly decisionsFor: Decided['decisionsFor']
  readonly secondsOf: Decided['secondsOf']
  /** What caches say of the size of an archive on its way; a hint. */
  readonly transferBytesOf: Gathered['transferBytesOf']
  /** From now on these are not chosen any more. */
  readonly giveUp: (recipes: readonly RecipeHash[]) => void
  /** Keeps what operators state differently, whether or not it will be built here. Those that are new. */
  readonly keepConflicts: () => readonly StorePath[]
  /** Keeps the notes and proofs of `alarms`, whether or not anything will be built. */
  readonly keepAlarms: () => readonly KeptAlarm[]
  /** To be called with each plan, before it is realised: writes down why. */
  readonly begin: (plan: Plan) => Promise<void>
  /** For realise. */
  readonly substitute: Substitute
  /** Looks for divergences, keeps them and tells about them. */
  readonly noteBuilt: (items: readonly Item[], onEvent: ((event: RealiseEvent) => void) | undefined) => void
}

/** `targets`: what the person wants. Throws the signal's reason, or what reading the store throws; never because of a cache. */
export async function prepareSubstitution(
  targets: readonly EvaluatedPackage[],
  options: SubstitutionOptions,
): Promise<Substitution> {
  const { store, packages, policy, now, everything } = options
  const view = options.afresh === true ? emptyStore : store
  const closure = closureOf(targets, { store: view, packages, wholly: asksForInputs(policy) })
  const reach = { signal: options.signal, pace: options.pace }
  const memory = readMemory(store, policy, now)
  // Threads take their time to start, and while the caches are asked there is nothing else to do for another core.
  const isToldOnly = everything === true || options.afresh === true || options.caches.length === 0
  let threads = isToldOnly ? undefined : startThreads({ candidates: closure.candidates, pace: options.pace })
  const asked = await ask(
    { recipes: hashesOf(closure.packages), targets: hashesOf(targets), ...memory.question },
    options,
  )
  const helper = (await threads)?.helper
  const evidence = await settleLogs(asked.brought, { policy, ...memory, ...reach, helper })
  const alarms = alarmsIn(evidence, { known: memory.logs, brought: asked.brought })
  const missed = new Set<RecipeHash>()
  const decided = decide({ store: view, closure, evidence, policy, now, missed, everything })
  const strikes = new Map<string, number>()
  const order = asked.reports.flatMap((report) => (report.kind === 'answered' ? [report.address] : []))

  let under: UnderWay | undefined
  const end = async (): Promise<void> => {
    const ending = under
    under = undefined
    await ending?.pool[Symbol.asyncDispose]()
    ending?.workspace[Symbol.dispose]()
  }

  async function begin(plan: Plan): Promise<void> {
    await end()
    await keepMemory(store, { evidence, policy, caches: order, now, ...reach })
    const steps = substitutesOf(plan.steps)
    const accepted = steps.flatMap((step) => step.accepted)
    const built = plan.steps.filter(({ kind }) => kind === 'build').map((step) => step.package)
    const about = built.flatMap(decided.decisionsAbout)
    const decisions = [...accepted.map(({ decision }) => decision), ...about, ...decided.inputs]
    if (steps.length > 0) {
      const workspace = await store.createWorkspace()
      const bytes = accepted.reduce((sum, one) => sum + one.bytes, 0)
      const { pace, signal } = options
      const pool = await openPool({ bytes, candidates: closure.candidates, pace, signal, threads })
      threads = undefined
      under = { adopter: createAdopter(store, workspace), workspace, pool, record: undefined }
    }
    const record = writeDecisionRecord(store, { policy, evidence, decisions })
    // Fetching goes on meanwhile; nothing is adopted before it is there.
    record.catch(() => {})
    if (under !== undefined) under = { ...under, record }
    if (built.length === 0) return
    const name = await record
    for (const one of built) {
      const { kind } = decided.whyBuilt(one)
      const isDecided = decided.decisionsAbout(one).length > 0
      for (const path of outputsOf(one, decided))
        writeBuiltNote(store, path, { because: kind, record: isDecided ? name : null })
    }
  }

  const substitute: Substitute = async (step, needs, { onEvent }) => {
    if (under?.record === undefined) throw new TypeError('substitute: begin was not called')
    const { adopter, pool, workspace } = under
    const writing = under.record
    onEvent?.({ kind: 'substitute-start', step })
    const received = await Promise.all(
      step.accepted.map(async (one) => ({ one, from: await receiveOne(step, one, { pool, workspace, onEvent }) })),
    )
    const from = received.flatMap((each) => (each.from === undefined ? [] : [each.from]))
    if (from.length < received.length) return undefined
    const record = await writing
    const adoptable = received.map(({ one, from: cache }) => ({
      item: itemOf(step, one, { from: cache ?? '', record, at: Math.floor(Date.now() / 1000) }),
      directory: directoryFor(workspace, one),
    }))
    await adopter.adopt(adoptable, needs)
    return adoptable.map(({ item }) => item)
  }

  async function receiveOne(
    step: PlannedSubstitute,
    one: AcceptedOutput,
    { pool, workspace, onEvent }: Receiving,
  ): Promise<string | undefined> {
    const { path, digest, bytes, references } = one
    const receiptNow = () => ({
      item: storeItemOf(path),
      directory: directoryFor(workspace, one),
      digest,
      bytes,
      references,
      caches: order.filter((address) => (strikes.get(address) ?? 0) < MOST_STRIKES),
    })
    const onBytes = (more: number): void => onEvent?.({ kind: 'substitute-bytes', step, bytes: more })
    const { from, refusals } = await pool.receive(bytes, receiptNow, onBytes)
    for (const { cache, code, reason } of refusals) {
      // One that fails to answer is soon not asked any more; one that sends something wrong may have the next thing right.
      if (code === 'ABN_CACHE_ANSWER') strikes.set(cache, (strikes.get(cache) ?? 0) + 1)
      onEvent?.({ kind: 'substitute-refused', step, path, cache, reason })
    }
    return from
  }

  return {
    choose: decided.choose,
    reports: asked.reports,
    evidence,
    alarms,
    whyBuilt: decided.whyBuilt,
    decisionsAbout: decided.decisionsAbout,
    decisionsFor: decided.decisionsFor,
    secondsOf: decided.secondsOf,
    transferBytesOf: asked.transferBytesOf,
    giveUp: (recipes) => {
      for (const recipe of recipes) missed.add(recipe)
    },
    keepConflicts: () => {
      const decisions = [...closure.packages.flatMap(decided.decisionsAbout), ...decided.inputs]
      return conflictsIn(decisions, evidence, now).flatMap((one) => (keepDivergence(store, one) ? one.path : []))
    },
    keepAlarms: () => keepAlarms(store, alarms, now),
    begin,
    substitute,
    noteBuilt: (items, onEvent) => {
      for (const item of items) {
        const divergence = divergenceFrom(item, evidence, now)
        if (divergence === undefined) continue
        writeDivergence(store, divergence)
        const attested = divergence.sides.map(({ digest, operators }) => ({ digest, operators }))
        onEvent?.({ kind: 'divergence', path: item.path, built: item.outputDigest, attested })
      }
    },
    async [Symbol.asyncDispose]() {
      await end()
      await (await threads)?.[Symbol.asyncDispose]()
    },
  }
}

type UnderWay = {
  readonly adopter: Adopter
  readonly workspace: Workspace
  readonly pool: Pool
  readonly record: Promise<Sha256> | undefined
}

/** Failures of a cache in a run, after which it is left alone. */
const MOST_STRIKES = 3

type Asked = Pick<Gathered, 'brought' | 'reports' | 'transferBytesOf'>

async function ask(
  question: Question,
  { policy, caches, signal, pace, patienceSeconds }: SubstitutionOptions,
): Promise<Asked> {
  if (caches.length === 0 || !couldAccept(policy)) return { brought: [], reports: [], transferBytesOf: () => undefined }
  const connections = await Promise.all(
    caches.map((address) => connectToCache(address, pace === undefined ? {} : { pace })),
  )
  try {
    return await gatherEvidence(connections, question, { signal, patienceSeconds })
  } finally {
    for (const connection of connections) connection[Symbol.dispose]()
  }
}

function hashesOf(packages: readonly EvaluatedPackage[]): readonly RecipeHash[] {
  return packages.map(({ recipeHash }) => recipeHash)
}

function directoryFor(workspace: Workspace, { path }: AcceptedOutput): string {
  return `${workspace.directory}/${storeItemOf(path)}`
}

function outputsOf(one: EvaluatedPackage, { decisionsAbout }: Decided) {
  return decisionsAbout(one).map(({ request }) => request.path)
}

type Receiving = {
  readonly pool: Pool
  readonly workspace: Workspace
  readonly onEvent: ((event: RealiseEvent) => void) | undefined
}

type Came = { readonly from: string; readonly record: Sha256; readonly at: number }

function itemOf({ package: one }: PlannedSubstitute, accepted: AcceptedOutput, { from, record, at }: Came): Item {
  const { name, version, system } = one.derivation
  const { path, digest, bytes, references, decision } = accepted
  return {
    format: 1,
    path,
    recipe: one.recipeHash,
    name,
    version,
    output: decision.request.output,
    outputDigest: digest,
    bytes,
    references,
    origin: { kind: 'substituted', at, system, from, decision: record },
  }
}
