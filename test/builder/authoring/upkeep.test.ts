// Lint, the search for newer versions, and putting them into a recipe.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { findDebianSource } from '../../../builder/authoring/debian.ts'
import { lintModule } from '../../../builder/authoring/lint.ts'
import { findNewer } from '../../../builder/authoring/newer.ts'
import { rewriteRecipe } from '../../../builder/authoring/rewrite.ts'
import { Upstream } from '../../../builder/authoring/upstream.ts'
import { evaluate } from '../../../builder/evaluate/evaluate.ts'
import type { Evaluation } from '../../../builder/evaluate/evaluation.ts'
import { findPackage } from '../../../builder/evaluate/find.ts'
import { sha256Of } from '../../../format/hash.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { serve } from './_upstream.ts'

const sourceText = (urls: readonly string[]) =>
  `tarball({\n    urls: ${JSON.stringify(urls)},\n    sha256: '${sha256Of('old')}',\n  })`

function recipeText(more: Readonly<Record<string, string>> = {}): string {
  const fields = {
    name: "'frob'",
    version: "'1.2'",
    summary: "'frobnicator'",
    homepage: "'https://example.org/'",
    license: "'MIT'",
    source: sourceText(['https://example.org/frob-{version}.tar.gz']),
    build: "steps([['true']])",
    smoke: "[['bin/frob']]",
    ...more,
  }
  const lines = Object.entries(fields).flatMap(([field, value]) => (value === '' ? [] : [`  ${field}: ${value},`]))
  return [
    "import { recipe, steps, tarball } from 'abnpkg'",
    '',
    'export const frob = recipe({',
    ...lines,
    '})',
    '',
  ].join('\n')
}

async function evaluated(t: ExecutionContext, text: string): Promise<Evaluation> {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'recipes/packages'), { recursive: true })
  writeFileSync(join(directory, 'recipes/packages/frob.ts'), text)
  return evaluate([{ name: 'abnpkg', directory, modules: 'recipes/packages' }])
}

const lint = test.macro(async (t, more: Readonly<Record<string, string>>, expected: readonly string[]) => {
  const text = recipeText(more)
  const { packages } = await evaluated(t, text)
  const found = lintModule(text, packages, { file: 'frob.ts' })
  t.deepEqual(
    found.map(({ line, rule }) => `${line} ${rule}`),
    expected,
  )
})
test('nothing to complain about', lint, {}, [])
test('a summary with everything wrong', lint, { summary: "'A Frobnicator.'" }, ['6 summary', '6 summary'])
test('a summary in upper case', lint, { summary: "'Frobnicator'" }, ['6 summary'])
test('no homepage, no smoke test', lint, { homepage: '', smoke: '' }, ['3 homepage', '3 smoke'])
test('plain http', lint, { homepage: "'http://example.org/'" }, ['7 homepage'])
test('a licence that is none', lint, { license: "'GPL'" }, ['8 license'])
test('licences in an expression', lint, { license: "'(GPL-3.0-or-later OR MIT) AND LicenseRef-x'" }, [])
test('something to do', lint, { summary: "'TODO: say what it is'" }, ['6 todo'])
test(
  'the version in an address',
  lint,
  {
    source: sourceText(['https://example.org/frob-1.2.tar.gz']),
  },
  ['10 version'],
)
test(
  'an archive of a branch',
  lint,
  {
    source: sourceText(['https://example.org/archive/main.tar.gz']),
  },
  ['10 urls'],
)

test('white space, and another name of the file', async (t) => {
  const text = `${recipeText().trimEnd()} \n\t// x`
  const { packages } = await evaluated(t, text)
  const found = lintModule(text, packages, { file: 'other.ts' })
  t.deepEqual(
    found.map(({ line, rule }) => `${line} ${rule}`),
    ['4 file-name', '15 white-space', '16 white-space', '16 white-space'],
  )
})

test('newer versions, where the addresses lead; who cannot be asked is told', async (t) => {
  const listing = '<a href="frob-1.2.tar.gz"> <a href="frob-1.10.tar.gz"> <a href="frob-2.0-rc1.tar.gz">'
  const { base, options } = await serve(t, { '/pub/': listing })
  const urls = [`${base}/pub/frob-{version}.tar.gz`, 'http://127.0.0.1:1/frob-{version}.tar.gz']
  const source = sourceText(urls)
  const found = await findNewer(await findPackage(await evaluated(t, recipeText({ source })), 'frob'), options)
  t.is(found.newest, '1.10')
  t.deepEqual(
    found.places.map(({ kind, version, failure }) => [kind, version, failure?.includes('connection refused') ?? false]),
    [
      ['listing', '1.10', false],
      ['listing', undefined, true],
    ],
  )
  const current = await findPackage(await evaluated(t, recipeText({ source, version: "'1.10'" })), 'frob')
  t.is((await findNewer(current, options)).newest, undefined)
})

test("Debian's newest, by apt or by the mirror's index", async (t) => {
  const stanza = (version: string) =>
    `Package: frob\nVersion: ${version}\nDirectory: pool/main/f/frob\nChecksums-Sha256:\n ${'a'.repeat(64)} 1 frob_${version.split('-')[0]}.orig.tar.gz\n`
  const text = `Package: afrob\nVersion: 9-1\n\n${stanza('1.9-1')}\n${stanza('1.10-1')}\nPackage: frobx\nVersion: 9-1\n`
  const hasXz = spawnSync('xz', ['--version']).status === 0
  const index = hasXz ? execFileSync('xz', ['-c'], { input: text }) : Buffer.alloc(0)
  const { asked, options } = await serve(t, { '/debian/dists/stable/main/source/Sources.xz': index })
  t.is((await findDebianSource('frob', { ...options, showSource: async () => text }))?.upstreamVersion, '1.10')
  t.deepEqual(asked, [])
  if (!hasXz) return
  const byMirror = { ...options, showSource: async () => '' }
  t.is((await findDebianSource('frob', byMirror))?.version, '1.10-1')
  t.is(await findDebianSource('fro', byMirror), undefined)
  t.is(await findDebianSource('--help', byMirror), undefined)
  t.deepEqual(asked, ['/debian/dists/stable/main/source/Sources.xz'], 'the index is kept')
})

test('a version and a hash are replaced, once each', (t) => {
  const from = { version: '1.2', sha256: sha256Of('old') }
  const to = { version: '1.10', sha256: sha256Of('new') }
  const text = recipeText()
  const changed = rewriteRecipe(text, 'frob', { from, to })
  t.is(changed, text.replace("'1.2'", "'1.10'").replace(from.sha256, to.sha256))
  const twice = text.replace('homepage:', `// ${from.sha256}\n  homepage:`)
  t.throws(() => rewriteRecipe(twice, 'frob', { from, to }), { code: 'ABN_AUTHORING_REWRITE' })
  t.throws(() => rewriteRecipe(text, 'other', { from, to }), { code: 'ABN_AUTHORING_REWRITE' })
})

test('hosts: offline, dead, too much', async (t) => {
  const { base, asked, cache, upstream } = await serve(t, { '/big': Buffer.alloc(2000) })
  await t.throwsAsync(upstream.text([`${base}/big`], 1000), {
    code: 'ABN_UPSTREAM_UNREACHABLE',
    message: /more than 1000 bytes/,
  })
  await t.throwsAsync(upstream.file([`${base}/big`], 1000), { code: 'ABN_UPSTREAM_UNREACHABLE' })
  t.is(await upstream.text([`${base}/none`]), undefined)
  const arrived = await upstream.file(['http://127.0.0.1:1/big', `${base}/big`])
  t.is(arrived?.sha256, sha256Of(Buffer.alloc(2000)))
  t.is(readFileSync(arrived?.path ?? '').length, 2000)
  await using offline = new Upstream({ signal: new AbortController().signal, sourceCache: cache, offline: true })
  const before = asked.length
  await t.throwsAsync(offline.text([`${base}/big`]), { code: 'ABN_UPSTREAM_UNREACHABLE', message: /offline/ })
  t.is(asked.length, before)
})
