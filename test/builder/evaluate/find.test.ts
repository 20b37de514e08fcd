// Names and ranges as people type them.
import test from 'ava'
import fc from 'fast-check'
import { evaluate } from '../../../builder/evaluate/evaluate.ts'
import type { Evaluation } from '../../../builder/evaluate/evaluation.ts'
import { findEntry, findPackage, parsePackageSpec } from '../../../builder/evaluate/find.ts'
import { compareVersions, semanticVersionOf } from '../../../builder/evaluate/versions.ts'
import { AbnError, type ErrorCode } from '../../../format/errors.ts'
import { imports, temporaryChannel } from './temporary-channel.ts'

const versions = ['2.9', '2.10', '2.10.1', '2.12', '3.0-rc1', '0.9.27+git20200814', '1.9.15p5', '5.4.4', '9.1', '1.0.8']

async function shelf(): Promise<Evaluation> {
  const one = (name: string, version: string, more = '') =>
    `recipe({ name: '${name}', version: '${version}', summary: 's', license: 'MIT', build: steps([['/x']]), ${more} })`
  using made = temporaryChannel({
    'a.ts': [
      imports,
      ...versions.map((version, i) => `export const hello${i} = ${one('hello', version)}`),
      `export const musl = ${one('musl', '1.2.3')}`,
      `export const old = ${one('musl', '1.2.4', 'hidden: true')}`,
      `export const lua = ${one('lua', '5.3')}`,
      `export const next = ${one('lua', '5.4-rc1')}`,
      `export const stage = ${one('tcc-boot', '1', 'hidden: true')}`,
    ].join('\n'),
  })
  return await evaluate([made.channel])
}

const found: Readonly<Record<string, string>> = {
  hello: '9.1',
  'hello@latest': '9.1',
  'hello@2.10': '2.10',
  'hello@^2.10': '2.12',
  'hello@^2': '2.12',
  'hello@2': '2.12',
  'hello@~2.10': '2.10.1',
  'hello@2.10.x': '2.10.1',
  'hello@>=2.9 <2.12': '2.10.1',
  'hello@2.9 || 5': '5.4.4',
  'hello@0.9.27+git20200814': '0.9.27+git20200814',
  'hello@0.9.27': '0.9.27+git20200814',
  'hello@^1.9': '1.9.15p5',
  'hello@<1.1': '1.0.8',
  'hello@3.0-rc1': '3.0-rc1',
  'hello@^3.0.0-rc.0': '3.0-rc1',
  musl: '1.2.3',
  lua: '5.3',
  'lua@5.4-rc1': '5.4-rc1',
  'musl@1.2.4': '1.2.4',
  'tcc-boot': '1',
}

test('found', async (t) => {
  const evaluation = await shelf()
  for (const [spec, version] of Object.entries(found)) {
    t.is((await findEntry(evaluation, spec)).version, version, spec)
    t.is((await findPackage(evaluation, spec)).derivation.version, version, spec)
  }
})

const lost: Readonly<Record<string, readonly [code: ErrorCode, hint: RegExp]>> = {
  hallo: ['ABN_PACKAGE_UNKNOWN', /did you mean hello\?/],
  Hello: ['ABN_PACKAGE_UNKNOWN', /did you mean hello\?/],
  'qwertyuiop@1': ['ABN_PACKAGE_UNKNOWN', /search/],
  'hello@4': ['ABN_PACKAGE_VERSION', /there is 9\.1, 5\.4\.4, 3\.0-rc1, 2\.12/],
  'hello@3': ['ABN_PACKAGE_VERSION', /there is/],
  'hello@nonsense': ['ABN_PACKAGE_VERSION', /there is/],
  'hello@': ['ABN_PACKAGE_SPEC', /NAME@RANGE/],
  '': ['ABN_PACKAGE_SPEC', /NAME@RANGE/],
  '../hello': ['ABN_PACKAGE_SPEC', /NAME@RANGE/],
  'hello\u001b[31m': ['ABN_PACKAGE_SPEC', /NAME@RANGE/],
}

test('lost', async (t) => {
  const evaluation = await shelf()
  for (const [spec, [code, hint]] of Object.entries(lost)) {
    const error = await t.throwsAsync(findEntry(evaluation, spec), { instanceOf: AbnError })
    t.is(error.code, code, spec)
    t.regex(error.hint ?? '', hint)
    t.notRegex(error.message, /\p{Cc}/u)
  }
})

test('a name that is the beginning of another is not that one', async (t) => {
  const evaluation = await shelf()
  await t.throwsAsync(findEntry(evaluation, 'hell'), { message: /no package called hell$/ })
  t.deepEqual(parsePackageSpec('a@>=1'), { name: 'a', range: '>=1' })
})

test('order of versions', (t) => {
  const sorted = [
    '0.9',
    '0.9.1',
    '1.0~beta1',
    '1.0-alpha',
    '1.0-rc1',
    '1.0-rc2',
    '1.0',
    '1.0a',
    '1.0p1',
    '1.0.1',
    '1.2',
    '1.10',
    '2',
  ]
  t.deepEqual([...sorted].reverse().sort(compareVersions), sorted)
})

test('order of versions is an order', (t) => {
  const version = fc.stringMatching(/^[0-9A-Za-z][0-9A-Za-z+._~-]{0,12}$/)
  t.notThrows(() =>
    fc.assert(
      fc.property(version, version, (a, b) => Math.sign(compareVersions(a, b)) === -Math.sign(compareVersions(b, a))),
    ),
  )
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.tuple(version, version, version), (three) => {
        const [x = '', y = '', z = ''] = three.sort(compareVersions)
        return compareVersions(x, y) <= 0 && compareVersions(y, z) <= 0 && compareVersions(x, z) <= 0
      }),
    ),
  )
})

test('versions as ranges see them', (t) => {
  const table: Readonly<Record<string, string | undefined>> = {
    '2.10': '2.10.0',
    '9.1': '9.1.0',
    '5.4.4': '5.4.4',
    '590': '590.0.0',
    v1: '1.0.0',
    '0.9.27+git20200814': '0.9.27',
    '10.2.1.3': '10.2.1',
    '2024.08.01': '2024.8.1',
    '3.0-rc1': '3.0.0-rc.1',
    '3.0rc2': '3.0.0-rc.2',
    '1.0~x': '1.0.0-0',
    '1.9.15p5': '1.9.15',
    snapshot: undefined,
  }
  for (const [version, semantic] of Object.entries(table)) t.is(semanticVersionOf(version), semantic, version)
})
