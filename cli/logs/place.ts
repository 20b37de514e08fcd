// Where something is in which log, and who of the policy's witnesses has seen it there.
import type { Sha256 } from '../../format/hash.ts'
import type { OperatorAttestation, VerifiedEvidence } from '../../trust/evidence.ts'
import type { VerifiedCosignature } from '../../trust/log/cosignature.ts'
import { type StandingTree, treesWith } from '../../trust/log/standing.ts'
import { encodeTime } from '../../trust/time.ts'
import { agoText } from '../span-text.ts'

export type Logged = {
  readonly what: 'statement' | 'session'
  readonly operator: string
  readonly digest: Sha256
  /** What the log has: the bytes of the entry. */
  readonly bytes: Uint8Array
  /** Hexadecimal of the leaf's hash. */
  readonly leaf: string
  readonly places: readonly Place[]
}

export type Place = { readonly tree: StandingTree; readonly index: number }

/** Statements and the sessions that signed them, each once. */
export function loggedThings(
  attestations: readonly OperatorAttestation[],
  evidence: VerifiedEvidence,
): readonly Logged[] {
  const things = new Map<Sha256, Logged>()
  const placesOf = (leaf: string) =>
    treesWith(evidence.logs, leaf).flatMap((tree) => {
      const index = tree.leaves.get(leaf)
      return index === undefined ? [] : [{ tree, index }]
    })
  for (const { operator, attestation, sessions, leaf } of attestations) {
    for (const { document, leaf: own } of sessions) {
      const { digest, bytes } = document
      things.set(digest, { what: 'session', operator, digest, bytes, leaf: own, places: placesOf(own) })
    }
    const { digest, bytes } = attestation
    things.set(digest, { what: 'statement', operator, digest, bytes, leaf, places: placesOf(leaf) })
  }
  return [...things.values()]
}

/** `entry 12 of 40 of log.example, seen by w1 (3 min ago)` */
export function placeText({ tree: { checkpoint, cosignatures }, index }: Place, now: number): string {
  return `entry ${index} of ${checkpoint.size} of ${checkpoint.origin}, ${witnessText(cosignatures, now)}`
}

export function witnessText(cosignatures: readonly VerifiedCosignature[], now: number): string {
  if (cosignatures.length === 0) return 'seen by no witness of the policy'
  return `seen by ${cosignatures.map(({ witness, time }) => `${witness.name} (${agoText(time, now)})`).join(', ')}`
}

export function jsonOfPlace({ tree: { checkpoint, cosignatures }, index }: Place) {
  const { origin, size, root } = checkpoint
  return {
    log: origin,
    index,
    size,
    root: Buffer.from(root).toString('base64'),
    witnesses: jsonOfWitnesses(cosignatures),
  }
}

export function jsonOfWitnesses(cosignatures: readonly VerifiedCosignature[]) {
  return cosignatures.map(({ witness, time }) => ({ name: witness.name, time: encodeTime(time) }))
}
