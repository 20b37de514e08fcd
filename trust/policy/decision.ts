/**
 * A decision: what the policy said about one output, for whom, when, on which evidence and why. Plain data, kept with the item,
 * and enough to come to it again offline (replay.ts). Specification: docs/formats/decision.md.
 */
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { KeyId } from '../key.ts'
import type { Conditions, Depth } from './policy.ts'

export type Decision = {
  readonly format: 1
  readonly request: DecisionRequest
  /** Digest of the policy. */
  readonly policy: Sha256
  /** The rule that applied, presets written out and with the depth that was asked for; null means source-only. */
  readonly conditions: Conditions | null
  /** Whether the rule is the package's own. */
  readonly own: boolean
  /** When it was decided, in seconds since 1970. */
  readonly now: number
  /** Digests of the attestations and revocation lists that were looked at, sorted. */
  readonly evidence: readonly Sha256[]
  /** Versions of revocation lists that had been seen before, of the operators concerned; sorted by key. */
  readonly knownRevocations: readonly { readonly key: KeyId; readonly version: number }[]
  readonly outcome: Outcome
  readonly reasons: readonly Reason[]
}

/** One output, as the client has computed it from the recipe itself. */
export type DecisionRequest = {
  readonly path: StorePath
  readonly recipe: RecipeHash
  readonly name: string
  readonly version: string
  readonly system: string
  readonly output: string
  /** Takes the place of the rule's own depth where the output is asked for as an input of another; null otherwise. */
  readonly depth: Depth | null
  /** Every input of the derivation, sorted by path. */
  readonly inputs: readonly RequestedInput[]
}

/**
 * `accepted` is the digest that the policy accepts for this input, or that this machine has built; null when there is none or
 * when the rule's depth does not ask.
 */
export type RequestedInput = {
  readonly path: StorePath
  readonly recipe: RecipeHash
  readonly output: string
  readonly accepted: Sha256 | null
}

export type Outcome =
  | {
      readonly kind: 'accepted'
      /** The output digest; nothing else may be unpacked under the path. */
      readonly digest: Sha256
      readonly bytes: number
      readonly references: readonly StorePath[]
      /** Whose statements counted, sorted. */
      readonly operators: readonly string[]
    }
  | { readonly kind: 'refused' }

export type Reason =
  /** The rule is source-only. */
  | { readonly kind: 'source-only' }
  | { readonly kind: 'no-operators' }
  /** For: this statement counted. */
  | { readonly kind: 'agreed'; readonly operator: string; readonly attestation: Sha256 }
  /** Not for: the statement is real, but does not count. */
  | {
      readonly kind: 'not-counted'
      readonly operator: string
      readonly attestation: Sha256
      readonly because: NotCounted
    }
  | { readonly kind: 'silent'; readonly operator: string }
  | { readonly kind: 'excluded'; readonly operator: string }
  /** Against, always: configured operators state different results. */
  | {
      readonly kind: 'divergence'
      readonly cause: DivergenceCause
      readonly sides: readonly DivergenceSide[]
      /** Inputs for which the statements name different digests. */
      readonly inputs: readonly StorePath[]
    }
  /** Those who agree built from different inputs, which is worth a look although the results are the same. */
  | { readonly kind: 'inputs-differ'; readonly inputs: readonly StorePath[] }
  /** Against: an input is not accepted, and the rule wants it to be. */
  | { readonly kind: 'input-not-accepted'; readonly path: StorePath }
  /** Against: a factor is not met. */
  | { readonly kind: 'too-few'; readonly wanted: number; readonly counted: number; readonly among: readonly string[] }
  | { readonly kind: 'required-missing'; readonly operator: string }
  | { readonly kind: 'factor-unsupported'; readonly factor: string }

export type NotCounted =
  | 'revoked-key'
  | 'revoked-statement'
  | 'another-package'
  | 'another-output'
  | 'another-derivation'
  | 'expired'
  | 'future'
  | 'too-young'
  | 'too-old'
  | 'not-built'
  | 'revocations-missing'
  | 'revocations-rolled-back'
  | 'inputs-not-accepted'

/**
 * 'build': other bits from the same inputs, so that the build is not reproducible or somebody lies; 'inputs': other bits, and
 * other inputs too, where to look first; 'description': the same bits, but another size or other references.
 */
export type DivergenceCause = 'build' | 'inputs' | 'description'

export type DivergenceSide = {
  readonly digest: Sha256
  readonly operators: readonly string[]
  readonly attestations: readonly Sha256[]
}
