/**
 * Why an output is in the store as it is: from the item's record, the decision that was kept (replayed, never only read) and the
 * divergences that were seen. Works offline.
 */
import { encodeCanonicalJson } from '../../format/canonical-json.ts'
import type { StorePath } from '../../format/store-path.ts'
import type { Item } from '../../store/item.ts'
import type { Store } from '../../store/store.ts'
import { encodeEnvelope, preAuthenticationEncoding } from '../../trust/dsse.ts'
import type { PublicKey } from '../../trust/key.ts'
import type { Decision } from '../../trust/policy/decision.ts'
import type { Signer } from '../../trust/secret-key.ts'
import { statementPayloadType } from '../../trust/statement.ts'
import { encodeTime } from '../../trust/time.ts'
import { type BuiltNote, readBuiltNote, readDecisionRecord, replayRecord } from './decision-records.ts'
import { type Divergence, readDivergence } from './divergences.ts'
import { findTakenBack, type TakenBack } from './taken-back.ts'

export type Why = {
  readonly item: Item
  /** Replayed; undefined when nothing was decided. */
  readonly decision: Decision | undefined
  /** Of what was built although there is a policy. */
  readonly note: BuiltNote | undefined
  readonly divergence: Divergence | undefined
  /** By operators who had agreed, as far as this machine knows. */
  readonly takenBack: TakenBack | undefined
}

/** Throws ABN_ITEM_MISSING, ABN_DECISION_MISSING, ABN_DECISION_INVALID or ABN_DECISION_DIFFERS. */
export function whyOf(store: Store, path: StorePath): Why {
  const item = store.readItem(path)
  const divergence = readDivergence(store, path)
  const { origin } = item
  if (origin.kind === 'substituted') {
    const decision = replayRecord(readDecisionRecord(store, origin.decision), path)
    return { item, decision, note: undefined, divergence, takenBack: findTakenBack(store).of(path) }
  }
  const note = readBuiltNote(store, path)
  const decision = note?.record ? replayRecord(readDecisionRecord(store, note.record), path) : undefined
  return { item, decision, note, divergence, takenBack: undefined }
}

/**
 * The decision as a SLSA Verification Summary (https://slsa.dev/spec/v1.0/verification_summary) in an in-toto Statement.
 * Undefined when nothing was decided. `verifier`: the key that will sign it; without one it is nobody's word.
 */
export function verificationSummaryOf({ item, decision }: Why, verifier?: PublicKey) {
  if (decision === undefined) return undefined
  const { outcome } = decision
  const isPassed = outcome.kind === 'accepted' && item.origin.kind === 'substituted'
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: item.path, digest: { sha256: item.outputDigest } }],
    predicateType: 'https://slsa.dev/verification_summary/v1',
    predicate: {
      verifier: { id: verifier === undefined ? 'abnpkg:client' : `abnpkg:client/${verifier.id}` },
      timeVerified: encodeTime(decision.now),
      resourceUri: item.path,
      policy: { uri: 'abnpkg:policy', digest: { sha256: decision.policy } },
      inputAttestations: decision.evidence.map((sha256) => ({ digest: { sha256 } })),
      verificationResult: isPassed ? 'PASSED' : 'FAILED',
      verifiedLevels: outcome.kind === 'accepted' ? levelsOf(outcome.operators, decision) : [],
      slsaVersion: '1.0',
    },
  }
}

/** Levels of our own, which say what was satisfied. A simulated TEE is none. */
function levelsOf(operators: readonly string[], { conditions, reasons }: Decision): readonly string[] {
  const levels = (conditions?.factors ?? []).flatMap((factor) => {
    if (factor.kind === 'logged') return ['ABNPKG_LOGGED']
    return factor.kind === 'witnessed' ? [`ABNPKG_WITNESSED_${factor.atLeast}`] : []
  })
  const tees = reasons.flatMap((one) => (one.kind === 'tee-accepted' && one.root === 'intel' ? one.operator : []))
  const count = new Set(tees).size
  return [`ABNPKG_OPERATORS_${operators.length}`, ...new Set(levels), ...(count > 0 ? [`ABNPKG_TEE_${count}`] : [])]
}

/** The summary in a DSSE envelope, as statements are. Undefined when nothing was decided. */
export function signedSummaryOf(why: Why, signer: Signer): Uint8Array | undefined {
  const summary = verificationSummaryOf(why, signer.publicKey)
  if (summary === undefined) return undefined
  const payload = encodeCanonicalJson(summary)
  const signature = signer.sign(preAuthenticationEncoding(statementPayloadType, payload))
  return encodeEnvelope({ payloadType: statementPayloadType, payload, keyId: signer.publicKey.id, signature })
}
