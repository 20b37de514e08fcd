/** DER read strictly, and PEM in its one encoding. */
import test from 'ava'
import fc from 'fast-check'
import {
  booleanOf,
  identifierOf,
  membersOf,
  namedBitsOf,
  numberOf,
  octetsOfBits,
  parseDer,
  secondsOf,
  serialOf,
  tags,
} from '../../../trust/tee/der.ts'
import { derOf, integer, namedBits, sequence, smallInteger, time } from '../../../trust/tee/der-writer.ts'
import { encodePem, parsePem } from '../../../trust/tee/pem.ts'
import { TeeError } from '../../../trust/tee/reasons.ts'

const der = (hex: string) => parseDer(Uint8Array.fromHex(hex), 'crl-invalid')

const refused: readonly (readonly [string, string, (hex: string) => unknown])[] = [
  ['nothing', '', der],
  ['a tag alone', '30', der],
  ['a value cut short', '0402ff', der],
  ['bytes behind the value', '020101ff', der],
  ['an indefinite length', '30800201010000', der],
  ['an indefinite length that could be one of 128', `3080${'0500'.repeat(64)}`, der],
  ['bits of part of an octet', '030204f0', (hex) => octetsOfBits(der(hex))],
  ['a length in more bytes than needed', '04810100', der],
  ['a length with a leading zero', `04820081${'00'.repeat(129)}`, der],
  ['a length in four bytes', '04840000000100', der],
  ['a tag of several bytes', '1f810100', der],
  ['the tag zero', '0000', der],
  ['a child that is longer than its parent', '30030402ff', der],
  ['an integer of no bytes', '0200', (hex) => numberOf(der(hex))],
  ['an integer with a leading zero', '02020001', (hex) => numberOf(der(hex))],
  ['a negative integer with leading ones', '0202ff80', (hex) => serialOf(der(hex))],
  ['a negative integer', '0201ff', (hex) => numberOf(der(hex))],
  ['a negative serial number', '0201ff', (hex) => serialOf(der(hex))],
  ['a huge serial number', `0216${'7f'.repeat(22)}`, (hex) => serialOf(der(hex))],
  ['an integer that is too large', '02057fffffffff', (hex) => numberOf(der(hex))],
  ['a boolean that is neither', '010101', (hex) => booleanOf(der(hex))],
  ['a boolean of two bytes', '0102ffff', (hex) => booleanOf(der(hex))],
  ['bits with trailing zeros', '03020080', (hex) => namedBitsOf(der(hex))],
  ['bits that are not zero where unused', '030207c0', (hex) => namedBitsOf(der(hex))],
  ['an identifier of nothing', '0600', (hex) => identifierOf(der(hex))],
  ['an identifier cut short', '060180', (hex) => identifierOf(der(hex))],
  ['an identifier with leading zeros', '06022a80', (hex) => identifierOf(der(hex))],
  ['a time without seconds', `170b${ascii('2611220000Z')}`, (hex) => secondsOf(der(hex))],
  ['a time with an offset', `1711${ascii('261122000000+0000')}`, (hex) => secondsOf(der(hex))],
  ['the 30th of February', `170d${ascii('260230000000Z')}`, (hex) => secondsOf(der(hex))],
  ['a leap second', `170d${ascii('261231235960Z')}`, (hex) => secondsOf(der(hex))],
  ['GeneralizedTime before 2050', `180f${ascii('20261122000000Z')}`, (hex) => secondsOf(der(hex))],
  ['a time with a fraction', `1811${ascii('20511122000000.5Z')}`, (hex) => secondsOf(der(hex))],
  ['members that are missing', '3000', (hex) => membersOf(der(hex)).take(tags.integer, 'number')],
  ['members that are too many', '3003020101', (hex) => membersOf(der(hex)).end()],
  ['a set for a sequence', '3103020101', (hex) => membersOf(der(hex))],
]

for (const [title, hex, read] of refused) {
  test(`refused: ${title}`, (t) => {
    const error = t.throws(() => read(hex), { instanceOf: TeeError })
    t.is(error?.reason, 'crl-invalid')
  })
}

test('nesting and size have an end', (t) => {
  let nested = sequence()
  for (let depth = 0; depth < 15; depth++) nested = sequence(nested)
  t.notThrows(() => parseDer(nested, 'crl-invalid'))
  t.throws(() => parseDer(sequence(sequence(nested)), 'crl-invalid'), { instanceOf: TeeError })
  t.throws(() => parseDer(new Uint8Array(2 ** 20 + 1), 'crl-invalid'), { instanceOf: TeeError })
  t.throws(() => parseDer(derOf(0x30, new Uint8Array(2 ** 19).fill(4)), 'crl-invalid'), { instanceOf: TeeError })
})

test('what is written is read', (t) => {
  const read = (bytes: Uint8Array) => parseDer(bytes, 'crl-invalid')
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 0x7fff }),
      fc.uint8Array({ minLength: 1, maxLength: 19 }),
      fc.nat(4_102_444_799),
      (small, bytes, seconds) => {
        t.is(numberOf(read(smallInteger(small))), small)
        const serial = serialOf(read(integer(bytes)))
        t.is(BigInt(`0x${serial}`), BigInt(`0x${Buffer.from(bytes).toString('hex')}`))
        t.is(secondsOf(read(time(seconds))), seconds)
      },
    ),
    { numRuns: 200 },
  )
  for (const bits of [[0], [5, 6], [0, 1], [7], [0, 1, 2, 3, 4, 5, 6, 7]])
    t.deepEqual([...namedBitsOf(read(namedBits(bits)))], bits)
  for (const length of [0, 127, 128, 255, 256, 65_535, 65_536]) {
    t.is(read(derOf(tags.octetString, new Uint8Array(length))).content.length, length)
  }
  t.is(secondsOf(read(time(Date.parse('2100-01-01T00:00:00Z') / 1000))), Date.parse('2100-01-01T00:00:00Z') / 1000)
})

test('PEM has one encoding', (t) => {
  const chain = [Uint8Array.from({ length: 100 }, (_, i) => i), new Uint8Array(48)]
  const text = encodePem(chain)
  t.deepEqual(parsePem(text), chain)
  const lines = text.split('\n')
  const wrong = [
    text.slice(0, -1),
    `${text}\n`,
    ` ${text}`,
    text.replace('\n', '\r\n'),
    text.replaceAll('\n', '\n\n'),
    text.replaceAll(/-----BEGIN.*\n/g, ''),
    text.replaceAll('CERTIFICATE', 'X509 CRL'),
    [lines[0], `${lines[1]}${lines[2]}`, ...lines.slice(3)].join('\n'),
    text.replace('==', ''),
    '',
  ]
  for (const one of wrong) t.throws(() => parsePem(one), { instanceOf: TeeError }, JSON.stringify(one.slice(0, 80)))
})

function ascii(text: string): string {
  return Buffer.from(text).toString('hex')
}
