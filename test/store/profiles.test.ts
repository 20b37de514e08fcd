import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { storePathOf } from '../../format/store-path.ts'
import { planForest } from '../../store/forest.ts'
import { encodeManifest, type ProfilePackage, parseManifest } from '../../store/manifest.ts'
import {
  listGenerations,
  listProfiles,
  profileRoot,
  readProfile,
  removeGeneration,
  removeProfile,
  switchToGeneration,
  switchToNewGeneration,
} from '../../store/profiles.ts'
import { readRoots, removeRoot, writeRoot } from '../../store/roots.ts'
import { openStore } from '../../store/store.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { type Files, pathOf, recipeOf, registerFiles, writeFiles } from './support.ts'

const packageOf = (name: string): ProfilePackage => ({
  name,
  version: '1',
  recipe: recipeOf(name),
  paths: [pathOf(name)],
  requested: `${name}@^1`,
  priority: 0,
})

async function storeWith(root: string, packages: Readonly<Record<string, Files>>) {
  const store = openStore({ root, durable: false })
  for (const [name, files] of Object.entries(packages)) await registerFiles(store, name, { out: files })
  return store
}

test('a profile shows the files of its packages', async (t) => {
  const parent = temporaryDirectory(t)
  const root = join(parent, 'here')
  const store = await storeWith(root, {
    a: { 'bin/a': { program: 'a' }, 'share/man/man1/a.1': 'a', 'share/a/x': 'x', 'lib/liba.a': 'a' },
    b: { 'bin/b': { program: 'b' }, 'share/man/man1/b.1': 'b' },
  })
  t.is(readProfile(store, 'default'), undefined)
  const generation = await switchToNewGeneration(store, 'default', {
    packages: [packageOf('b'), packageOf('a')],
    now: 5,
  })
  t.is(generation.number, 1)
  t.deepEqual(
    generation.manifest.packages.map(({ name }) => name),
    ['a', 'b'],
  )
  t.deepEqual(readProfile(store, 'default'), generation)
  const at = profileRoot(store, 'default')
  t.is(readFileSync(join(at, 'bin/a'), 'utf8'), 'a')
  t.is(readFileSync(join(at, 'bin/b'), 'utf8'), 'b')
  t.deepEqual(readdirSync(join(at, 'share/man/man1')), ['a.1', 'b.1'])
  t.true(lstatSync(join(at, 'lib')).isSymbolicLink(), 'a directory of one package is one link')
  t.true(lstatSync(join(at, 'share/a')).isSymbolicLink())
  t.false(readlinkSync(join(at, 'bin/a')).startsWith('/'))
  // The whole root can be moved.
  const moved = join(parent, 'there')
  renameSync(root, moved)
  t.is(readFileSync(join(moved, 'var/profiles/default/root/bin/b'), 'utf8'), 'b')
})

test('launchers replace the links of programs only', async (t) => {
  const store = await storeWith(temporaryDirectory(t), { a: { 'bin/a': { program: 'a' }, 'share/x': 'x' } })
  const launcher = (path: string, target: string) => `#!/bin/sh\n# ${path} ${target}\n`
  await switchToNewGeneration(store, 'default', { packages: [packageOf('a')], now: 5, launcher })
  const at = join(profileRoot(store, 'default'), 'bin/a')
  t.true(lstatSync(at).isFile())
  t.is(lstatSync(at).mode & 0o111, 0o111)
  t.is(readFileSync(at, 'utf8'), `#!/bin/sh\n# bin/a ${store.physicalPath(pathOf('a'))}/bin/a\n`)
  t.is(readFileSync(join(profileRoot(store, 'default'), 'share/x'), 'utf8'), 'x')
})

test('launchers that are as before are shared with the generation before, and stay when that one goes', async (t) => {
  const store = await storeWith(temporaryDirectory(t), {
    a: { 'bin/a': { program: 'a' } },
    b: { 'bin/b': { program: 'b' } },
  })
  const make = (text: string, ...names: readonly string[]) =>
    switchToNewGeneration(store, 'default', {
      packages: names.map(packageOf),
      now: 5,
      launcher: (path) => `${text} ${path}`,
    })
  await make('x', 'a')
  await make('x', 'a', 'b')
  const at = (number: number, name: string) => join(store.layout.generations, `default/${number}/root/bin/${name}`)
  t.is(lstatSync(at(2, 'a')).ino, lstatSync(at(1, 'a')).ino)
  await removeGeneration(store, 'default', 1)
  t.is(readFileSync(at(2, 'a'), 'utf8'), 'x bin/a')
  t.is(lstatSync(at(2, 'a')).mode & 0o777, 0o755)
  // Another launcher, as after a move of the store, is written.
  await make('y', 'a', 'b')
  t.is(readFileSync(at(3, 'a'), 'utf8'), 'y bin/a')
  t.is(readFileSync(at(2, 'a'), 'utf8'), 'x bin/a')
})

const collisions: readonly [string, Files, Files, string][] = [
  ['the same file', { 'bin/x': 'a' }, { 'bin/x': 'b' }, 'bin/x'],
  ['a file and a directory', { 'share/x': 'a' }, { 'share/x/y': 'b' }, 'share/x'],
  ['a link and a file', { 'share/x': { link: 'y' } }, { 'share/x': 'b' }, 'share/x'],
]
for (const [title, a, b, path] of collisions) {
  test(`a collision (${title}) names both packages and the file`, async (t) => {
    const store = await storeWith(temporaryDirectory(t), { a, b })
    await switchToNewGeneration(store, 'default', { packages: [packageOf('a')], now: 5 })
    const packages = [packageOf('a'), packageOf('b')]
    const error = await t.throwsAsync(switchToNewGeneration(store, 'default', { packages, now: 5 }), {
      code: 'ABN_PROFILE_COLLISION',
    })
    t.is(error?.message, `a@1 and b@1 both bring ${path}`)
    t.is(readProfile(store, 'default')?.number, 1)
    t.deepEqual(listGenerations(store, 'default'), [1])
  })
}

const winners: readonly [string, Files, Files, Readonly<Record<string, string>>][] = [
  [
    'a file',
    { 'bin/x': 'a', 'bin/a': 'a' },
    { 'bin/x': 'b', 'bin/b': 'b' },
    { 'bin/x': 'b', 'bin/a': 'a', 'bin/b': 'b' },
  ],
  [
    'a directory over a file',
    { 'share/x': 'a', 'share/a': 'a' },
    { 'share/x/y': 'b' },
    { 'share/x/y': 'b', 'share/a': 'a' },
  ],
  [
    'a file over a directory',
    { 'share/x/y': 'a', 'share/a': 'a' },
    { 'share/x': 'b' },
    { 'share/x': 'b', 'share/a': 'a' },
  ],
  [
    'directories merge all the same',
    { 'share/x/a': 'a' },
    { 'share/x/b': 'b' },
    { 'share/x/a': 'a', 'share/x/b': 'b' },
  ],
]
for (const [title, a, b, shown] of winners) {
  test(`a higher priority settles a collision: ${title}`, async (t) => {
    const store = await storeWith(temporaryDirectory(t), { a, b })
    const packages = [packageOf('a'), { ...packageOf('b'), priority: 1 }]
    await switchToNewGeneration(store, 'default', { packages, now: 5 })
    const root = profileRoot(store, 'default')
    for (const [path, text] of Object.entries(shown)) t.is(readFileSync(join(root, path), 'utf8'), text)
    t.is(readProfile(store, 'default')?.manifest.packages[1]?.priority, 1)
    // The same packages with the priorities the other way round show the other file, so that it was not their order.
    const others = [
      { ...packageOf('a'), priority: 1 },
      { ...packageOf('b'), priority: -1 },
    ]
    await switchToNewGeneration(store, 'default', { packages: others, now: 5 })
    for (const [path, content] of Object.entries(a)) t.is(readFileSync(join(root, path), 'utf8'), String(content))
  })
}

test('a file with a priority between two directories: what is above it merges, what is below is left out', async (t) => {
  const files = { a: { 'share/x/a': 'a' }, b: { 'share/x': 'b' }, c: { 'share/x/c': 'c' } }
  const store = await storeWith(temporaryDirectory(t), files)
  const show = async (...priorities: readonly [number, number, number]) => {
    const packages = ['a', 'b', 'c'].map((name, i) => ({ ...packageOf(name), priority: priorities[i] ?? 0 }))
    await switchToNewGeneration(store, 'default', { packages, now: 5 })
    const at = join(profileRoot(store, 'default'), 'share/x')
    return lstatSync(at).isDirectory() ? readdirSync(at) : readFileSync(at, 'utf8')
  }
  t.is(await show(0, 2, 1), 'b')
  t.deepEqual(await show(0, 1, 2), ['a', 'c'])
  await t.throwsAsync(show(2, 2, 1), { code: 'ABN_PROFILE_COLLISION' })
})

test('two links to one file are no collision', async (t) => {
  const root = temporaryDirectory(t)
  const store = await storeWith(root, { a: { 'bin/x': { program: 'x' } } })
  await registerFiles(store, 'b', { out: { 'bin/x': { link: `${pathOf('a')}/bin/x` } } }, { candidates: [pathOf('a')] })
  // Where the store is not at /abn/store, such a link leads nowhere on this machine, and they cannot be told to be the same.
  const packages = [packageOf('a'), packageOf('b')]
  await t.throwsAsync(switchToNewGeneration(store, 'default', { packages, now: 5 }), { code: 'ABN_PROFILE_COLLISION' })
  const parts = ['one', 'other'].map((name) => join(root, name))
  for (const part of parts) writeFiles(part, { 'bin/y': { link: '../../target' } })
  writeFileSync(join(root, 'target'), '')
  const nodes = planForest(parts.map((directory) => ({ label: 'p@1', directory })))
  t.deepEqual(
    nodes.map(({ path }) => path),
    ['bin', 'bin/y'],
  )
})

test('links that go in circles end', (t) => {
  const root = temporaryDirectory(t)
  const parts = ['one', 'other'].map((name) => join(root, name))
  const circles: Files = {
    'a/x': { link: '../b' },
    'a/z': { link: '.' },
    'b/y': { link: '../a' },
    'b/w': { link: '.' },
  }
  for (const [i, part] of parts.entries()) writeFiles(part, { ...circles, [`a/${i}`]: '' })
  const sources = parts.map((directory, i) => ({ label: `p${i}@1`, directory, priority: i }))
  const nodes = planForest(sources)
  t.true(nodes.length < 200, String(nodes.length))
  t.throws(() => planForest(sources.map((source) => ({ ...source, priority: 0 }))), { code: 'ABN_PROFILE_COLLISION' })
})

test('outputs of one package that collide are told apart', async (t) => {
  const store = openStore({ root: temporaryDirectory(t), durable: false })
  await registerFiles(store, 'a', { out: { x: 'o' }, dev: { x: 'd' } })
  const packages = [{ ...packageOf('a'), paths: [pathOf('a'), pathOf('a', 'dev')].sort() }]
  const error = await t.throwsAsync(switchToNewGeneration(store, 'default', { packages, now: 5 }))
  t.regex(error?.message ?? '', /a@1 \(dev\)/)
})

test('manifests without priorities are format 1, with priorities format 2, and a newer one is refused as such', (t) => {
  const plain = { at: 5, packages: [packageOf('a')] }
  const ranked = { at: 5, packages: [{ ...packageOf('a'), priority: -3 }] }
  const texts = [plain, ranked].map((manifest) => Buffer.from(encodeManifest(manifest)).toString())
  t.regex(texts[0] ?? '', /"format":1/)
  t.notRegex(texts[0] ?? '', /priority/)
  t.regex(texts[1] ?? '', /"format":2.*"priority":-3/)
  for (const [i, manifest] of [plain, ranked].entries()) {
    t.deepEqual(parseManifest(Buffer.from(texts[i] ?? '')), manifest)
  }
  const wrong: readonly [text: string, code: string][] = [
    [texts[0]?.replace('"format":1', '"format":3') ?? '', 'ABN_STORE_NEWER'],
    [`{"format":9,"something":"new"}`, 'ABN_STORE_NEWER'],
    [texts[0]?.replace('"format":1', '"format":2') ?? '', 'ABN_PROFILE_INVALID'],
    [texts[1]?.replace('"format":2', '"format":1') ?? '', 'ABN_PROFILE_INVALID'],
    [texts[1]?.replace('-3', '0') ?? '', 'ABN_PROFILE_INVALID'],
    [texts[1]?.replace('-3', '1001') ?? '', 'ABN_PROFILE_INVALID'],
    [texts[1]?.replace('-3', '0.5') ?? '', 'ABN_PROFILE_INVALID'],
    [texts[0]?.replace('"format":1', '"format":0') ?? '', 'ABN_PROFILE_INVALID'],
    ['{}', 'ABN_PROFILE_INVALID'],
    ['[]', 'ABN_PROFILE_INVALID'],
  ]
  for (const [text, code] of wrong) t.throws(() => parseManifest(Buffer.from(text)), { code }, text)
})

test('docs/formats/profile.md', (t) => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/formats/profile.md'), 'utf8')
  const text = /```json example=manifest\n(.*)\n```/.exec(page)?.[1] ?? ''
  const manifest = parseManifest(Buffer.from(text))
  t.is(Buffer.from(encodeManifest(manifest)).toString(), text)
  t.deepEqual(manifest.packages[0]?.priority, 5)
  const recipe = manifest.packages[0]?.recipe ?? recipeOf('')
  t.deepEqual(manifest.packages[0]?.paths, [storePathOf(recipe, 'greeting', '1.0', 'out')])
})

test('the clock never decides: generations with times that run backwards keep the order of their numbers', async (t) => {
  const store = await storeWith(temporaryDirectory(t), { a: { 'bin/a': 'a' } })
  for (const now of [2_000_000_000, 1000, -5]) {
    await switchToNewGeneration(store, 'default', { packages: [packageOf('a')], now })
  }
  t.deepEqual(listGenerations(store, 'default'), [1, 2, 3])
  t.is(readProfile(store, 'default')?.number, 3)
  t.is(readProfile(store, 'default')?.manifest.at, 0)
})

test('a generation whose packages are gone is not switched to', async (t) => {
  const store = await storeWith(temporaryDirectory(t), { a: { 'bin/a': 'a' }, b: { 'bin/b': 'b' } })
  await switchToNewGeneration(store, 'default', { packages: [packageOf('a')], now: 1 })
  await switchToNewGeneration(store, 'default', { packages: [packageOf('b')], now: 1 })
  rmSync(join(store.layout.items, `${pathOf('a').split('/').at(-1)}.json`))
  await t.throwsAsync(switchToGeneration(store, 'default', 1), { code: 'ABN_ITEM_MISSING' })
  t.is(readProfile(store, 'default')?.number, 2)
})

test('a profile is removed with its generations; what a crash left of one can be removed too', async (t) => {
  const store = await storeWith(temporaryDirectory(t), { a: { 'bin/a': 'a' } })
  for (const profile of ['default', 'work']) {
    await switchToNewGeneration(store, profile, { packages: [packageOf('a')], now: 1 })
  }
  await removeProfile(store, 'work')
  t.deepEqual(listProfiles(store), ['default'])
  t.deepEqual(listGenerations(store, 'work'), [])
  await t.throwsAsync(removeProfile(store, 'work'), { code: 'ABN_PROFILE_INVALID' })
  rmSync(join(store.layout.profiles, 'default'))
  t.deepEqual(listProfiles(store), ['default'])
  await removeProfile(store, 'default')
  t.deepEqual(listProfiles(store), [])
})

test('generations are numbered, switched between and removed', async (t) => {
  const store = await storeWith(temporaryDirectory(t), { a: { 'bin/a': 'a' }, b: { 'bin/b': 'b' } })
  await switchToNewGeneration(store, 'default', { packages: [packageOf('a')], now: 1 })
  await switchToNewGeneration(store, 'default', { packages: [packageOf('a'), packageOf('b')], now: 2, basedOn: 1 })
  await t.throwsAsync(switchToNewGeneration(store, 'default', { packages: [], now: 3, basedOn: 1 }), {
    code: 'ABN_PROFILE_INVALID',
  })
  await switchToGeneration(store, 'default', 1)
  t.is(readProfile(store, 'default')?.number, 1)
  t.false(existsSync(join(profileRoot(store, 'default'), 'bin/b')))
  t.is((await switchToNewGeneration(store, 'default', { packages: [], now: 3 })).number, 3)
  await t.throwsAsync(switchToGeneration(store, 'default', 9), { code: 'ABN_PROFILE_INVALID' })
  await t.throwsAsync(removeGeneration(store, 'default', 3), { code: 'ABN_PROFILE_INVALID' })
  await removeGeneration(store, 'default', 1)
  t.deepEqual(listGenerations(store, 'default'), [2, 3])
  await switchToNewGeneration(store, 'other', { packages: [], now: 3 })
  t.deepEqual(listProfiles(store), ['default', 'other'])
  t.deepEqual(readdirSync(store.layout.temporary), [])
})

test('roots are the packages of all generations and the explicit ones', async (t) => {
  const store = await storeWith(temporaryDirectory(t), { a: {}, b: {}, c: {}, d: {} })
  await switchToNewGeneration(store, 'default', { packages: [packageOf('a')], now: 1 })
  await switchToNewGeneration(store, 'default', { packages: [packageOf('b')], now: 2 })
  writeRoot(store, 'mine', [pathOf('c')])
  t.deepEqual(readRoots(store), [pathOf('a'), pathOf('b'), pathOf('c')].sort())
  removeRoot(store, 'mine')
  t.deepEqual(readRoots(store), [pathOf('a'), pathOf('b')].sort())
  t.throws(() => writeRoot(store, '../x', []), { code: 'ABN_PROFILE_INVALID' })
})

test('packages that are missing, and profiles that are damaged, are errors', async (t) => {
  const store = await storeWith(temporaryDirectory(t), { a: {} })
  await t.throwsAsync(switchToNewGeneration(store, 'default', { packages: [packageOf('b')], now: 1 }), {
    code: 'ABN_ITEM_MISSING',
  })
  await t.throwsAsync(switchToNewGeneration(store, '../x', { packages: [], now: 1 }), { code: 'ABN_PROFILE_INVALID' })
  await switchToNewGeneration(store, 'default', { packages: [packageOf('a')], now: 1 })
  writeFileSync(join(store.layout.generations, 'default/1/manifest.json'), '{}')
  t.throws(() => readProfile(store, 'default'), { code: 'ABN_PROFILE_INVALID' })
  const link = join(store.layout.profiles, 'default')
  rmSync(link)
  symlinkSync('../../elsewhere/1', link)
  t.throws(() => readProfile(store, 'default'), { code: 'ABN_PROFILE_INVALID' })
  rmSync(link)
  writeFileSync(link, '')
  t.throws(() => readProfile(store, 'default'), { code: 'ABN_PROFILE_INVALID' })
})
