/**
 * What caches have brought about logs, settled before anything is decided. Where nobody has proved that a tree has grown from the one seen
 * last, or that what two caches show is one tree (a cache of files cannot, a lying one does not), it is proved here, from the log's
 * tiles. What is left is trouble: nothing of that log counts, and both notes are kept (alarms.ts).
 */
import { AbnError } from '../../format/errors.ts'
import { type Evidence, type VerificationMemory, type VerifiedEvidence, verifyEvidence } from '../../trust/evidence.ts'
import { type LogKey, type VerifiedCheckpoint, verifiedCheckpointOf } from '../../trust/log/checkpoint.ts'
import { parseInclusions } from '../../trust/log/inclusions.ts'
import { type TreeHash, verifyConsistency } from '../../trust/log/merkle.ts'
import type { KnownTree, LogStanding } from '../../trust/log/standing.ts'
import { encodeAddCheckpoint, parseAddCheckpoint } from '../../trust/log/witness-request.ts'
import type { Policy } from '../../trust/policy/policy.ts'
import { type Helper, verifyAhead } from '../../trust/verify-ahead.ts'
import { consistencyFromTiles } from '../log/prove-from-tiles.ts'
import { logAddressOf, openLogReader } from '../log/read-log.ts'
import type { Brought } from './gather.ts'
import type { Pace } from './http.ts'
import type { KnownEvaluations } from './known-evaluations.ts'

export type Settling = {
  readonly policy: Policy
  /** What is known from before, whatever caches bring. */
  readonly remembered: readonly Evidence[]
  readonly knownLogs: ReadonlyMap<string, KnownTree>
  readonly knownEvaluations: KnownEvaluations
  /** Another thread that has nothing else to do, where there is one. */
  readonly helper?: Helper | undefined
} & Reaching

/** How to get at tiles. */
export type Reaching = { readonly signal?: AbortSignal | undefined; readonly pace?: Pace | undefined }

/** Throws the signal's reason only. */
export async function settleLogs(brought: readonly Brought[], settling: Settling): Promise<VerifiedEvidence> {
  const { policy, remembered, knownLogs, knownEvaluations, helper } = settling
  const pieces = [...remembered, ...brought.flatMap(({ evidence }) => evidence)]
  const memory: VerificationMemory = helper === undefined ? new Map() : await verifyAhead(pieces, policy, helper)
  const verify = (more: readonly Evidence[]) =>
    verifyEvidence([...pieces, ...more], policy, { memory, knownLogs, knownEvaluations })
  const evidence = verify([])
  const proofs: Evidence[] = []
  for (const standing of evidence.logs.values()) {
    if (standing.trouble === null || standing.trouble.kind === 'fork') continue
    const addresses = new Set(brought.map(({ address }) => address))
    proofs.push(...(await proofsFor(standing, pieces, { ...settling, addresses })))
  }
  return proofs.length === 0 ? evidence : verify(proofs)
}

/**
 * The proof that one tree has grown from the other, from the first of the caches with tiles that give both roots; undefined when
 * there is none. Those that do not are taken out of `addresses`, so that a slow one costs its time once. Throws the signal's reason.
 */
export async function provedFromTiles(
  { old, grown }: { readonly old: KnownTree; readonly grown: KnownTree },
  addresses: Set<string>,
  { signal, pace }: Reaching,
): Promise<readonly TreeHash[] | undefined> {
  for (const address of addresses) {
    try {
      using log = await openLogReader(logAddressOf(address), { signal, ...(pace === undefined ? {} : { pace }) })
      const proof = await consistencyFromTiles(log, old.size, grown.size)
      verifyConsistency({ old, new: grown, proof })
      return proof
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      if (!(error instanceof AbnError)) throw error
      addresses.delete(address)
    }
  }
  return undefined
}

type Proving = Settling & { readonly addresses: Set<string> }

/** That each tree which was shown, and the one that is known, is the beginning of the largest that was shown. */
async function proofsFor(
  { log }: LogStanding,
  pieces: readonly Evidence[],
  { knownLogs, addresses, ...reaching }: Proving,
): Promise<readonly Evidence[]> {
  const shown = new Map(pieces.flatMap((piece) => checkpointIn(piece, log) ?? []).map((one) => [one.note.text, one]))
  const largest = [...shown.values()].sort((a, b) => b.size - a.size)[0]
  if (largest === undefined || shown.size > MOST_TREES) return []
  const known = knownLogs.get(log.name)
  const smaller = [...shown.values(), ...(known === undefined ? [] : [known])].filter(
    ({ size }) => size > 0 && size < largest.size,
  )
  const proofs: Evidence[] = []
  for (const old of smaller) {
    const proof = await provedFromTiles({ old, grown: largest }, addresses, reaching)
    if (proof === undefined) continue
    const bytes = encodeAddCheckpoint({ old: old.size, proof, checkpoint: largest.note })
    proofs.push({ kind: 'log-consistency', bytes })
  }
  return proofs
}

/** Trees of one log in one answer, of as many caches as anybody has. Beyond it, somebody makes us work. */
const MOST_TREES = 32

/** Undefined for a piece that is not about this log. */
function checkpointIn(one: Evidence, log: LogKey): VerifiedCheckpoint | undefined {
  try {
    if (one.kind === 'log-inclusions') return verifiedCheckpointOf(parseInclusions(one.bytes).checkpoint, log)
    if (one.kind === 'log-consistency') return verifiedCheckpointOf(parseAddCheckpoint(one.bytes).checkpoint, log)
    return undefined
  } catch (error) {
    if (error instanceof AbnError) return undefined
    throw error
  }
}
