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
import { base64Of } from '../../trust/bytes.ts'
import { parseTreeSize, type TreeHash, type TreeSize } from '../../trust/log/merkle.ts'
import { maximumEntryBytes } from '../../trust/log/tile.ts'
import { createQueues } from '../queues.ts'
import type { Change, Index, IndexReader } from '../storage/index.ts'
import { emptyEdge, grow, readEdge, rootOf, type TreeEdge } from './tree-edge.ts'
import type { TreeFiles } from './tree-files.ts'

export type TreeState = { readonly size: TreeSize; readonly root: TreeHash }

/** What is to be logged: `digest` names it, `record` is the key of the index under which it is. */
export type Pending = { readonly digest: Sha256; readonly record: string }

export type Sequencer = {
  /** To be written together with the evidence. Call it in the order in which that is written. */
  pending(entry: Pending): Change
  /** Logs all that is pending. Resolves to the tree with all that was pending when it was called. */
  sequence(): Promise<TreeState>
  state(): TreeState
}

export type SequencerParts = {
  readonly index: Index
  readonly files: TreeFiles
  /** The entry's bytes; undefined when the evidence is there no more. */
  readonly entryOf: (reader: IndexReader, pending: Pending) => Promise<Uint8Array | undefined>
}

/** Throws ABN_CACHE_DATA when the files are not those of the state. */
export async function openSequencer({ index, files, entryOf }: SequencerParts): Promise<Sequencer> {
  let edge = await openEdge(index, files)
  let next = await nextNumber(index)
  const oneByOne = createQueues()

  async function sequence(): Promise<TreeState> {
    for (;;) {
      const batch: (readonly [string, Pending])[] = []
      for await (const [key, value] of index.entries({ prefix: PENDING, limit: BATCH }))
        batch.push([key, pendingOf(value)])
      if (batch.length === 0) return stateOf(edge)
      edge = await appended(edge, batch)
    }
  }

  async function appended(before: TreeEdge, batch: readonly (readonly [string, Pending])[]): Promise<TreeEdge> {
    const known = await index.getMany(batch.map(([, { digest }]) => entryKey(digest)))
    const fresh = new Map<Sha256, Uint8Array>()
    for (const [i, [, pending]] of batch.entries()) {
      if (known[i] !== undefined || fresh.has(pending.digest)) continue
      const bytes = await entryOf(index, pending)
      if (bytes !== undefined && bytes.length <= maximumEntryBytes) fresh.set(pending.digest, bytes)
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
      const key = `${PENDING}${String(next++).padStart(16, '0')}`
      return { kind: 'put', key, value: Buffer.from(JSON.stringify(entry)) }
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

const PENDING = 'log/pending/'
const STATE = 'log/state'
const BATCH = 2048

function entryKey(digest: Sha256): string {
  return `log/entry/${digest}`
}

function stateOf(edge: TreeEdge): TreeState {
  return { size: edge.size, root: rootOf(edge) }
}

function encodeState(edge: TreeEdge): Uint8Array {
  const { size, root } = stateOf(edge)
  return Buffer.from(`${size} ${base64Of(root)}`)
}

async function openEdge(index: Index, files: TreeFiles): Promise<TreeEdge> {
  const value = await index.get(STATE)
  if (value === undefined) return emptyEdge
  const [count = '', root] = Buffer.from(value).toString('latin1').split(' ')
  const size = parseTreeSize(count)
  if (size === undefined) throw damaged('its state is damaged')
  const edge = await readEdge(size, (path) => files.read(path)).catch((cause: unknown) => {
    throw damaged('its files are damaged or missing', cause)
  })
  if (base64Of(rootOf(edge)) !== root) throw damaged('its files are not those of its state')
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
