// One module that is broken takes out itself and what needs it, and nothing else; a person learns why.
import test from 'ava'
import { brokenModules } from '../../../builder/evaluate/broken.ts'
import { evaluate } from '../../../builder/evaluate/evaluate.ts'
import type { Evaluation } from '../../../builder/evaluate/evaluation.ts'
import { findEntry } from '../../../builder/evaluate/find.ts'
import { evaluationOrder } from '../../../builder/evaluate/order.ts'
import { AbnError } from '../../../format/errors.ts'
import { imports, recipeText, temporaryChannel } from './temporary-channel.ts'

const good = `${imports}${recipeText('good')}`
const user = (name: string, from: string) =>
  `${imports}import { ${from} } from './${from}.ts'\n${recipeText(name, `tools: [${from}]`)}`
/** Not only data. */
const run = '\n;[].length\n'

for (const [title, more] of Object.entries({ read: '', interpreted: run })) {
  test(`what imports a broken module is broken too, ${title}`, async (t) => {
    using made = temporaryChannel({
      'a.ts': "throw new Error('oh')",
      'b.ts': user('b', 'a') + more,
      'c.ts': user('c', 'b') + more,
      'good.ts': good + more,
    })
    const evaluation = await evaluate([made.channel])
    t.deepEqual(evaluation.names(), ['good'])
    t.deepEqual(codes(evaluation), {
      'recipes/packages/a.ts': 'ABN_RECIPE_EXCEPTION',
      'recipes/packages/b.ts': 'ABN_RECIPE_NEEDS_BROKEN',
      'recipes/packages/c.ts': 'ABN_RECIPE_NEEDS_BROKEN',
    })
    const said = evaluation.broken.find(({ module }) => module.endsWith('c.ts'))?.message ?? ''
    t.regex(
      said,
      /^recipes\/packages\/c\.ts:2:\d+: it imports recipes\/packages\/b\.ts, which is broken: .*a\.ts:1:\d+: .*oh$/,
    )
  })

  test(`a recipe that is refused takes out those made with it, not its module, ${title}`, async (t) => {
    using made = temporaryChannel({
      'a.ts': `${imports}${recipeText('a', "homepage: 'none'")}${recipeText('other')}${more}`,
      'b.ts': user('b', 'a') + more,
      'c.ts': user('c', 'b') + more,
      'good.ts': good + more,
    })
    const evaluation = await evaluate([made.channel])
    t.deepEqual(evaluation.names(), ['good', 'other'])
    t.deepEqual(
      evaluation.broken.map(({ names, code }) => [...names, code]),
      [
        ['a', 'ABN_RECIPE_INVALID'],
        ['b', 'ABN_RECIPE_NEEDS_BROKEN'],
        ['c', 'ABN_RECIPE_NEEDS_BROKEN'],
      ],
    )
    t.regex(
      evaluation.broken[2]?.message ?? '',
      /^recipes\/packages\/c\.ts:.* it needs a broken recipe: .*a\.ts:.*homepage/,
    )
  })
}

test('who asks for a package of a broken module is told what is wrong there', async (t) => {
  using made = temporaryChannel({
    'a.ts': `${imports}${recipeText('thing')}`.replace("'1.0'", "'1.0' +"),
    'good.ts': good,
  })
  const evaluation = await evaluate([made.channel])
  for (const name of ['thing', 'a']) {
    const error = await t.throwsAsync(findEntry(evaluation, name), { instanceOf: AbnError, code: 'ABN_RECIPE_SYNTAX' })
    t.regex(error?.message ?? '', new RegExp(`^the recipe of ${name} is broken: recipes/packages/a\\.ts:2:\\d+: `))
  }
  t.is((await findEntry(evaluation, 'good')).name, 'good')
  await t.throwsAsync(findEntry(evaluation, 'nothing'), { code: 'ABN_PACKAGE_UNKNOWN' })
})

test('several that end the thread, one after the other', async (t) => {
  using made = temporaryChannel({
    'a.ts': 'for (;;);',
    'b.ts': 'const all = []\nfor (;;) all.push([all.length])',
    'c.ts': user('c', 'a'),
    'good.ts': good + run,
  })
  const evaluation = await evaluate([made.channel], { limits: { seconds: 0.5, memoryBytes: 32 << 20 } })
  t.deepEqual(evaluation.names(), ['good'])
  t.is(codes(evaluation)['recipes/packages/a.ts'], 'ABN_RECIPE_TIME_LIMIT')
  t.regex(codes(evaluation)['recipes/packages/b.ts'] ?? '', /^ABN_RECIPE_(MEMORY|TIME)_LIMIT$/)
  t.is(codes(evaluation)['recipes/packages/c.ts'], 'ABN_RECIPE_NEEDS_BROKEN')
})

test('too many that end the thread are an error', async (t) => {
  using made = temporaryChannel(Object.fromEntries([1, 2, 3, 4, 5, 6].map((i) => [`x${i}.ts`, 'for (;;);'])))
  await t.throwsAsync(evaluate([made.channel], { limits: { seconds: 0.2 } }), { code: 'ABN_RECIPE_TIME_LIMIT' })
})

test('who is slow when it is asked for its exports is to blame, not who comes after', async (t) => {
  using made = temporaryChannel({
    'a.ts': `${imports}${recipeText('a')}export const x = { toJSON: () => { for (;;); } }`,
    'b.ts': `${imports}${recipeText('b')}${run}`,
  })
  const evaluation = await evaluate([made.channel], { limits: { seconds: 0.5 } })
  t.deepEqual(codes(evaluation), { 'recipes/packages/a.ts': 'ABN_RECIPE_TIME_LIMIT' })
  t.deepEqual(evaluation.names(), ['b'])
})

test('modules that import each other in a circle', async (t) => {
  const circle = {
    'a.ts': `${imports}import { b } from './b.ts'\n${recipeText('a', 'tools: [b]')}export const f = () => 1\n`,
    'b.ts': `${imports}import { f } from './a.ts'\n${recipeText('b')}export const g = () => f()\n`,
  }
  using whole = temporaryChannel({ ...circle, 'good.ts': user('good', 'b') })
  t.deepEqual((await evaluate([whole.channel])).names(), ['a', 'b', 'good'])
  using broken = temporaryChannel({ ...circle, 'b.ts': `${circle['b.ts']}+`, 'good.ts': good })
  const evaluation = await evaluate([broken.channel])
  t.deepEqual(evaluation.names(), ['good'])
  t.is(codes(evaluation)['recipes/packages/b.ts'], 'ABN_RECIPE_SYNTAX')
})

test('of two packages of one name and version in a channel the first module has it', async (t) => {
  const text = (command: string) => `${imports}${recipeText('a').replace('/bin/true', command)}`
  using made = temporaryChannel({
    'a.ts': text('/first'),
    'b.ts': text('/second'),
    'c.ts': user('c', 'b').replace('{ b }', '{ a as b }'),
  })
  const evaluation = await evaluate([made.channel])
  t.deepEqual(codes(evaluation), { 'recipes/packages/b.ts': 'ABN_RECIPE_DUPLICATE' })
  const found = evaluation.load(await findEntry(evaluation, 'a'))
  t.is(found.derivation.steps[0]?.args[0], '/first')
  // The other can be built with all the same.
  t.true(evaluation.names().includes('c'))
})

test('no number of a recipe is lost by a module that catches an error', async (t) => {
  const bad = "{ name: 'bad', version: '1', summary: 's', license: 'MIT', build: steps([['x']])"
  using made = temporaryChannel({
    'a.ts': `${imports}
      for (const wrong of [${bad}, outputs: ['dev'] }, ${bad}, provides: { x: 1 } }, ${bad}, build: () => { throw 1 } }, ${bad}, x: 1n },
        { get name() { return recipe(${bad.replace("'bad'", "'inner'")} }).name }, version: '1' }]) {
        try { recipe(wrong) } catch {}
      }
      ${recipeText('a')}`,
    'b.ts': user('b', 'a') + run,
  })
  const evaluation = await evaluate([made.channel])
  const b = evaluation.packages.find(({ derivation }) => derivation.name === 'b')
  t.deepEqual(
    b?.derivation.inputs.map(({ path }) => path.replace(/^.*?-/, '')),
    ['a-1.0'],
  )
})

test('modules come after what they import, those that are only data last', (t) => {
  const texts = {
    'z/a.ts': "import { b } from './b.ts'\nexport const a = [b]",
    'z/b.ts': 'export const b = 1',
    'z/c.ts': "import { d } from './d.ts'\nexport const c = d.length",
    'z/d.ts': "import { e } from './e.ts'\nexport const d = e",
    'z/e.ts': "export const e = ''",
    'z/f.ts': "import { g } from './g.ts'\nexport const f = 1",
    'z/g.ts': "import { f } from './f.ts'\nexport const g = 1",
    'z/h.ts': "import { h } from './h.ts'\nexport const i = 1",
  }
  const modules = Object.entries(texts).map(([id, text]) => ({ id, text }))
  const channels = [{ name: 'abnpkg', directory: '/', modules: 'z' }]
  const ids = (forced: boolean) => {
    const { interpreted, literal } = evaluationOrder(modules, channels, () => forced)
    return [interpreted.map(({ id }) => id[2]).join(''), literal.map(({ id }) => id[2]).join('')]
  }
  t.deepEqual(ids(false), ['edcfgh', 'ba'])
  t.deepEqual(ids(true), ['baedcfgh', ''])
})

test('names are guessed where nothing was evaluated', (t) => {
  const text = "recipe({ name: 'one' }); recipe({ name: \"two\" }); const name: string = 'three'"
  const problem = { kind: 'syntax', name: '', message: 'm', frames: ['x/y.ts:1:1'] } as const
  const [broken] = brokenModules([{ id: 'x/y.ts', text }], new Map([['x/y.ts', problem]]), [])
  t.deepEqual(broken?.names, ['y', 'one', 'two'])
})

function codes({ broken }: Evaluation): Readonly<Record<string, string>> {
  return Object.fromEntries(broken.map(({ module, code }) => [module, code]))
}
