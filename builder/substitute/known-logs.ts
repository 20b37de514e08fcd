/**
 * The newest tree of each log that this machine has seen, in var/trust/logs.json: the checkpoint as it was signed, so that it can be put
 * beside another one. A log must have grown from there; what is kept never goes down. A log is its key: one that a policy names with
 * another key under the same name is another log.
 *
 * Several processes: what one of them has proved begins with the tree that it knew. If another one has kept a newer tree meanwhile, the
 * two have not been compared, so that it is told (`Unproved`) and nothing is written: who asked proves it, and asks again.
 */
import { encodeCanonicalJson, type JsonValue } from '../../format/canonical-json.ts'
import { below, countOf, fieldsOf, listOf, type Place, requireThat, textOf } from '../../format/fields.ts'
import { compareBytewise } from '../../format/order.ts'
import type { Store } from '../../store/store.ts'
import { base64Of, bytesOfBase64, isEqualBytes } from '../../trust/bytes.ts'
import { encodePublicKey, parsePublicKey } from '../../trust/key.ts'
import {
  type LogKey,
  type VerifiedCheckpoint,
  verifiedCheckpointOf,
  verifyCheckpoint,
} from '../../trust/log/checkpoint.ts'
import { encodeNote, type Note } from '../../trust/log/note.ts'
import type { KnownTree } from '../../trust/log/standing.ts'
import { readTrustFile, trustDocumentOf, withTrustLock, writeTrustFile } from './trust-files.ts'

export type KnownLog = {
  readonly log: LogKey
  readonly checkpoint: VerifiedCheckpoint
  /** When it was seen last, in seconds since 1970. */
  readonly at: number
}

/** By the log's whole key, as a policy writes it. */
export type KnownLogs = ReadonlyMap<string, KnownLog>

/** Throws ABN_DECISION_INVALID when the file is damaged. */
export function readKnownLogs(store: Pick<Store, 'root'>): KnownLogs {
  return readTrustFile(store, FILE, { parse: parseKnownLogs, lost: 'which trees of logs were seen' }) ?? new Map()
}

/** What is known of the logs that a policy names, by origin. */
export function knownTreesOf(logs: readonly LogKey[], known: KnownLogs): ReadonlyMap<string, KnownTree> {
  return new Map(
    logs.flatMap((log) => {
      const found = known.get(encodePublicKey(log))
      return found === undefined ? [] : [[log.name, treeOf(found)] as const]
    }),
  )
}

export type NewTrees = {
  readonly logs: readonly LogKey[]
  /** By origin: what the newest trees were compared with. */
  readonly given: ReadonlyMap<string, KnownTree>
  /** By origin: verified, and consistent with what was given. */
  readonly newest: ReadonlyMap<string, { readonly tree: KnownTree; readonly note: Note }>
  readonly now: number
}

/** Two trees of one log that nobody has compared. */
export type Unproved = { readonly log: LogKey; readonly mine: VerifiedCheckpoint; readonly kept: VerifiedCheckpoint }

/** Keeps what is new; all or, where something is unproved, nothing. */
export function keepKnownLogs(store: Store, { logs, given, newest, now }: NewTrees): readonly Unproved[] {
  if (newest.size === 0) return []
  return withTrustLock(store, () => {
    const kept = new Map(readKnownLogs(store))
    const unproved: Unproved[] = []
    for (const log of logs) {
      const found = newest.get(log.name)
      if (found === undefined) continue
      const mine = verifiedCheckpointOf(found.note, log)
      const before = kept.get(encodePublicKey(log))
      if (before !== undefined && !isSameTree(before.checkpoint, mine)) {
        const base = given.get(log.name)
        if (base === undefined || !isSameTree(base, before.checkpoint))
          unproved.push({ log, mine, kept: before.checkpoint })
        if (mine.size < before.checkpoint.size) continue
      }
      kept.set(encodePublicKey(log), { log, checkpoint: fuller(mine, before), at: Math.max(now, before?.at ?? 0) })
    }
    if (unproved.length === 0) writeTrustFile(store, FILE, encodeKnownLogs(kept))
    return unproved
  })
}

/** Of the same tree, the one that more have signed: a cache may leave out what witnesses say. */
function fuller(mine: VerifiedCheckpoint, before: KnownLog | undefined): VerifiedCheckpoint {
  if (before === undefined || before.checkpoint.size !== mine.size) return mine
  return mine.note.signatures.length < before.checkpoint.note.signatures.length ? before.checkpoint : mine
}

export function treeOf({ checkpoint: { size, root } }: Pick<KnownLog, 'checkpoint'>): KnownTree {
  return { size, root }
}

export function isSameTree(a: KnownTree, b: KnownTree): boolean {
  return a.size === b.size && isEqualBytes(a.root, b.root)
}

const FILE = 'logs.json'

function encodeKnownLogs(known: KnownLogs): Uint8Array {
  const logs = [...known]
    .sort(([a], [b]) => compareBytewise(a, b))
    .map(([key, { at, checkpoint }]) => ({ at, key, note: base64Of(encodeNote(checkpoint.note)) }))
  return encodeCanonicalJson({ format: 1, logs })
}

function parseKnownLogs(bytes: Uint8Array): KnownLogs {
  const { value, place } = trustDocumentOf(bytes, FILE)
  const fields = fieldsOf(value, place, ['format', 'logs'])
  requireThat(fields.format === 1, below(place, 'format'), 'expected 1')
  const known = listOf(fields.logs, below(place, 'logs'), knownLogOf)
  return new Map(known.map((one) => [encodePublicKey(one.log), one]))
}

/** The signature is checked again: what is in the file has to be what the log has said. */
function knownLogOf(value: JsonValue, place: Place): KnownLog {
  const { at, key, note } = fieldsOf(value, place, ['at', 'key', 'note'])
  const log = parsePublicKey(textOf(key, below(place, 'key')))
  const bytes = bytesOfBase64(textOf(note, below(place, 'note')))
  requireThat(bytes !== undefined, below(place, 'note'), 'not base 64')
  return { log, checkpoint: verifyCheckpoint(bytes, log), at: countOf(at, below(place, 'at')) }
}
