/**
 * Proofs for many entries of one log at once, under one checkpoint: what a cache answers for a closure. It has each hash that is
 * needed once, in the order in which a walk over the tree from left to right needs it, and nothing else, so that there is one
 * proof for a set of entries. Format and worked example: docs/formats/log.md.
 */
import { AbnError } from '../../format/errors.ts'
import { base64Of, bytesOfBase64, concat, hexOf, isEqualBytes, utf8 } from '../bytes.ts'
import { type LogKey, type VerifiedCheckpoint, verifiedCheckpointOf } from './checkpoint.ts'
import { nodeHash, parseTreeSize, type ReadSubtree, rangeHash, splitOf, type TreeHash, treeHashOf } from './merkle.ts'
import { encodeNote, type Note, parseNote } from './note.ts'

declare const verified: unique symbol

export type LoggedLeaf = { readonly index: number; readonly leaf: TreeHash }

export type Inclusions = {
  /** Sorted by index, without duplicates. */
  readonly leaves: readonly LoggedLeaf[]
  readonly hashes: readonly TreeHash[]
  readonly checkpoint: Note
}

/** What a log has shown to be in its tree. */
export type VerifiedInclusions = {
  readonly checkpoint: VerifiedCheckpoint
  /** Indices by the leaf's hash in hexadecimal. */
  readonly leaves: ReadonlyMap<string, number>
  readonly [verified]: true
}

export const maximumInclusionsBytes = 16 * 1024 * 1024
const HEAD = 'abnpkg-log-inclusions-v1'

/** The hashes for these entries of the tree of `size`; `leaves` sorted by index. */
export function proveInclusions(leaves: readonly LoggedLeaf[], size: number, read: ReadSubtree): readonly TreeHash[] {
  const hashes: TreeHash[] = []
  walk(leaves, size, (start, end) => {
    const hash = rangeHash(start, end, read)
    hashes.push(hash)
    return hash
  })
  return hashes
}

export function encodeInclusions({ leaves, hashes, checkpoint }: Inclusions): Uint8Array {
  const lines = [
    HEAD,
    ...leaves.map(({ index, leaf }) => `${index} ${base64Of(leaf)}`),
    ...hashes.map((hash) => base64Of(hash)),
    '',
  ]
  return concat([utf8(`${lines.join('\n')}\n`), encodeNote(checkpoint)])
}

/** Throws ABN_LOG_PROOF_FILE or ABN_NOTE_INVALID. What it accepts, encodeInclusions writes to the same bytes. */
export function parseInclusions(bytes: Uint8Array): Inclusions {
  if (bytes.length > maximumInclusionsBytes) throw invalid('it is too large')
  const text = new TextDecoder('latin1').decode(bytes)
  const end = text.indexOf('\n\n')
  if (end < 0) throw invalid('there is no empty line before the checkpoint')
  const [head, ...lines] = text.slice(0, end).split('\n')
  if (head !== HEAD) throw invalid(`its first line is not ${HEAD}`)
  const count = lines.findIndex((line) => !line.includes(' '))
  const leaves = (count < 0 ? lines : lines.slice(0, count)).map(leafOf)
  const isSorted = leaves.every(({ index }, i) => index > (leaves[i - 1]?.index ?? -1))
  if (leaves.length === 0 || !isSorted) throw invalid('its entries are not in order, or there are none')
  const hashes = count < 0 ? [] : lines.slice(count).map(hashOf)
  return { leaves, hashes, checkpoint: parseNote(bytes.subarray(end + 2)) }
}

/** Throws ABN_LOG_PROOF, and what verifyCheckpoint throws. */
export function verifyInclusions({ leaves, hashes, checkpoint: note }: Inclusions, log: LogKey): VerifiedInclusions {
  const checkpoint = verifiedCheckpointOf(note, log)
  if ((leaves.at(-1)?.index ?? Number.POSITIVE_INFINITY) >= checkpoint.size) throw wrong('an entry is not in the tree')
  let used = 0
  const root = walk(leaves, checkpoint.size, () => {
    const hash = hashes[used++]
    if (hash === undefined) throw wrong('it has too few hashes')
    return hash
  })
  if (used !== hashes.length) throw wrong('it has too many hashes')
  if (!isEqualBytes(root, checkpoint.root)) throw wrong('the entries are not in the tree')
  const indices: ReadonlyMap<string, number> = new Map(leaves.map(({ index, leaf }) => [hexOf(leaf), index]))
  return { checkpoint, leaves: indices } as VerifiedInclusions
}

/** The root, where `rest` says the hash of each range without an entry, as large as they come, from left to right. */
function walk(leaves: readonly LoggedLeaf[], size: number, rest: (start: number, end: number) => TreeHash): TreeHash {
  let next = 0
  const hashOfRange = (start: number, end: number): TreeHash => {
    const leaf = leaves[next]
    if (leaf === undefined || leaf.index >= end) return rest(start, end)
    if (end - start === 1) {
      next++
      return leaf.leaf
    }
    const middle = start + splitOf(end - start)
    const left = hashOfRange(start, middle)
    return nodeHash(left, hashOfRange(middle, end))
  }
  return hashOfRange(0, size)
}

function leafOf(line: string): LoggedLeaf {
  const [index = '', hash = '', ...more] = line.split(' ')
  const number = parseTreeSize(index)
  if (number === undefined || more.length > 0) throw invalid('a line is not that of an entry')
  return { index: number, leaf: hashOf(hash) }
}

function hashOf(text: string): TreeHash {
  const bytes = bytesOfBase64(text)
  if (bytes?.length !== 32) throw invalid('a hash is not the base 64 of 32 bytes')
  return treeHashOf(bytes)
}

function wrong(reason: string): AbnError {
  return new AbnError('ABN_LOG_PROOF', `proof of a log: ${reason}`)
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_LOG_PROOF_FILE', `proofs of a log: ${reason}`)
}
