import { execFileSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { createArchiveDecoder, defaultArchiveLimits } from '../../../format/archive/decode.ts'
import { encodeArchive } from '../../../format/archive/encode.ts'
import { encodeHeader } from '../../../format/archive/header.ts'
import { ordinaryHeaderReader } from '../../../format/archive/ordinary-header.ts'
import { decodePlain, encodePlain, item, longItem, type PlainEntry, tree, withContent } from './support.ts'

const root: PlainEntry = { kind: 'directory', path: '' }
const file = (path: string, text = path): PlainEntry => ({
  kind: 'file',
  path,
  executable: false,
  bytes: Buffer.from(text),
})
const link = (path: string, target: string): PlainEntry => ({ kind: 'link', path, target })
const directory = (path: string): PlainEntry => ({ kind: 'directory', path })

test('decode(encode(x)) is x, in chunks of any size', (t) => {
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 2000 }), fc.constantFrom(item, longItem), (entries, chunkBytes, of) => {
      const archive = encodePlain(entries, of)
      const decoded = decodePlain(archive, { chunkBytes, of })
      t.deepEqual(decoded.entries, entries)
      t.deepEqual(decoded.summary, { entries: entries.length, bytes: archive.length })
      t.is(decoded.ended.length, entries.filter(({ kind }) => kind === 'directory').length)
      t.is(decoded.ended.at(-1), '')
    }),
  )
})

test('a changed byte is refused, or it changes what is decoded', (t) => {
  const small = tree.filter((entries) => entries.length < 6)
  fc.assert(
    fc.property(small, fc.nat(), fc.integer({ min: 1, max: 255 }), (entries, position, change) => {
      const archive = encodePlain(entries)
      const at = position % archive.length
      archive[at] = (archive[at] ?? 0) ^ change
      let decoded: PlainEntry[]
      try {
        decoded = decodePlain(archive).entries
      } catch (error) {
        t.regex(String((error as { code?: string }).code), /^ABN_ARCHIVE_/)
        return
      }
      t.deepEqual(encodePlain(decoded), archive)
      t.notDeepEqual(decoded, entries)
    }),
    { numRuns: 300 },
  )
})

test('a truncated archive is refused', (t) => {
  const archive = encodePlain([root, file('a'), directory('b'), link('b/c', '../a')])
  for (let length = 0; length < archive.length; length += 64) {
    t.throws(() => decodePlain(archive.subarray(0, length)), { code: 'ABN_ARCHIVE_INVALID' })
  }
})

for (const program of ['tar', 'bsdtar']) {
  const run = isInstalled(program) ? test : test.skip
  // libarchive brings names that it finds in a pax header into Unicode's normal form C.
  const trees =
    program === 'tar' ? tree : tree.filter((entries) => entries.every(({ path }) => path === path.normalize('NFC')))
  run(`${program} unpacks the archive to the same directory`, (t) => {
    fc.assert(
      fc.property(trees, fc.constantFrom(item, longItem), (entries, of) => {
        const at = mkdtempSync(join(tmpdir(), 'abn-archive-'))
        try {
          writeFileSync(join(at, 'a.tar'), encodePlain(entries, of))
          execFileSync(program, ['-xpf', 'a.tar'], {
            cwd: at,
            stdio: ['ignore', 'pipe', 'pipe'],
            env: { ...process.env, LC_ALL: 'C.UTF-8' },
          })
          for (const entry of entries) t.deepEqual(readEntry(join(at, 'abn/store', of), entry), entry)
          const listing = execFileSync('find', [join(at, 'abn/store'), '-mindepth', '1', '-printf', 'x'])
          t.is(listing.length, entries.length)
        } finally {
          execFileSync('chmod', ['-R', 'u+w', at])
          rmSync(at, { recursive: true })
        }
      }),
      { numRuns: 12 },
    )
  })
}

function isInstalled(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Reads what is on disk in the form of the entry; checks modes and times on the way. */
function readEntry(base: string, { path }: PlainEntry): PlainEntry {
  const at = join(base, path)
  const { mode, mtimeMs, size } = lstatSync(at)
  if (mtimeMs !== 1000) throw new Error(`${at}: mtime ${mtimeMs}`)
  if ((mode & 0o170000) === 0o120000) return link(path, readlinkSync(at))
  if ((mode & 0o7777) !== 0o444 && (mode & 0o7777) !== 0o555) throw new Error(`${at}: mode ${mode.toString(8)}`)
  if ((mode & 0o170000) === 0o040000) return directory(path)
  const bytes = readFileSync(at)
  if (bytes.length !== size) throw new Error(`${at}: size`)
  return { kind: 'file', path, executable: (mode & 0o111) !== 0, bytes }
}

test('a name takes a pax header only when it does not fit', (t) => {
  const header = (path: string) => encodeHeader(item, { kind: 'directory', path }).length
  // "abn/store/<32>-hello-2.10/" has 54 bytes.
  t.is(header('x'.repeat(45)), 512, '100 bytes: in the name field')
  t.is(header('x'.repeat(46)), 512, '101 bytes: split behind the item')
  t.is(header('x'.repeat(99)), 512, 'a rest of 100 bytes')
  t.is(header('x'.repeat(100)), 1536, 'a rest of 101 bytes')
  t.is(header(`${'x'.repeat(101)}/y`), 512, 'a prefix of 155 bytes')
  t.is(header(`${'x'.repeat(102)}/y`), 1536, 'a prefix of 156 bytes')
  t.is(header(`${'x'.repeat(100)}/${'y'.repeat(99)}`), 512, 'prefix of 154, rest of 100')
  t.is(header(`${'x'.repeat(102)}/${'y'.repeat(99)}`), 1536)
})

test('files of 8 GiB and more have their size in a pax header', (t) => {
  const header = (size: number) => encodeHeader(item, { kind: 'file', path: 'a', executable: false, size })
  t.is(header(8 * 1024 ** 3 - 1).length, 512)
  t.is(header(8 * 1024 ** 3).length, 1536)
  t.true(Buffer.from(header(8 * 1024 ** 3)).includes('19 size=8589934592\n'))
  const decoder = createArchiveDecoder(item, {
    directory: () => {},
    directoryEnd: () => {},
    file: (path, size) => t.deepEqual([path, size], ['a', 8 * 1024 ** 3]),
    data: () => {},
    fileEnd: () => {},
    link: () => {},
  })
  decoder.push(encodeHeader(item, { kind: 'directory', path: '' }))
  decoder.push(header(8 * 1024 ** 3))
  t.throws(() => decoder.end(), { message: /ends early/ })
})

const notEncoded: readonly [string, PlainEntry[]][] = [
  ['no entry', []],
  ['no directory of the item', [file('a')]],
  ['the item as a file', [file('')]],
  ['an entry twice', [root, file('a'), file('a')]],
  ['a parent as a name', [root, file('..')]],
  ['a parent within a path', [root, file('a/../b')]],
  ['an empty name', [root, file('a//b')]],
  ['an absolute name', [root, file('/a')]],
  ['a NUL', [root, file('a\0b')]],
  ['a lone surrogate', [root, file('a\ud800')]],
  ['a name of 256 bytes', [root, file('x'.repeat(256))]],
  ['a path of 2049 bytes', [root, file(`${'x/'.repeat(1024)}x`)]],
  ['an empty link', [root, link('a', '')]],
  ['an absolute link out of the store', [root, link('a', '/etc/passwd')]],
  ['a link to the store itself', [root, link('a', '/abn/store/')]],
  ['a link to no item of the store', [root, link('a', '/abn/store/x')]],
  ['a link above the store', [root, link('a', '../../x')]],
  ['a link to the directory of the store', [root, link('a', '..')]],
  ['a link out of the store by parents', [root, link('a', `/abn/store/${item}/../../x`)]],
  ['a long link', [root, link('a', 'x'.repeat(4096))]],
]
for (const [title, entries] of notEncoded) {
  test(`does not encode ${title}`, (t) => {
    t.throws(() => [...encodeArchive(item, entries.map(withContent))], { code: 'ABN_ARCHIVE_INVALID' })
  })
}

for (const target of [
  'a',
  './a',
  'b/../a',
  '../bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-c-1/x',
  `/abn/store/${item}/bin`,
  'dangling',
]) {
  test(`accepts a link to ${target}`, (t) => {
    const entries = [root, link('x', target)]
    t.deepEqual(decodePlain(encodePlain(entries)).entries, entries)
  })
}

test('a content of another size than announced is an error', (t) => {
  const encode = (content: Buffer[]) => [
    ...encodeArchive(item, [root, { kind: 'file', path: 'a', executable: false, size: 3, content }]),
  ]
  t.notThrows(() => encode([Buffer.from('a'), Buffer.from('bc')]))
  t.throws(() => encode([Buffer.from('ab')]), { code: 'ABN_DIRECTORY_CHANGED' })
  t.throws(() => encode([Buffer.from('abcd')]), { code: 'ABN_DIRECTORY_CHANGED' })
})

/** Blocks put together by hand, so that they may be wrong. */
const blocks = (...parts: (Uint8Array | string)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? padded(Buffer.from(part)) : part)))
const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
const head = (entry: PlainEntry, change: (block: Buffer) => void = () => {}, of = item): Buffer => {
  const { kind, path } = entry
  const header =
    entry.kind === 'file'
      ? { ...entry, size: entry.bytes.length }
      : kind === 'link'
        ? entry
        : { kind: 'directory' as const, path }
  const block = Buffer.from(encodeHeader(of, header))
  change(block)
  let sum = 256
  block.fill(' ', block.length - 512 + 148, block.length - 512 + 156)
  for (const byte of block.subarray(-512)) sum += byte
  sum -= 256
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, block.length - 512 + 148)
  return block
}
const end = Buffer.alloc(1024)
const at = (offset: number, text: string) => (block: Buffer) => void block.write(text, offset, 'latin1')

const deep = [root, directory('x'.repeat(30)), directory(`${'x'.repeat(30)}/${'y'.repeat(30)}`)]
const deepest = `${'x'.repeat(30)}/${'y'.repeat(30)}/${'z'.repeat(30)}`

const notDecoded: readonly [string, Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['an empty archive', end],
  ['an archive without an end', blocks(head(root))],
  ['one zero block as the end', blocks(head(root), Buffer.alloc(512))],
  ['a third zero block', blocks(head(root), end, Buffer.alloc(512))],
  ['an archive padded to 10,240 bytes', blocks(head(root), end, Buffer.alloc(10240 - 1536))],
  ['another archive after the end', blocks(head(root), end, head(root), end)],
  ['no directory of the item', blocks(head(file('a')), 'a', end)],
  ['the wrong order', blocks(head(root), head(file('b')), 'b', head(file('a')), 'a', end)],
  ['a file twice', blocks(head(root), head(file('b')), 'b', head(file('b')), 'b', end)],
  ['a file and a directory of one name', blocks(head(root), head(file('b')), 'b', head(directory('b')), end)],
  ['a link and entries below it', blocks(head(root), head(link('b', 'c')), head(file('b/x')), 'b/x', end)],
  ['an entry without its directory', blocks(head(root), head(file('b/x')), 'b/x', end)],
  ['a root of another item', blocks(head(root, undefined, longItem), end)],
  ['a parent in a name', blocks(head(root), head(file('aa/b'), at(54, '../b')), 'aa/b', end)],
  ['an absolute name', blocks(head(root), head(file('a'), at(0, '/bn')), 'a', end)],
  ['a hard link', blocks(head(root), head(link('b', 'c'), at(156, '1')), end)],
  ['a character device', blocks(head(root), head(file('b', ''), at(156, '3')), end)],
  ['a block device', blocks(head(root), head(file('b', ''), at(156, '4')), end)],
  ['a fifo', blocks(head(root), head(file('b', ''), at(156, '6')), end)],
  ['a contiguous file', blocks(head(root), head(file('b', ''), at(156, '7')), end)],
  ['an old-style file', blocks(head(root), head(file('b', ''), at(156, '\0')), end)],
  ['a global pax header', blocks(head(root), head(file('b', ''), at(156, 'g')), end)],
  ['a GNU long name', blocks(head(root), head(file('b', ''), at(156, 'L')), end)],
  ['a GNU sparse file', blocks(head(root), head(file('b', ''), at(156, 'S')), end)],
  ['a writable file', blocks(head(root), head(file('b', ''), at(100, '0000644')), end)],
  ['a set-uid file', blocks(head(root), head(file('b', ''), at(100, '0004555')), end)],
  ['an owner', blocks(head(root), head(file('b', ''), at(108, '0001750')), end)],
  ['an owner name', blocks(head(root), head(file('b', ''), at(265, 'root')), end)],
  ['another time', blocks(head(root), head(file('b', ''), at(136, '00000000002')), end)],
  ['spaces in a number', blocks(head(root), head(file('b', ''), at(124, '          0')), end)],
  ['a size in base 256', blocks(head(root), head(file('b', ''), at(124, '\x80\0\0\0\0\0\0\0\0\0\0\0')), end)],
  ['a size for a directory', blocks(head(root, at(124, '00000001000')), Buffer.alloc(512), end)],
  ['a size for a link', blocks(head(root), head(link('b', 'c'), at(124, '00000001000')), Buffer.alloc(512), end)],
  ['bytes behind the name', blocks(head(root), head(file('b', ''), at(60, 'x')), end)],
  ['a name split without need', blocks(head(root), head(file('b', ''), splitEarly), end)],
  [
    'padding that is not zero',
    blocks(head(root), head(file('b')), Buffer.concat([Buffer.from('b'), Buffer.alloc(511, 1)]), end),
  ],
  ['GNU magic', blocks(head(root, at(257, 'ustar  \0')), end)],
  ['a name split at another slash', blocks(...deep.map((one) => head(one)), head(file(deepest, ''), splitLate), end)],
  ['an empty name', blocks(head(root), head(file('xb', ''), at(54, '/')), end)],
  ['a wrong checksum', breakChecksum(blocks(head(root), end))],
  ['a checksum with the wrong end', breakChecksum(blocks(head(root), end), 154, ' \0')],
  ['a pax header without need', blocks(head(root), paxBlock('21 path=abn/store/x/y\n'), head(file('b', '')), end)],
  ['a pax header at the end', blocks(head(root), paxBlock('21 path=abn/store/x/y\n'), end)],
  [
    'two pax headers',
    blocks(head(root), paxBlock('12 a=123456\n'), paxBlock('12 a=123456\n'), head(file('b', '')), end),
  ],
  ['a pax record of a wrong length', blocks(head(root), paxBlock('99 path=x\n'), head(file('b', '')), end)],
  ['a huge pax header', blocks(head(root), paxBlock('x'.repeat(9000)), head(file('b', '')), end)],
]
for (const [title, archive] of notDecoded) {
  test(`does not decode ${title}`, (t) => {
    t.throws(() => decodePlain(archive), { code: 'ABN_ARCHIVE_INVALID' })
    for (const chunkBytes of [1, 100, 512]) {
      t.throws(() => decodePlain(archive, { chunkBytes }), { code: 'ABN_ARCHIVE_INVALID' }, `${chunkBytes}`)
    }
  })
}

test('a changed header is refused, or it is the header of something else, however it arrives', (t) => {
  const judge = (archive: Buffer, chunkBytes: number) => {
    try {
      return decodePlain(archive, { chunkBytes }).entries
    } catch (error) {
      return String((error as { code?: string }).code)
    }
  }
  const anywhere = fc.oneof(fc.nat(511), fc.integer({ min: 100, max: 160 }), fc.integer({ min: 20, max: 110 }))
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 0x2e, 0x2f, 0x30, 0x31, 0x34, 0x35, 0x37, 0x38))
  const names = ['b', 'a.b', 'x'.repeat(46), `${'x'.repeat(46)}/y`, `${'x'.repeat(101)}/y`, 'x'.repeat(100)]
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.constantFrom('directory', 'file', 'link'),
      fc.array(fc.tuple(anywhere, byte), { minLength: 0, maxLength: 3 }),
      (name, kind, changes) => {
        const parent = name.includes('/') ? [head(directory(name.slice(0, -2)))] : []
        const entry = kind === 'file' ? file(name, '') : kind === 'link' ? link(name, 'c') : directory(name)
        const changed = head(entry, (block) => {
          for (const [offset, value] of changes) block[block.length - 512 + offset] = value
        })
        const archive = blocks(head(root), ...parent, changed, end)
        const whole = judge(archive, archive.length)
        // In small pieces no header is read in place.
        t.deepEqual(judge(archive, 100), whole)
        if (typeof whole === 'string') t.is(whole, 'ABN_ARCHIVE_INVALID')
        else t.deepEqual(encodePlain(whole), archive)
        if (changes.length === 0) t.not(typeof whole, 'string')
      },
    ),
    { numRuns: 3000 },
  )
})

test('ordinary headers are read in place, and only those', (t) => {
  const read = (entry: Parameters<typeof encodeHeader>[1], of = item) => {
    const block = Buffer.from(encodeHeader(of, entry))
    return block.length === 512 ? ordinaryHeaderReader(of)(Buffer.concat([Buffer.alloc(7), block]), 7) : undefined
  }
  const ordinary = [
    { kind: 'directory', path: '' },
    { kind: 'directory', path: 'a/b' },
    { kind: 'file', path: 'a', executable: true, size: 0 },
    { kind: 'file', path: `${'x'.repeat(100)}/${'y'.repeat(99)}`, executable: false, size: 8 * 1024 ** 3 - 1 },
    { kind: 'directory', path: `${'x'.repeat(99)}` },
  ] as const
  for (const entry of ordinary) {
    for (const its of [item, longItem]) {
      if (encodeHeader(its, entry).length === 512) t.deepEqual(read(entry, its), entry)
    }
  }
  t.is(read({ kind: 'link', path: 'a', target: 'b' }), undefined)
  t.is(read({ kind: 'file', path: 'ä', executable: false, size: 0 }), undefined)
})

function splitEarly(block: Buffer): void {
  const name = block.subarray(0, 100).toString('latin1').replace(/\0+$/, '')
  block.fill(0, 0, 100)
  block.write('b', 0)
  block.write(name.slice(0, -2), 345)
}

/** Of "….../x…x/yy…y" the first slash, where the second one would do. */
function splitLate(block: Buffer): void {
  const prefix = block.subarray(345, 500).toString('latin1').replace(/\0+$/, '')
  const name = block.subarray(0, 100).toString('latin1').replace(/\0+$/, '')
  const slash = prefix.lastIndexOf('/')
  block.fill(0, 345, 500)
  block.write(prefix.slice(0, slash), 345)
  block.fill(0, 0, 100)
  block.write(`${prefix.slice(slash + 1)}/${name}`, 0)
}

function breakChecksum(archive: Buffer, at = 148, text = '000000'): Buffer {
  archive.write(text, at, 'latin1')
  return archive
}

/** A pax extended header as it would stand before an entry. */
function paxBlock(records: string): Buffer {
  const block = head({ kind: 'file', path: 'a', executable: false, bytes: Buffer.from(records) }, (b) => {
    b.fill(0, 0, 100)
    b.write('PaxHeaders', 0)
    b.write('x', 156)
  })
  return Buffer.concat([block, padded(Buffer.from(records))])
}

test('the helpers for broken archives make right ones too', (t) => {
  const archive = blocks(head(root), head(file('b')), 'b', head(link('c', 'b')), end)
  t.deepEqual(archive, encodePlain([root, file('b'), link('c', 'b')]))
  t.is(decodePlain(archive).entries.length, 3)
  const other = blocks(...deep.map((one) => head(one)), head(file(deepest, '')), end)
  t.is(decodePlain(other).entries.length, 4)
})

test('limits on bytes, entries and ratio', (t) => {
  const archive = encodePlain([root, file('a'), file('b')])
  const { bytes, entries, ratio } = defaultArchiveLimits
  const limits = { bytes: archive.length, entries: 3, ratio }
  t.notThrows(() => decodePlain(archive, { limits }))
  t.throws(() => decodePlain(archive, { limits: { ...limits, bytes: archive.length - 1 } }), {
    code: 'ABN_ARCHIVE_LIMIT',
  })
  t.throws(() => decodePlain(archive, { limits: { ...limits, entries: 2 } }), { code: 'ABN_ARCHIVE_LIMIT' })
  const decoder = createArchiveDecoder(
    item,
    { directory: () => {}, directoryEnd: () => {}, file: () => {}, data: () => {}, fileEnd: () => {}, link: () => {} },
    { bytes, entries, ratio: 100 },
  )
  decoder.push(encodeHeader(item, { kind: 'directory', path: '' }), 10)
  decoder.push(encodeHeader(item, { kind: 'file', path: 'a', executable: false, size: 2 ** 30 }), 20)
  const zeros = Buffer.alloc(16 * 1024 * 1024)
  for (let i = 0; i < 3; i++) decoder.push(zeros, 1000)
  t.throws(() => decoder.push(zeros, 1000), { code: 'ABN_ARCHIVE_LIMIT' })
})
