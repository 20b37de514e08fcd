import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import { type UnpackOptions, unpackSource } from '../../../builder/unpack/source.ts'
import type { Unpack } from '../../../format/derivation.ts'
import { AbnError, type ErrorCode } from '../../../format/errors.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { gnuLong, pax, type TarEntry, tarEntry, tarOf, type ZipItem, zipOf } from './_archives.ts'

const plainTar: Unpack = { kind: 'tar', compression: 'none', strip: 1 }
const zip: Unpack = { kind: 'zip', strip: 1 }
const text = (value: string) => Buffer.from(value)

async function unpack(t: ExecutionContext, archive: Buffer, options: Partial<UnpackOptions> = {}) {
  const top = temporaryDirectory(t)
  const root = join(top, 'root')
  fs.mkdirSync(root)
  fs.writeFileSync(join(top, 'archive'), archive)
  fs.writeFileSync(join(top, 'victim'), 'untouched')
  const work = unpackSource({ file: join(top, 'archive'), unpack: plainTar, root, to: '.', ...options })
  return { root, top, work }
}

/** Every path below, with what can be seen of it. */
function listing(root: string): string[] {
  const rows: string[] = []
  const walk = (directory: Buffer, prefix: string) => {
    for (const name of fs.readdirSync(directory, { encoding: 'buffer' })) {
      const path = Buffer.concat([directory, text('/'), name])
      const shown = prefix + name.toString('latin1')
      const stat = fs.lstatSync(path)
      const mode = (stat.mode & 0o7777).toString(8)
      if (stat.isSymbolicLink()) rows.push(`${shown} -> ${fs.readlinkSync(path)} ${stat.mtimeMs}`)
      else if (stat.isDirectory()) {
        rows.push(`${shown}/ ${mode} ${stat.mtimeMs}`)
        walk(path, `${shown}/`)
      } else rows.push(`${shown} ${mode} ${stat.mtimeMs} ${stat.nlink} ${fs.readFileSync(path, 'latin1')}`)
    }
  }
  walk(Buffer.from(root), '')
  return rows.sort()
}

const ordinary: readonly TarEntry[] = [
  { name: 'top/', type: '5', mode: 0o2777 },
  { name: './top/file', data: text('data'), mode: 0o600 },
  { name: 'top//bin/run', data: text('run'), mode: 0o4711 },
  { name: 'top/bin/', type: '5', mode: 0 },
  { name: 'top/lib/link', type: '2', link: '../bin/run' },
  { name: 'top/hard', type: '1', link: 'top/bin/run' },
  { name: 'top-level-file', data: text('left out') },
  { name: Buffer.from('top/\xe4\xff', 'latin1'), data: text('latin1') },
  { name: 'top/old', data: text('v7'), magic: Buffer.alloc(8) },
]

const ordinaryListing = [
  'bin/ 755 1000',
  'bin/run 755 1000 1 run',
  'file 644 1000 1 data',
  'hard 755 1000 1 run',
  'lib/ 755 1000',
  'lib/link -> ../bin/run 1000',
  'old 644 1000 1 v7',
  '\xe4\xff 644 1000 1 latin1',
]

test('names, modes, times and links come out in one way', async (t) => {
  const { root, work } = await unpack(t, tarOf(...ordinary))
  t.like(await work, { entries: 7 })
  t.deepEqual(listing(root), ordinaryListing)
  t.is(fs.statSync(root).mtimeMs, 1000)
})

test('the umask does not show', async (t) => {
  const { top, work } = await unpack(t, tarOf(...ordinary))
  await work
  fs.mkdirSync(join(top, 'masked'))
  const module = new URL('../../../builder/unpack/source.ts', import.meta.url).href
  const options = { file: join(top, 'archive'), unpack: plainTar, root: join(top, 'masked'), to: '.' }
  const script = `process.umask(0o077)
    const { unpackSource } = await import(${JSON.stringify(module)})
    await unpackSource(${JSON.stringify(options)})`
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  t.is(run.status, 0, run.stderr)
  t.deepEqual(listing(join(top, 'masked')), ordinaryListing)
})

test('long names: pax, GNU, ustar prefix', async (t) => {
  const long = (letter: string) => `top/${letter.repeat(120)}/${letter.repeat(200)}`
  const archive = tarOf(
    pax({ path: long('p'), 'some.key': 'x' }),
    { name: 'short', data: text('pax') },
    gnuLong('L', long('g')),
    { name: 'short', data: text('gnu') },
    pax({ comment: 'global' }, 'g'),
    gnuLong('K', `../${'l'.repeat(150)}`),
    { name: 'top/d/link', type: '2', link: 'short' },
    pax({ path: 'top/\u00e9' }),
    { name: 'short', data: text('utf8') },
  )
  const { root, work } = await unpack(t, archive)
  await work
  t.deepEqual(listing(root), [
    'd/ 755 1000',
    `d/link -> ../${'l'.repeat(150)} 1000`,
    `${'g'.repeat(120)}/ 755 1000`,
    `${'g'.repeat(120)}/${'g'.repeat(200)} 644 1000 1 gnu`,
    `${'p'.repeat(120)}/ 755 1000`,
    `${'p'.repeat(120)}/${'p'.repeat(200)} 644 1000 1 pax`,
    '\xc3\xa9 644 1000 1 utf8',
  ])
})

const sample = tarOf({ name: 'top/file', data: text('hello\n') })
const packed: readonly [string, Buffer, Unpack][] = [
  ['gzip', gzipSync(sample), { kind: 'tar', compression: 'gzip', strip: 1 }],
  [
    'gzip in two members',
    Buffer.concat([gzipSync(sample.subarray(0, 700)), gzipSync(sample.subarray(700))]),
    { kind: 'tar', compression: 'gzip', strip: 1 },
  ],
  ['zstd', zstdCompressSync(sample), { kind: 'tar', compression: 'zstd', strip: 1 }],
  [
    'bzip2',
    Buffer.from(
      'QlpoOTFBWSZTWfDd+0gAAKB7hMmQAFBAAP+AAERjZN4AAACACCAAdBJUYgAAaA0aCSpo00aaDQAAOz7SqEWjUgHuQki2JO8hewlHjguJBIGAdyphAlIDHCSfu4Rs0kK3svvbTbqbyU1C0IePjD3qY2CgeL0rPCI0In1sScSD8XckU4UJDw3ftIA=',
      'base64',
    ),
    { kind: 'tar', compression: 'bzip2', strip: 1 },
  ],
  [
    'xz',
    Buffer.from(
      '/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4Cf/AHddADobymMkBJSzSsi80f5CS2NK+VBCgarCjoZVAGxIcziuAnvYWpXtHoMIntIJXhy6kAt+lVa8cshOvxiIwvCVu/DVm0qz9jqfwwg4ef+wFdWOwMsHNdxGtUZfZ9i6fzALx4K3Ak0HEo4yGfIgK7XQxB8jEN594iUAAABng6u9fmf/NwABkwGAUAAACwEi5LHEZ/sCAAAAAARZWg==',
      'base64',
    ),
    { kind: 'tar', compression: 'xz', strip: 1 },
  ],
  [
    'xz with a SHA-256 check',
    Buffer.from(
      '/Td6WFoAAArh+wyhAgAhARwAAAAQz1jM4Cf/AHddADobymMkBJSzSsi80f5CS2NK+VBCgarCjoZVAGxIcziuAnvYWpXtHoMIntIJXhy6kAt+lVa8cshOvxiIwvCVu/DVm0qz9jqfwwg4ef+wFdWOwMsHNdxGtUZfZ9i6fzALx4K3Ak0HEo4yGfIgK7XQxB8jEN594iUAAAD9HoL/vrmEnBm3Rx9rQEL/X0DPotLl0XqL9/t44ngOPwABqwGAUAAAy4QLDLbp3xwCAAAAAApZWg==',
      'base64',
    ),
    { kind: 'tar', compression: 'xz', strip: 1 },
  ],
  [
    'xz in blocks with SHA-256 checks',
    Buffer.from(
      '/Td6WFoAAArh+wyhAgAhARwAAAAQz1jM4BOHAGhdADobymMkBJSzSsi80f5CS2NK+VBCgarCjoZVAGxIcziuAnvYWpXtHoMIntIJXhy6kAt+lVa8cshOvxiIwvCVu/DVm0qz9jqfwwg4ef+wFdWOwMsHNdxGtUZfZ9i6fzALx4K3AgUBgegAAMk3c2UfNTcvLMPfdab8AVfcoIeOptdU8U/6xOeAY3bKAgAhARwAAAAQz1jM4BOHAB5dAABv/f//o7f/Rz5IFXI5YVG4kijmo4YH+e7NzgXvAAAAAHylvYefOT2d0FsU84rdnA/Gtnko9/LSYbLkejLughnjAgAhARwAAAAQz1jM4ADvAAZdAABvuEEYAAAAAC37pjOBcEbH9VntS5MHYEhDX34akPFOuANcBLnrriU3AAOcAYgnUognOvABcjFtExM6g9cDAAAAAApZWg==',
      'base64',
    ),
    { kind: 'tar', compression: 'xz', strip: 1 },
  ],
  ['zip', zipOf({ name: 'top/file', data: text('hello\n') }), zip],
]

for (const [title, archive, kind] of packed) {
  test(`${title} is unpacked, and refused when cut short or damaged`, async (t) => {
    const whole = await unpack(t, archive, { unpack: kind })
    await whole.work
    t.deepEqual(listing(whole.root), ['file 644 1000 1 hello\n'])
    for (const length of [0, 5, archive.length >> 1, archive.length - 9]) {
      await refused(t, archive.subarray(0, length), { code: 'ABN_UNPACK_DAMAGED', unpack: kind })
    }
    const other = Buffer.concat([text('something else'), archive])
    if (kind.kind === 'tar') await refused(t, other, { code: 'ABN_UNPACK_DAMAGED', unpack: kind })
  })
}

async function refused(
  t: ExecutionContext,
  archive: Buffer,
  { code, ...options }: Partial<UnpackOptions> & { readonly code: ErrorCode },
) {
  const { work, top, root } = await unpack(t, archive, options)
  const error = await t.throwsAsync(work)
  if (!(error instanceof AbnError)) throw error
  t.is(error.code, code, error.message)
  t.truthy(error.hint)
  t.is(fs.readFileSync(join(top, 'victim'), 'utf8'), 'untouched')
  t.deepEqual(fs.readdirSync(top).sort(), ['archive', 'root', 'victim'])
  return { error, root }
}

const hostile: readonly [string, readonly TarEntry[], ErrorCode][] = [
  ['a name with ..', [{ name: 'top/../../victim', data: text('x') }], 'ABN_UNPACK_NAME'],
  ['a name with .. only in what is stripped', [{ name: '../victim', data: text('x') }], 'ABN_UNPACK_NAME'],
  ['an absolute name', [{ name: '/top/file', data: text('x') }], 'ABN_UNPACK_NAME'],
  ['an absolute name by pax', [pax({ path: '/etc/x' }), { name: 'top/x' }], 'ABN_UNPACK_NAME'],
  ['.. by a GNU long name', [gnuLong('L', 'top/../../victim'), { name: 'top/x' }], 'ABN_UNPACK_NAME'],
  ['a component that is too long', [gnuLong('L', `top/${'x'.repeat(256)}`), { name: 'x' }], 'ABN_UNPACK_NAME'],
  ['a name that is too long', [gnuLong('L', 'top/'.repeat(2000)), { name: 'x' }], 'ABN_UNPACK_LIMIT'],
  [
    'a pax name that is not UTF-8',
    [pax({ path: Buffer.from('top/\xff', 'latin1') }), { name: 'x' }],
    'ABN_UNPACK_NAME',
  ],
  ['a zero byte in a pax name', [pax({ path: 'top/a\0b' }), { name: 'x' }], 'ABN_UNPACK_NAME'],
  ['an absolute link', [{ name: 'top/l', type: '2', link: '/etc/passwd' }], 'ABN_UNPACK_LINK'],
  ['a link out', [{ name: 'top/l', type: '2', link: '../victim' }], 'ABN_UNPACK_LINK'],
  [
    'a link out by pax',
    [pax({ linkpath: '../../victim' }), { name: 'top/d/l', type: '2', link: 'x' }],
    'ABN_UNPACK_LINK',
  ],
  ['a link that climbs in its middle', [{ name: 'top/d/l', type: '2', link: 'a/../../../x' }], 'ABN_UNPACK_LINK'],
  [
    'a link that climbs out of another link',
    [
      { name: 'top/a/b/up', type: '2', link: '../..' },
      { name: 'top/out', type: '2', link: 'a/b/up/../victim' },
    ],
    'ABN_UNPACK_LINK',
  ],
  ['an empty link', [{ name: 'top/l', type: '2' }], 'ABN_UNPACK_LINK'],
  [
    'a file written through a link',
    [
      { name: 'top/d/', type: '5' },
      { name: 'top/l', type: '2', link: 'd' },
      { name: 'top/l/x', data: text('x') },
    ],
    'ABN_UNPACK_LINK',
  ],
  [
    'a directory made through a link',
    [
      { name: 'top/l', type: '2', link: 'd' },
      { name: 'top/l/', type: '5' },
    ],
    'ABN_UNPACK_LINK',
  ],
  ['a hard link out', [{ name: 'top/h', type: '1', link: '../victim' }], 'ABN_UNPACK_NAME'],
  ['an absolute hard link', [{ name: 'top/h', type: '1', link: '/etc/passwd' }], 'ABN_UNPACK_NAME'],
  ['a hard link to nothing', [{ name: 'top/h', type: '1', link: 'top/none' }], 'ABN_UNPACK_LINK'],
  [
    'a hard link to a link',
    [
      { name: 'top/l', type: '2', link: 'x' },
      { name: 'top/h', type: '1', link: 'top/l' },
    ],
    'ABN_UNPACK_LINK',
  ],
  ['a file twice', [{ name: 'top/x' }, { name: 'top/./x' }], 'ABN_UNPACK_DUPLICATE'],
  ['a file that becomes a link', [{ name: 'top/x' }, { name: 'top/x', type: '2', link: 'y' }], 'ABN_UNPACK_DUPLICATE'],
  ['a link that becomes a file', [{ name: 'top/x', type: '2', link: 'y' }, { name: 'top/x' }], 'ABN_UNPACK_DUPLICATE'],
  ['a directory that becomes a file', [{ name: 'top/x/', type: '5' }, { name: 'top/x' }], 'ABN_UNPACK_DUPLICATE'],
  ['a file that becomes a directory', [{ name: 'top/x' }, { name: 'top/x/y' }], 'ABN_UNPACK_DUPLICATE'],
  ['two names that meet after stripping', [{ name: 'a/x' }, { name: 'b/x' }], 'ABN_UNPACK_DUPLICATE'],
  ['a character device', [{ name: 'top/d', type: '3' }], 'ABN_UNPACK_ENTRY'],
  ['a block device', [{ name: 'top/d', type: '4' }], 'ABN_UNPACK_ENTRY'],
  ['a named pipe', [{ name: 'top/p', type: '6' }], 'ABN_UNPACK_ENTRY'],
  ['a device that is stripped', [{ name: 'd', type: '3' }], 'ABN_UNPACK_ENTRY'],
  ['a GNU sparse file', [{ name: 'top/s', type: 'S' }], 'ABN_UNPACK_ENTRY'],
  ['a pax sparse file', [pax({ 'GNU.sparse.major': '1' }), { name: 'top/s' }], 'ABN_UNPACK_ENTRY'],
  ['a volume label', [{ name: 'top', type: 'V' }], 'ABN_UNPACK_ENTRY'],
  ['a directory with content', [{ name: 'top/d/', type: '5', data: text('x') }], 'ABN_UNPACK_ENTRY'],
  ['a link with content', [{ name: 'top/l', type: '2', link: 'x', data: text('x') }], 'ABN_UNPACK_ENTRY'],
  ['a file that is longer than the archive', [{ name: 'top/x', size: 10_000 }], 'ABN_UNPACK_DAMAGED'],
  ['a negative pax size', [pax({ size: '-1' }), { name: 'top/x' }], 'ABN_UNPACK_DAMAGED'],
  ['nothing', [], 'ABN_UNPACK_DAMAGED'],
  ['nothing after stripping', [{ name: 'file' }], 'ABN_UNPACK_DAMAGED'],
]

for (const [title, entries, code] of hostile) {
  test(`tar: ${title} is refused`, async (t) => {
    await refused(t, tarOf(...entries), { code })
  })
}

test('xz: two streams with SHA-256 checks are refused', async (t) => {
  const unpack: Unpack = { kind: 'tar', compression: 'xz', strip: 1 }
  const one = packed.find(([title]) => title === 'xz with a SHA-256 check')?.[1] ?? Buffer.alloc(0)
  await refused(t, Buffer.concat([one, one]), { code: 'ABN_UNPACK_DAMAGED', unpack })
})

test('tar: a wrong check sum and a pax header without end are refused', async (t) => {
  const bad = tarOf({ name: 'top/x' })
  bad[0] = 0x58
  await refused(t, bad, { code: 'ABN_UNPACK_DAMAGED' })
  const header = tarEntry({ name: 'x', type: 'x', size: 5 * 2 ** 20 })
  await refused(t, Buffer.concat([header, Buffer.alloc(4096, 0x31)]), { code: 'ABN_UNPACK_DAMAGED' })
})

const zeros = (bytes: number) => gzipSync(tarOf({ name: 'top/zeros', data: Buffer.alloc(bytes) }))
const gzipTar: Unpack = { kind: 'tar', compression: 'gzip', strip: 1 }
const bombs: readonly [string, Buffer, Partial<UnpackOptions>][] = [
  ['size', zeros(3_000_000), { unpack: gzipTar, limits: { bytes: 1_000_000 } }],
  ['ratio', zeros(3_000_000), { unpack: gzipTar, limits: { ratioFloor: 1_000_000 } }],
  ['entries', tarOf(...Array.from({ length: 20 }, (_, n) => ({ name: `top/${n}` }))), { limits: { entries: 10 } }],
  [
    'hard links',
    tarOf(
      { name: 'top/x', data: Buffer.alloc(10_000) },
      ...Array.from({ length: 20 }, (_, n) => ({ name: `top/${n}`, type: '1', link: 'top/x' })),
    ),
    { limits: { bytes: 100_000 } },
  ],
  ['zip', zipOf({ name: 'top/x', data: Buffer.alloc(3_000_000) }), { unpack: zip, limits: { ratioFloor: 1_000_000 } }],
  ['one file', Buffer.alloc(5000), { unpack: { kind: 'file', executable: false }, to: 'x', limits: { bytes: 1000 } }],
]

for (const [title, archive, options] of bombs) {
  test(`a bomb is stopped by its limit: ${title}`, async (t) => {
    await refused(t, archive, { code: 'ABN_UNPACK_LIMIT', ...options })
  })
}

test('zip: modes and links of Unix, directories, names as bytes', async (t) => {
  const { root, work } = await unpack(
    t,
    zipOf(
      { name: 'top/', unixMode: 0o040777 },
      { name: 'top/d/', unixMode: 0o040755 },
      { name: 'top/run', data: text('run'), unixMode: 0o104755 },
      { name: 'top/d/link', data: text('../run'), unixMode: 0o120777 },
      { name: 'top/plain', data: text('plain'), unixMode: 0 },
    ),
    { unpack: zip },
  )
  await work
  t.deepEqual(listing(root), ['d/ 755 1000', 'd/link -> ../run 1000', 'plain 644 1000 1 plain', 'run 755 1000 1 run'])
})

const hostileZips: readonly [string, readonly ZipItem[], ErrorCode][] = [
  ['a name with ..', [{ name: 'top/../../victim' }], 'ABN_UNPACK_NAME'],
  ['an absolute name', [{ name: '/x/y' }], 'ABN_UNPACK_NAME'],
  ['a link out', [{ name: 'top/l', data: text('../../victim'), unixMode: 0o120777 }], 'ABN_UNPACK_LINK'],
  ['an endless link', [{ name: 'top/l', data: Buffer.alloc(9999, 97), unixMode: 0o120777 }], 'ABN_UNPACK_DAMAGED'],
  ['a device', [{ name: 'top/d', unixMode: 0o020666 }], 'ABN_UNPACK_ENTRY'],
  ['encryption', [{ name: 'top/e', flags: 1 }], 'ABN_UNPACK_ENTRY'],
  ['a file twice', [{ name: 'top/x' }, { name: 'top/x' }], 'ABN_UNPACK_DUPLICATE'],
  ['a wrong check sum', [{ name: 'top/x', data: text('x'), crc: 1 }], 'ABN_UNPACK_DAMAGED'],
  ['a size that lies', [{ name: 'top/x', data: text('12345'), size: 2 }], 'ABN_UNPACK_DAMAGED'],
  [
    'a file written through a link',
    [
      { name: 'top/l', data: text('d'), unixMode: 0o120777 },
      { name: 'top/l/x', data: text('x') },
    ],
    'ABN_UNPACK_LINK',
  ],
]

for (const [title, items, code] of hostileZips) {
  test(`zip: ${title} is refused`, async (t) => {
    await refused(t, zipOf(...items), { code, unpack: zip })
  })
}

test('a second source may go into the first, but not through its links and not over its files', async (t) => {
  const first = tarOf(
    { name: 'top/file' },
    { name: 'top/sub/', type: '5' },
    { name: 'top/link', type: '2', link: 'sub' },
  )
  const { root, top, work } = await unpack(t, first)
  await work
  const more = (to: string, kind: Unpack = plainTar) =>
    unpackSource({ file: join(top, 'more'), unpack: kind, root, to })
  fs.writeFileSync(join(top, 'more'), tarOf({ name: 'more/x', data: text('x') }))
  await more('sub')
  await more('new/deep')
  t.is(fs.readFileSync(join(root, 'new/deep/x'), 'utf8'), 'x')
  t.is(fs.statSync(join(root, 'new')).mtimeMs, 1000)
  await t.throwsAsync(more('link'), { code: 'ABN_UNPACK_LINK' })
  await t.throwsAsync(more('link/deeper'), { code: 'ABN_UNPACK_LINK' })
  await t.throwsAsync(more('sub'), { code: 'ABN_UNPACK_DUPLICATE' })
  await t.throwsAsync(more('file'), { code: 'ABN_UNPACK_DUPLICATE' })
  await t.throwsAsync(more('../out'), { code: 'ABN_UNPACK_NAME' })
  await t.throwsAsync(more('file', { kind: 'file', executable: true }), { code: 'ABN_UNPACK_DUPLICATE' })
  await t.throwsAsync(more('link', { kind: 'file', executable: true }), { code: 'ABN_UNPACK_DUPLICATE' })
  await more('tool/run', { kind: 'file', executable: true })
  t.is(fs.statSync(join(root, 'tool/run')).mode & 0o7777, 0o755)
})

test('a canonical archive from git loses its item directory', async (t) => {
  const name = 'abn/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-source-1'
  const { root, work } = await unpack(t, tarOf({ name: `${name}/a/b`, data: text('b'), mode: 0o444 }), {
    unpack: { kind: 'git' },
  })
  await work
  t.deepEqual(listing(root), ['a/ 755 1000', 'a/b 644 1000 1 b'])
})

test('an abort stops unpacking', async (t) => {
  const { work } = await unpack(t, tarOf(...ordinary), { signal: AbortSignal.abort(new Error('stop')) })
  await t.throwsAsync(work, { message: 'stop' })
})
