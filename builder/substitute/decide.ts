/**
 * From evidence to choices: what may be substituted for each package of a closure, and why something has to be built. Pure but for
 * looking at the store. The policy decides about outputs (trust/policy); what is added here is that a package is substituted
 * with all its outputs or not at all, and that what an output refers to must be among what it is made from.
 */
import type { RecipeHash } from '../../format/hash.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { OperatorAttestation, VerifiedEvidence } from '../../trust/evidence.ts'
import { evaluateClosure } from '../../trust/policy/closure.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import type { Policy } from '../../trust/policy/policy.ts'
import { conditionsOf } from '../../trust/policy/presets.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { type AcceptedOutput, type ChooseSubstitute, outputPathsOf } from '../realise/plan.ts'
import type { Closure, StoreView } from './closure.ts'

export type Decided = {
  readonly choose: ChooseSubstitute
  /** The decisions about a package's outputs; none where nothing was decided. */
  readonly decisionsAbout: (one: EvaluatedPackage) => readonly Decision[]
  /** Decisions about inputs that others rest on. */
  readonly inputs: readonly Decision[]
  /** About these packages, about what their outputs refer to, and all that these decisions rest on. */
  readonly decisionsFor: (targets: readonly EvaluatedPackage[]) => readonly Decision[]
  readonly whyBuilt: (one: EvaluatedPackage) => WhyBuilt
  /** Of the builds that were attested for a recipe, in seconds; undefined when nobody says. */
  readonly secondsOf: (recipe: RecipeHash) => number | undefined
}

/** Why a package is not substituted. */
export type WhyBuilt =
  | { readonly kind: 'refused'; readonly decisions: readonly Decision[] }
  /** No cache had what the policy accepted. */
  | { readonly kind: 'missed' }
  /** An output is said to refer to what it is not made from. */
  | { readonly kind: 'references'; readonly path: StorePath }
  | { readonly kind: 'not-asked' }

export type DecideOptions = {
  readonly store: StoreView
  readonly closure: Closure
  readonly evidence: VerifiedEvidence
  readonly policy: Policy
  readonly now: number
  /** Recipes for which no cache had what was accepted. */
  readonly missed: ReadonlySet<RecipeHash>
  /** Also decides about what the store has. */
  readonly everything?: boolean | undefined
}

export function decide({ store, closure, evidence, policy, now, missed, everything }: DecideOptions): Decided {
  const { items, built, makers, rank } = closure
  const wanted = [...items.values()].filter(({ path }) => everything === true || !store.has(path))
  const { wanted: decisions, inputs } = evaluateClosure(wanted, { items, built, evidence, policy, now })

  const decisionsAbout = (one: EvaluatedPackage): readonly Decision[] =>
    [...outputPathsOf(one).values()].flatMap((path) => decisions.get(path) ?? [])

  /** The first reference of an accepted output that is not among what it is made from. */
  const strangeReference = (one: EvaluatedPackage, accepted: readonly AcceptedOutput[]): StorePath | undefined => {
    const own = new Set(outputPathsOf(one).values())
    const ownRank = rank.get(one.recipeHash) ?? -1
    return accepted
      .flatMap(({ references }) => references)
      .find((path) => {
        const maker = makers.get(path)
        const isMadeBefore = maker !== undefined && (rank.get(maker.recipeHash) ?? ownRank) < ownRank
        return !own.has(path) && !isMadeBefore && !(maker === undefined && store.has(path))
      })
  }

  /** Every output that the store does not have; undefined when one is not accepted. */
  const acceptedOf = (one: EvaluatedPackage): readonly AcceptedOutput[] | undefined => {
    const lacking = [...outputPathsOf(one).values()].filter((path) => !store.has(path))
    const accepted = lacking.flatMap((path): AcceptedOutput[] => {
      const decision = decisions.get(path)
      if (decision?.outcome.kind !== 'accepted') return []
      const { digest, bytes, references } = decision.outcome
      return [{ path, digest, bytes, references, decision }]
    })
    return accepted.length === lacking.length ? accepted : undefined
  }

  const choose: ChooseSubstitute = (one) => {
    const accepted = missed.has(one.recipeHash) ? undefined : acceptedOf(one)
    if (accepted === undefined || strangeReference(one, accepted) !== undefined) return undefined
    const own = new Set(outputPathsOf(one).values())
    const lacking = accepted
      .flatMap(({ references }) => references)
      .filter((path) => !own.has(path) && !store.has(path))
    return { accepted, referenced: [...new Set(lacking.flatMap((path) => makers.get(path) ?? []))] }
  }

  const whyBuilt = (one: EvaluatedPackage): WhyBuilt => {
    const accepted = acceptedOf(one)
    if (accepted === undefined) {
      const about = decisionsAbout(one)
      return about.length > 0 ? { kind: 'refused', decisions: about } : { kind: 'not-asked' }
    }
    const path = strangeReference(one, accepted)
    return path === undefined ? { kind: 'missed' } : { kind: 'references', path }
  }

  const decisionsFor = (targets: readonly EvaluatedPackage[]): readonly Decision[] => {
    if (asksForInputs(policy)) return [...closure.packages.flatMap(decisionsAbout), ...inputs]
    const needed = new Set(targets)
    // A set that grows while it is iterated over is iterated over to its end.
    for (const one of needed) {
      for (const { outcome } of decisionsAbout(one)) {
        if (outcome.kind === 'refused') continue
        for (const path of outcome.references) {
          const maker = makers.get(path)
          if (maker !== undefined) needed.add(maker)
        }
      }
    }
    return [...needed].flatMap(decisionsAbout)
  }

  return {
    choose,
    decisionsAbout,
    decisionsFor,
    inputs,
    whyBuilt,
    secondsOf: (recipe) => secondsOf(evidence.attestations.get(recipe) ?? []),
  }
}

/** Whether some rule of the policy asks about inputs, so that the whole closure is of interest. */
export function asksForInputs({ default: rule, packages }: Policy): boolean {
  return [rule, ...packages.values()].some((one) => (conditionsOf(one)?.depth ?? 'outputs') !== 'outputs')
}

/** Whether there is anything that the policy could accept. */
export function couldAccept({ default: rule, packages, operators }: Policy): boolean {
  return operators.length > 0 && [rule, ...packages.values()].some((one) => conditionsOf(one) !== undefined)
}

/** The median: one builder may be slow, or lie. */
function secondsOf(attestations: readonly OperatorAttestation[]): number | undefined {
  const times = attestations
    .filter(({ attestation }) => attestation.statement.origin === 'built')
    .map(({ attestation: { statement } }) => statement.finished - statement.started)
    .sort((a, b) => a - b)
  return times[times.length >> 1]
}
