/**
 * A decision: what the policy said about one output, for whom, when, on which evidence and why. Plain data, kept with the item,
 * and enough to come to it again offline (replay.ts). Specification: docs/formats/decision.md.
 */
import type { RecipeHash, Sha256 } from '../../format/hash.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { KeyId } from '../key.ts'
import type { TreeHash, TreeSize } from '../log/merkle.ts'
import type { TcbStatus } from '../tee/tcb-status.ts'
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
  /**
   * Digests of what was looked at, sorted: attestations and revocation lists, sessions with their collateral and proofs, and
   * what was shown of logs.
   */
  readonly evidence: readonly Sha256[]
  /** Versions of revocation lists that had been seen before, of the operators concerned; sorted by key. */
  readonly knownRevocations: readonly { readonly key: KeyId; readonly version: number }[]
  /** Trees that had been seen before, of the policy's logs where the rule asks for logs; sorted by log. */
  readonly knownLogs: readonly { readonly log: string; readonly size: TreeSize; readonly root: TreeHash }[]
  /** Evaluation numbers that had been seen before, of the policy's roots where the rule asks for a TEE; sorted by root. */
  readonly knownEvaluations: readonly { readonly root: Sha256; readonly number: number }[]
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
  /** Too few of those who agree have a quote that is accepted, each of another operator and machine. */
  | { readonly kind: 'tee-too-few'; readonly wanted: number; readonly counted: number }
  /** The policy does not name what the factor looks at: logs, as many witnesses, conditions for a TEE. */
  | { readonly kind: 'factor-unconfigured'; readonly factor: 'logged' | 'witnessed' | 'tee' }
  | { readonly kind: 'factor-unsupported'; readonly factor: string }
  /** Nothing of this log counts, as what it has shown does not fit together. */
  | { readonly kind: 'log-trouble'; readonly log: string; readonly trouble: LogTroubleKind }
  /** For: a session that agrees is in a TEE. `session` is the digest of the session's document. */
  | {
      readonly kind: 'tee-accepted'
      readonly operator: string
      readonly session: Sha256
      readonly root: 'intel' | 'simulated'
      /** Its name in the policy. */
      readonly measurement: string
      readonly status: TcbStatus
    }
  /** Not for: the quote of a session that agrees is not accepted. */
  | {
      readonly kind: 'tee-refused'
      readonly operator: string
      readonly session: Sha256
      readonly objections: readonly string[]
    }

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
  | 'outside-session'
  | 'shared-key'
  | 'not-logged'
  | 'not-witnessed'

/**
 * 'fork': two trees of one size; 'smaller': a tree smaller than one seen before; 'proof': the proof that it has grown is
 * wrong; 'unproved': there is none.
 */
export type LogTroubleKind = 'fork' | 'smaller' | 'proof' | 'unproved'

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
