import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { storeItemOf } from '../../format/store-path.ts'
import { outputDigestOfDirectory } from '../../store/output-digest.ts'
import { openStore } from '../../store/store.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { type Files, listing, origin, pathOf, recipeOf, registerFiles } from './support.ts'

test('a new store has its directories and its version', (t) => {
  const root = join(temporaryDirectory(t), 'a/b')
  openStore({ root })
  t.deepEqual(readdirSync(root).sort(), ['store', 'var'])
  t.is(readFileSync(join(root, 'var/version'), 'latin1'), '1\n')
  t.deepEqual(listing(join(root, 'var/tmp')), [])
})

const versions: readonly [string, string, string][] = [
  ['a newer store', '2\n', 'ABN_STORE_NEWER'],
  ['a much newer store', '10\n', 'ABN_STORE_NEWER'],
  ['a damaged version', '', 'ABN_STORE_UNUSABLE'],
  ['a version with something behind it', '1\n2\n', 'ABN_STORE_UNUSABLE'],
]
for (const [title, version, code] of versions) {
  test(`refuses ${title}`, (t) => {
    const root = temporaryDirectory(t)
    openStore({ root })
    writeFileSync(join(root, 'var/version'), version)
    t.throws(() => openStore({ root }), { code })
    t.is(readFileSync(join(root, 'var/version'), 'latin1'), version)
  })
}

test('refuses a root that is a file', (t) => {
  const root = join(temporaryDirectory(t), 'file')
  writeFileSync(root, '')
  t.throws(() => openStore({ root }), { code: 'ABN_STORE_UNUSABLE' })
})

test('registers an output in its canonical form', async (t) => {
  const root = temporaryDirectory(t)
  const store = openStore({ root })
  const files: Files = {
    'bin/hello': { program: '#!/bin/sh\n' },
    'bin/hallo': { link: 'hello' },
    'share/a': 'a',
    'share/ä\n': '',
    empty: '',
  }
  const { items, buildReferences } = await registerFiles(store, 'hello', { out: files })
  const path = pathOf('hello')
  const directory = store.physicalPath(path)
  t.is(directory, join(root, 'store', storeItemOf(path)))
  t.deepEqual(listing(join(root, 'store')), [
    `${storeItemOf(path)} 555 1000`,
    ...[
      'bin 555 1000',
      'bin/hallo -> hello 1000',
      'bin/hello 555 1000',
      'empty 444 1000',
      'share 555 1000',
      'share/a 444 1000',
      'share/ä\n 444 1000',
    ].map((line) => `${storeItemOf(path)}/${line}`),
  ])
  t.true(store.has(path))
  t.deepEqual(store.readItem(path), items[0])
  t.deepEqual(buildReferences, [])
  const { outputDigest, bytes } = outputDigestOfDirectory(directory, storeItemOf(path))
  t.is(items[0]?.outputDigest, outputDigest)
  t.is(items[0]?.bytes, bytes)
  t.deepEqual(readdirSync(join(root, 'var/tmp')), [])
})

test('the output digest is that of the archive which tar makes', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  await registerFiles(store, 'hello', {
    out: { 'bin/hello': { program: 'x' }, 'bin/b': { link: 'hello' }, a: 'text\n' },
  })
  const item = storeItemOf(pathOf('hello'))
  const archive = execFileSync('tar', [
    ...['--format=ustar', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@1', '--sort=name', '-b1', '-c'],
    ...['--transform=flags=r;s,^,abn/store/,', '-C', store.layout.store, item],
  ])
  t.is(store.readItem(pathOf('hello')).outputDigest, (await import('../../format/hash.ts')).sha256Of(archive))
})

test('finds references to inputs, to the item itself and to other outputs', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  await registerFiles(store, 'libc', { out: { 'lib/libc.a': 'x' } })
  await registerFiles(store, 'unused', { out: { a: 'x' } })
  const linked = await registerFiles(
    store,
    'linked',
    { out: { a: { link: `${pathOf('libc')}/lib` } } },
    { candidates: [pathOf('libc')] },
  )
  t.deepEqual(linked.items[0]?.references, [pathOf('libc')])
  const candidates = store.closureOf([pathOf('linked'), pathOf('unused')])
  t.deepEqual(candidates, [pathOf('libc'), pathOf('linked'), pathOf('unused')].sort())
  const padding = 'x'.repeat(1024 * 1024 - 20)
  const { items } = await registerFiles(
    store,
    'hello',
    {
      out: { a: `${padding}${pathOf('linked')}/lib`, b: pathOf('hello') },
      dev: { c: pathOf('hello').slice(11, 43) },
    },
    { candidates },
  )
  t.deepEqual(items[0]?.references, [pathOf('linked'), pathOf('hello')].sort())
  t.deepEqual(items[1]?.references, [pathOf('hello')])
  t.deepEqual(
    store.closureOf([pathOf('hello', 'dev')]),
    [pathOf('hello', 'dev'), pathOf('hello'), pathOf('linked'), pathOf('libc')].sort(),
  )
})

test('refuses outputs that refer to each other', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  const outputs = { out: { a: pathOf('hello', 'dev') }, dev: { a: pathOf('hello') } }
  await t.throwsAsync(registerFiles(store, 'hello', outputs), { code: 'ABN_OUTPUT_CYCLE' })
  t.deepEqual(readdirSync(store.layout.store), [])
})

test('refuses a reference to what is not in the store', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  const out = { a: pathOf('gone') }
  await t.throwsAsync(registerFiles(store, 'hello', { out }, { candidates: [pathOf('gone')] }), {
    code: 'ABN_ITEM_MISSING',
  })
  t.throws(() => store.closureOf([pathOf('gone')]), { code: 'ABN_ITEM_MISSING' })
})

test('refuses files that name the build directory, or reports them', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  const out = { bad: 'compiled in /build/src', good: '/usr/src/build/x /builder' }
  const error = await t.throwsAsync(registerFiles(store, 'hello', { out }), { code: 'ABN_OUTPUT_BUILD_REFERENCE' })
  t.true(error?.message.includes(`${pathOf('hello')}/bad`))
  t.false(error?.message.includes('/good'))
  t.false(store.has(pathOf('hello')))
  const { buildReferences } = await registerFiles(store, 'hello', { out }, { buildReferences: 'report' })
  t.deepEqual(buildReferences, [`${pathOf('hello')}/bad`])
})

function replaceBy(directory: string, create: () => void): void {
  rmSync(directory, { recursive: true })
  create()
}

const refused: readonly [string, Files, (directory: string) => void, string][] = [
  ['no directory', {}, (d) => rmSync(d, { recursive: true }), 'ABN_OUTPUT_NOT_DIRECTORY'],
  ['a file instead of a directory', {}, (d) => replaceBy(d, () => writeFileSync(d, '')), 'ABN_OUTPUT_NOT_DIRECTORY'],
  ['a link instead of a directory', {}, (d) => replaceBy(d, () => symlinkSync('/tmp', d)), 'ABN_OUTPUT_NOT_DIRECTORY'],
  ['a set-user-ID file', { 'bin/su': '' }, (d) => chmodSync(join(d, 'bin/su'), 0o4755), 'ABN_OUTPUT_SET_UID'],
  ['a set-group-ID file', { 'bin/su': '' }, (d) => chmodSync(join(d, 'bin/su'), 0o2755), 'ABN_OUTPUT_SET_UID'],
  ['a named pipe', { 'bin/a': '' }, (d) => void execFileSync('mkfifo', [join(d, 'bin/pipe')]), 'ABN_OUTPUT_FILE_KIND'],
  ['a link out of the store', { a: { link: '/etc/passwd' } }, () => {}, 'ABN_OUTPUT_LINK'],
  ['a link above the store', { 'a/b': { link: '../../../var' } }, () => {}, 'ABN_OUTPUT_LINK'],
  [
    'a name that is not UTF-8',
    {},
    (d) => writeFileSync(Buffer.concat([Buffer.from(`${d}/`), Buffer.from([0xff])]), ''),
    'ABN_OUTPUT_NAME',
  ],
]
for (const [title, files, prepare, code] of refused) {
  test(`refuses ${title}`, async (t) => {
    const store = openStore({ root: temporaryDirectory(t) })
    const error = await t.throwsAsync(registerFiles(store, 'hello', { out: files }, { prepare }), { code })
    t.truthy(error?.message)
    t.deepEqual(readdirSync(store.layout.store), [])
    t.deepEqual(readdirSync(store.layout.items), [])
    t.deepEqual(readdirSync(store.layout.temporary), [])
  })
}

test('refuses a socket', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  const server = createServer()
  const prepare = (directory: string) => void server.listen(join(directory, 's'))
  await t.throwsAsync(registerFiles(store, 'hello', { out: {} }, { prepare }), { code: 'ABN_OUTPUT_FILE_KIND' })
  server.close()
})

test('hard links become files of their own', async (t) => {
  const root = temporaryDirectory(t)
  const store = openStore({ root })
  const outside = join(root, 'outside')
  writeFileSync(outside, 'before')
  const prepare = (directory: string) => {
    linkSync(outside, join(directory, 'a'))
    linkSync(outside, join(directory, 'b'))
  }
  await registerFiles(store, 'hello', { out: {} }, { prepare })
  writeFileSync(outside, 'after')
  for (const name of ['a', 'b']) {
    const at = join(store.physicalPath(pathOf('hello')), name)
    t.is(readFileSync(at, 'utf8'), 'before')
    t.is(lstatSync(at).nlink, 1)
  }
})

test('set-group-ID and sticky bits of directories go away', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  const prepare = (directory: string) => {
    chmodSync(directory, 0o3755)
    chmodSync(join(directory, 'bin'), 0o3700)
  }
  await registerFiles(store, 'hello', { out: { 'bin/a': '' } }, { prepare })
  const directory = store.physicalPath(pathOf('hello'))
  t.is(lstatSync(directory).mode & 0o7777, 0o555)
  t.is(lstatSync(join(directory, 'bin')).mode & 0o7777, 0o555)
})

test('the same bits again change nothing, other bits are an error', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  const first = await registerFiles(store, 'hello', { out: { a: '1' } })
  const inode = lstatSync(store.physicalPath(pathOf('hello'))).ino
  t.deepEqual(await registerFiles(store, 'hello', { out: { a: '1' } }), first)
  await t.throwsAsync(registerFiles(store, 'hello', { out: { a: '2' } }), { code: 'ABN_OUTPUT_DIFFERS' })
  t.is(lstatSync(store.physicalPath(pathOf('hello'))).ino, inode)
  t.is(readFileSync(join(store.physicalPath(pathOf('hello')), 'a'), 'utf8'), '1')
})

test('a directory without a record is replaced', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  const left = store.physicalPath(pathOf('hello'))
  mkdirSync(join(left, 'x/y'), { recursive: true })
  chmodSync(join(left, 'x'), 0o555)
  chmodSync(left, 0o555)
  t.false(store.has(pathOf('hello')))
  await registerFiles(store, 'hello', { out: { a: '1' } })
  t.deepEqual(readdirSync(left), ['a'])
})

test('registering needs the lock', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  const lock = await store.lockDerivation(recipeOf('hello'))
  lock[Symbol.dispose]()
  const registration = { lock, name: 'hello', version: '1', outputs: [], candidates: [], origin }
  await t.throwsAsync(store.register(registration), { instanceOf: TypeError })
})

test('one lock a derivation, and none of them beside the exclusive lock of the store', async (t) => {
  const root = temporaryDirectory(t)
  const store = openStore({ root })
  const other = openStore({ root })
  const lock = await store.lockDerivation(recipeOf('a'))
  using _ = await other.lockDerivation(recipeOf('b'))
  const aborted = () => ({ signal: AbortSignal.timeout(20) })
  await t.throwsAsync(other.lockDerivation(recipeOf('a'), aborted()))
  await t.throwsAsync(other.lock('exclusive', aborted()))
  lock[Symbol.dispose]()
  using again = await other.lockDerivation(recipeOf('a'))
  t.true(again.isHeld)
})

test('workspaces go with their store, and those of dead processes with the next one', async (t) => {
  const root = temporaryDirectory(t)
  let kept: string
  {
    await using store = openStore({ root })
    kept = (await store.createWorkspace()).directory
    const { stdout } = spawnSync(process.execPath, [join(import.meta.dirname, 'children/die-with-workspace.ts'), root])
    const dead = stdout.toString()
    t.true(existsSync(dead))
    const another = await store.createWorkspace()
    t.false(existsSync(dead))
    t.true(existsSync(kept))
    t.true(existsSync(another.directory))
  }
  t.deepEqual(readdirSync(join(root, 'var/tmp')), [])
})

test('damaged records are errors', async (t) => {
  const store = openStore({ root: temporaryDirectory(t) })
  await registerFiles(store, 'hello', { out: { a: '1' } })
  const file = join(store.layout.items, `${storeItemOf(pathOf('hello'))}.json`)
  const text = readFileSync(file, 'utf8')
  const damaged: readonly [string, string][] = [
    ['', 'ABN_JSON_INVALID'],
    [`${text}\n`, 'ABN_JSON_INVALID'],
    [text.replace('"format":1', '"format":2'), 'ABN_ITEM_INVALID'],
    [text.replace('"kind":"built"', '"kind":"magic"'), 'ABN_ITEM_INVALID'],
    [text.replace('"output":"out"', '"output":"dev"'), 'ABN_ITEM_INVALID'],
    [text.replace('"bytes":', '"bytes":-'), 'ABN_ITEM_INVALID'],
    [text.replace('"bytes":', '"aaa":1,"bytes":'), 'ABN_ITEM_INVALID'],
  ]
  for (const [content, code] of damaged) {
    writeFileSync(file, content)
    t.throws(() => store.readItem(pathOf('hello')), { code }, content)
  }
  const other = join(store.layout.items, `${storeItemOf(pathOf('other'))}.json`)
  writeFileSync(other, text)
  t.throws(() => store.readItem(pathOf('other')), { code: 'ABN_ITEM_INVALID' })
})
