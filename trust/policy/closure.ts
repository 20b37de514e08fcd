/**
 * Decides about many outputs at once: each wanted one, and, where its rule says so, its inputs or everything down to the seed.
 * Works in any order of the items and without recursion, as chains of inputs are long.
 */
import type { Sha256 } from '../../format/hash.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { VerifiedEvidence } from '../evidence.ts'
import type { Decision, DecisionRequest, RequestedInput } from './decision.ts'
import { evaluate } from './evaluate.ts'
import { type Depth, type Policy, ruleFor } from './policy.ts'
import { conditionsOf } from './presets.ts'

/** An output of an evaluated recipe. `inputs` are all of the derivation, sorted by path. */
export type ClosureItem = Omit<DecisionRequest, 'inputs' | 'depth'> & {
  readonly inputs: readonly Omit<RequestedInput, 'accepted'>[]
}

export type ClosureOptions = {
  /** Where inputs are found; an input that is not here and not built is never accepted. */
  readonly items: ReadonlyMap<StorePath, ClosureItem>
  /** What this machine has built itself: accepted as an input whatever anyone states. */
  readonly built: ReadonlyMap<StorePath, Sha256>
  readonly evidence: VerifiedEvidence
  readonly policy: Policy
  readonly now: number
}

export type ClosureDecisions = {
  readonly wanted: ReadonlyMap<StorePath, Decision>
  /** About inputs that the decisions on the wanted outputs rest on. */
  readonly inputs: readonly Decision[]
}

export function evaluateClosure(wanted: readonly ClosureItem[], options: ClosureOptions): ClosureDecisions {
  const { evidence, policy, now, items, built } = options
  const decisions = new Map<string, Decision>()
  const decide = (item: ClosureItem, depth: Depth): Decision => {
    const key = keyOf(item.path, depth)
    const known = decisions.get(key)
    if (known) return known
    const inputs = item.inputs.map((input) => ({ ...input, accepted: acceptedOf(input.path, depthBelow(depth)) }))
    const own = ownDepth(item, policy)
    const decision = evaluate({ ...item, inputs, depth: depth === own ? null : depth }, evidence, policy, now)
    decisions.set(key, decision)
    return decision
  }
  const acceptedOf = (path: StorePath, depth: Depth | null): Sha256 | null => {
    if (depth === null) return null
    const own = built.get(path)
    if (own !== undefined) return own
    const item = items.get(path)
    const outcome = item && decide(item, depth).outcome
    return outcome?.kind === 'accepted' ? outcome.digest : null
  }
  const results = wanted.map((item) => {
    const depth = ownDepth(item, policy)
    if (depth === 'seed') for (const each of fromTheSeed(item, options)) decide(each, depth)
    return [item.path, decide(item, depth)] as const
  })
  const direct = new Set(results.map(([, decision]) => decision))
  return { wanted: new Map(results), inputs: [...decisions.values()].filter((decision) => !direct.has(decision)) }
}

/** How far an input is asked, null for not at all. */
function depthBelow(depth: Depth): Depth | null {
  return depth === 'outputs' ? null : depth === 'inputs' ? 'outputs' : 'seed'
}

/** For a source-only rule it makes no difference. */
function ownDepth({ name }: ClosureItem, policy: Policy): Depth {
  return conditionsOf(ruleFor(policy, name).rule)?.depth ?? 'outputs'
}

/** The item and all that it is built from, each after its inputs. Stops at what was built here. */
function fromTheSeed(item: ClosureItem, { items, built }: ClosureOptions): readonly ClosureItem[] {
  const ordered = new Set<ClosureItem>()
  const seen = new Set<ClosureItem>()
  const stack = [item]
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    if (seen.has(top)) {
      stack.pop()
      ordered.add(top)
      continue
    }
    seen.add(top)
    for (const { path } of top.inputs) {
      const input = built.has(path) ? undefined : items.get(path)
      if (input !== undefined && !seen.has(input)) stack.push(input)
    }
  }
  return [...ordered]
}

function keyOf(path: StorePath, depth: Depth): string {
  return `${depth} ${path}`
}
