/**
 * Gives what a cache has taken its place in the log. Evidence is written to the index together with a note that it is pending;
 * the sequencer takes what is pending, in order, and makes the tree grow.
 *
 * Records of the index:
 *
 *   log/pending/<number>      what to log, and where it is
 *   log/entry/<digest>        the index of an entry that is in the tree; kept for ever, so that nothing is logged twice
 *   log/state                 size and root of the tree
 *
 * Crash order: tiles, then state, entries and the end of pending in one write, then the checkpoint. A crash before the state is
 * written does the same again with the same result, since pending keeps its order; a checkpoint is signed for a state that is
 * durable. So there is never a second tree.
 */
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { base64Of, bytesOfBase64, isEqualBytes } from '../../trust/bytes.ts'
import { parseTreeSize, type TreeHash, type TreeSize, treeHashOf } from '../../trust/log/merkle.ts'
import { maximumEntryBytes } from '../../trust/log/tile.ts'
import { createQueues } from '../queues.ts'
import type { Change, Index, IndexReader } from '../storage/index.ts'
import { edgePaths, emptyEdge, grow, readEdge, rootOf, type TreeEdge } from './tree-edge.ts'
import type { TreeFiles } from './tree-files.ts'

export type TreeState = { readonly size: TreeSize; readonly root: TreeHash }

/** What is to be logged: the value of the index under the key `record`; `digest` is its SHA-256. */
export type Pending = { readonly digest: Sha256; readonly record: string }

export type Sequencer = {
  /** To be written together with the evidence. Call it in the order in which that is written. */
  pending(entry: Pending): Change
  /** Logs what is pending. Resolves to a tree with all that was pending when it was called. */
  sequence(): Promise<TreeState>
  state(): TreeState
}

export type SequencerParts = { readonly index: Index; readonly files: TreeFiles }

/** Throws ABN_CACHE_DATA when the files are not those of the state. */
export async function openSequencer({ index, files }: SequencerParts): Promise<Sequencer> {
  let edge = await openEdge(index, files)
  let next = await nextNumber(index)
  const oneByOne = createQueues()

  async function sequence(): Promise<TreeState> {
    // What comes meanwhile is for the next time: under load this would not end.
    const last = pendingKey(next - 1)
    // What was removed costs time to walk over.
    let after = PENDING
    for (;;) {
      const batch: (readonly [string, Pending])[] = []
      for await (const [key, value] of index.entries({ prefix: PENDING, after, limit: BATCH }))
        batch.push([key, pendingOf(value)])
      const [first] = batch
      if (first === undefined || first[0] > last) return stateOf(edge)
      after = batch.at(-1)?.[0] ?? after
      const before = edge
      edge = await appended(before, batch)
      await removeNarrower(before)
    }
  }

  /** The tiles at the edge of the tree before: there are wider ones now, which begin with the same. */
  async function removeNarrower(before: TreeEdge): Promise<void> {
    const kept = new Set(edgePaths(edge))
    for (const path of edgePaths(before)) if (!kept.has(path)) await files.remove(path)
  }

  async function appended(before: TreeEdge, batch: readonly (readonly [string, Pending])[]): Promise<TreeEdge> {
    const known = await index.getMany(batch.map(([, { digest }]) => entryKey(digest)))
    const values = await index.getMany(batch.map(([, { record }]) => record))
    const fresh = new Map<Sha256, Uint8Array>()
    for (const [i, [, { digest }]] of batch.entries()) {
      const bytes = values[i]
      if (known[i] !== undefined || bytes === undefined || bytes.length > maximumEntryBytes) continue
      fresh.set(digest, bytes)
    }
    const { edge: after, files: made } = grow(before, [...fresh.values()])
    await files.write(made)
    const changes: Change[] = [...fresh.keys()].map((digest, i) => ({
      kind: 'put',
      key: entryKey(digest),
      value: Buffer.from(String(before.size + i)),
    }))
    changes.push({ kind: 'put', key: STATE, value: encodeState(after) })
    for (const [key] of batch) changes.push({ kind: 'remove', key })
    try {
      await index.write(changes, { durable: true })
    } catch (error) {
      // It may have been written or not.
      edge = await openEdge(index, files)
      throw error
    }
    return after
  }

  return {
    pending(entry) {
      return { kind: 'put', key: pendingKey(next++), value: Buffer.from(JSON.stringify(entry)) }
    },
    sequence: () => oneByOne('log', sequence),
    state: () => stateOf(edge),
  }
}

/** The indices of entries in the tree, in the order of the digests; undefined for what is not there. */
export async function entryIndices(
  reader: IndexReader,
  digests: readonly Sha256[],
): Promise<readonly (number | undefined)[]> {
  const values = await reader.getMany(digests.map(entryKey))
  return values.map((value) => (value === undefined ? undefined : Number(Buffer.from(value).toString('latin1'))))
}

/** What waits, oldest first. */
export async function* allPending(reader: IndexReader, limit?: number): AsyncGenerator<Pending> {
  const scan = { prefix: PENDING, ...(limit === undefined ? {} : { limit }) }
  for await (const [, value] of reader.entries(scan)) yield pendingOf(value)
}

/** Size and root as they are written; undefined when nothing was ever logged. Throws ABN_CACHE_DATA. */
export async function readState(reader: IndexReader): Promise<TreeState | undefined> {
  const value = await reader.get(STATE)
  if (value === undefined) return undefined
  const [count = '', text = ''] = Buffer.from(value).toString('latin1').split(' ')
  const size = parseTreeSize(count)
  const root = bytesOfBase64(text)
  if (size === undefined || root?.length !== 32) throw damaged('its state is damaged')
  return { size, root: treeHashOf(root) }
}

export const entryPrefix = 'log/entry/'
const PENDING = 'log/pending/'
const STATE = 'log/state'
const BATCH = 512

function entryKey(digest: Sha256): string {
  return entryPrefix + digest
}

function pendingKey(number: number): string {
  return PENDING + String(number).padStart(16, '0')
}

function stateOf(edge: TreeEdge): TreeState {
  return { size: edge.size, root: rootOf(edge) }
}

function encodeState(edge: TreeEdge): Uint8Array {
  const { size, root } = stateOf(edge)
  return Buffer.from(`${size} ${base64Of(root)}`)
}

async function openEdge(index: Index, files: TreeFiles): Promise<TreeEdge> {
  const state = await readState(index)
  if (state === undefined) return emptyEdge
  const edge = await readEdge(state.size, (path) => files.read(path)).catch((cause: unknown) => {
    throw damaged('its files are damaged or missing', cause)
  })
  if (!isEqualBytes(rootOf(edge), state.root)) throw damaged('its files are not those of its state')
  return edge
}

async function nextNumber(index: Index): Promise<number> {
  let last = 0
  for await (const key of index.keys({ prefix: PENDING })) last = Number(key.slice(PENDING.length))
  return last + 1
}

function pendingOf(value: Uint8Array): Pending {
  return JSON.parse(Buffer.from(value).toString('utf8'))
}

function damaged(reason: string, cause?: unknown): AbnError {
  return new AbnError('ABN_CACHE_DATA', `the log of this cache: ${reason}`, {
    hint: 'restore the last backup into a new data directory, and give the log a new key and name',
    cause,
  })
}
