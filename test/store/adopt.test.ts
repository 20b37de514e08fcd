// Many items at once: in order of their references, one round for all that are there, and nothing without what it refers to.
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { parseRecipeHash, sha256Of } from '../../format/hash.ts'
import { storeItemOf, storePathOf } from '../../format/store-path.ts'
import { type Adoptable, createAdopter } from '../../store/adopt.ts'
import type { Item } from '../../store/item.ts'
import { openStore } from '../../store/store.ts'
import { temporaryDirectory } from '../_support/temporary.ts'

type Test = { teardown(action: () => void): void }

function world(t: Test) {
  const store = openStore({ root: temporaryDirectory(t) })
  const make = async (name: string, references: readonly Item[], directory: string): Promise<Adoptable> => {
    const recipe = parseRecipeHash(sha256Of(name))
    const path = storePathOf(recipe, name, '1', 'out')
    const item: Item = {
      format: 1,
      path,
      recipe,
      name,
      version: '1',
      output: 'out',
      outputDigest: sha256Of(`bits of ${name}`),
      bytes: 1,
      references: references.map((one) => one.path).sort(),
      origin: { kind: 'substituted', at: 1, system: 'x86_64-linux', from: 'http://a', decision: sha256Of('why') },
    }
    mkdirSync(`${directory}/${storeItemOf(path)}`)
    writeFileSync(`${directory}/${storeItemOf(path)}/text`, name, { mode: 0o444 })
    return { item, directory: `${directory}/${storeItemOf(path)}` }
  }
  return { store, make }
}

test('what is referred to comes first, in whatever order it is handed over', async (t) => {
  const { store, make } = world(t)
  using workspace = await store.createWorkspace()
  const adopter = createAdopter(store, workspace)
  const low = await make('low', [], workspace.directory)
  const high = await make('high', [low.item], workspace.directory)
  const needs = Promise.withResolvers<void>()
  const second = adopter.adopt([high], needs.promise)
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.false(store.has(high.item.path), 'not without what it refers to')
  await adopter.adopt([low], Promise.resolve())
  await second
  needs.resolve()
  t.deepEqual(store.readItem(high.item.path), high.item)
  t.is(statSync(store.physicalPath(low.item.path)).mode & 0o7777, 0o555)
  t.deepEqual(
    readdirSync(store.layout.items).filter((name) => name.startsWith('.')),
    [],
  )
})

test('nothing comes when what it needs does not', async (t) => {
  const { store, make } = world(t)
  using workspace = await store.createWorkspace()
  const adopter = createAdopter(store, workspace)
  const ghost = await make('ghost', [], workspace.directory)
  const user = await make('user', [ghost.item], workspace.directory)
  await t.throwsAsync(adopter.adopt([user], Promise.reject(new Error('no ghost'))), { message: 'no ghost' })
  const other = await make('other', [ghost.item], workspace.directory)
  await t.throwsAsync(adopter.adopt([other], Promise.resolve()), { code: 'ABN_ITEM_MISSING' })
  t.false(existsSync(store.physicalPath(other.item.path)))
})

test('other bits than those in the store are refused, the same are no work', async (t) => {
  const { store, make } = world(t)
  using workspace = await store.createWorkspace()
  using second = await store.createWorkspace()
  const adopter = createAdopter(store, workspace)
  const one = await make('one', [], workspace.directory)
  await adopter.adopt([one], Promise.resolve())
  const again = await make('one', [], second.directory)
  const changed = { ...again, item: { ...again.item, outputDigest: sha256Of('evil') } }
  await t.throwsAsync(adopter.adopt([changed], Promise.resolve()), { code: 'ABN_OUTPUT_DIFFERS' })
  await adopter.adopt([again], Promise.resolve())
  t.is(store.readItem(one.item.path).outputDigest, one.item.outputDigest)
})

test('what another process works on is waited for, and holds up nothing else', async (t) => {
  const { store, make } = world(t)
  using workspace = await store.createWorkspace()
  const adopter = createAdopter(store, workspace)
  const busy = await make('busy', [], workspace.directory)
  const free = await make('free', [], workspace.directory)
  const lock = await store.lockDerivation(busy.item.recipe)
  const waiting = adopter.adopt([busy], Promise.resolve())
  await adopter.adopt([free], Promise.resolve())
  t.false(store.has(busy.item.path))
  lock[Symbol.dispose]()
  await waiting
  t.true(store.has(busy.item.path))
})
