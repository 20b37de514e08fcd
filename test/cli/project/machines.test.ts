// One lock on several machines: the same bits, or an error that says what differs.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { storeItemOf } from '../../../format/store-path.ts'
import { outputDigestOfDirectory } from '../../../store/output-digest.ts'
import { readRoots } from '../../../store/roots.ts'
import { openStore } from '../../../store/store.ts'
import { users } from '../../builder/sandbox/_support/harness.ts'
import {
  abnpkgIn,
  abnpkgWith,
  copyProject,
  lockIn,
  lockTextIn,
  type ProjectHome,
  projectHome,
  writeLock,
} from './support.ts'

/** Hashed from the files on disk, not taken from the store's records. */
function digestsOnDisk(home: ProjectHome): Record<string, string> {
  const store = openStore({ root: home.root, durable: false })
  const paths = lockIn(home).packages.flatMap(({ outputs, needs }) => [...outputs, ...needs])
  return Object.fromEntries(
    paths.map(({ path }) => [path, outputDigestOfDirectory(store.physicalPath(path), storeItemOf(path)).outputDigest]),
  )
}

test('the same lock gives the same bits, in another root and to another user', async (t) => {
  const first = projectHome(t)
  const added = await abnpkgIn(first, 'add', 'needy')
  t.is(added.status, 0, added.text)
  t.is((await abnpkgIn(first, 'add', '--dev', 'beta@^1')).status, 0)
  const lock = lockIn(first)
  t.deepEqual(
    lock.packages.map(({ name, wanted, group, needs }) => [name, wanted, group, needs.length]),
    [
      ['beta', '^1', 'devPackages', 0],
      ['needy', '^2.0.0', 'packages', 1],
    ],
  )
  const expected = digestsOnDisk(first)
  for (const { outputs, needs } of lock.packages)
    for (const { path, digest } of [...outputs, ...needs]) t.is(expected[path], digest)
  for (const { ids } of users) {
    const other = projectHome(t, ids ?? {})
    copyProject(first, other)
    const synced = await abnpkgIn(other, 'sync', '--locked', '--json')
    t.is(synced.status, 0, synced.text)
    t.is(JSON.parse(synced.stdout).realised, 2)
    t.deepEqual(digestsOnDisk(other), expected)
    t.is(lockTextIn(other), lockTextIn(first))
    t.regex((await abnpkgIn(other, 'sync', '--frozen')).stdout, /2 packages as locked, all of it was there/)
    // What is locked stays.
    const roots = readRoots(openStore({ root: other.root }))
    for (const path of Object.keys(expected)) t.true(roots.some((root) => root === path))
  }
})

test('newer recipes do not change what is locked', async (t) => {
  const first = projectHome(t)
  t.is((await abnpkgIn(first, 'add', 'needy')).status, 0)
  const newer = projectHome(t)
  copyProject(first, newer)
  const recipe = join(newer.channel, 'recipes/packages/greet.ts')
  writeFileSync(recipe, readFileSync(recipe, 'utf8').replace('installing greet', 'installing newer greet'))
  for (const mode of ['--frozen', '--locked', '--no-dev']) {
    const refused = await abnpkgIn(newer, 'sync', mode)
    t.is(refused.status, 1)
    t.regex(
      refused.stderr,
      /ABN_LOCKFILE_RECIPE.*needy 2\.0\.0 is locked as recipe [0-9a-f]{64}.*not those with which the lock was made/,
    )
    t.regex(refused.stderr, /hint: .*'abnpkg lock'/)
  }
  t.is(lockTextIn(newer), lockTextIn(first))
  const check = await abnpkgIn(newer, 'lock', '--check', '--json')
  t.is(check.status, 1)
  t.like(JSON.parse(check.stdout), { changed: true, changes: [{ name: 'needy', kind: 'recipe' }] })
  t.regex((await abnpkgIn(newer, 'lock')).stdout, /locked needy 2\.0\.0: made by another recipe/)
  t.is((await abnpkgIn(newer, 'sync', '--locked')).status, 0)
  // And where all of it is there, the recipes are not even read.
  writeFileSync(join(first.channel, 'recipes/packages/greet.ts'), 'this is no recipe')
  t.is((await abnpkgIn(first, 'sync')).status, 0)
})

test('a build that gives other bits is told of', async (t) => {
  const first = projectHome(t)
  t.is((await abnpkgIn(first, 'add', 'noisy')).status, 0)
  const other = projectHome(t)
  copyProject(first, other)
  const refused = await abnpkgIn(other, 'sync')
  t.is(refused.status, 1)
  const [locked = ''] = lockIn(first).packages.flatMap(({ outputs }) => outputs.map(({ digest }) => digest as string))
  t.regex(
    refused.stderr,
    /ABN_LOCKFILE_DIFFERS\]: noisy 1: \/abn\/store\/\S+-noisy-1\n {2}expected [0-9a-f]{64}, as locked/,
  )
  t.true(refused.stderr.includes(locked))
  t.regex(refused.stderr, /got {6}[0-9a-f]{64}, which is in the store, built on this machine/)
  const updated = await abnpkgIn(other, 'update', 'noisy')
  t.regex(updated.stdout, /locked noisy 1: other bits/, updated.text)
  t.is((await abnpkgIn(other, 'sync', '--locked')).status, 0)
})

test('nobody who edits a lock gets other bits', async (t) => {
  const first = projectHome(t)
  t.is((await abnpkgIn(first, 'add', 'needy', 'greet@1.0.0')).status, 0)
  t.is((await abnpkgIn(first, 'add', 'greet')).status, 0)
  const other = projectHome(t)
  const lock = lockIn(first)
  const needs = lock.packages.flatMap((one) => one.needs.map(({ path }) => storeItemOf(path)))[0] ?? ''
  const recipes = lock.packages.map(({ recipe }) => recipe as string)
  const digests = lock.packages.map(({ outputs }) => outputs[0]?.digest as string)
  const attacks: readonly (readonly [what: string, change: (text: string) => string, code: string])[] = [
    ['another digest', (text) => text.replace(`output out ${digests[1]}`, `output out ${'0'.repeat(64)}`), 'DIFFERS'],
    [
      'the digest of another package',
      (text) => text.replace(`output out ${digests[1]}`, `output out ${digests[0]}`),
      'DIFFERS',
    ],
    ['another recipe', (text) => text.replace(recipes[1] ?? '', '0'.repeat(64)), 'RECIPE'],
    ['the recipe of another package', (text) => text.replace(recipes[1] ?? '', recipes[0] ?? ''), 'RECIPE'],
    ['another version of the same recipe', (text) => text.replace('version 2.0.0', 'version 2.0.1'), 'RECIPE'],
    ['a need left out', (text) => text.replace(/ {2}needs .*\n.*\n/, ''), 'DIFFERS'],
    [
      'a need too many',
      (text) => `${text}  needs ${needs.replace('greet', 'hreet')} ${'0'.repeat(64)}\n    built\n`,
      'DIFFERS',
    ],
    ['a need with another digest', (text) => text.replace(/(needs \S+) \S+/, `$1 ${'0'.repeat(64)}`), 'INVALID'],
    [
      'an output too many',
      (text) => text.replace('  output out', `  output doc ${'0'.repeat(64)}\n    built\n  output out`),
      'RECIPE',
    ],
    ['a channel that is not there', (text) => text.replaceAll('channel abnpkg', 'channel mallory'), 'OUTDATED'],
  ]
  for (const [what, change, code] of attacks) {
    copyProject(first, other)
    writeLock(other, change)
    const said = await abnpkgIn(other, 'sync', '--locked')
    t.is(said.status, 1, what)
    t.true(said.stderr.includes(`ABN_LOCKFILE_${code}`), `${what}: ${said.stderr}`)
  }
  copyProject(first, other)
  t.is((await abnpkgIn(other, 'sync', '--locked')).status, 0)
})

test('CI does not change a lock by itself', async (t) => {
  const home = projectHome(t)
  writeFileSync(join(home.project, 'abnpkg.json'), '{"packages":{"greet":"^1"}}')
  t.regex((await abnpkgWith(home, { CI: 'true' }, 'sync')).stderr, /ABN_LOCKFILE_MISSING/)
  t.deepEqual(readdirSync(home.project), ['abnpkg.json'])
  for (const CI of ['false', '0', '']) t.is((await abnpkgWith(home, { CI }, 'sync')).status, 0)
  writeFileSync(join(home.project, 'abnpkg.json'), '{"packages":{"greet":"1.0.0"}}')
  t.regex(
    (await abnpkgWith(home, { CI: 'true' }, 'sync')).stderr,
    /ABN_LOCKFILE_OUTDATED.*greet is locked for \^1, and wanted is 1\.0\.0/,
  )
  t.is((await abnpkgWith(home, { CI: 'true' }, 'sync', '--frozen')).status, 0)
})
