// What is written is what the encoder makes, for all entries, or it is said that it cannot be.
import test from 'ava'
import fc from 'fast-check'
import { encodeHeader } from '../../../format/archive/header.ts'
import { ordinaryHeaderWriter } from '../../../format/archive/write-ordinary.ts'
import { item, longItem } from './support.ts'

const name = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 40 }).map((n) => 'x'.repeat(n)) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 255 }).map((n) => 'x'.repeat(n)) },
  { weight: 1, arbitrary: fc.constantFrom('b.c', 'é', '\u{1f600}') },
)
const size = fc.oneof(
  fc.nat(2000),
  fc.integer({ min: 0, max: 2 ** 33 }),
  fc.constantFrom(0, 7, 8, 0o77777777777, 0o100000000000),
)

test('the same block as the encoder, in a place among other bytes', (t) => {
  let written = 0
  fc.assert(
    fc.property(
      fc.constantFrom(item, item, longItem),
      fc.array(name, { maxLength: 8 }).map((names) => names.join('/')),
      fc.boolean(),
      fc.boolean(),
      size,
      (of, path, isDirectory, executable, bytes) => {
        if (path === '' && !isDirectory) return
        const entry = isDirectory
          ? ({ kind: 'directory', path } as const)
          : ({ kind: 'file', path, executable, size: bytes } as const)
        const block = Buffer.alloc(700, 0xff)
        const is = ordinaryHeaderWriter(of)(block, 99, {
          isDirectory,
          path,
          executable: executable && !isDirectory,
          size: isDirectory ? 0 : bytes,
        })
        const expected = Buffer.from(encodeHeader(of, entry))
        const isAscii = Buffer.byteLength(path) === path.length
        if (expected.length === 512 && isAscii) t.true(is, path)
        if (!is) return
        written++
        t.deepEqual(block.subarray(99, 611), expected)
        t.true(block.every((byte, i) => (i >= 99 && i < 611) || byte === 0xff))
      },
    ),
    { numRuns: 2000 },
  )
  t.true(written > 500, `${written}`)
})

test('names at the edges of the fields', (t) => {
  const write = ordinaryHeaderWriter(item)
  const base = `abn/store/${item}/`.length
  for (const length of [99, 100, 101, 155, 156, 157, 255, 256, 257, 258]) {
    for (const slash of [0, length - base - 100, length - base - 101, length - base - 2, 155 - base, 156 - base]) {
      const path = 'x'
        .repeat(length - base)
        .replace(new RegExp(`^(x{${Math.max(0, slash)}})x`), slash > 0 ? '$1/' : '$1x')
      for (const isDirectory of [false, true]) {
        const entry = isDirectory
          ? ({ kind: 'directory', path } as const)
          : ({ kind: 'file', path, executable: false, size: 5 } as const)
        const expected = Buffer.from(encodeHeader(item, entry))
        const block = Buffer.alloc(512)
        const is = write(block, 0, { isDirectory, path, executable: false, size: isDirectory ? 0 : 5 })
        t.is(is, expected.length === 512, path)
        if (is) t.deepEqual(block, expected, path)
      }
    }
  }
})
