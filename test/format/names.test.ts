import test from 'ava'
import fc from 'fast-check'
import { encodeBase32 } from '../../format/base32.ts'
import { hashBytes, parseRecipeHash, parseSha256, sha256Of, sha256Stream } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import {
  parseStoreItem,
  parseStorePath,
  storeHashOf,
  storeItemOf,
  storePathOf,
  storePathOfItem,
} from '../../format/store-path.ts'

const recipe = parseRecipeHash('0'.repeat(64))

test('SHA-256 of "abc" (FIPS 180-4)', (t) => {
  const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  t.is(sha256Of('abc') as string, expected)
  const stream = sha256Stream()
  stream.update(Buffer.from('a'))
  stream.update(Buffer.from('bc'))
  t.is(stream.digest() as string, expected)
  t.is(hashBytes(parseSha256(expected)).length, 32)
})

for (const text of ['', 'A'.repeat(64), '0'.repeat(63), '0'.repeat(65), `${'0'.repeat(64)}\n`, ` ${'0'.repeat(63)}`]) {
  test(`refuses ${JSON.stringify(text)} as a hash`, (t) => {
    t.throws(() => parseSha256(text), { code: 'ABN_HASH_INVALID' })
    t.throws(() => parseRecipeHash(text), { code: 'ABN_HASH_INVALID' })
  })
}

// RFC 4648, section 10, in lowercase and without padding.
for (const [text, expected] of Object.entries({
  '': '',
  f: 'my',
  fo: 'mzxq',
  foo: 'mzxw6',
  foob: 'mzxw6yq',
  fooba: 'mzxw6ytb',
  foobar: 'mzxw6ytboi',
})) {
  test(`base 32 of ${JSON.stringify(text)}`, (t) => t.is(encodeBase32(Buffer.from(text)), expected))
}

test('compareBytewise is the order of the UTF-8 bytes', (t) => {
  const text = fc.string({
    unit: fc.constantFrom('a', '/', '\u00e9', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'),
  })
  fc.assert(
    fc.property(
      text,
      text,
      (a, b) => void t.is(Math.sign(compareBytewise(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b))),
    ),
  )
})

test('the output suffix is left out for "out" only', (t) => {
  t.regex(storePathOf(recipe, 'hello', '2.10', 'out'), /^\/abn\/store\/[a-z2-7]{32}-hello-2\.10$/)
  t.regex(storePathOf(recipe, 'hello', '2.10', 'dev'), /^\/abn\/store\/[a-z2-7]{32}-hello-2\.10-dev$/)
})

test('each output has a hash of its own', (t) => {
  const hashes = ['out', 'dev'].map((output) => storeHashOf(storePathOf(recipe, 'hello', '2.10', output)))
  t.not(hashes[0], hashes[1])
})

test('store paths parse to themselves', (t) => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9+._-]{0,63}$/)
  const version = fc.stringMatching(/^[0-9A-Za-z][0-9A-Za-z+._~-]{0,63}$/)
  const output = fc.stringMatching(/^[a-z][a-z0-9]{0,15}$/)
  fc.assert(
    fc.property(name, version, output, (n, v, o) => {
      const path = storePathOf(recipe, n, v, o)
      t.is(parseStorePath(path), path)
      t.is(storePathOfItem(parseStoreItem(storeItemOf(path))), path)
    }),
  )
})

const bad: readonly [string, string, string, string][] = [
  ['an empty name', '', '1', 'out'],
  ['a long name', 'a'.repeat(65), '1', 'out'],
  ['an upper case name', 'Hello', '1', 'out'],
  ['a name with a slash', 'a/b', '1', 'out'],
  ['a name with a newline', 'a\n', '1', 'out'],
  ['an empty version', 'a', '', 'out'],
  ['a version with a slash', 'a', '1/2', 'out'],
  ['a version that begins with a dot', 'a', '.1', 'out'],
  ['an output in upper case', 'a', '1', 'Out'],
  ['an output with a hyphen', 'a', '1', 'o-ut'],
  ['a long output', 'a', '1', 'o'.repeat(17)],
]
for (const [title, name, version, output] of bad) {
  test(`refuses ${title}`, (t) => {
    t.throws(() => storePathOf(recipe, name, version, output), { code: 'ABN_NAME_INVALID' })
  })
}

const hash32 = 'a'.repeat(32)
for (const text of [
  '',
  '/abn/store',
  `/abn/store/${hash32}`,
  `/abn/store/${hash32}-a`,
  `/abn/store/${hash32}-a-1/`,
  `/abn/store/${hash32}-a-1/bin`,
  `/abn/store/${hash32}-a-1\n`,
  `/abn/store//${hash32}-a-1`,
  `/abn/store/../store/${hash32}-a-1`,
  `/abn/store/${'1'.repeat(32)}-a-1`,
  `/nix/store/${hash32}-a-1`,
]) {
  test(`refuses ${JSON.stringify(text)} as a store path`, (t) => {
    t.throws(() => parseStorePath(text), { code: 'ABN_STORE_PATH_INVALID' })
  })
}
