/**
 * What is needed of a Merkle tree to make it grow and to know its root: the hashes of the complete subtrees that it consists of, from
 * left to right, one for each bit of its size. At most 53 hashes. Pure.
 */
import { concat } from '../../trust/bytes.ts'
import { nodeHash, rootHash, type TreeHash, type TreeSize, treeHashOf, treeSizeOf } from '../../trust/log/merkle.ts'

export type Frontier = { readonly size: TreeSize; readonly hashes: readonly TreeHash[] }

export const emptyFrontier: Frontier = { size: treeSizeOf(0), hashes: [] }

/** The tree with more leaves. */
export function extendFrontier({ size, hashes }: Frontier, leaves: readonly TreeHash[]): Frontier {
  const stack = [...hashes]
  let count: number = size
  for (const leaf of leaves) {
    let hash = leaf
    for (let bits = count; bits % 2 === 1; bits = (bits - 1) / 2) hash = nodeHash(popped(stack), hash)
    stack.push(hash)
    count++
  }
  return { size: treeSizeOf(count), hashes: stack }
}

export function rootOfFrontier({ size, hashes }: Frontier): TreeHash {
  const last = hashes.at(-1)
  if (last === undefined) return rootHash(size, noSubtree)
  return hashes.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last)
}

export function encodeFrontier({ hashes }: Frontier): Uint8Array {
  return concat(hashes)
}

/** Throws TypeError when there are not as many hashes as the size has bits. */
export function frontierOf(size: TreeSize, bytes: Uint8Array): Frontier {
  const count = size.toString(2).replaceAll('0', '').length
  if (bytes.length !== count * 32) throw new TypeError(`a tree of ${size} has ${count} hashes at its edge`)
  const hashes = Array.from({ length: count }, (_, i) => treeHashOf(bytes.slice(i * 32, i * 32 + 32)))
  return { size, hashes }
}

function noSubtree(): never {
  throw new TypeError('the empty tree has no subtrees')
}

function popped(stack: TreeHash[]): TreeHash {
  const hash = stack.pop()
  if (hash === undefined) throw new TypeError('popped: fewer hashes than the size has bits')
  return hash
}
