import test from 'ava'
import fc from 'fast-check'
import { canonicalJson, encodeCanonicalJson, type JsonValue, parseCanonicalJson } from '../../format/canonical-json.ts'

const bytes = (text: string) => Buffer.from(text, 'utf8')

const isCanonicalNumber = (value: unknown): boolean =>
  typeof value === 'number'
    ? !Object.is(value, -0)
    : typeof value !== 'object' || value === null || Object.values(value).every(isCanonicalNumber)
const json = fc.jsonValue({ maxDepth: 4 }).filter(isCanonicalNumber) as fc.Arbitrary<JsonValue>

test('parse(encode(x)) is x', (t) => {
  fc.assert(fc.property(json, (value) => void t.deepEqual(parseCanonicalJson(encodeCanonicalJson(value)), value)))
  t.pass()
})

test('whatever is accepted is encoded to the same bytes', (t) => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      let value: JsonValue
      try {
        value = parseCanonicalJson(bytes(text))
      } catch {
        return
      }
      t.is(canonicalJson(value), text)
    }),
  )
  t.pass()
})

test('a text is accepted exactly when it is the encoding of what it says', (t) => {
  const space = fc.constantFrom('', '', '', '', ' ', ',', '{}', '"', ':', '0')
  fc.assert(
    fc.property(json, fc.nat(), fc.nat(3), space, (value, position, removed, added) => {
      const right = canonicalJson(value)
      const at = position % (right.length + 1)
      const text = right.slice(0, at) + added + right.slice(at + removed)
      let expected = false
      try {
        expected = canonicalJson(JSON.parse(text)) === text
      } catch {}
      const parse = () => parseCanonicalJson(bytes(text))
      if (expected) t.deepEqual(parse(), JSON.parse(text))
      else t.throws(parse, { code: 'ABN_JSON_INVALID' })
    }),
    { numRuns: 2000 },
  )
})

// RFC 8785, sections 3.2.2 and 3.2.3.
const rfcCases: readonly [string, JsonValue, string][] = [
  [
    'numbers',
    [333333333.3333333, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    '[333333333.3333333,1e+30,4.5,0.002,1e-27]',
  ],
  ['a text', '\u20ac$\u000f\nA\'B"\\\\"/', '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'],
  [
    'order of members by UTF-16 units',
    { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 },
    '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"\u{1f600}":5,"\ufb33":3}',
  ],
  ['negative zero', -0, '0'],
]
for (const [title, value, expected] of rfcCases) {
  test(`encodes ${title}`, (t) => t.is(canonicalJson(value), expected))
}

const refused: readonly [string, Uint8Array][] = [
  ['duplicate key', bytes('{"a":1,"a":2}')],
  ['duplicate key with the same value', bytes('{"a":1,"a":1}')],
  ['duplicate key by escape', bytes('{"a":1,"\\u0061":1}')],
  ['duplicate keys that look like one value', bytes('{"c":",q","c":",q\\",\\"c\\":"}')],
  ['duplicate keys that look like one value in a list', bytes('[{"c":"},q","c":"},q\\",\\"c\\":"}]')],
  ['wrong order', bytes('{"b":1,"a":2}')],
  ['white space', bytes('{"a": 1}')],
  ['trailing newline', bytes('{}\n')],
  ['trailing value', bytes('{}{}')],
  ['byte order mark', bytes('\ufeff{}')],
  ['needless escape', bytes('"\\u0041"')],
  ['escaped solidus', bytes('"\\/"')],
  ['upper case escape', bytes('"\\u000F"')],
  ['lone surrogate by escape', bytes('"\\ud800"')],
  ['lone surrogate in a key', bytes('{"\\udc00":1}')],
  ['surrogates encoded in UTF-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
  ['overlong UTF-8', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
  ['truncated UTF-8', Buffer.from([0x22, 0xe2, 0x82, 0x22])],
  ['number too large', bytes('1e400')],
  ['number with more digits than it keeps', bytes('9007199254740993')],
  ['1.0', bytes('1.0')],
  ['-0', bytes('-0')],
  ['leading zero', bytes('01')],
  ['comment', bytes('{}//')],
  ['nothing', bytes('')],
  ['too deep', bytes(`${'['.repeat(65)}${']'.repeat(65)}`)],
  ['very deep', bytes(`${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`)],
]
for (const [title, input] of refused) {
  test(`refuses ${title}`, (t) => {
    t.throws(() => parseCanonicalJson(input), { code: 'ABN_JSON_INVALID' })
  })
}

test('refuses more bytes than allowed before it looks at them', (t) => {
  t.throws(() => parseCanonicalJson(bytes('"aaaa"'), { bytes: 5 }), { message: /6 bytes/ })
})

test('keeps a member named __proto__', (t) => {
  const value = parseCanonicalJson(bytes('{"__proto__":{"a":1}}'))
  t.is(canonicalJson(value), '{"__proto__":{"a":1}}')
})
