// What is remembered of evaluations: found by the state of the files, found by their contents, remade when damaged, never wrong.
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { EvaluationCache } from '../../../builder/evaluate/cache.ts'
import { type EvaluateOptions, evaluate } from '../../../builder/evaluate/evaluate.ts'
import type { Evaluation } from '../../../builder/evaluate/evaluation.ts'
import { AbnError } from '../../../format/errors.ts'
import { imports, recipeText, type TemporaryChannel, temporaryChannel } from './temporary-channel.ts'

const files = {
  'a.ts': `${imports}${recipeText('a', "source: local('recipes/files/a')")}`,
  'b.ts': `${imports}import { a } from './a.ts'\n${recipeText('b', 'tools: [a]')}`,
  'recipes/files/a': 'one',
}

test('the second time nothing is evaluated', async (t) => {
  using made = temporaryChannel(files)
  const options = { cacheDirectory: made.cacheDirectory }
  const before = await evaluate([made.channel], options)
  // Evaluation would end in an error at once.
  const after = await evaluate([made.channel], { ...options, limits: { seconds: 0 } })
  t.deepEqual(after.packages, before.packages)
  t.deepEqual(after.packages, (await evaluate([made.channel])).packages)
})

test('unchanged files are recognised by their state alone', async (t) => {
  using made = temporaryChannel(files)
  await evaluate([made.channel], { cacheDirectory: made.cacheDirectory })
  t.is(readUnchanged(made), undefined, 'too fresh: a change might leave the same times')
  await settle(made)
  t.deepEqual(readUnchanged(made)?.names(), ['a', 'b'])
})

const changes: Readonly<Record<string, (made: TemporaryChannel) => void>> = {
  'a module that is written again': (made) => made.write('recipes/packages/a.ts', files['a.ts']),
  'a module that grows': (made) => made.write('recipes/packages/a.ts', `${files['a.ts']}\n`),
  'a module that is replaced by one of the same size and time': (made) => {
    const path = join(made.channel.directory, 'recipes/packages/a.ts')
    writeFileSync(`${path}.new`, files['a.ts'].replace("'s'", "'t'"))
    utimesSync(`${path}.new`, old, old)
    renameSync(`${path}.new`, path)
  },
  'a new module': (made) => made.write('recipes/packages/c.ts', ''),
  'a new directory': (made) => made.write('recipes/packages/deep/c.ts', ''),
  'a module that is gone': (made) => rmSync(join(made.channel.directory, 'recipes/packages/b.ts')),
  'another local file': (made) => made.write('recipes/files/a', 'two'),
  'a local file that is gone': (made) => rmSync(join(made.channel.directory, 'recipes/files/a')),
  'another mode': (made) => chmodSync(join(made.channel.directory, 'recipes/files/a'), 0o600),
}

for (const [title, change] of Object.entries(changes)) {
  test(`seen: ${title}`, async (t) => {
    using made = temporaryChannel(files)
    await evaluate([made.channel], { cacheDirectory: made.cacheDirectory })
    await settle(made)
    t.truthy(readUnchanged(made))
    change(made)
    t.is(readUnchanged(made), undefined)
  })
}

test('a result is found again when files come back', async (t) => {
  using made = temporaryChannel(files)
  const options = { cacheDirectory: made.cacheDirectory }
  const before = await evaluate([made.channel], options)
  made.write('recipes/packages/a.ts', files['a.ts'].replace("'1.0'", "'1.1'"))
  const between = await evaluate([made.channel], options)
  t.not(between.entriesNamed('b')[0]?.recipeHash, before.entriesNamed('b')[0]?.recipeHash)
  made.write('recipes/packages/a.ts', files['a.ts'])
  t.deepEqual((await evaluate([made.channel], { ...options, limits: { seconds: 0 } })).packages, before.packages)
})

test('another local file is another result', async (t) => {
  using made = temporaryChannel(files)
  const options = { cacheDirectory: made.cacheDirectory }
  const before = await evaluate([made.channel], options)
  made.write('recipes/files/a', 'two')
  const after = await evaluate([made.channel], options)
  t.not(after.entriesNamed('b')[0]?.recipeHash, before.entriesNamed('b')[0]?.recipeHash)
  t.deepEqual(after.packages, (await evaluate([made.channel])).packages)
})

const damages: Readonly<Record<string, (path: string) => void>> = {
  emptied: (path) => writeFileSync(path, ''),
  'cut short': (path) => writeFileSync(path, readFileSync(path).subarray(0, -9)),
  'filled with zeros': (path) => writeFileSync(path, Buffer.alloc(readFileSync(path).length)),
  'another version': (path) => writeFileSync(path, readFileSync(path, 'utf8').replace('"version":1', '"version":9')),
  'a wrong digit': (path) =>
    writeFileSync(path, readFileSync(path, 'utf8').replace(/[0-9a-f](?=[0-9a-f]{20},?")/g, 'x')),
  'not JSON': (path) => writeFileSync(path, `{${readFileSync(path, 'utf8')}`),
  'a directory': (path) => {
    rmSync(path)
    writeFileSync(`${path}.not`, '')
    renameSync(`${path}.not`, path)
  },
  removed: (path) => rmSync(path),
}

for (const [title, damage] of Object.entries(damages)) {
  for (const kind of ['index', 'state'] as const) {
    test(`${title}: ${kind} is made again`, async (t) => {
      using made = temporaryChannel(files)
      const options = { cacheDirectory: made.cacheDirectory }
      const before = await evaluate([made.channel], options)
      await settle(made)
      damage(cacheFile(made, kind))
      t.deepEqual((await evaluate([made.channel], options)).packages, before.packages)
      await settle(made)
      t.deepEqual(readUnchanged(made)?.packages, before.packages)
    })
  }
}

test('data that is cut short is made again', async (t) => {
  using made = temporaryChannel(files)
  const options = { cacheDirectory: made.cacheDirectory }
  const before = await evaluate([made.channel], options)
  await settle(made)
  damages['cut short']?.(cacheFile(made, 'data'))
  t.deepEqual((await evaluate([made.channel], options)).packages, before.packages)
})

test('data that is damaged within is noticed when it is read, removed, and made again', async (t) => {
  using made = temporaryChannel(files)
  const options = { cacheDirectory: made.cacheDirectory }
  const before = await evaluate([made.channel], options)
  const path = cacheFile(made, 'data')
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll('/bin/true', '/bin/fals'))
  const evaluation = await evaluate([made.channel], options)
  const error = t.throws(() => evaluation.packages, { instanceOf: AbnError })
  t.is(error.code, 'ABN_EVALUATION_CACHE_DAMAGED')
  t.false(existsSync(path))
  t.deepEqual((await evaluate([made.channel], options)).packages, before.packages)
})

test('a cache that cannot be written does not matter', async (t) => {
  using made = temporaryChannel(files)
  made.write('file', '')
  const cacheDirectory = join(made.channel.directory, 'file')
  t.deepEqual((await evaluate([made.channel], { cacheDirectory })).names(), ['a', 'b'])
})

test('what is broken is remembered with the rest', async (t) => {
  using made = temporaryChannel({ ...files, 'c.ts': 'throw new Error()' })
  const options: EvaluateOptions = { cacheDirectory: made.cacheDirectory }
  const { broken } = await evaluate([made.channel], options)
  t.deepEqual(
    broken.map(({ module, code }) => [module, code]),
    [['recipes/packages/c.ts', 'ABN_RECIPE_EXCEPTION']],
  )
  await settle(made)
  t.deepEqual(readUnchanged(made)?.broken, broken)
  made.write('recipes/packages/c.ts', `${imports}${recipeText('c')}`)
  const after = await evaluate([made.channel], options)
  t.deepEqual([after.names(), after.broken], [['a', 'b', 'c'], []])
})

test('what is broken for the time being is not remembered', async (t) => {
  using made = temporaryChannel({ 'a.ts': 'for (;;);', 'b.ts': `${imports}${recipeText('b')}` })
  const options: EvaluateOptions = { cacheDirectory: made.cacheDirectory }
  t.is(
    (await evaluate([made.channel], { ...options, limits: { seconds: 0.2 } })).broken[0]?.code,
    'ABN_RECIPE_TIME_LIMIT',
  )
  t.false(existsSync(made.cacheDirectory))
  made.write('recipes/packages/a.ts', `${imports}${recipeText('a', "source: local('recipes/files/a')")}`)
  t.is((await evaluate([made.channel], options)).broken[0]?.code, 'ABN_RECIPE_LOCAL_FILE')
  made.write('recipes/files/a', 'now')
  const after = await evaluate([made.channel], options)
  t.deepEqual([after.names(), after.broken], [['a', 'b'], []])
})

test('several at once agree, and old results go', async (t) => {
  using made = temporaryChannel(files)
  const options = { cacheDirectory: made.cacheDirectory }
  const all = await Promise.all([1, 2, 3].map(() => evaluate([made.channel], options)))
  for (const each of all) t.deepEqual(each.packages, all[0]?.packages)
  for (let i = 0; i < 10; i++) {
    made.write('recipes/packages/c.ts', `// ${i}`)
    await evaluate([made.channel], options)
  }
  const kept = readdirSync(made.cacheDirectory)
  t.is(kept.filter((name) => name.endsWith('.index')).length, 8)
  t.is(kept.filter((name) => name.endsWith('.data')).length, 8)
  t.deepEqual(
    kept.filter((name) => name.endsWith('.tmp')),
    [],
  )
})

const old = new Date(Date.now() - 3_600_000)

function readUnchanged(made: TemporaryChannel): Evaluation | undefined {
  return new EvaluationCache(made.cacheDirectory, [made.channel]).readUnchanged()
}

/** As if two seconds had passed: the state is taken for one that was noted later. */
async function settle(made: TemporaryChannel): Promise<void> {
  await evaluate([made.channel], { cacheDirectory: made.cacheDirectory })
  const path = cacheFile(made, 'state')
  const state = JSON.parse(readFileSync(path, 'utf8'))
  writeFileSync(path, JSON.stringify({ ...state, looked: state.looked + 3_600_000 }))
}

function cacheFile(made: TemporaryChannel, kind: 'index' | 'data' | 'state'): string {
  const name = readdirSync(made.cacheDirectory).find((each) =>
    kind === 'state' ? each.startsWith(kind) : each.endsWith(kind),
  )
  if (name === undefined) throw new Error(`no ${kind}`)
  return join(made.cacheDirectory, name)
}
