/**
 * One run of a client: asks the caches once, lets the policy decide, fetches what it accepted. Nothing is written before something is
 * realised, so that a plan can be shown without. No policy, no cache or nothing to be had: nobody is asked.
 *
 * Locks: none while fetching; the adopter takes a derivation's lock for the moment of registering (store/adopt.ts).
 */
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import { sha256Of } from '../../format/hash.ts'
import { storeItemOf } from '../../format/store-path.ts'
import { type Adopter, createAdopter } from '../../store/adopt.ts'
import type { Item } from '../../store/item.ts'
import type { Store } from '../../store/store.ts'
import type { Workspace } from '../../store/workspace.ts'
import { type Evidence, type VerifiedEvidence, verifyEvidence } from '../../trust/evidence.ts'
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
import { slots } from '../realise/slots.ts'
import { closureOf } from './closure.ts'
import { asksForInputs, couldAccept, type Decided, decide, type WhyBuilt } from './decide.ts'
import { writeBuiltNote, writeDecisionRecord } from './decision-records.ts'
import { divergenceFrom, writeDivergence } from './divergences.ts'
import { type CacheReport, gatherEvidence } from './gather.ts'
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
  /** From now on these are not chosen any more. */
  readonly giveUp: (recipes: readonly RecipeHash[]) => void
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
  const places = slots(AT_ONCE)
  const order = asked.reports.flatMap((report) => (report.kind === 'answered' ? [report.address] : []))

  let under:
    | { readonly adopter: Adopter; readonly workspace: Workspace; readonly pool: Pool; readonly record: Sha256 }
    | undefined
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
    const record = writeDecisionRecord(store, { policy, evidence: asked.evidence, decisions })
    for (const one of built) {
      const { kind } = decided.whyBuilt(one)
      const isDecided = decided.decisionsAbout(one).length > 0
      for (const path of outputsOf(one, decided))
        writeBuiltNote(store, path, { because: kind, record: isDecided ? record : null })
    }
    if (steps.length === 0) return
    const workspace = await store.createWorkspace()
    const bytes = accepted.reduce((sum, one) => sum + one.bytes, 0)
    const { pace, signal } = options
    const pool = await openPool({ bytes, candidates: closure.candidates, pace, signal })
    under = { adopter: createAdopter(store, workspace), workspace, pool, record }
  }

  const substitute: Substitute = async (step, needs, { onEvent }) => {
    if (under === undefined) throw new TypeError('substitute: begin was not called')
    const { adopter, pool, record, workspace } = under
    onEvent?.({ kind: 'substitute-start', step })
    const received = await Promise.all(
      step.accepted.map(async (one) => ({ one, from: await receiveOne(step, one, { pool, workspace, onEvent }) })),
    )
    const from = received.flatMap((each) => (each.from === undefined ? [] : [each.from]))
    if (from.length < received.length) return undefined
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
    await places.take()
    try {
      return await receiveInPlace(step, one, { pool, workspace, onEvent })
    } finally {
      places.give()
    }
  }

  async function receiveInPlace(
    step: PlannedSubstitute,
    one: AcceptedOutput,
    { pool, workspace, onEvent }: Receiving,
  ): Promise<string | undefined> {
    const { path, digest, bytes, references } = one
    const receipt = {
      item: storeItemOf(path),
      directory: directoryFor(workspace, one),
      digest,
      bytes,
      references,
      caches: order.filter((address) => (strikes.get(address) ?? 0) < MOST_STRIKES),
    }
    const onBytes = (more: number): void => onEvent?.({ kind: 'substitute-bytes', step, bytes: more })
    const { from, refusals } = await pool.receive(receipt, onBytes)
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
    giveUp: (recipes) => {
      for (const recipe of recipes) missed.add(recipe)
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

/** Outputs that are fetched at the same time. */
const AT_ONCE = 6
/** Failures of a cache in a run, after which it is left alone. */
const MOST_STRIKES = 3

type Asked = { readonly evidence: readonly Evidence[]; readonly reports: readonly CacheReport[] }

/** Each piece once, with the revocations that are known from before. */
async function ask(
  packages: readonly EvaluatedPackage[],
  targets: readonly EvaluatedPackage[],
  { store, policy, caches, signal, pace, patienceSeconds }: SubstitutionOptions,
): Promise<Asked> {
  const remembered = rememberedRevocations(store)
  if (caches.length === 0 || !couldAccept(policy)) return { evidence: remembered, reports: [] }
  const connections = await Promise.all(
    caches.map((address) => connectToCache(address, pace === undefined ? {} : { pace })),
  )
  try {
    const of = (list: readonly EvaluatedPackage[]) => list.map(({ recipeHash }) => recipeHash)
    const question = { recipes: of(packages), targets: of(targets) }
    const { evidence, reports } = await gatherEvidence(connections, question, { signal, patienceSeconds })
    const once = new Map([...remembered, ...evidence].map((one) => [`${one.kind} ${sha256Of(one.bytes)}`, one]))
    return { evidence: [...once.values()], reports }
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
