/**
 * The sessions among the evidence: documents whose session an operator of the policy has signed, each with the collateral and the
 * proofs that belong to it. What belongs to no such session is set aside. Whether a quote holds is judged later (tee/judge-session.ts),
 * as that needs a time and conditions.
 */
import { AbnError } from '../format/errors.ts'
import type { Sha256 } from '../format/hash.ts'
import { compareBytewise } from '../format/order.ts'
import { hexOf, isEqualBytes } from './bytes.ts'
import type { Sorting } from './evidence.ts'
import type { KeyId } from './key.ts'
import { leafHash } from './log/merkle.ts'
import { originOfNote } from './log/note.ts'
import { parseLogProof, verifyLogProof } from './log/proof-file.ts'
import { cosignaturesOf, type LogStanding, treesWith } from './log/standing.ts'
import { type VerifiedSession, verifySession } from './session.ts'
import {
  documentOfProof,
  parseSessionDocument,
  type SessionDocument,
  type SessionEvidence,
  type SessionProof,
} from './session-evidence.ts'
import { type Collateral, parseCollateral } from './tee/collateral.ts'
import { familyOf } from './tee/collateral-family.ts'

/** A document whose session its operator has signed. */
export type RememberedSession = {
  readonly kind: 'session'
  readonly document: SessionDocument
  readonly session: VerifiedSession
  readonly leaf: string
}

export type RememberedCollateral = {
  readonly kind: 'collateral'
  readonly collateral: Collateral
  readonly family: string
}

export type RememberedProof = {
  readonly kind: 'session-proof'
  /** The key of the log that was verified with. */
  readonly log: KeyId
  readonly checkpoint: SessionProof['checkpoint']
}

/** By the digest of the session as it is signed; its documents sorted by their digest. */
export function sessionsIn(
  sorting: Sorting,
  logs: ReadonlyMap<string, LogStanding>,
): ReadonlyMap<Sha256, readonly SessionEvidence[]> {
  const documents = documentsIn(sorting)
  const collateral = collateralFor(documents, sorting)
  const proofs = proofsFor(documents, sorting)
  const packings = [...documents.values()].map(
    ({ document, session, leaf, operator }): SessionEvidence => ({
      document,
      session,
      operator,
      leaf,
      collateral: collateral.get(document.digest) ?? [],
      proofs: proofs.get(document.digest) ?? [],
    }),
  )
  const bySession = Map.groupBy(packings, ({ session }) => session.digest)
  return new Map(
    [...bySession].sort(([a], [b]) => compareBytewise(a, b)).map(([digest, same]) => [digest, bounded(same, logs)]),
  )
}

/** Anybody can pack a session again, as often as they like; what is logged is kept before the rest. */
function bounded(same: readonly SessionEvidence[], logs: ReadonlyMap<string, LogStanding>): readonly SessionEvidence[] {
  const byDigest = (a: SessionEvidence, b: SessionEvidence) => compareBytewise(a.document.digest, b.document.digest)
  if (same.length <= maximumPackings) return same.toSorted(byDigest)
  const rankOf = ({ leaf, proofs }: SessionEvidence) =>
    (treesWith(logs, leaf).length > 0 ? 2 : 0) + (proofs.length > 0 ? 1 : 0)
  return same
    .map((one) => ({ one, rank: rankOf(one) }))
    .sort((a, b) => b.rank - a.rank || byDigest(a.one, b.one))
    .slice(0, maximumPackings)
    .map(({ one }) => one)
    .sort(byDigest)
}

const maximumPackings = 16

type Signed = RememberedSession & { readonly operator: string }

function documentsIn({ piecesOf, policy, signers, memory, keeps }: Sorting): ReadonlyMap<Sha256, Signed> {
  const operatorKeys = policy.operators.flatMap(({ keys }) => keys)
  const found = new Map<Sha256, Signed>()
  for (const piece of piecesOf('session')) {
    keeps(piece, () => {
      const known = memory.get(piece.digest)
      const remembered = known !== undefined && 'kind' in known && known.kind === 'session' ? known : undefined
      const document = remembered?.document ?? parseSessionDocument(piece.bytes)
      const { session } = document.session
      const operator = signers.get(session.operator)
      if (operator === undefined) return 'stranger'
      if (operatorKeys.some(({ bytes }) => isEqualBytes(bytes, session.key.bytes))) {
        throw new AbnError('ABN_SESSION_INVALID', 'session: its key is the key of an operator')
      }
      const one = remembered ?? {
        kind: 'session',
        document,
        session: verifySession(document.session, operator.key),
        leaf: hexOf(leafHash(document.bytes)),
      }
      memory.set(piece.digest, one)
      found.set(piece.digest, { ...one, operator: operator.operator })
      return 'kept'
    })
  }
  return found
}

/** By the digest of the document: the collateral that it names, and what is of the same family. */
function collateralFor(
  documents: ReadonlyMap<Sha256, Signed>,
  { piecesOf, memory, keeps }: Sorting,
): ReadonlyMap<Sha256, readonly Collateral[]> {
  const parsed = new Map<Sha256, RememberedCollateral>()
  const pieces = piecesOf('collateral')
  for (const piece of pieces) {
    keeps(piece, () => {
      const known = memory.get(piece.digest)
      const remembered = known !== undefined && 'kind' in known && known.kind === 'collateral' ? known : undefined
      const one = remembered ?? collateralOf(piece.bytes, piece.digest)
      memory.set(piece.digest, one)
      parsed.set(piece.digest, one)
      return 'kept'
    })
  }
  const wanted = new Set([...documents.values()].flatMap(({ document }) => familyNamed(document, parsed) ?? []))
  for (const piece of pieces) {
    const family = parsed.get(piece.digest)?.family
    if (family !== undefined && !wanted.has(family)) keeps(piece, () => 'stranger')
  }
  const byDigest = [...parsed.values()].sort((a, b) => compareBytewise(a.collateral.digest, b.collateral.digest))
  const families = new Map(
    [...Map.groupBy(byDigest, ({ family }) => family)].map(([family, same]) => [
      family,
      same.map(({ collateral }) => collateral),
    ]),
  )
  return new Map(
    [...documents].map(([digest, { document }]) => [digest, families.get(familyNamed(document, parsed) ?? '') ?? []]),
  )
}

function familyNamed(
  { collateral }: SessionDocument,
  parsed: ReadonlyMap<Sha256, RememberedCollateral>,
): string | undefined {
  return collateral === null ? undefined : parsed.get(collateral)?.family
}

function collateralOf(bytes: Uint8Array, digest: Sha256): RememberedCollateral {
  const collateral = parseCollateral(bytes)
  if (collateral.digest !== digest) throw new AbnError('ABN_TEE_COLLATERAL', 'collateral: not in its one encoding')
  return { kind: 'collateral', collateral, family: familyOf(collateral) }
}

/** By the digest of the document; sorted by that of the proof. */
function proofsFor(
  documents: ReadonlyMap<Sha256, Signed>,
  { piecesOf, policy, memory, keeps }: Sorting,
): ReadonlyMap<Sha256, readonly SessionProof[]> {
  const found: (SessionProof & { readonly document: Sha256 })[] = []
  for (const piece of piecesOf('session-proof')) {
    keeps(piece, () => {
      const proof = parseLogProof(piece.bytes)
      const document = documents.get(documentOfProof(proof) ?? piece.digest)?.document
      const log = policy.logs.find(({ name }) => name === originOfNote(proof.checkpoint))
      if (document === undefined || log === undefined) return 'stranger'
      const known = memory.get(piece.digest)
      const isKnown = known !== undefined && 'kind' in known && known.kind === 'session-proof' && known.log === log.id
      const { checkpoint } = isKnown ? known : verifyLogProof(proof, document.bytes, log)
      memory.set(piece.digest, { kind: 'session-proof', log: log.id, checkpoint })
      const cosignatures = cosignaturesOf(checkpoint, policy.witnesses)
      found.push({ digest: piece.digest, document: document.digest, checkpoint, cosignatures })
      return 'kept'
    })
  }
  found.sort((a, b) => compareBytewise(a.digest, b.digest))
  return new Map(
    [...Map.groupBy(found, ({ document }) => document)].map(([document, all]) => [document, earliest(all)]),
  )
}

/**
 * For each number of witnesses the proof that so many vouch for at the earliest time: no other can show an earlier one, whatever the
 * quorum. Anybody can give a proof other lines of signatures, so that there may be any number of them.
 */
function earliest(proofs: readonly SessionProof[]): readonly SessionProof[] {
  const best = new Map<number, { readonly time: number; readonly proof: SessionProof }>()
  for (const proof of proofs) {
    const times = proof.cosignatures.map(({ time }) => time).sort((a, b) => a - b)
    for (const [i, time] of times.entries()) {
      if (time < (best.get(i)?.time ?? Number.POSITIVE_INFINITY)) best.set(i, { time, proof })
    }
  }
  const kept = new Set([...best.values()].map(({ proof }) => proof))
  return proofs.filter((proof) => kept.has(proof))
}
