// Outputs whose names, links and depth are out of the ordinary: refused with the store path and a hint, or taken as they are.
import { linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { blockBytes, ustar } from '../../format/archive/header.ts'
import { AbnError } from '../../format/errors.ts'
import { storeItemOf } from '../../format/store-path.ts'
import { outputDigestOfDirectory } from '../../store/output-digest.ts'
import { openStore } from '../../store/store.ts'
import { temporaryDirectory } from '../_support/temporary.ts'
import { decodePlain, encodePlain } from '../format/archive/support.ts'
import { pathOf, registerFiles } from './support.ts'

const path = pathOf('hello')
const bytes = (directory: string, ...name: readonly number[]) =>
  Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name)])

function nested(directory: string, depth: number): void {
  let at = directory
  for (let i = 0; i < depth; i++) {
    at = join(at, 'd'.repeat(200))
    mkdirSync(at)
  }
  writeFileSync(join(at, 'f'), '')
}

const refused: readonly [string, (directory: string) => void, string, string][] = [
  ['a path that is too long', (d) => nested(d, 11), 'ABN_OUTPUT_NAME', `"${path}/ddd`],
  ['a name that is not UTF-8', (d) => writeFileSync(bytes(d, 0x61, 0xff), ''), 'ABN_OUTPUT_NAME', `"${path}/a\ufffd"`],
  [
    'a name that is not UTF-8 beside the name that it reads as',
    (d) => {
      writeFileSync(bytes(d, 0x61, 0xff), '')
      writeFileSync(join(d, 'a\ufffd'), '')
    },
    'ABN_OUTPUT_NAME',
    '"a\ufffd"',
  ],
  ['a link to what is not UTF-8', (d) => symlinkSync(Buffer.from([0x61, 0xff]), `${d}/l`), 'ABN_OUTPUT_NAME', '"l"'],
]
for (const [title, prepare, code, says] of refused) {
  test(`refuses ${title}`, async (t) => {
    const store = openStore({ root: temporaryDirectory(t), durable: false })
    const error = await t.throwsAsync(registerFiles(store, 'hello', { out: {} }, { prepare }), {
      instanceOf: AbnError,
      code,
    })
    t.true(error?.message.includes(says), error?.message)
    t.false(error?.message.includes(store.root))
    t.truthy(error?.hint)
    t.deepEqual(readdirSync(store.layout.store), [])
    t.deepEqual(readdirSync(store.layout.temporary), [])
  })
}

test('directories whose links differ in bytes that are not UTF-8 have no digest rather than the same one', (t) => {
  const directory = temporaryDirectory(t)
  for (const byte of [0xfe, 0xff]) {
    const one = join(directory, String(byte))
    mkdirSync(one)
    symlinkSync(Buffer.from([byte]), join(one, 'l'))
    t.throws(() => outputDigestOfDirectory(one, storeItemOf(path)), { code: 'ABN_OUTPUT_NAME' })
  }
})

test('neither has the archive of one', (t) => {
  const archive = encodePlain([
    { kind: 'directory', path: '' },
    { kind: 'link', path: 'l', target: 'aX' },
  ])
  t.is(decodePlain(archive).entries.length, 2)
  const header = archive.subarray(blockBytes, 2 * blockBytes)
  header[ustar.link.at + 1] = 0xff
  const checksum = header.subarray(ustar.checksum.at, ustar.checksum.at + ustar.checksum.size).fill(' ')
  const sum = header.reduce((total, byte) => total + byte, 0)
  checksum.write(`${sum.toString(8).padStart(6, '0')}\0 `)
  t.throws(() => decodePlain(archive), { code: 'ABN_ARCHIVE_INVALID' })
})

test('names and links may hold what stands for bytes that are not UTF-8, and a path may be nearly as long as an archive allows', async (t) => {
  const store = openStore({ root: temporaryDirectory(t), durable: false })
  const prepare = (directory: string) => {
    writeFileSync(join(directory, 'a\ufffd'), 'text')
    symlinkSync('a\ufffd', join(directory, 'l'))
    nested(directory, 10)
  }
  await registerFiles(store, 'hello', { out: {} }, { prepare })
  t.is(readFileSync(join(store.physicalPath(path), 'l'), 'utf8'), 'text')
})

test('hard links are split whatever their names, their modes and the names beside them', async (t) => {
  const store = openStore({ root: temporaryDirectory(t), durable: false })
  const names = ['a', 'b', 'n'.repeat(255)]
  const prepare = (directory: string) => {
    writeFileSync(join(directory, 'a'), 'text', { mode: 0o100 })
    for (const name of names.slice(1)) linkSync(join(directory, 'a'), join(directory, name))
    for (const name of ['a', 'b']) writeFileSync(join(directory, `${name}.abn-copy`), 'other')
  }
  await registerFiles(store, 'hello', { out: {} }, { prepare })
  const at = store.physicalPath(path)
  t.deepEqual(readdirSync(at).sort(), [...names, 'a.abn-copy', 'b.abn-copy'].sort())
  for (const name of names) {
    t.is(readFileSync(join(at, name), 'utf8'), 'text')
    t.like(lstatSync(join(at, name)), { nlink: 1 })
    t.is(lstatSync(join(at, name)).mode & 0o7777, 0o555)
  }
  t.is(readFileSync(join(at, 'a.abn-copy'), 'utf8'), 'other')
})
