/**
 * The Merkle tree of a transparency log: hashes, roots, and proofs of inclusion and of consistency (RFC 6962, section 2.1; the
 * verification is that of RFC 9162, sections 2.1.3.2 and 2.1.4.2). Pure; sizes and indices are whole numbers below 2^53.
 *
 * Proofs are made from the hashes of complete subtrees, which `ReadSubtree` supplies: from tiles (tile.ts), or from a list.
 */
import { AbnError } from '../../format/errors.ts'
import { concat, isEqualBytes } from '../bytes.ts'
import { trustCrypto } from '../crypto.ts'

declare const hashBrand: unique symbol
declare const sizeBrand: unique symbol

/** 32 bytes. */
export type TreeHash = Uint8Array & { readonly [hashBrand]: 'TreeHash' }

/** How many entries a tree has. */
export type TreeSize = number & { readonly [sizeBrand]: 'TreeSize' }

/** The hash of the `index`-th complete subtree with 2^level leaves. */
export type ReadSubtree = (level: number, index: number) => TreeHash

/** Throws TypeError for what is not 32 bytes. */
export function treeHashOf(bytes: Uint8Array): TreeHash {
  if (bytes.length !== 32) throw new TypeError(`a hash of a tree has 32 bytes, not ${bytes.length}`)
  return bytes as TreeHash
}

/** Throws TypeError for what is not a whole number from 0 to 2^53 - 1. */
export function treeSizeOf(count: number): TreeSize {
  if (!Number.isSafeInteger(count) || count < 0) throw new TypeError(`${count} is not the size of a tree`)
  return count as TreeSize
}

/** Decimal digits without a leading zero; undefined for anything else. */
export function parseTreeSize(text: string): TreeSize | undefined {
  const count = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(count) ? treeSizeOf(count) : undefined
}

export function leafHash(entry: Uint8Array): TreeHash {
  return treeHashOf(trustCrypto().sha256(concat([LEAF, entry])))
}

export function nodeHash(left: TreeHash, right: TreeHash): TreeHash {
  return treeHashOf(trustCrypto().sha256(concat([NODE, left, right])))
}

/** MTH(D[0:size]). */
export function rootHash(size: TreeSize, read: ReadSubtree): TreeHash {
  return size === 0 ? treeHashOf(trustCrypto().sha256(new Uint8Array())) : rangeHash(0, size, read)
}

/** From the leaf's sibling up to the root's child. Throws TypeError for an index outside the tree. */
export function proveInclusion(index: number, size: TreeSize, read: ReadSubtree): readonly TreeHash[] {
  requireIndex(index, size)
  const path = (start: number, end: number): TreeHash[] => {
    if (end - start === 1) return []
    const middle = start + splitOf(end - start)
    return index < middle
      ? [...path(start, middle), rangeHash(middle, end, read)]
      : [...path(middle, end), rangeHash(start, middle, read)]
  }
  return path(0, size)
}

/** That the tree of `size` begins with the tree of `old`. Empty when one of them is empty or both are the same. */
export function proveConsistency(old: TreeSize, size: TreeSize, read: ReadSubtree): readonly TreeHash[] {
  if (old > size) throw new TypeError(`no tree of ${size} begins with one of ${old}`)
  if (old === 0 || old === size) return []
  const subproof = (start: number, end: number, known: boolean): TreeHash[] => {
    if (old === end) return known ? [] : [rangeHash(start, end, read)]
    const middle = start + splitOf(end - start)
    return old <= middle
      ? [...subproof(start, middle, known), rangeHash(middle, end, read)]
      : [...subproof(middle, end, false), rangeHash(start, middle, read)]
  }
  return subproof(0, size, true)
}

export type Inclusion = {
  readonly index: number
  readonly size: TreeSize
  readonly leaf: TreeHash
  readonly root: TreeHash
  readonly proof: readonly TreeHash[]
}

/** Throws ABN_LOG_PROOF. */
export function verifyInclusion({ index, size, leaf, root, proof }: Inclusion): void {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) throw wrong(`entry ${index} of a tree of ${size}`)
  let [at, last, hash] = [index, size - 1, leaf]
  for (const other of proof) {
    if (last === 0) throw wrong('more hashes than the tree has levels')
    if (isOdd(at) || at === last) {
      hash = nodeHash(other, hash)
      for (; !isOdd(at) && at !== 0; at = half(at)) last = half(last)
    } else hash = nodeHash(hash, other)
    at = half(at)
    last = half(last)
  }
  if (last !== 0) throw wrong('fewer hashes than the tree has levels')
  if (!isEqualBytes(hash, root)) throw wrong(`entry ${index} is not in the tree`)
}

export type Consistency = {
  readonly old: { readonly size: TreeSize; readonly root: TreeHash }
  readonly new: { readonly size: TreeSize; readonly root: TreeHash }
  readonly proof: readonly TreeHash[]
}

/** Throws ABN_LOG_PROOF unless the new tree begins with the old one. Every tree begins with the empty one. */
export function verifyConsistency({ old, new: grown, proof }: Consistency): void {
  if (old.size > grown.size) throw wrong(`a tree of ${grown.size} cannot begin with one of ${old.size}`)
  if (old.size === 0 || old.size === grown.size) {
    const root = old.size === 0 ? rootHash(treeSizeOf(0), unreachable) : grown.root
    if (proof.length > 0) throw wrong('a proof that needs no hashes has some')
    if (!isEqualBytes(old.root, root)) throw wrong(`two trees of ${old.size} entries differ`)
    return
  }
  const [first, ...rest] = isPowerOfTwo(old.size) ? [old.root, ...proof] : proof
  if (first === undefined) throw wrong('a proof without hashes')
  let [at, last] = [old.size - 1, grown.size - 1]
  for (; isOdd(at); at = half(at)) last = half(last)
  let [before, now] = [first, first]
  for (const other of rest) {
    if (last === 0) throw wrong('more hashes than the tree has levels')
    if (isOdd(at) || at === last) {
      before = nodeHash(other, before)
      now = nodeHash(other, now)
      for (; !isOdd(at) && at !== 0; at = half(at)) last = half(last)
    } else now = nodeHash(now, other)
    at = half(at)
    last = half(last)
  }
  if (last !== 0) throw wrong('fewer hashes than the tree has levels')
  if (!isEqualBytes(before, old.root)) throw wrong(`the hashes do not give the tree of ${old.size}`)
  if (!isEqualBytes(now, grown.root)) throw wrong(`the hashes do not give the tree of ${grown.size}`)
}

const LEAF = Uint8Array.of(0)
const NODE = Uint8Array.of(1)

/** MTH(D[start:end]); `start` is a multiple of the largest power of two that is below end - start, or equal to it. */
export function rangeHash(start: number, end: number, read: ReadSubtree): TreeHash {
  const count = end - start
  if (isPowerOfTwo(count)) return read(Math.log2(count), start / count)
  const middle = start + splitOf(count)
  return nodeHash(rangeHash(start, middle, read), rangeHash(middle, end, read))
}

/** The largest power of two below `count`, which is at least 2. */
export function splitOf(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}

function isPowerOfTwo(count: number): boolean {
  while (count > 1 && !isOdd(count)) count /= 2
  return count === 1
}

function isOdd(count: number): boolean {
  return count % 2 === 1
}

function half(count: number): number {
  return Math.floor(count / 2)
}

function requireIndex(index: number, size: TreeSize): void {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size)
    throw new TypeError(`there is no entry ${index} in a tree of ${size}`)
}

function unreachable(): never {
  throw new TypeError('the empty tree has no subtrees')
}

function wrong(reason: string): AbnError {
  return new AbnError('ABN_LOG_PROOF', `proof of a log: ${reason}`)
}
