// Proofs over every tree up to 600 entries: made as RFC 6962 says, verified as RFC 9162 says, and refused when anything is changed.
import test from 'ava'
import fc from 'fast-check'
import { hexOf, utf8 } from '../../../trust/bytes.ts'
import {
  type Consistency,
  type Inclusion,
  leafHash,
  nodeHash,
  parseTreeSize,
  proveConsistency,
  proveInclusion,
  rootHash,
  type TreeHash,
  type TreeSize,
  treeHashOf,
  treeSizeOf,
  verifyConsistency,
  verifyInclusion,
} from '../../../trust/log/merkle.ts'
import { newTiles, parseTile, subtreesFrom, tilePath, tilesAskedFor } from '../../../trust/log/tile.ts'

const LARGEST = 600
const leaves = Array.from({ length: LARGEST }, (_, i) => leafHash(utf8(`entry ${i}`)))

/** By the definition, without tiles and without the code under test but for the two hashes. */
function plainRoot(start: number, end: number): TreeHash {
  const known = plainRoots.get(`${start}-${end}`)
  if (known) return known
  const count = end - start
  let split = 1
  while (split * 2 < count) split *= 2
  const root =
    count === 1 ? hashAt(leaves, start) : nodeHash(plainRoot(start, start + split), plainRoot(start + split, end))
  plainRoots.set(`${start}-${end}`, root)
  return root
}

const plainRoots = new Map<string, TreeHash>()

function hashAt(hashes: readonly TreeHash[], index: number): TreeHash {
  const hash = hashes[index]
  if (hash === undefined) throw new Error(`no hash ${index}`)
  return hash
}

const read = (level: number, index: number): TreeHash => plainRoot(index * 2 ** level, (index + 1) * 2 ** level)
const rootOf = (count: number): TreeHash => roots[count] ?? rootHash(treeSizeOf(count), read)
const roots: readonly TreeHash[] = Array.from({ length: LARGEST + 1 }, (_, count) => rootHash(treeSizeOf(count), read))

test('hashes and roots are those of RFC 6962', (t) => {
  t.is(hexOf(rootOf(0)), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  t.is(hexOf(leafHash(new Uint8Array())), '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
  // Roots of the first entries of Certificate Transparency's reference tree.
  const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
  const known = inputs.map((text) => leafHash(Uint8Array.fromHex(text)))
  const tree = (start: number, end: number): TreeHash => {
    let split = 1
    while (split * 2 < end - start) split *= 2
    return end - start === 1 ? hashAt(known, start) : nodeHash(tree(start, start + split), tree(start + split, end))
  }
  const subtree = (level: number, index: number) => tree(index * 2 ** level, (index + 1) * 2 ** level)
  const found = [1, 2, 3, 8].map((count) => hexOf(rootHash(treeSizeOf(count), subtree)))
  t.deepEqual(found, [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ])
  for (let count = 1; count <= LARGEST; count++) t.true(same(rootOf(count), plainRoot(0, count)), `${count}`)
})

function same(a: Uint8Array, b: Uint8Array): boolean {
  return hexOf(a) === hexOf(b)
}

test(`every entry of every tree of up to ${LARGEST} entries has a proof`, (t) => {
  for (let count = 1; count <= LARGEST; count++) {
    const size = treeSizeOf(count)
    const root = rootOf(count)
    // All of the small trees, a spread of the others.
    const step = count <= 70 ? 1 : 7
    for (let index = count % step; index < count; index += step) {
      const proof = proveInclusion(index, size, read)
      verifyInclusion({ index, size, leaf: hashAt(leaves, index), root, proof })
    }
  }
  t.pass()
})

test(`every tree of up to ${LARGEST} entries begins with every smaller one`, (t) => {
  for (let count = 0; count <= LARGEST; count++) {
    const step = count <= 70 ? 1 : 11
    for (let old = count % step; old <= count; old += step) verifyConsistency(consistency(old, count))
  }
  t.pass()
})

function consistency(old: number, count: number): Consistency {
  return {
    old: { size: treeSizeOf(old), root: rootOf(old) },
    new: { size: treeSizeOf(count), root: rootOf(count) },
    proof: proveConsistency(treeSizeOf(old), treeSizeOf(count), read),
  }
}

function inclusion(index: number, count: number): Inclusion {
  const size = treeSizeOf(count)
  return { index, size, leaf: hashAt(leaves, index), root: rootOf(count), proof: proveInclusion(index, size, read) }
}

const flipped = (hash: TreeHash): TreeHash => treeHashOf(hash.map((byte, i) => (i === 7 ? byte ^ 1 : byte)))

test('a proof with anything changed is refused', (t) => {
  const sizes = fc.tuple(fc.nat(LARGEST - 1), fc.nat(LARGEST - 1)).map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1])
  fc.assert(
    fc.property(sizes, fc.nat(), ([index = 0, count = 1], choice) => {
      const good = inclusion(index, count)
      const refused = { code: 'ABN_LOG_PROOF' }
      const { proof, size } = good
      const at = choice % Math.max(1, proof.length)
      t.throws(() => verifyInclusion({ ...good, leaf: flipped(good.leaf) }), refused)
      t.throws(() => verifyInclusion({ ...good, root: flipped(good.root) }), refused)
      t.throws(() => verifyInclusion({ ...good, proof: [...proof, good.leaf] }), refused)
      t.throws(() => verifyInclusion({ ...good, index: size }), refused)
      if (proof.length > 0) {
        t.throws(() => verifyInclusion({ ...good, proof: proof.slice(1) }), refused)
        t.throws(() => verifyInclusion({ ...good, proof: proof.slice(0, -1) }), refused)
        t.throws(() => verifyInclusion({ ...good, proof: proof.with(at, flipped(hashAt(proof, at))) }), refused)
        t.throws(() => verifyInclusion({ ...good, index: index === 0 ? 1 : index - 1 }), refused)
      }
    }),
    { numRuns: 200 },
  )
  fc.assert(
    fc.property(sizes, fc.nat(), ([old = 0, count = 1], choice) => {
      if (old === 0) return
      const good = consistency(old, count)
      const refused = { code: 'ABN_LOG_PROOF' }
      const { proof } = good
      const at = choice % Math.max(1, proof.length)
      t.throws(() => verifyConsistency({ ...good, old: { ...good.old, root: flipped(good.old.root) } }), refused)
      t.throws(() => verifyConsistency({ ...good, new: { ...good.new, root: flipped(good.new.root) } }), refused)
      t.throws(() => verifyConsistency({ ...good, proof: [...proof, good.old.root] }), refused)
      t.throws(() => verifyConsistency({ ...good, old: good.new, new: { ...good.old } }), refused)
      if (proof.length > 0) {
        t.throws(() => verifyConsistency({ ...good, proof: proof.slice(1) }), refused)
        t.throws(() => verifyConsistency({ ...good, proof: proof.slice(0, -1) }), refused)
        t.throws(() => verifyConsistency({ ...good, proof: proof.with(at, flipped(hashAt(proof, at))) }), refused)
      }
    }),
    { numRuns: 200 },
  )
})

test('a tree cannot begin with a larger one, nor with another empty one', (t) => {
  const refused = { code: 'ABN_LOG_PROOF' }
  const { old, new: grown, proof } = consistency(5, 9)
  t.throws(() => verifyConsistency({ old: grown, new: old, proof }), refused)
  t.throws(() => verifyConsistency({ old: { size: treeSizeOf(0), root: old.root }, new: grown, proof: [] }), refused)
  t.throws(() => verifyConsistency({ ...consistency(0, 9), proof: [old.root] }), refused)
})

test('the hashes of a tree can be had from its tiles alone', (t) => {
  for (const count of [1, 2, 255, 256, 257, 300, 511, 512, 513, 600]) {
    const size = treeSizeOf(count)
    const files = tilesOf(size)
    const subtrees = subtreesFrom(size, (tile) => {
      const bytes = files.get(tilePath(tile))
      if (bytes === undefined) throw new Error(`no ${tilePath(tile)}`)
      return parseTile(bytes, tile)
    })
    t.true(same(rootHash(size, subtrees), rootOf(count)), `${count}`)
    for (const index of [0, Math.floor(count / 2), count - 1]) {
      t.deepEqual(proveInclusion(index, size, subtrees), proveInclusion(index, size, read))
      const asked = tilesAskedFor(size, (nothing) => proveInclusion(index, size, nothing))
      t.true(asked.every((tile) => files.has(tilePath(tile))))
    }
  }
})

function tilesOf(size: TreeSize): ReadonlyMap<string, Uint8Array> {
  return new Map(
    newTiles(treeSizeOf(0), size).map((tile) => {
      const { level, index, width } = tile
      const hashes = Array.from({ length: width }, (_, i) => read(level * 8, index * 256 + i))
      return [tilePath(tile), Buffer.concat(hashes)]
    }),
  )
}

test('a tree that grows step by step gets the tiles of one that is made at once', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 6 }), (steps) => {
      let size = treeSizeOf(0)
      const names = new Set<string>()
      for (const step of steps) {
        const next = treeSizeOf(size + step)
        for (const tile of newTiles(size, next)) names.add(tilePath(tile))
        size = next
      }
      for (const name of tilesOf(size).keys()) t.true(names.has(name), name)
    }),
    { numRuns: 50 },
  )
})

test('sizes are decimal numbers without leading zeros', (t) => {
  for (const text of ['0', '1', '20852163', '9007199254740991']) t.true(parseTreeSize(text) === Number(text), text)
  for (const text of ['', '00', '01', '-1', '+1', '1 ', '1e3', '0x1', '9007199254740992', '1'.repeat(40)]) {
    t.is(parseTreeSize(text), undefined, text)
  }
})
