/**
 * Deciding without a network: an evidence file, which is a bundle under zstd, brought along by whoever wrote it. It is a courier like a cache
 * and has no authority. What a log has become since, it cannot show; a tree of the size that was seen last has to be that tree.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { AbnError } from '../../format/errors.ts'
import { decodeBundle, encodeBundleOf, maximumBundleBytes } from '../../trust/bundle.ts'
import {
  type Evidence,
  evidenceNamed,
  type VerificationMemory,
  type VerifiedEvidence,
  verifyEvidence,
} from '../../trust/evidence.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import type { Policy } from '../../trust/policy/policy.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import type { PackageIndex } from '../realise/plan.ts'
import { closureOf, emptyStore } from './closure.ts'
import { asksForInputs, type Decided, decide } from './decide.ts'
import type { Memory } from './memory.ts'

/** All that these decisions rest on. */
export function encodeEvidenceFile(evidence: VerifiedEvidence, decisions: readonly Decision[]): Uint8Array {
  const digests = new Set(decisions.flatMap((decision) => decision.evidence))
  const { attestations, others } = evidenceNamed(evidence, digests)
  return zstdCompressSync(encodeBundleOf(attestations, others))
}

/** Throws ABN_BUNDLE_INVALID or ABN_JSON_INVALID. */
export function parseEvidenceFile(bytes: Uint8Array): readonly Evidence[] {
  let content: Uint8Array
  try {
    content = zstdDecompressSync(bytes, { maxOutputLength: maximumBundleBytes })
  } catch (cause) {
    throw new AbnError('ABN_BUNDLE_INVALID', 'evidence file: not compressed by zstd, or too large', { cause })
  }
  return decodeBundle(content)
}

export type OfflineOptions = {
  readonly packages: PackageIndex
  readonly policy: Policy
  readonly evidence: readonly Evidence[]
  /** What this machine knows besides. */
  readonly memory: Pick<Memory, 'remembered' | 'knownLogs' | 'knownEvaluations'>
  readonly now: number
}

export type DecidedOffline = Pick<Decided, 'decisionsAbout' | 'decisionsFor'> & { readonly evidence: VerifiedEvidence }

/** Decides as if the store were empty. */
export function decideOffline(targets: readonly EvaluatedPackage[], options: OfflineOptions): DecidedOffline {
  const { packages, policy, now } = options
  const closure = closureOf(targets, { store: emptyStore, packages, wholly: asksForInputs(policy) })
  const evidence = verifiedOffline(options)
  const decided = decide({ store: emptyStore, closure, evidence, policy, now, missed: new Set() })
  return { evidence, decisionsAbout: decided.decisionsAbout, decisionsFor: decided.decisionsFor }
}

export function verifiedOffline({
  policy,
  evidence,
  memory,
}: Omit<OfflineOptions, 'packages' | 'now'>): VerifiedEvidence {
  const { remembered, knownLogs, knownEvaluations } = memory
  const all = [...remembered, ...evidence]
  const memo: VerificationMemory = new Map()
  const first = verifyEvidence(all, policy, { memory: memo, knownEvaluations })
  const comparable = [...knownLogs].filter(([origin, { size }]) =>
    first.logs.get(origin)?.trees.some(({ checkpoint }) => checkpoint.size === size),
  )
  if (comparable.length === 0) return first
  return verifyEvidence(all, policy, { memory: memo, knownEvaluations, knownLogs: new Map(comparable) })
}
