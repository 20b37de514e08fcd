/**
 * From a proof for many entries (trust/log/inclusions.ts) the proofs of single ones, as a C2SP tlog-proof file has them. Needs nothing but
 * the document: whatever a single proof takes is in it, or follows from it.
 */
import type { VerifiedCheckpoint } from '../../trust/log/checkpoint.ts'
import type { Inclusions } from '../../trust/log/inclusions.ts'
import { nodeHash, splitOf, type TreeHash } from '../../trust/log/merkle.ts'
import type { LogProof } from '../../trust/log/proof-file.ts'

/** By the index of the entry. `inclusions` have been verified under this checkpoint. */
export function singleProofs(
  { leaves, hashes, checkpoint }: Inclusions,
  { size }: Pick<VerifiedCheckpoint, 'size'>,
): ReadonlyMap<number, LogProof> {
  const found = new Map(leaves.map(({ index }) => [index, [] as TreeHash[]]))
  let [nextLeaf, nextHash] = [0, 0]

  const hashOfRange = (start: number, end: number): TreeHash => {
    const leaf = leaves[nextLeaf]
    if (leaf === undefined || leaf.index >= end) return taken(hashes[nextHash++])
    if (end - start === 1) {
      nextLeaf++
      return leaf.leaf
    }
    const middle = start + splitOf(end - start)
    const first = nextLeaf
    const left = hashOfRange(start, middle)
    const second = nextLeaf
    const right = hashOfRange(middle, end)
    // From the leaf up: what is below has been added already.
    for (const { index } of leaves.slice(first, second)) found.get(index)?.push(right)
    for (const { index } of leaves.slice(second, nextLeaf)) found.get(index)?.push(left)
    return nodeHash(left, right)
  }
  hashOfRange(0, size)
  return new Map(
    [...found].map(([index, path]) => [index, { index, hashes: path, checkpoint, extra: undefined }] as const),
  )
}

function taken(hash: TreeHash | undefined): TreeHash {
  if (hash === undefined) throw new TypeError('singleProofs: these inclusions were not verified')
  return hash
}
