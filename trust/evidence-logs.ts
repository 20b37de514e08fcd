/**
 * What the evidence shows of the logs that the policy names: entries that are in their trees, and that their trees have only grown.
 * What another log has signed, or nobody, is set aside; whether the rest agrees, log/standing.ts says.
 */
import type { Sha256 } from '../format/hash.ts'
import { compareBytewise } from '../format/order.ts'
import type { Sorting } from './evidence.ts'
import type { KeyId } from './key.ts'
import { type LogKey, verifiedCheckpointOf } from './log/checkpoint.ts'
import { parseInclusions, verifyInclusions } from './log/inclusions.ts'
import { type Note, originOfNote } from './log/note.ts'
import { type KnownTree, type LogStanding, type ShownGrowth, type ShownInclusions, standingOf } from './log/standing.ts'
import { parseAddCheckpoint } from './log/witness-request.ts'

/** `log` is the key that was verified with. */
export type RememberedInclusions = ShownInclusions & { readonly kind: 'log-inclusions'; readonly log: KeyId }
export type RememberedGrowth = ShownGrowth & { readonly kind: 'log-consistency'; readonly log: KeyId }

/** By origin, of logs of which something came. */
export function logsIn(sorting: Sorting, knownLogs: ReadonlyMap<string, KnownTree>): ReadonlyMap<string, LogStanding> {
  const { policy } = sorting
  const inclusions = Map.groupBy(inclusionsIn(sorting), ({ log }) => log)
  const growths = Map.groupBy(growthsIn(sorting), ({ log }) => log)
  return new Map(
    policy.logs
      .filter(({ id }) => inclusions.has(id) || growths.has(id))
      .map((log) => {
        const shown = {
          log,
          inclusions: inDigestOrder(inclusions.get(log.id)),
          growths: inDigestOrder(growths.get(log.id)),
        }
        return [log.name, standingOf(shown, knownLogs.get(log.name), policy.witnesses)]
      }),
  )
}

function inclusionsIn({ piecesOf, policy, memory, keeps }: Sorting): readonly RememberedInclusions[] {
  const found: RememberedInclusions[] = []
  for (const piece of piecesOf('log-inclusions')) {
    keeps(piece, () => {
      const known = memory.get(piece.digest)
      if (
        known !== undefined &&
        'kind' in known &&
        known.kind === 'log-inclusions' &&
        isOfLog(known.log, policy.logs)
      ) {
        found.push(known)
        return 'kept'
      }
      const parsed = parseInclusions(piece.bytes)
      const log = logOf(parsed.checkpoint, policy.logs)
      if (log === undefined) return 'stranger'
      const one: RememberedInclusions = {
        kind: 'log-inclusions',
        log: log.id,
        digest: piece.digest,
        inclusions: verifyInclusions(parsed, log),
      }
      memory.set(piece.digest, one)
      found.push(one)
      return 'kept'
    })
  }
  return found
}

/** The proof in it is judged later, as it depends on what is known of the old tree. */
function growthsIn({ piecesOf, policy, memory, keeps }: Sorting): readonly RememberedGrowth[] {
  const found: RememberedGrowth[] = []
  for (const piece of piecesOf('log-consistency')) {
    keeps(piece, () => {
      const known = memory.get(piece.digest)
      if (
        known !== undefined &&
        'kind' in known &&
        known.kind === 'log-consistency' &&
        isOfLog(known.log, policy.logs)
      ) {
        found.push(known)
        return 'kept'
      }
      const { old, proof, checkpoint: note } = parseAddCheckpoint(piece.bytes)
      const log = logOf(note, policy.logs)
      if (log === undefined) return 'stranger'
      const { digest, bytes } = piece
      const checkpoint = verifiedCheckpointOf(note, log)
      const one: RememberedGrowth = { kind: 'log-consistency', log: log.id, digest, bytes, old, proof, checkpoint }
      memory.set(digest, one)
      found.push(one)
      return 'kept'
    })
  }
  return found
}

function logOf(note: Note, logs: readonly LogKey[]): LogKey | undefined {
  return logs.find(({ name }) => name === originOfNote(note))
}

function isOfLog(key: KeyId, logs: readonly LogKey[]): boolean {
  return logs.some(({ id }) => id === key)
}

function inDigestOrder<T extends { readonly digest: Sha256 }>(shown: readonly T[] = []): readonly T[] {
  return shown.toSorted((a, b) => compareBytewise(a.digest, b.digest))
}
