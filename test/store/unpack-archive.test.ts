import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { encodeArchive } from '../../format/archive/encode.ts'
import { sha256Of } from '../../format/hash.ts'
import { storePathOfItem } from '../../format/store-path.ts'
import { canonicaliseDirectory, finishDirectory } from '../../store/canonicalise.ts'
import { outputDigestOfDirectory } from '../../store/output-digest.ts'
import { removeDirectory } from '../../store/remove-directory.ts'
import { createUnpacker } from '../../store/unpack-archive.ts'
import { readEntries } from '../../store/walk.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { encodePlain, item, type PlainEntry, tree } from '../format/archive/support.ts'
import { listing, writeFiles } from './support.ts'

test('unpacking and archiving again gives the same bytes and digest', (t) => {
  const parent = temporaryDirectory(t)
  let run = 0
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 3000 }), (entries, chunkBytes) => {
      const directory = join(parent, String(run++))
      const archive = encodePlain(entries)
      const unpacker = createUnpacker({ item, directory })
      for (let at = 0; at < archive.length; at += chunkBytes) unpacker.push(archive.subarray(at, at + chunkBytes))
      const { outputDigest, bytes } = unpacker.end()
      t.is(outputDigest, sha256Of(archive))
      t.deepEqual(outputDigestOfDirectory(directory, item), { outputDigest, bytes })
      t.true(archiveOf(directory).equals(archive))
      const odd = listing(directory).filter((line) => !/( (444|555)| -> (.|\n)*) 1000$/.test(line))
      t.deepEqual(odd, [])
      removeDirectory(directory)
    }),
    { numRuns: 40 },
  )
})

/** Chunks are views of one buffer, so that each is copied when it comes. */
function archiveOf(directory: string): Buffer {
  const chunks: Buffer[] = []
  for (const chunk of encodeArchive(item, readEntries(directory, item))) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

test('a directory made canonical is what unpacking its archive makes', (t) => {
  const parent = temporaryDirectory(t)
  const [made, unpacked] = [join(parent, 'made'), join(parent, 'unpacked')]
  writeFiles(made, { 'bin/a': { program: 'a' }, 'a/b/c': 'x'.repeat(3 * 1024 * 1024), l: { link: 'bin' }, 'a.b': '' })
  canonicaliseDirectory(made, storePathOfItem(item))
  const unpacker = createUnpacker({ item, directory: unpacked })
  for (const chunk of encodeArchive(item, readEntries(made, item))) unpacker.push(chunk)
  unpacker.end()
  for (const directory of [made, unpacked]) finishDirectory(directory)
  t.deepEqual(listing(unpacked), listing(made))
})

test('nothing is written through a link that is there already', (t) => {
  const parent = temporaryDirectory(t)
  mkdirSync(join(parent, 'elsewhere'))
  symlinkSync('elsewhere', join(parent, 'target'))
  const unpacker = createUnpacker({ item, directory: join(parent, 'target') })
  t.throws(() => unpacker.push(encodePlain([{ kind: 'directory', path: '' }])), { code: 'EEXIST' })
})

test('an archive that writes through its own link is refused', (t) => {
  const parent = temporaryDirectory(t)
  const file: PlainEntry = { kind: 'file', path: 'b/x', executable: false, bytes: Buffer.from('x') }
  const right = encodePlain([{ kind: 'directory', path: '' }, { kind: 'directory', path: 'b' }, file])
  const link = encodePlain([
    { kind: 'directory', path: '' },
    { kind: 'link', path: 'b', target: 'c' },
  ])
  const unpacker = createUnpacker({ item, directory: join(parent, 'x') })
  unpacker.push(link.subarray(0, 1024))
  t.throws(() => unpacker.push(right.subarray(1024)), { code: 'ABN_ARCHIVE_INVALID' })
  unpacker.abandon()
  t.false(existsSync(join(parent, 'x/c')))
})

test('a file that changes its size while it is hashed is noticed', (t) => {
  const directory = join(temporaryDirectory(t), 'd')
  writeFiles(directory, { a: 'abc', b: 'x' })
  const entries = [...readEntries(directory, item)]
  writeFiles(directory, { a: 'abcd' })
  t.throws(() => [...encodeArchive(item, entries)], { code: 'ABN_DIRECTORY_CHANGED' })
})
