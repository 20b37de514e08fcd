import test from 'ava'
import fc from 'fast-check'
import { candidatesOf, createReferenceScanner } from '../../format/reference-scan.ts'
import { storeHashOf } from '../../format/store-path.ts'
import { pathOf } from './support.ts'

const candidates = ['a', 'b', 'c'].map((name) => pathOf(name))
const [first, second, third] = candidates.map(storeHashOf)

/** A slow but evident definition of a reference to the build directory. */
const BUILD = /(^|[^A-Za-z0-9_.~+-]|-[IL])\/build(?![A-Za-z0-9_.~+-])/

test('finds hashes and build references wherever the chunks are cut', (t) => {
  const piece = fc.constantFrom(
    first,
    second,
    third,
    ...['/build', '/', '-I', '-', 'L', 'I', 'a', '2', 'Z', ' ', '\0', '1'].map(String),
  )
  const text = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(
      fc.array(text, { maxLength: 3 }),
      fc.array(fc.nat(80), { minLength: 1, maxLength: 5 }),
      (files, sizes) => {
        const scanner = createReferenceScanner(candidates)
        const build = files.map((file) => {
          for (let at = 0, i = 0; at < file.length; i++) {
            const size = (sizes[i % sizes.length] ?? 0) + 1
            scanner.scan(Buffer.from(file.slice(at, at + size)))
            at += size
          }
          return scanner.endFile()
        })
        t.deepEqual(
          build,
          files.map((file) => BUILD.test(file)),
        )
        const expected = candidates.filter((path) => files.some((file) => file.includes(storeHashOf(path))))
        t.deepEqual(scanner.found(), expected.sort())
        const other = createReferenceScanner(candidatesOf(candidates), { builds: false })
        for (const file of files) t.false(other.scanText(file))
        t.deepEqual(other.found(), expected.sort())
        const atOnce = createReferenceScanner(candidates)
        t.deepEqual(
          files.map((file) => atOnce.scanWhole(Buffer.from(file))),
          build,
        )
        t.deepEqual(atOnce.found(), expected.sort())
      },
    ),
    { numRuns: 2000 },
  )
})

test('a hash does not go from one file to the next', (t) => {
  const scanner = createReferenceScanner(candidates)
  scanner.scan(Buffer.from(first?.slice(0, 10) ?? ''))
  scanner.endFile()
  scanner.scan(Buffer.from(first?.slice(10) ?? ''))
  scanner.endFile()
  t.deepEqual(scanner.found(), [])
})
