// What evaluation makes of recipes that are right: derivations, hints, references, the order of everything.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { evaluate } from '../../../builder/evaluate/evaluate.ts'
import type { Evaluation } from '../../../builder/evaluate/evaluation.ts'
import type { EvaluatedPackage } from '../../../builder/evaluate/package.ts'
import { encodeDerivation, parseDerivation, recipeHashOf } from '../../../format/derivation.ts'
import { sha256Of } from '../../../format/hash.ts'
import { storePathOf } from '../../../format/store-path.ts'
import { imports, recipeText, temporaryChannel } from './temporary-channel.ts'

const demo = Object.fromEntries(
  ['recipes/packages/shell.ts', 'recipes/packages/hello.ts', 'recipes/files/shell.c', 'recipes/patches/a.patch'].map(
    (path) => [path, readFileSync(join(import.meta.dirname, 'demo', path), 'utf8')],
  ),
)

test('a demo channel', async (t) => {
  using made = temporaryChannel(demo)
  const evaluation = await evaluate([made.channel])
  t.deepEqual(
    evaluation.packages.map(({ derivation, metadata }) => [
      derivation.name,
      metadata.exportName,
      metadata.module,
      metadata.hidden,
    ]),
    [
      ['hello', 'hello', 'recipes/packages/hello.ts', false],
      ['helper', '', '', true],
      ['library', 'library', 'recipes/packages/shell.ts', false],
      ['shell', 'again', 'recipes/packages/hello.ts', true],
    ],
  )
  const [hello, helper, library, shell] = evaluation.packages
  if (!hello || !helper || !library || !shell) return t.fail()
  t.deepEqual(shell.derivation.sources, [
    { to: 'src/shell.c', sha256: sha256Of('int main;\n'), unpack: { kind: 'file', executable: false }, patches: [] },
  ])
  t.deepEqual(shell.derivation.steps, [{ args: ['/seed/cc', 'shell.c'], cwd: '/build/src', env: {}, parallel: true }])
  t.deepEqual(shell.derivation.directories, ['@{out}/bin'])
  t.deepEqual(inputsOf(shell), [])
  t.deepEqual(inputsOf(library), [pathOf(shell, 'doc'), pathOf(helper)].sort())
  t.deepEqual(library.derivation.steps[0]?.args, ['/x', `${pathOf(helper)}/x`, `${pathOf(shell, 'doc')}/y`])
  t.deepEqual(inputsOf(hello), [pathOf(shell), pathOf(library)].sort())
  t.deepEqual(hello.derivation.links, [{ path: '/bin/sh', target: `${pathOf(shell)}/bin/sh` }])
  t.is(hello.derivation.env.PATH, `${pathOf(shell)}/bin`)
  t.is(hello.derivation.env.CC, 'cc')
  t.is(hello.derivation.env.CFLAGS, '-O2')
  t.is(hello.derivation.env.CPPFLAGS, `-I${pathOf(library)}/include`)
  t.deepEqual(hello.derivation.sources[0]?.patches, [sha256Of('--- a\n'), '2'.repeat(64)])
  t.deepEqual(hello.metadata, {
    exportName: 'hello',
    module: 'recipes/packages/hello.ts',
    channel: 'abnpkg',
    summary: 'says hello',
    homepage: 'https://www.gnu.org/software/hello/',
    license: 'GPL-3.0-or-later',
    smoke: [['bin/hello', '--version']],
    sources: {
      [sha256Of('--- a\n')]: { kind: 'local', path: 'recipes/patches/a.patch' },
      ['1'.repeat(64)]: { kind: 'urls', urls: ['mirror://gnu/hello/hello-2.10.tar.gz'], size: 725946 },
      ['2'.repeat(64)]: { kind: 'urls', urls: ['https://example.org/b.patch'] },
    },
    hidden: false,
  })
})

test('every package is a derivation with its own hash, and every input is a package', async (t) => {
  using made = temporaryChannel(demo)
  const evaluation = await evaluate([made.channel])
  for (const { derivation, recipeHash } of evaluation.packages) {
    t.deepEqual(parseDerivation(encodeDerivation(derivation)), derivation)
    t.is(recipeHashOf(derivation), recipeHash)
    t.is(evaluation.byHash(recipeHash)?.derivation.name, derivation.name)
    for (const { recipe } of derivation.inputs) t.is(evaluation.byHash(recipe)?.recipeHash, recipe)
  }
  t.is(evaluation.byHash(recipeHashOf({ ...first(evaluation).derivation, version: '0' })), undefined)
})

test('the hash covers what affects the build and nothing else', async (t) => {
  const hashes = async (text: string) => {
    using made = temporaryChannel({ ...demo, 'recipes/packages/hello.ts': text })
    const evaluation = await evaluate([made.channel])
    return evaluation.entries().map(({ name, recipeHash }) => `${name} ${recipeHash}`)
  }
  const text = demo['recipes/packages/hello.ts'] ?? ''
  const before = await hashes(text)
  const same = text
    .replace('says hello', 'says more')
    .replace('https://www.gnu.org/software/hello/', 'https://example.org/')
    .replace('mirror://gnu', 'https://example.org')
    .replace('GPL-3.0-or-later', 'MIT')
    .replace("'--version'", "'--help'")
    .replace('size: 725946', 'size: 1')
  t.deepEqual(await hashes(same), before)
  for (const [from, to] of [
    ["version = '2.10'", "version = '2.11'"],
    ['1'.repeat(64), '3'.repeat(64)],
    ['-O2', '-O1'],
    ['gnuBuild()', "gnuBuild({ check: { off: 'no' } })"],
    ['libraries: [library],', ''],
  ] as const) {
    const after = await hashes(text.replace(from, to))
    t.deepEqual(
      after.filter((line) => !before.includes(line)).map((line) => line.split(' ')[0]),
      ['hello'],
      `${from} → ${to}`,
    )
  }
  const reason = text.replace('gnuBuild()', "gnuBuild({ check: { off: 'yes' } })")
  t.deepEqual(await hashes(reason), await hashes(reason.replace("'yes'", "'for another reason'")))
})

test('a change in a tool changes all that is built with it', async (t) => {
  using made = temporaryChannel(demo)
  const before = (await evaluate([made.channel])).entries()
  made.write('recipes/files/shell.c', 'int main(){}\n')
  const after = (await evaluate([made.channel])).entries()
  t.deepEqual(
    after.map(({ name }) => name),
    before.map(({ name }) => name),
  )
  for (const [i, { recipeHash }] of after.entries()) t.not(recipeHash, before[i]?.recipeHash)
})

test('the same recipes give the same bits, elsewhere and from other files', async (t) => {
  using one = temporaryChannel(demo)
  using other = temporaryChannel({ 'z.ts': '', ...Object.fromEntries(Object.entries(demo).reverse()), 'a.ts': '' })
  const text = (evaluation: Evaluation) => JSON.stringify(evaluation.packages)
  const first = text(await evaluate([one.channel]))
  t.is(text(await evaluate([one.channel])), first)
  t.is(text(await evaluate([other.channel])), first)
})

test('recipes of another channel, with their own local files', async (t) => {
  using ours = temporaryChannel(demo)
  using theirs = temporaryChannel(
    {
      'recipes/packages/deep/mine.ts': `${imports}import { shell } from 'abnpkg/shell.ts'; import { other } from '../other.ts'
${recipeText('mine', "tools: [shell, other], source: local('recipes/files/shell.c')")}`,
      'other.ts': `${imports}${recipeText('other')}`,
      'recipes/files/shell.c': 'theirs',
    },
    'theirs',
  )
  const evaluation = await evaluate([ours.channel, theirs.channel])
  const mine = evaluation.packages.find(({ derivation }) => derivation.name === 'mine')
  t.is(mine?.metadata.channel, 'theirs')
  t.is(mine?.metadata.module, 'theirs:recipes/packages/deep/mine.ts')
  t.is(mine?.derivation.sources[0]?.sha256, sha256Of('theirs'))
  t.true(mine?.derivation.inputs.some(({ path }) => path.endsWith('-shell-1.35')))
  const shell = evaluation.packages.find(({ derivation }) => derivation.name === 'shell')
  t.is(shell?.metadata.channel, 'abnpkg')
  t.is(shell?.derivation.sources[0]?.sha256, sha256Of('int main;\n'))
})

test('code that is made of text, not strict, changes nothing built in', async (t) => {
  using made = temporaryChannel({
    'a.ts': `${imports}(() => {}).constructor("JSON.stringify = () => '[]'; secret = 1; this.secret = 1")()
      if ('secret' in globalThis) throw new Error('a global was made')\n${recipeText('a')}`,
  })
  t.deepEqual((await evaluate([made.channel])).names(), ['a'])
})

test('recipes that lower to the same derivation are one package', async (t) => {
  using made = temporaryChannel({
    'a.ts': `${imports}const make = () => recipe({ name: 'a', version: '1', summary: 's', license: 'MIT', build: steps([['/x']]) })
const [one, two] = [make(), make()]
${recipeText('user', 'tools: [one, two]')}`,
  })
  const evaluation = await evaluate([made.channel])
  t.deepEqual(evaluation.names(), ['a', 'user'])
  t.is(evaluation.packages.find(({ derivation }) => derivation.name === 'user')?.derivation.inputs.length, 1)
})

test('any text of a recipe comes out as it went in', async (t) => {
  const texts = fc.sample(
    fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed() && !text.includes('\0') && !text.includes('@{')),
    { numRuns: 200, seed: 1 },
  )
  using made = temporaryChannel({
    'a.ts': `${imports}${recipeText('a').replace("steps([['/bin/true', out]])", `steps([['/x', ...${JSON.stringify(texts)}]])`)}`,
  })
  const evaluation = await evaluate([made.channel])
  t.deepEqual(first(evaluation).derivation.steps[0]?.args.slice(1), texts)
})

test('the recipe in the style guide works as it stands there', async (t) => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/recipes-api.md'), 'utf8')
  const example = /```ts\n(import \{[^`]*export const lzip[^`]*)```/.exec(page)?.[1]
  if (example === undefined) return t.fail('docs/recipes-api.md has no example')
  using made = temporaryChannel({
    'lzip.ts': example
      .replace(/'\.\.\/toolchain\.ts'/, "'./toolchain.ts'")
      .replace(/sha256: '…'/, `sha256: '${'a'.repeat(64)}'`),
    'toolchain.ts': `${imports}export const toolchain = [${recipeText('tcc', "provides: { sh: 'bin/sh' }").replace(/^export const tcc = |\n$/g, '')}]`,
  })
  t.true((await evaluate([made.channel])).names().includes('lzip'))
})

function inputsOf({ derivation }: EvaluatedPackage): string[] {
  return derivation.inputs.map(({ path }) => path)
}

function pathOf({ derivation, recipeHash }: EvaluatedPackage, output = 'out'): string {
  return storePathOf(recipeHash, derivation.name, derivation.version, output)
}

function first(evaluation: Evaluation): EvaluatedPackage {
  const [found] = evaluation.packages
  if (found === undefined) throw new Error('no package')
  return found
}
