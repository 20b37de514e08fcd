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
import type { ProfilePackage } from '../../store/manifest.ts'
import {
  listGenerations,
  listProfiles,
  profileRoot,
  readProfile,
  removeGeneration,
  switchToGeneration,
  switchToNewGeneration,
} from '../../store/profiles.ts'
import { readRoots, removeRoot, writeRoot } from '../../store/roots.ts'
import { openStore } from '../../store/store.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { type Files, pathOf, recipeOf, registerFiles } from './support.ts'

const packageOf = (name: string): ProfilePackage => ({
  name,
  version: '1',
  recipe: recipeOf(name),
  paths: [pathOf(name)],
  requested: `${name}@^1`,
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
