import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { parseStoreItem, type StorePath, storePathOfItem } from '../../format/store-path.ts'
import { collectGarbage, findGarbage } from '../../store/collect-garbage.ts'
import { holdPaths } from '../../store/hold.ts'
import { recordPathOf } from '../../store/layout.ts'
import { outputDigestOfDirectory } from '../../store/output-digest.ts'
import { switchToNewGeneration } from '../../store/profiles.ts'
import { listRoots, writeProjectRoot, writeRoot } from '../../store/roots.ts'
import { openStore, type Store } from '../../store/store.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { dateHolds, pathOf, recipeOf, registerFiles } from './support.ts'

const child = (name: string) => join(import.meta.dirname, 'children', name)

/**
 * `top` refers to `middle`, that to `bottom`; `alone` to nothing. Their hashes are those of no other test: what a process anywhere on
 * the machine names is kept.
 */
async function chain(
  t: ExecutionContext,
): Promise<{ store: Store; at: (name: string) => StorePath; own: (name: string) => string }> {
  const store = openStore({ root: temporaryDirectory(t), durable: false })
  const mark = randomBytes(6).toString('hex')
  const own = (name: string) => `${name}.${mark}`
  const at = (name: string) => pathOf(own(name))
  await registerFiles(store, own('bottom'), { out: { a: 'bottom' } })
  await registerFiles(store, own('middle'), { out: { a: at('bottom') } }, { candidates: [at('bottom')] })
  await registerFiles(store, own('top'), { out: { a: at('middle') } }, { candidates: [at('middle')] })
  await registerFiles(store, own('alone'), { out: { a: 'x'.repeat(5000) } })
  return { store, at, own }
}

function names(store: Store): string[] {
  return itemsOf(store)
    .map((path) => nameOf(store.readItem(path)))
    .sort()
}

function nameOf({ name }: { readonly name: string }): string {
  return name.replace(/\..*/, '')
}

function itemsOf(store: Store): StorePath[] {
  const records = readdirSync(store.layout.items).filter((name) => name.endsWith('.json') && !name.startsWith('.'))
  return records.map((name) => storePathOfItem(parseStoreItem(name.replace(/\.json$/, ''))))
}

/** Every valid item is there, has its bits, and refers to valid items only. Gives what is there besides. */
function requireWhole(store: Store): readonly string[] {
  const valid = itemsOf(store)
  for (const path of valid) {
    const { outputDigest } = store.readItem(path)
    const item = parseStoreItem(path.slice('/abn/store/'.length))
    if (outputDigestOfDirectory(store.physicalPath(path), item).outputDigest !== outputDigest) throw new Error(item)
    store.closureOf([path])
  }
  return readdirSync(store.layout.store).filter((name) => !valid.some((path) => path.endsWith(`/${name}`)))
}

test('what no root leads to goes, and only that', async (t) => {
  const { store, at } = await chain(t)
  writeRoot(store, 'mine', [at('middle')])
  mkdirSync(`${store.layout.store}/left-by-a-crash`)
  writeFileSync(`${store.layout.items}/.new-left`, '')
  const { items, leavings, bytes } = await collectGarbage(store, {})
  t.deepEqual(items.map(nameOf).sort(), ['alone', 'top'])
  t.is(bytes, items[0] && items[1] ? items[0].bytes + items[1].bytes : -1)
  t.deepEqual(leavings, ['left-by-a-crash'])
  t.deepEqual(names(store), ['bottom', 'middle'])
  t.deepEqual(requireWhole(store), [])
  t.deepEqual(readdirSync(store.layout.temporary), [])
  t.deepEqual(
    readdirSync(store.layout.items).filter((name) => name.startsWith('.')),
    [],
  )
})

test('a look changes nothing', async (t) => {
  const { store } = await chain(t)
  mkdirSync(`${store.layout.store}/left-by-a-crash`)
  t.is(findGarbage(store, {}).items.length, 4)
  t.is(names(store).length, 4)
  t.true(existsSync(`${store.layout.store}/left-by-a-crash`))
})

test('what refers to an item goes before it, and enough is enough', async (t) => {
  const { store } = await chain(t)
  const order = findGarbage(store, {}).items.map(nameOf)
  t.true(order.indexOf('top') < order.indexOf('middle'))
  t.true(order.indexOf('middle') < order.indexOf('bottom'))
  await collectGarbage(store, { enoughBytes: 1 })
  t.is(names(store).length, 3)
  t.deepEqual(requireWhole(store), [])
  t.is(findGarbage(store, { enoughBytes: 0 }).items.length, 0)
})

test('what came since a time stays, with all that it refers to', async (t) => {
  const { store, at } = await chain(t)
  const file = recordPathOf(store.layout, at('middle'))
  const record = readFileSync(file, 'utf8')
  writeFileSync(file, record.replace('"at":1,', '"at":500,'))
  await collectGarbage(store, { keepSince: 500 })
  t.deepEqual(names(store), ['bottom', 'middle'])
})

test('each generation of each profile is a root, but for those that are excepted', async (t) => {
  const { store, at, own } = await chain(t)
  const one = (name: string) => ({
    packages: [
      {
        name: own(name),
        version: '1',
        recipe: recipeOf(own(name)),
        paths: [at(name)],
        requested: own(name),
        priority: 0,
      },
    ],
    now: 1,
  })
  await switchToNewGeneration(store, 'default', one('alone'))
  await switchToNewGeneration(store, 'default', one('bottom'))
  await switchToNewGeneration(store, 'other', one('bottom'))
  t.deepEqual(findGarbage(store, {}).items.map(nameOf), ['top', 'middle'])
  const except = ({ name }: { readonly name: string }) => name === 'default 1'
  t.true(findGarbage(store, { except }).items.some((item) => nameOf(item) === 'alone'))
  const roots = listRoots(store).map(({ kind, name }) => `${kind} ${name}`)
  t.deepEqual(roots, ['generation default 1', 'generation default 2', 'generation other 1'])
})

test('a project keeps what it has locked until its lock file is gone', async (t) => {
  const { store, at } = await chain(t)
  const lockFile = join(store.root, 'abnpkg.lock')
  writeFileSync(lockFile, '')
  writeProjectRoot(store, lockFile, [at('top')])
  writeProjectRoot(store, lockFile, [at('top')])
  await collectGarbage(store, {})
  t.deepEqual(names(store), ['bottom', 'middle', 'top'])
  rmSync(lockFile)
  await collectGarbage(store, {})
  t.deepEqual(names(store), [])
  t.deepEqual(readdirSync(store.layout.gcroots), [])
})

test('a hold keeps until it is let go', async (t) => {
  const { store, at } = await chain(t)
  const hold = await holdPaths(store, 'develop', [at('middle')])
  await collectGarbage(store, {})
  t.deepEqual(names(store), ['bottom', 'middle'])
  hold[Symbol.dispose]()
  hold[Symbol.dispose]()
  await collectGarbage(store, {})
  t.deepEqual(names(store), [])
  await t.throwsAsync(holdPaths(store, 'shell', [at('middle')]), { code: 'ABN_ITEM_MISSING' })
  t.deepEqual(readdirSync(`${store.root}/var/holds`), [])
})

test('a hold ends with its process, also by kill -9', async (t) => {
  const { store, at } = await chain(t)
  const holder = await started(t, [child('hold-paths.ts'), store.root, at('top')])
  await collectGarbage(store, {})
  t.deepEqual(names(store), ['bottom', 'middle', 'top'])
  await killed(holder)
  t.is(readdirSync(`${store.root}/var/holds`).length, 2)
  // It may have left a program behind that has not begun yet.
  dateHolds(store.root, new Date())
  await collectGarbage(store, {})
  t.deepEqual(names(store), ['bottom', 'middle', 'top'])
  dateHolds(store.root)
  await collectGarbage(store, {})
  t.deepEqual(names(store), [])
  t.deepEqual(readdirSync(`${store.root}/var/holds`), [])
})

const waiting = ['-e', "process.stdout.write('here');setInterval(()=>{},1000)"]

for (const [title, options] of [
  ['its current directory', (path: string) => ({ cwd: path })],
  ['its environment', (path: string) => ({ env: { PATH: `${path}/bin:/bin` } })],
  ['a link to the store', (path: string) => ({ args: [`${dirname(dirname(path))}/link/${basename(path)}`] })],
  ['an argument', (path: string) => ({ args: [`--title=${path}/a`] })],
] as const) {
  test(`a running process keeps what it names: ${title}`, async (t) => {
    const { store, at } = await chain(t)
    symlinkSync('store', `${store.root}/link`)
    const { args = [], ...rest }: { args?: string[]; cwd?: string; env?: NodeJS.ProcessEnv } = options(
      store.physicalPath(at('top')),
    )
    const running = await started(t, [...waiting, '--', ...args], rest)
    await collectGarbage(store, {})
    t.deepEqual(names(store), ['bottom', 'middle', 'top'])
    t.true(listRoots(store).every(({ kind, name }) => kind === 'process' && name === `${running.pid} node`))
    await killed(running)
    await collectGarbage(store, {})
    t.deepEqual(names(store), [])
  })
}

test('a process that uses the same item of another store keeps nothing', async (t) => {
  const { store, at } = await chain(t)
  const other = join(temporaryDirectory(t), 'store', basename(store.physicalPath(at('top'))))
  mkdirSync(other, { recursive: true })
  await started(t, [...waiting, '--', other], { cwd: other })
  await collectGarbage(store, {})
  t.deepEqual(names(store), [])
})

test('what is not understood is no garbage', async (t) => {
  const { store, at } = await chain(t)
  writeRoot(store, 'mine', [at('top')])
  const record = recordPathOf(store.layout, at('alone'))
  const text = readFileSync(record, 'utf8')
  writeFileSync(record, text.replace('"format":1', '"format":2'))
  await t.throwsAsync(collectGarbage(store, {}), { code: 'ABN_ITEM_INVALID' })
  writeFileSync(record, text)
  mkdirSync(`${store.layout.generations}/default/1`, { recursive: true })
  writeFileSync(`${store.layout.generations}/default/1/manifest.json`, '{"format":99}')
  await t.throwsAsync(collectGarbage(store, {}), { instanceOf: Error })
  rmSync(`${store.layout.generations}/default`, { recursive: true })
  appendFileSync(`${store.layout.gcroots}/mine`, 'something new\n')
  await t.throwsAsync(collectGarbage(store, {}), { code: 'ABN_STORE_PATH_INVALID' })
  t.is(names(store).length, 4)
})

test('a store that became newer while the lock was waited for is left alone', async (t) => {
  const { store } = await chain(t)
  const shared = await store.lock('shared')
  const { promise: waits, resolve } = Promise.withResolvers<void>()
  const collecting = collectGarbage(store, { onWait: resolve })
  await waits
  writeFileSync(`${store.root}/var/version`, '99\n')
  shared.release()
  await t.throwsAsync(collecting, { code: 'ABN_STORE_NEWER' })
  writeFileSync(`${store.root}/var/version`, '1\n')
  t.is(names(store).length, 4)
})

test('whoever adds or uses items is waited for, and waits', async (t) => {
  const { store, at, own } = await chain(t)
  const lock = await store.lockDerivation(recipeOf(own('new')))
  const { promise: waits, resolve } = Promise.withResolvers<void>()
  const collecting = collectGarbage(store, { onWait: resolve })
  await waits
  t.is(names(store).length, 4)
  writeRoot(store, 'late', [at('top')])
  lock[Symbol.dispose]()
  await collecting
  t.deepEqual(names(store), ['bottom', 'middle', 'top'])
  // The other order: what comes while it has the lock comes after it.
  let began = false
  let adding: Promise<unknown> = Promise.resolve()
  await collectGarbage(store, {
    onFound: () => {
      adding = registerFiles(store, own('alone'), { out: { a: 'again' } }).then(() => {
        began = true
      })
    },
    leftovers: () => {
      t.false(began)
      return []
    },
  })
  await adding
  t.deepEqual(names(store), ['alone', 'bottom', 'middle', 'top'])
  t.deepEqual(requireWhole(store), [])
})

test('an interrupted collection leaves a whole store', async (t) => {
  const { store } = await chain(t)
  const stop = new AbortController()
  const onFound = () => stop.abort(new Error('stopped'))
  await t.throwsAsync(collectGarbage(store, { signal: stop.signal, onFound }), { message: 'stopped' })
  t.is(names(store).length, 4)
  t.deepEqual(requireWhole(store), [])
})

const unshare = ['unshare', '--user', '--map-root-user', '--mount']
const mayMount = spawnSync('sh', ['-c', `${unshare.join(' ')} mount -t tmpfs -o size=1m tmpfs /mnt`]).status === 0

;(mayMount ? test : test.skip)('garbage is collected on a disk that is full', (t) => {
  const script = 'mount -t tmpfs -o size=2m,nr_inodes=300 tmpfs "$1" && exec "$2" "$3" "$1"'
  const { stdout, stderr } = spawnSync(
    unshare[0] ?? '',
    [
      ...unshare.slice(1),
      ...['sh', '-c', script, 'sh', temporaryDirectory(t), process.execPath, child('collect-on-full-disk.ts')],
    ],
    { encoding: 'utf8' },
  )
  t.is(stdout, 'ENOSPC\ngarbage true false true\n', stderr)
})

test('kill -9 at random instants of adding, switching and collecting leaves a whole store', async (t) => {
  const root = temporaryDirectory(t)
  for (let kills = 0; kills < 12; kills++) {
    const running = await started(t, [child('collect-forever.ts'), root])
    await delay(Math.random() * 80)
    await killed(running)
    const store = openStore({ root })
    requireWhole(store)
    const locked = store.lock('exclusive', { signal: AbortSignal.timeout(60_000) })
    ;(await locked).release()
    for (const { path } of listRoots(store)) t.true(store.has(path))
  }
  const store = openStore({ root, durable: false })
  await collectGarbage(store, {})
  t.deepEqual(requireWhole(store), [])
  t.deepEqual(readdirSync(store.layout.temporary), [])
})

type Options = { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv }

/** A process of Node that has printed something. */
async function started(t: ExecutionContext, args: readonly string[], options: Options = {}): Promise<ChildProcess> {
  const running = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => running.kill('SIGKILL'))
  await once(running.stdout, 'data')
  running.stdout.resume()
  return running
}

async function killed(running: ChildProcess): Promise<void> {
  const ended = once(running, 'exit')
  running.kill('SIGKILL')
  await ended
}
