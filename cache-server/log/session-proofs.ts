/**
 * Keeps for each session document a proof of when it was logged: under the first published checkpoint with it that witnesses have
 * cosigned, or a later one of the first day that more of them have. Policies may judge a quote as of that time.
 * Record of the index: log/unproved/<digest of the document>, for those that may still get a better one.
 */
import { parseSha256, type Sha256, sha256Of } from '../../format/hash.ts'
import { utf8 } from '../../trust/bytes.ts'
import type { VerifiedCheckpoint } from '../../trust/log/checkpoint.ts'
import { encodeSessionProof } from '../../trust/session-evidence.ts'
import type { Queues } from '../queues.ts'
import { documentKey, encodeProof, proofsChange, proofsOf, sessionsQueue } from '../sessions.ts'
import type { GroupCommit } from '../storage/group-commit.ts'
import type { Change, Index } from '../storage/index.ts'
import { inclusionProof } from './prove.ts'
import { entryIndices } from './sequencer.ts'
import type { TreeFiles } from './tree-files.ts'

export type ProvingParts = {
  readonly index: Index
  readonly files: TreeFiles
  readonly commits: GroupCommit
  readonly queues: Queues
  /** How many witnesses there are. */
  readonly witnesses: number
  readonly nowSeconds: () => number
}

type Waiting = { readonly at: number; readonly cosignatures: number }

/** To be written with a document that is to be logged. */
export function unprovedChange(document: Sha256, at: number): Change {
  return { kind: 'put', key: PREFIX + document, value: encode({ at, cosignatures: 0 }) }
}

export function provedChange(document: Sha256): Change {
  return { kind: 'remove', key: PREFIX + document }
}

/** Resolves to how many documents have a new proof. Durable when it resolves. */
export async function proveSessions(checkpoint: VerifiedCheckpoint, parts: ProvingParts): Promise<number> {
  const cosignatures = checkpoint.note.signatures.length - 1
  if (cosignatures === 0) return 0
  const waiting: (readonly [Sha256, Waiting])[] = []
  for await (const [key, value] of parts.index.entries({ prefix: PREFIX }))
    waiting.push([parseSha256(key.slice(PREFIX.length)), JSON.parse(Buffer.from(value).toString('utf8'))])
  let proved = 0
  for (const [document, one] of waiting)
    if (await prove(document, one, { ...parts, checkpoint, cosignatures })) proved++
  return proved
}

type Proving = ProvingParts & { readonly checkpoint: VerifiedCheckpoint; readonly cosignatures: number }

async function prove(document: Sha256, { at, cosignatures: before }: Waiting, proving: Proving): Promise<boolean> {
  const { index, files, commits, queues, checkpoint, cosignatures } = proving
  const isOver = cosignatures >= proving.witnesses || at < proving.nowSeconds() - DAY_SECONDS
  if (cosignatures <= before) {
    if (isOver) await commits.commit([provedChange(document)])
    return false
  }
  const [entry] = await entryIndices(index, [document])
  if (entry === undefined || entry >= checkpoint.size) return false
  const hashes = await inclusionProof(files, entry, checkpoint.size)
  const proof = encodeSessionProof(document, { index: entry, hashes, checkpoint: checkpoint.note })
  return queues(sessionsQueue, async () => {
    // It may have been forgotten.
    if ((await index.get(documentKey(document))) === undefined) {
      await commits.commit([provedChange(document)])
      return false
    }
    const name = sha256Of(utf8(checkpoint.origin))
    const proofs = proofsChange(document, { ...(await proofsOf(index, document)), [name]: encodeProof(proof) })
    const waits: Change = { kind: 'put', key: PREFIX + document, value: encode({ at, cosignatures }) }
    await commits.commit([proofs, isOver ? provedChange(document) : waits])
    return true
  })
}

const PREFIX = 'log/unproved/'
const DAY_SECONDS = 86_400

function encode(waiting: Waiting): Uint8Array {
  return Buffer.from(JSON.stringify(waiting))
}
