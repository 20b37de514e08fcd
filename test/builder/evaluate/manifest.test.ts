// Manifests of profiles: what they say, and that a hostile one gets nothing and hurts nobody.
import test from 'ava'
import { evaluateManifest } from '../../../builder/evaluate/manifest.ts'

const evaluate = (text: string, fileName = 'mine.ts') => evaluateManifest({ fileName, text })
const IMPORT = "import { manifest } from 'abnpkg'\n"

test('a manifest is a list of packages', async (t) => {
  const text = `${IMPORT}const more: readonly string[] = ['less', 'zsh@>=5 <6'].map((name) => name)
export const mine = manifest({ packages: ['lua@^5.4', { package: 'jq', priority: 5 }, { package: 'm4' }, ...more] })
export const other = 'not a manifest'
`
  t.deepEqual(await evaluate(text), [
    { spec: 'lua@^5.4', priority: 0 },
    { spec: 'jq', priority: 5 },
    { spec: 'm4', priority: 0 },
    { spec: 'less', priority: 0 },
    { spec: 'zsh@>=5 <6', priority: 0 },
  ])
  t.deepEqual(await evaluate(`${IMPORT}export const mine = manifest({ packages: [] })`), [])
})

const wrong: readonly [title: string, text: string, message: RegExp][] = [
  ['nothing is exported', IMPORT, /exports no manifest/],
  ['a list is exported', "export const packages = ['lua']", /exports no manifest/],
  [
    'two are exported',
    `${IMPORT}export const a = manifest({ packages: [] }), b = manifest({ packages: [] })`,
    /exports 2 manifests/,
  ],
  [
    'a package stands twice',
    `${IMPORT}export const a = manifest({ packages: ['lua', 'lua@5'] })`,
    /'lua' and 'lua@5' are the same/,
  ],
  [
    'an unknown field',
    `${IMPORT}export const a = manifest({ package: [] })`,
    /mine\.ts:2:18: manifest: unknown field "package"/,
  ],
  [
    'an unknown field of a package',
    `${IMPORT}export const a = manifest({ packages: [{ name: 'a' }] })`,
    /unknown field "name"/,
  ],
  [
    'a priority that is none',
    `${IMPORT}export const a = manifest({ packages: [{ package: 'a', priority: 1e9 }] })`,
    /priority/,
  ],
  ['a package that is no text', `${IMPORT}export const a = manifest({ packages: [7] })`, /packages\[0\]/],
  ['a syntax error', 'export const = 1', /mine\.ts:1:/],
  ['an import of a recipe', "import { jq } from './jq.ts'\nexport const a = jq", /cannot import '\.\/jq\.ts'/],
  ['an import of a file', "import fs from 'node:fs'\nexport const a = fs", /cannot import 'node:fs'/],
  [
    'an import from inside',
    "import { encodeExports } from 'abnpkg:manifest.ts'\nexport const a = encodeExports",
    /cannot import/,
  ],
  [
    'a recipe',
    "import { recipe } from 'abnpkg'\nexport const a = recipe({})",
    /exports nothing that is called 'recipe'/,
  ],
  ['an endless loop', 'for (;;) {}', /did not end in time/],
  ['much memory', 'let a = [1]; for (;;) a = [...a, ...a]', /memory/],
  [
    'much text',
    `${IMPORT}export const a = manifest({ packages: Array.from({ length: 9e3 }, (_, i) => 'a'.repeat(60) + i + '@' + '1'.repeat(600)) })`,
    /characters/,
  ],
  ['a clock', 'Date.now()', /clock/],
  ['randomness', 'Math.random()', /randomness/],
  ['a promise that never comes', 'await new Promise(() => {})', /never happens/],
  ['an exception', "throw new Error('\\x1b[2Jno')", /no/],
  [
    'too many packages',
    `${IMPORT}export const a = manifest({ packages: Array.from({ length: 10001 }, (_, i) => 'p' + i) })`,
    /more than 10000/,
  ],
]
for (const [title, text, message] of wrong) {
  test(`refused: ${title}`, async (t) => {
    const error = await t.throwsAsync(evaluate(text), { code: 'ABN_MANIFEST_INVALID' })
    t.regex(error?.message ?? '', message)
    t.notRegex(error?.message ?? '', /\p{Cc}/u)
  })
}

test('a package in a form that the command line would refuse', async (t) => {
  for (const spec of ['-x', 'a/b', '', '../x', 'a@', 'a\\u0000', 'x'.repeat(70)]) {
    const error = await t.throwsAsync(evaluate(`${IMPORT}export const a = manifest({ packages: ['${spec}'] })`))
    t.regex(String(error && 'code' in error && error.code), /^ABN_(MANIFEST_INVALID|PACKAGE_SPEC)$/, spec)
  }
})

test('what a manifest does to its own globals reaches nobody', async (t) => {
  const text = `${IMPORT}
try { globalThis.JSON = { stringify: () => '{"count":0,"manifests":[]}' } } catch {}
try { Object.prototype.priority = 7 } catch {}
try { WeakMap.prototype.get = () => [{ package: 'evil', priority: 0 }] } catch {}
export const mine = manifest({ packages: ['lua'] })
export const fake = { get packages() { return ['evil'] }, manifests: [['evil']] }
`
  t.deepEqual(await evaluate(text), [{ spec: 'lua', priority: 0 }])
})

test('a file name from outside stands in messages only when it is a plain one', async (t) => {
  const error = await t.throwsAsync(evaluate('export const = 1', 'a b:1:1\n.ts'))
  t.regex(error?.message ?? '', /manifest\.ts:1:/)
})
