// Proofs for many entries at once: made and verified for random sets, and refused when anything is changed.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { hexOf, utf8 } from '../../../trust/bytes.ts'
import { signCheckpoint } from '../../../trust/log/checkpoint.ts'
import {
  encodeInclusions,
  type Inclusions,
  parseInclusions,
  proveInclusions,
  verifyInclusions,
} from '../../../trust/log/inclusions.ts'
import {
  leafHash,
  nodeHash,
  proveInclusion,
  rootHash,
  splitOf,
  type TreeHash,
  treeHashOf,
  treeSizeOf,
} from '../../../trust/log/merkle.ts'
import { originOfNote } from '../../../trust/log/note.ts'
import { newSecretKey } from '../../../trust/secret-key.ts'

const log = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(1))
const other = newSecretKey('log.example/abnpkg', new Uint8Array(32).fill(3))
const leafAt = (index: number): TreeHash => leafHash(utf8(`entry ${index}`))

const known = new Map<string, TreeHash>()
function range(start: number, end: number): TreeHash {
  const key = `${start} ${end}`
  const middle = start + splitOf(end - start)
  const hash =
    known.get(key) ?? (end - start === 1 ? leafAt(start) : nodeHash(range(start, middle), range(middle, end)))
  known.set(key, hash)
  return hash
}
const read = (level: number, index: number): TreeHash => range(index * 2 ** level, (index + 1) * 2 ** level)

function inclusions(indices: readonly number[], count: number, signer = log): Inclusions {
  const size = treeSizeOf(count)
  const leaves = [...new Set(indices)].sort((a, b) => a - b).map((index) => ({ index, leaf: leafAt(index) }))
  const checkpoint = signCheckpoint(
    { origin: log.publicKey.name, size, root: rootHash(size, read), extensions: [] },
    signer,
  )
  return { leaves, hashes: proveInclusions(leaves, count, read), checkpoint }
}

const sets = fc
  .integer({ min: 1, max: 700 })
  .chain((count) => fc.tuple(fc.constant(count), fc.array(fc.nat(count - 1), { minLength: 1, maxLength: 40 })))
const flipped = (hash: TreeHash): TreeHash => treeHashOf(hash.with(5, (hash[5] ?? 0) ^ 0x10))

test('any set of entries of any tree is proved, and with one entry the proof is that of RFC 6962', (t) => {
  fc.assert(
    fc.property(sets, ([count, indices]) => {
      const made = inclusions(indices, count)
      const bytes = encodeInclusions(made)
      const parsed = parseInclusions(bytes)
      t.deepEqual(encodeInclusions(parsed), bytes)
      t.is(originOfNote(parsed.checkpoint), log.publicKey.name)
      const { leaves } = verifyInclusions(parsed, log.publicKey)
      for (const index of indices) t.is(leaves.get(hexOf(leafAt(index))), index)
      const [first = 0] = indices
      const alone = inclusions([first], count)
      const path = proveInclusion(first, treeSizeOf(count), read)
      t.deepEqual(alone.hashes.map(hexOf).sort(), path.map(hexOf).sort())
    }),
    { numRuns: 150 },
  )
})

test('a changed proof is refused', (t) => {
  fc.assert(
    fc.property(sets, fc.nat(), ([count, indices], choice) => {
      const good = inclusions(indices, count)
      const refused = { code: 'ABN_LOG_PROOF' }
      const at = choice % good.leaves.length
      const { leaves, hashes } = good
      const changed = leaves.map((one, i) => (i === at ? { ...one, leaf: flipped(one.leaf) } : one))
      t.throws(() => verifyInclusions({ ...good, leaves: changed }, log.publicKey), refused)
      t.throws(() => verifyInclusions({ ...good, hashes: [...hashes, leafAt(0)] }, log.publicKey), refused)
      const beyond = leaves.map((one, i) => (i === leaves.length - 1 ? { ...one, index: count } : one))
      t.throws(() => verifyInclusions({ ...good, leaves: beyond }, log.publicKey), refused)
      if (leaves.length > 1) {
        t.throws(() => verifyInclusions({ ...good, leaves: leaves.toSpliced(at, 1) }, log.publicKey), refused)
      }
      if (hashes.length > 0) {
        t.throws(() => verifyInclusions({ ...good, hashes: hashes.slice(1) }, log.publicKey), refused)
        const wrong = hashes.map((hash, i) => (i === choice % hashes.length ? flipped(hash) : hash))
        t.throws(() => verifyInclusions({ ...good, hashes: wrong }, log.publicKey), refused)
      }
    }),
    { numRuns: 150 },
  )
  t.throws(() => verifyInclusions(inclusions([1], 3, other), log.publicKey), { code: 'ABN_NOTE_UNSIGNED' })
})

const text = Buffer.from(encodeInclusions(inclusions([1, 4], 6))).toString()
const bad: readonly (readonly [string, string])[] = [
  ['another version', text.replace('-v1', '-v2')],
  ['entries out of order', text.replace(/^(1 .*)\n(4 .*)$/m, '$2\n$1')],
  ['an entry twice', text.replace(/^(1 .*)$/m, '$1\n$1')],
  ['no entries', text.replace(/^[14] .*\n/gm, '')],
  ['an index with a zero in front', text.replace(/^1 /m, '01 ')],
  ['two spaces', text.replace(/^1 /m, '1  ')],
  ['an entry after the hashes', text.replace('\n\n', `\n5 ${'A'.repeat(43)}=\n\n`)],
  ['a short hash', text.replace('\n\n', '\nAAAA\n\n')],
  ['carriage returns', text.replaceAll('\n', '\r\n')],
]
for (const [title, document] of bad) {
  test(`a document is refused: ${title}`, (t) => {
    t.not(document, text)
    t.throws(() => parseInclusions(utf8(document)), { code: 'ABN_LOG_PROOF_FILE' })
  })
}

test('log.md', (t) => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/formats/log.md'), 'utf8')
  const example = /^```text example=inclusions\n(.*?)\n```$/ms.exec(page)?.[1] ?? ''
  const parsed = parseInclusions(utf8(`${example}\n`))
  const { leaves } = verifyInclusions(parsed, log.publicKey)
  t.deepEqual(
    [...leaves],
    ['first', 'third'].map((entry, i) => [hexOf(leafHash(utf8(entry))), i * 2]),
  )
})
