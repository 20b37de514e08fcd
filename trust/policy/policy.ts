/**
 * A policy: which operators a person believes, and what it takes until an output of theirs is taken in place of building it.
 * Specification: docs/formats/policy.md. Parsing fails closed: an unknown field, rule, factor or operator refuses the whole
 * document, and with no policy nothing is substituted.
 */
import { canonicalJson } from '../../format/canonical-json.ts'
import type { Sha256 } from '../../format/hash.ts'
import { utf8 } from '../bytes.ts'
import { sha256 } from '../crypto.ts'
import type { PublicKey } from '../key.ts'
import type { LogKey } from '../log/checkpoint.ts'
import type { WitnessKey } from '../log/cosignature.ts'
import type { TeeConditions } from '../tee/appraise.ts'
import { parseHumanJson } from './human-json.ts'
import { jsonOfPolicy, policyOfJson } from './policy-schema.ts'
import { conditionsOf } from './presets.ts'

export type Policy = {
  readonly format: 1
  /** Sorted by name. No key occurs twice, in one operator or in two. */
  readonly operators: readonly Operator[]
  readonly default: Rule
  /** By package name; takes the place of the default. */
  readonly packages: ReadonlyMap<string, Rule>
  /** Logs in which the factors `logged` and `witnessed` look, sorted by name. */
  readonly logs: readonly LogKey[]
  /** Whose cosignatures count for `witnessed`, sorted by name. None has the key of a log. */
  readonly witnesses: readonly WitnessKey[]
  /** What the factor `tee` wants of a quote. */
  readonly tee: PolicyTee | null
}

/** `collateral`: whether it has to be valid now, or at the time at which witnesses saw the session in a log. */
export type PolicyTee = TeeConditions & { readonly collateral: 'present' | 'logged' }

export type Operator = { readonly name: string; readonly keys: readonly PublicKey[] }

export type Rule =
  | { readonly kind: 'source-only' }
  | { readonly kind: 'two-independent' }
  | { readonly kind: 'paranoid' }
  | ({ readonly kind: 'factors' } & Conditions)

export type Conditions = { readonly depth: Depth; readonly factors: readonly Factor[] }

/**
 * How far the policy is asked: for the output alone, also for each input that it was built from, or for all of them down to
 * the seed.
 */
export type Depth = 'outputs' | 'inputs' | 'seed'

/** All factors of a rule must hold. Times are in seconds. */
export type Factor =
  /** So many different operators agree; `among` restricts who counts for this factor, null means everyone configured. */
  | { readonly kind: 'operators'; readonly atLeast: number; readonly among: readonly string[] | null }
  /** Each of these is among those who agree. */
  | { readonly kind: 'required'; readonly operators: readonly string[] }
  /** These are treated as if they were not configured. */
  | { readonly kind: 'excluded'; readonly operators: readonly string[] }
  /** A statement counts when its build ended between these two ages ago; null means no limit. */
  | { readonly kind: 'age'; readonly minimum: number | null; readonly maximum: number | null }
  /** A statement counts only when its operator built the output itself. */
  | { readonly kind: 'built' }
  /** A statement counts only when its operator has issued a revocation list, unexpired, within this time. */
  | { readonly kind: 'revocations'; readonly within: number }
  /** A statement counts only when it is in a log of the policy, and so is the session that signed it. */
  | { readonly kind: 'logged' }
  /** … under a checkpoint that so many of the policy's witnesses have cosigned within this time. */
  | { readonly kind: 'witnessed'; readonly atLeast: number; readonly within: number }
  /** So many of those who agree, each on a machine of its own, signed in a session whose quote satisfies the policy's `tee`. */
  | { readonly kind: 'tee'; readonly atLeast: number }

export const maximumPolicyBytes = 256 * 1024

/** Reads what a person wrote: any white space and order, no comments. Throws ABN_POLICY_INVALID. */
export function parsePolicy(text: string): Policy {
  return policyOfJson(parseHumanJson(text, maximumPolicyBytes))
}

/** Canonical JSON. Throws ABN_POLICY_INVALID for what parsePolicy would refuse. */
export function encodePolicy(policy: Policy): string {
  const json = jsonOfPolicy(policy)
  policyOfJson(json)
  return canonicalJson(json)
}

/** The rule for a package, and whether it is the package's own. */
export function ruleFor(policy: Policy, name: string): { readonly rule: Rule; readonly own: boolean } {
  const rule = policy.packages.get(name)
  return { rule: rule ?? policy.default, own: rule !== undefined }
}

/**
 * SHA-256 of the policy's canonical JSON with presets written out, so that a preset whose meaning changes gives another digest.
 */
export function policyDigestOf(policy: Policy): Sha256 {
  const known = digests.get(policy)
  if (known) return known
  const expanded = (rule: Rule): Rule => {
    const conditions = conditionsOf(rule)
    return conditions === undefined ? rule : { kind: 'factors', ...conditions }
  }
  const packages = new Map([...policy.packages].map(([name, rule]) => [name, expanded(rule)]))
  const json = jsonOfPolicy({ ...policy, default: expanded(policy.default), packages })
  const digest = sha256(utf8(`abnpkg-policy-v1\n${canonicalJson(json)}`))
  digests.set(policy, digest)
  return digest
}

const digests = new WeakMap<Policy, Sha256>()
