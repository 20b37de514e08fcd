import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { parseSha256, sha256Of } from '../../format/hash.ts'
import { encodeTransferSizes, parseTransferSizes } from '../../format/transfer-sizes.ts'

const [first, second, third] = [sha256Of('first'), sha256Of('second'), sha256Of('third')]

test('sizes come back', (t) => {
  const bytes = encodeTransferSizes(
    new Map([
      [second, 7],
      [first, 2 ** 40],
    ]),
  )
  const sizes = parseTransferSizes(bytes)
  t.deepEqual([sizes.sizeOf(first), sizes.sizeOf(second), sizes.sizeOf(third)], [2 ** 40, 7, undefined])
})

for (const text of [
  '',
  '{}',
  '{"archives":{},"format":2}',
  '{"archives":[],"format":1}',
  '{"archives":{"0b9c2f1":1},"format":1}',
  '{"archives":{"0b9c2f1a":-1},"format":1}',
  '{"archives":{"0b9c2f1a":1.5},"format":1}',
  '{"archives":{"0b9c2f1a":"1"},"format":1}',
  '{"archives":{"__proto__":1},"format":1}',
  '{"archives":{"0b9c2f1a":1},"format":1,"more":1}',
  '{"archives":{"0b9c2f1a":1},"format":1} ',
]) {
  test(`refused: ${text}`, (t) => {
    t.throws(() => parseTransferSizes(Buffer.from(text)), { name: 'AbnError' })
  })
}

test('the worked example of bundle.md', (t) => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/formats/bundle.md'), 'utf8')
  const example = /^```json example=transfer-sizes\n(.*)\n```$/m.exec(page)?.[1] ?? ''
  const sizes = parseTransferSizes(Buffer.from(example))
  const archive = parseSha256(`5e7d11c3${'0'.repeat(56)}`)
  t.is(sizes.sizeOf(archive), 1733)
  const again = encodeTransferSizes(
    new Map([
      [archive, 1733],
      [parseSha256(`0b9c2f1a${'0'.repeat(56)}`), 20_480],
    ]),
  )
  t.is(Buffer.from(again).toString(), example)
})
