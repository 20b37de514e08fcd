import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { StorePath } from '../../format/store-path.ts'
import { recordPathOf } from '../../store/layout.ts'
import { measure } from '../../store/sizes.ts'
import { openStore, type Store } from '../../store/store.ts'
import { verifyItems } from '../../store/verify.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { pathOf, registerFiles } from './support.ts'

const all = ['a', 'b', 'c'].map((name) => pathOf(name))
const [a, b, c] = all

/** `c` refers to `b`, that to `a`; the last is large. */
async function filled(t: ExecutionContext): Promise<Store> {
  const store = openStore({ root: temporaryDirectory(t), durable: false })
  const large = 'x'.repeat(300_000)
  await registerFiles(store, 'a', { out: { 'bin/x': { program: 'x' }, 'share/y': 'y', l: { link: 'share/y' } } })
  await registerFiles(store, 'b', { out: { 'share/y': `${pathOf('a')}` } }, { candidates: [pathOf('a')] })
  await registerFiles(store, 'c', { out: { large, z: pathOf('b') } }, { candidates: [pathOf('b')] })
  return store
}

for (const threads of [1, 3]) {
  test(`what is as it was registered, by ${threads}`, async (t) => {
    const store = await filled(t)
    const seen: number[] = []
    const { items, problems, bytes } = await verifyItems(store, all, { threads, onItem: (done) => seen.push(done) })
    t.deepEqual(problems, [])
    t.is(items, 3)
    t.true(bytes > 300_000)
    t.deepEqual(seen, [1, 2, 3])
  })
}

test('every one of many items once, large ones and small ones, by several threads', async (t) => {
  const store = openStore({ root: temporaryDirectory(t), durable: false })
  const names = Array.from({ length: 40 }, (_, i) => `n${i}`)
  for (const [i, name] of names.entries())
    await registerFiles(store, name, { out: { a: 'x'.repeat(i < 3 ? 2_000_000 : i) } })
  const spoilt = store.physicalPath(pathOf('n7'))
  chmodSync(join(spoilt, 'a'), 0o644)
  writeFileSync(join(spoilt, 'a'), 'other')
  for (const threads of [2, 5, 60]) {
    const seen: number[] = []
    const { problems } = await verifyItems(
      store,
      names.map((name) => pathOf(name)),
      { threads, onItem: (done) => seen.push(done) },
    )
    t.deepEqual(
      problems.map(({ path, kind }) => [path, kind]),
      [[pathOf('n7'), 'content']],
    )
    t.is(seen.length, 40)
  }
})

test('it can be stopped in the middle', async (t) => {
  const store = await filled(t)
  for (const threads of [1, 3]) {
    const stopping = new AbortController()
    const reason = new Error('enough')
    const running = verifyItems(store, all, { threads, signal: stopping.signal, onItem: () => stopping.abort(reason) })
    await t.throwsAsync(running, { is: reason })
  }
})

/** Changes something in a directory although it is read-only. */
function spoil(directory: string, change: () => void): void {
  for (const name of [directory, join(directory, 'share')])
    if (lstatSync(name, { throwIfNoEntry: false })) chmodSync(name, 0o755)
  change()
}

const damaged = test.macro(
  async (t, change: (store: Store, at: string) => void, expected: readonly [StorePath | undefined, string][]) => {
    const store = await filled(t)
    const at = store.physicalPath(pathOf('a'))
    spoil(at, () => change(store, at))
    const { problems } = await verifyItems(store, all)
    t.deepEqual(
      problems.map(({ path, kind }) => [path, kind]),
      expected.map(([path, kind]) => [path, kind]),
    )
  },
)

test(
  'a changed byte',
  damaged,
  (_, at) => {
    chmodSync(`${at}/share/y`, 0o644)
    writeFileSync(`${at}/share/y`, 'Y')
  },
  [[a, 'content']],
)
test('a file more', damaged, (_, at) => writeFileSync(`${at}/more`, ''), [[a, 'content']])
test('a file less', damaged, (_, at) => rmSync(`${at}/l`), [[a, 'content']])
test('an empty directory more', damaged, (_, at) => mkdirSync(`${at}/empty`), [[a, 'content']])
test('another name', damaged, (_, at) => renameSync(`${at}/l`, `${at}/m`), [[a, 'content']])
test('an executable bit', damaged, (_, at) => chmodSync(`${at}/share/y`, 0o555), [[a, 'content']])
test(
  'a link elsewhere',
  damaged,
  (_, at) => {
    rmSync(`${at}/l`)
    symlinkSync('bin/x', `${at}/l`)
  },
  [[a, 'content']],
)
test('a link out of the store', damaged, (_, at) => symlinkSync('/etc/passwd', `${at}/out`), [[a, 'unreadable']])
test('a set-user-ID bit', damaged, (_, at) => chmodSync(`${at}/bin/x`, 0o4555), [[a, 'unreadable']])
test('no contents', damaged, (_, at) => renameSync(at, `${at}.away`), [[a, 'missing']])
test(
  'a file in the place of the directory',
  damaged,
  (_, at) => {
    renameSync(at, `${at}.away`)
    writeFileSync(at, '')
  },
  [[a, 'unreadable']],
)
test('a record that is damaged', damaged, (store) => writeFileSync(recordPathOf(store.layout, pathOf('a')), '{}'), [
  [a, 'record'],
])
test(
  'a record of another item',
  damaged,
  (store) => writeFileSync(recordPathOf(store.layout, pathOf('a')), JSON.stringify(store.readItem(pathOf('b')))),
  [[a, 'record']],
)
test('a record that is gone', damaged, (store) => rmSync(recordPathOf(store.layout, pathOf('a'))), [
  [a, 'record'],
  [b, 'reference'],
])

test('it can be stopped', async (t) => {
  const store = await filled(t)
  await t.throwsAsync(verifyItems(store, all, { signal: AbortSignal.abort(new Error('stop')) }), { message: 'stop' })
})

test('sizes: own, closure, shared', async (t) => {
  const store = await filled(t)
  const bytes = (name: string) => store.readItem(pathOf(name)).bytes
  const groups = ['a', 'b', 'c'].map((name) => ({ label: name, paths: [pathOf(name)] }))
  const { sizes, total } = measure(store, groups)
  t.is(total, bytes('a') + bytes('b') + bytes('c'))
  t.deepEqual(
    sizes.map(({ own }) => own),
    ['a', 'b', 'c'].map(bytes),
  )
  t.deepEqual(
    sizes.map(({ closure }) => closure),
    [bytes('a'), bytes('a') + bytes('b'), total],
  )
  t.deepEqual(
    sizes.map(({ shared }) => shared),
    [bytes('a'), bytes('a') + bytes('b'), bytes('a') + bytes('b')],
  )
  const alone = measure(store, groups.slice(2), [pathOf('a'), pathOf('c'), pathOf('gone')])
  t.is(alone.sizes[0]?.shared, bytes('a'))
  t.deepEqual([c, readdirSync(store.layout.items).length], [pathOf('c'), 3])
})
