import test from 'ava'
import fc from 'fast-check'
import { encodeCanonicalJson, type JsonValue } from '../../format/canonical-json.ts'
import {
  type Derivation,
  encodeDerivation,
  expandPlaceholders,
  parseDerivation,
  recipeHashOf,
  resolvedHashOf,
} from '../../format/derivation.ts'
import { parseRecipeHash, sha256Of } from '../../format/hash.ts'
import { compareBytewise } from '../../format/order.ts'
import { storePathOf } from '../../format/store-path.ts'

const recipe = parseRecipeHash('1'.repeat(64))
const input = { recipe, output: 'out', path: storePathOf(recipe, 'tcc', '0.9.27', 'out') }
const base: Derivation = {
  name: 'hello',
  version: '2.10',
  system: 'x86_64-linux',
  outputs: ['out'],
  inputs: [input],
  sources: [
    {
      to: '.',
      sha256: sha256Of('hello.tar.gz'),
      unpack: { kind: 'tar', compression: 'gzip', strip: 1 },
      patches: [sha256Of('p')],
    },
    { to: 'config.h', sha256: sha256Of('config.h'), unpack: { kind: 'file', executable: false }, patches: [] },
  ],
  directories: ['@{out}/bin'],
  files: [{ path: 'build.sh', text: 'cc -o @{out}/bin/hello hello.c\n', executable: true }],
  links: [{ path: '/bin/sh', target: `${input.path}/bin/sh` }],
  env: { PATH: `${input.path}/bin` },
  steps: [{ args: ['/bin/sh', 'build.sh'], cwd: '/build', env: {}, parallel: false }],
}

test('a derivation survives encoding and parsing', (t) => {
  const bytes = encodeDerivation(base)
  t.deepEqual(parseDerivation(bytes), base)
  t.deepEqual(Buffer.from(encodeDerivation(parseDerivation(bytes))), Buffer.from(bytes))
})

test('generated derivations survive encoding and parsing', (t) => {
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/)
  const text = fc.string({ unit: 'grapheme' }).filter((s) => !s.includes('@{') && !s.includes('\0'))
  const paths = fc.uniqueArray(name).map((list) => list.sort(compareBytewise))
  const derivation = fc.record({
    name: fc.stringMatching(/^[a-z0-9][a-z0-9+._-]{0,63}$/),
    version: fc.stringMatching(/^[0-9A-Za-z][0-9A-Za-z+._~-]{0,63}$/),
    directories: paths,
    files: paths.chain((list) =>
      fc.tuple(...list.map((path) => fc.record({ path: fc.constant(path), text, executable: fc.boolean() }))),
    ),
    env: fc.dictionary(fc.stringMatching(/^[B-G_][A-Z0-9_]{3,8}$/), text),
    steps: fc.array(
      fc.record({
        args: fc.array(text, { minLength: 1 }).filter((list) => list[0] !== ''),
        cwd: fc.constant('/build'),
        env: fc.constant({}),
        parallel: fc.boolean(),
      }),
    ),
  })
  fc.assert(
    fc.property(derivation, (changes) => {
      const whole = { ...base, ...changes }
      t.deepEqual(parseDerivation(encodeDerivation(whole)), whole)
    }),
  )
})

test('every change of a field changes the recipe hash', (t) => {
  const changes: Partial<Derivation>[] = [
    { name: 'hallo' },
    { version: '2.11' },
    { outputs: ['dev', 'out'] },
    { inputs: [] },
    { sources: [] },
    { directories: [] },
    { files: [] },
    { links: [] },
    { env: {} },
    { steps: [] },
  ]
  const hashes = [base, ...changes.map((change) => ({ ...base, ...change }))].map(recipeHashOf)
  t.is(new Set(hashes).size, hashes.length)
})

test('the resolved hash depends on the digests of the inputs', (t) => {
  const resolve = (digest: string) => resolvedHashOf(base, new Map([[input.path, sha256Of(digest)]]))
  t.not(resolve('a'), resolve('b'))
  t.is(resolve('a'), resolve('a'))
  t.throws(() => resolvedHashOf(base, new Map()), { instanceOf: TypeError })
})

test('placeholders become store paths', (t) => {
  const out = storePathOf(recipeHashOf(base), 'hello', '2.10', 'out')
  t.is(expandPlaceholders('-o @{out}/bin:@{out}', new Map([['out', out]])), `-o ${out}/bin:${out}`)
})

const change = (fields: Record<string, JsonValue>): JsonValue => ({ ...base, ...fields })
const step = (fields: Record<string, JsonValue>) =>
  change({ steps: [{ ...base.steps[0], args: ['x'], cwd: '/build', env: {}, parallel: false, ...fields }] })
const source = (fields: Record<string, JsonValue>) =>
  change({
    sources: [{ to: 'a', sha256: sha256Of(''), unpack: { kind: 'file', executable: false }, patches: [], ...fields }],
  })
const without = ({ steps: _, ...rest }: Derivation): JsonValue => rest

const refused: readonly [string, JsonValue][] = [
  ['a list', []],
  ['an unknown field', change({ homepage: 'x' })],
  ['a missing field', without(base)],
  ['another system', change({ system: 'aarch64-linux' })],
  ['no output out', change({ outputs: ['dev'] })],
  ['outputs out of order', change({ outputs: ['out', 'dev'] })],
  ['an output twice', change({ outputs: ['out', 'out'] })],
  ['an input with another path', change({ inputs: [{ ...input, path: storePathOf(recipe, 'tcc', '0.9.27', 'dev') }] })],
  ['an input twice', change({ inputs: [input, input] })],
  ['a source above the build directory', source({ to: '../a' })],
  ['a source at an absolute path', source({ to: '/a' })],
  ['a file as the build directory', source({ to: '.' })],
  ['a patched file', source({ patches: [sha256Of('')] })],
  ['an unknown way to unpack', source({ unpack: { kind: 'rar' } })],
  ['an unknown compression', source({ unpack: { kind: 'tar', compression: 'lzma', strip: 1 } })],
  ['a negative strip', source({ unpack: { kind: 'zip', strip: -1 } })],
  ['a strip that is no whole number', source({ unpack: { kind: 'zip', strip: 0.5 } })],
  ['an extra field in unpack', source({ unpack: { kind: 'git', strip: 1 } })],
  ['a directory outside', change({ directories: ['../a'] })],
  ['an absolute directory', change({ directories: ['/abn'] })],
  ['a directory above an output', change({ directories: ['@{out}/../a'] })],
  ['a directory beside an output', change({ directories: ['@{out}a'] })],
  ['a directory in an input', change({ directories: [`${input.path}/a`] })],
  ['a link in the build directory', change({ links: [{ path: '/build/a', target: '/a' }] })],
  ['a link in the store', change({ links: [{ path: '/abn/store/a', target: '/a' }] })],
  ['a link at a relative path', change({ links: [{ path: 'a', target: '/a' }] })],
  ['a link to nothing', change({ links: [{ path: '/bin/sh', target: '' }] })],
  ['an unknown placeholder', step({ args: ['@{dev}'] })],
  ['an open placeholder', step({ args: ['@{out'] })],
  ['a step without a program', step({ args: [] })],
  ['a step with an empty program', step({ args: [''] })],
  ['a relative working directory', step({ cwd: 'src' })],
  ['a NUL in an argument', step({ args: ['a', 'b\0'] })],
  ['a reserved variable', step({ env: { HOME: '/root' } })],
  ['a variable with the name of an output', change({ env: { out: '/tmp' } })],
  ['a variable with an equals sign', change({ env: { 'A=B': '' } })],
  ['a number in the environment', change({ env: { A: 1 } })],
]
for (const [title, value] of refused) {
  test(`refuses ${title}`, (t) => {
    t.throws(() => parseDerivation(encodeCanonicalJson(value)), { code: 'ABN_DERIVATION_INVALID' })
  })
}

test('refuses bytes that are not canonical', (t) => {
  const text = Buffer.from(encodeDerivation(base)).toString()
  t.throws(() => parseDerivation(Buffer.from(`${text}\n`)), { code: 'ABN_JSON_INVALID' })
})
