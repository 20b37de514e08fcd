// What recipes of a channel can do to the rest: nothing. They are evaluated in the sandbox that all recipes are evaluated in
// (test/builder/evaluate/hostile.test.ts has more of what they might try), and never beside ours.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { CombinedEvaluation } from '../../../builder/channels/combine.ts'
import { evaluateWith } from '../../../builder/channels/evaluate-channels.ts'
import type { Channel } from '../../../builder/evaluate/channel.ts'
import { evaluate } from '../../../builder/evaluate/evaluate.ts'
import { Evaluation } from '../../../builder/evaluate/evaluation.ts'
import { findEntry, findPackage } from '../../../builder/evaluate/find.ts'
import { AbnError } from '../../../format/errors.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

type Modules = Readonly<Record<string, string>>

const OURS = {
  'one.ts': `import { recipe, steps } from 'abnpkg'
export const flags = ['-O2']
export const table = { level: 1 }
export const one = recipe({ name: 'one', version: '1', summary: 'ours', license: 'MIT', build: steps([['cc', ...flags, String(table.level)]]) })
`,
  'two.ts': `import { recipe, steps } from 'abnpkg'
${'import'} { flags, table } from './one.ts'
export const two = recipe({ name: 'two', version: '1', summary: 'ours', license: 'MIT', build: steps([['cc', ...flags, String(table.level)]]) })
`,
}

function channel(t: ExecutionContext, name: string, modules: Modules): Channel {
  const directory = temporaryDirectory(t)
  for (const [path, text] of Object.entries(modules)) {
    const at = join(directory, 'recipes/packages', path)
    mkdirSync(dirname(at), { recursive: true })
    writeFileSync(at, text)
  }
  return { name, directory, modules: 'recipes/packages' }
}

function packageText(name: string, version = '1', more = ''): string {
  return `import { recipe, steps } from 'abnpkg'
${more}
export const made = recipe({ name: '${name}', version: '${version}', summary: 'theirs', license: 'MIT', build: steps([['true', '${more.length}']]) })
`
}

const signal = new AbortController().signal

test('a name means ours, then that of the first channel; with a channel before it, that one', async (t) => {
  const own = channel(t, 'abnpkg', OURS)
  const first = channel(t, 'first', { 'a.ts': packageText('one', '9'), 'b.ts': packageText('other', '1') })
  const second = channel(t, 'second', { 'b.ts': packageText('other', '2'), 'c.ts': packageText('third') })
  const evaluation = await evaluateWith([first, second], { own, signal })
  const versionOf = async (spec: string) => {
    const { derivation, metadata } = await findPackage(evaluation, spec)
    return `${metadata.channel} ${derivation.version}`
  }
  t.is(await versionOf('one'), 'abnpkg 1')
  t.is(await versionOf('abnpkg:one'), 'abnpkg 1')
  t.is(await versionOf('first:one'), 'first 9')
  t.is(await versionOf('other'), 'first 1')
  t.is(await versionOf('second:other'), 'second 2')
  t.is(await versionOf('third'), 'second 1')
  await t.throwsAsync(versionOf('one@^9'), { code: 'ABN_PACKAGE_VERSION' }, 'not even by a version that only they have')
  await t.throwsAsync(versionOf('second:one'), { code: 'ABN_PACKAGE_UNKNOWN' })
  await t.throwsAsync(versionOf('third:one'), { code: 'ABN_PACKAGE_UNKNOWN' })
  t.deepEqual(evaluation.names(), ['one', 'two', 'first:one', 'first:other', 'second:other', 'second:third'])
})

test('words are looked for in all of them', async (t) => {
  const own = channel(t, 'abnpkg', OURS)
  const games = channel(t, 'games', { 'a.ts': packageText('chess'), 'b.ts': packageText('go') })
  const evaluation = await evaluateWith([games], { own, signal })
  const found = (...words: string[]) => evaluation.entriesWith(words).map(({ name }) => name)
  t.deepEqual(found('chess'), ['games:chess'])
  t.deepEqual(found('games', 'go'), ['games:go'])
  t.deepEqual(found('one'), ['one'])
  const [go] = evaluation.entriesWith(['go'])
  t.is(go && evaluation.load(go).derivation.name, 'go')
})

test('nothing of an evaluation is forgotten where there are several', (t) => {
  const own = new Set(Object.getOwnPropertyNames(CombinedEvaluation.prototype))
  t.deepEqual(
    Object.getOwnPropertyNames(Evaluation.prototype).filter((name) => !own.has(name)),
    [],
  )
})

test('our name and version in a channel is another package, not a mistake', async (t) => {
  const own = channel(t, 'abnpkg', OURS)
  const evaluation = await evaluateWith([channel(t, 'x', { 'a.ts': packageText('one', '1') })], { own, signal })
  t.deepEqual(evaluation.broken, [])
  t.not((await findEntry(evaluation, 'x:one')).recipeHash, (await findEntry(evaluation, 'one')).recipeHash)
})

test('a package of a channel is built with ours', async (t) => {
  const own = channel(t, 'abnpkg', OURS)
  const text = `import { recipe, steps } from 'abnpkg'
import { one } from 'abnpkg/one.ts'
export const made = recipe({ name: 'made', version: '1', summary: 'theirs', license: 'MIT', tools: [one], build: steps([['true']]) })
`
  const evaluation = await evaluateWith([channel(t, 'x', { 'a.ts': text })], { own, signal })
  const { derivation } = await findPackage(evaluation, 'made')
  t.deepEqual(
    derivation.inputs.map(({ recipe }) => evaluation.byHash(recipe)?.metadata.channel),
    ['abnpkg'],
  )
})

test('what a channel changes of ours is changed for itself alone', async (t) => {
  const own = channel(t, 'abnpkg', OURS)
  const change = `import { flags, table } from 'abnpkg/one.ts'\nflags.push('-fbackdoor')\ntable.level = 9`
  const evil = channel(t, 'evil', { 'a.ts': packageText('evil', '1', change) })
  const other = channel(t, 'other', {
    'a.ts': `import { recipe, steps } from 'abnpkg'
import { flags } from 'abnpkg/one.ts'
export const uses = recipe({ name: 'uses', version: '1', summary: 's', license: 'MIT', build: steps([['cc', ...flags]]) })
`,
  })
  const alone = await evaluateWith([other], { own, signal })
  const together = await evaluateWith([evil, other], { own, signal })
  for (const name of ['one', 'two', 'other:uses']) {
    t.is((await findEntry(together, name)).recipeHash, (await findEntry(alone, name)).recipeHash, name)
  }
  t.is((await findEntry(together, 'two')).recipeHash, (await findEntry(await evaluate([own]), 'two')).recipeHash)
})

/** The channel's module does this; ours and another channel's are as if it were not there. */
const harmless = test.macro(async (t, text: string, code: string) => {
  const own = channel(t, 'abnpkg', OURS)
  const good = channel(t, 'good', { 'a.ts': packageText('good') })
  const bad = channel(t, 'bad', { 'bad.ts': text })
  const evaluation = await evaluateWith([bad, good], { own, signal, limits: { seconds: 1 } })
  t.is((await findPackage(evaluation, 'one')).metadata.channel, 'abnpkg')
  t.is((await findPackage(evaluation, 'good')).metadata.channel, 'good')
  t.deepEqual(
    evaluation.broken.map((one) => [one.module.slice(0, 4), one.code]),
    [['bad:', code]],
  )
  const error = await t.throwsAsync(findPackage(evaluation, 'bad:bad'))
  t.true(error instanceof AbnError && error.code === code, String(error))
})

const HEAD = "import { local, recipe, steps } from 'abnpkg'\n"
test('imports Node', harmless, "import 'node:fs'\n", 'ABN_RECIPE_IMPORT')
test('imports a file by its path', harmless, "import '/etc/passwd'\n", 'ABN_RECIPE_IMPORT')
test('imports what lies outside', harmless, "import '../../../../../../etc/x.ts'\n", 'ABN_RECIPE_IMPORT')
test('imports another channel', harmless, "import 'good/a.ts'\n", 'ABN_RECIPE_IMPORT')
test('asks for the time', harmless, `${HEAD}Date.now()\n`, 'ABN_RECIPE_IMPURE')
test('looks for a process', harmless, `${HEAD}process.exit(0)\n`, 'ABN_RECIPE_EXCEPTION')
test('never ends', harmless, `${HEAD}for (;;);\n`, 'ABN_RECIPE_TIME_LIMIT')
test('is no TypeScript', harmless, 'export const x = {\n', 'ABN_RECIPE_SYNTAX')

test('takes a file that is not its own', async (t) => {
  const own = channel(t, 'abnpkg', OURS)
  const recipe = (
    path: string,
  ) => `${HEAD}export const made = recipe({ name: 'made', version: '1', summary: 's', license: 'MIT',
  source: local('${path}'), build: steps([['true']]) })\n`
  const linked = channel(t, 'linked', { 'a.ts': recipe('recipes/secret') })
  symlinkSync('/etc/passwd', join(linked.directory, 'recipes/secret'))
  const outside = channel(t, 'outside', { 'a.ts': recipe('recipes/../../../etc/passwd') })
  const evaluation = await evaluateWith([linked, outside], { own, signal })
  t.deepEqual(
    evaluation.broken.map(({ module, code }) => [module, code]),
    [
      ['linked:recipes/packages/a.ts', 'ABN_RECIPE_LOCAL_FILE'],
      ['outside:recipes/packages/a.ts', 'ABN_RECIPE_INVALID'],
    ],
  )
})

test('a channel that cannot be read at all', async (t) => {
  const own = channel(t, 'abnpkg', OURS)
  const gone = { name: 'gone', directory: '/nonexistent', modules: 'recipes/packages' }
  const evaluation = await evaluateWith([gone], { own, signal })
  t.is((await findPackage(evaluation, 'one')).metadata.channel, 'abnpkg')
  await t.throwsAsync(findPackage(evaluation, 'gone:x'), { code: 'ABN_CHANNEL_UNREADABLE' })
})
