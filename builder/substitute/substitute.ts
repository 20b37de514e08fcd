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
import { type VerifiedEvidence, verifyEvidence } from '../../trust/evidence.ts'
import type { Policy } from '../../trust/policy/policy.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
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
import { closureOf } from './closure.ts'
import { asksForInputs, couldAccept, type Decided, decide, type WhyBuilt } from './decide.ts'
import { writeBuiltNote, writeDecisionRecord } from './decision-records.ts'
import { conflictsIn, divergenceFrom, keepDivergence, writeDivergence } from './divergences.ts'
import { type CacheReport, type Gathered, gatherEvidence } from './gather.ts'
import { connectToCache, type Pace } from './http.ts'
import { openPool, type Pool } from './pool.ts'
import { rememberedRevocations, rememberRevocations } from './revocations.ts'

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
}

export type Substitution = AsyncDisposable & {
  /** For planBuild. */
  readonly choose: ChooseSubstitute
  readonly reports: readonly CacheReport[]
  readonly evidence: VerifiedEvidence
  readonly whyBuilt: (one: EvaluatedPackage) => WhyBuilt
  readonly decisionsAbout: Decided['decisionsAbout']
  readonly secondsOf: Decided['secondsOf']
  /** What caches say of the size of an archive on its way; a hint. */
  readonly transferBytesOf: Gathered['transferBytesOf']
  /** From now on these are not chosen any more. */
  readonly giveUp: (recipes: readonly RecipeHash[]) => void
  /** Keeps what operators state differently, whether or not it will be built here. Those that are new. */
  readonly keepConflicts: () => readonly StorePath[]
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
  const closure = closureOf(targets, { store, packages, wholly: asksForInputs(policy) })
  const asked = await ask(closure.packages, targets, options)
  const evidence = verifyEvidence(asked.evidence, policy)
  const missed = new Set<RecipeHash>()
  const decided = decide({ store, closure, evidence, policy, now, missed, everything })
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
    rememberRevocations(store, evidence)
    const steps = substitutesOf(plan.steps)
    const accepted = steps.flatMap((step) => step.accepted)
    const built = plan.steps.filter(({ kind }) => kind === 'build').map((step) => step.package)
    const about = built.flatMap(decided.decisionsAbout)
    const decisions = [...accepted.map(({ decision }) => decision), ...about, ...decided.inputs]
    if (steps.length > 0) {
      const workspace = await store.createWorkspace()
      const bytes = accepted.reduce((sum, one) => sum + one.bytes, 0)
      const { pace, signal } = options
      // First, as threads take their time to start.
      const pool = await openPool({ bytes, candidates: closure.candidates, pace, signal })
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
    const { from, refusals } = await pool.receive(receiptNow, onBytes)
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
    whyBuilt: decided.whyBuilt,
    decisionsAbout: decided.decisionsAbout,
    secondsOf: decided.secondsOf,
    transferBytesOf: asked.transferBytesOf,
    giveUp: (recipes) => {
      for (const recipe of recipes) missed.add(recipe)
    },
    keepConflicts: () => {
      const decisions = [...closure.packages.flatMap(decided.decisionsAbout), ...decided.inputs]
      return conflictsIn(decisions, evidence, now).flatMap((one) => (keepDivergence(store, one) ? one.path : []))
    },
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
    [Symbol.asyncDispose]: end,
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

type Asked = Pick<Gathered, 'evidence' | 'reports' | 'transferBytesOf'>

/** With the revocations that are known from before. What several caches know comes several times. */
async function ask(
  packages: readonly EvaluatedPackage[],
  targets: readonly EvaluatedPackage[],
  { store, policy, caches, signal, pace, patienceSeconds }: SubstitutionOptions,
): Promise<Asked> {
  const remembered = rememberedRevocations(store)
  if (caches.length === 0 || !couldAccept(policy))
    return { evidence: remembered, reports: [], transferBytesOf: () => undefined }
  const connections = await Promise.all(
    caches.map((address) => connectToCache(address, pace === undefined ? {} : { pace })),
  )
  try {
    const of = (list: readonly EvaluatedPackage[]) => list.map(({ recipeHash }) => recipeHash)
    const question = { recipes: of(packages), targets: of(targets) }
    const { evidence, reports, transferBytesOf } = await gatherEvidence(connections, question, {
      signal,
      patienceSeconds,
    })
    return { evidence: [...remembered, ...evidence], reports, transferBytesOf }
  } finally {
    for (const connection of connections) connection[Symbol.dispose]()
  }
}

function directoryFor(workspace: Workspace, { path }: AcceptedOutput): string {
  return `${workspace.directory}/${storeItemOf(path)}/output`
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
