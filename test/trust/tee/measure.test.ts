// Measurements against second computations: by definition here, by python3 and with Debian's firmware where they are.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { parseSha256 } from '../../../format/hash.ts'
import { authenticodeDigest } from '../../../trust/tee/authenticode.ts'
import { mrtdOf, type PageOrder, registerOf, sha384 } from '../../../trust/tee/measure.ts'
import { directBootRegisters, loadOptionsOf, patchedByQemu, rtmr1Of } from '../../../trust/tee/measure-boot.ts'
import { runtimeDigestOf, runtimeRegisterOf } from '../../../trust/tee/measure-runtime.ts'
import { contentOf, guidBytes, guidText, parseTdvf } from '../../../trust/tee/tdvf.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'
import { efiProgram, kernel, type SectionSpec, sections, type TdvfSpec, tdvf } from './image.ts'

const orders: readonly PageOrder[] = ['one-pass', 'two-pass']
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** MRTD from a list of sections alone: all records made first, then hashed. */
function mrtdByDefinition(image: Uint8Array, list: readonly SectionSpec[], order: PageOrder): string {
  const records: Buffer[] = []
  const record = (name: string, address: number) => {
    const head = Buffer.concat([Buffer.from(name.padEnd(16, '\0'), 'latin1'), Buffer.alloc(112)])
    head.writeBigUInt64LE(BigInt(address), 16)
    return head
  }
  for (const { offset, address, memoryBytes, attributes } of list) {
    const adds: Buffer[][] = []
    const extends_: Buffer[][] = []
    for (let page = 0; page < memoryBytes; page += 4096) {
      adds.push((attributes & 2) === 0 ? [record('MEM.PAGE.ADD', address + page)] : [])
      const chunks: Buffer[] = []
      for (let chunk = page; (attributes & 1) === 1 && chunk < page + 4096; chunk += 256) {
        chunks.push(
          record('MR.EXTEND', address + chunk),
          Buffer.from(image.slice(offset + chunk, offset + chunk + 256)),
        )
      }
      extends_.push(chunks)
    }
    const inOrder = order === 'two-pass' ? [...adds, ...extends_] : adds.flatMap((add, i) => [add, extends_[i] ?? []])
    records.push(...inOrder.flat())
  }
  return createHash('sha384').update(Buffer.concat(records)).digest('hex')
}

/** Finds the metadata by its GUID in the image rather than by the table, and hashes with Python's hashlib. */
const PYTHON = `
import hashlib, struct, sys
image = open(sys.argv[1], 'rb').read()
order = sys.argv[2]
at = image.rfind(bytes.fromhex('35657ae44a989847865e4685a7bf8ec2'))
back, = struct.unpack('<I', image[at-6:at-2])
start = len(image) - back
magic, length, version, count = struct.unpack('<4sIII', image[start:start+16])
assert magic == b'TDVF' and version == 1
h = hashlib.sha384()
def add(a): h.update(struct.pack('<16sQ104x', b'MEM.PAGE.ADD', a))
for i in range(count):
    off, size, addr, mem, kind, attr = struct.unpack('<IIQQII', image[start+16+32*i:start+48+32*i])
    if order == 'two-pass' and not attr & 2:
        for p in range(mem >> 12): add(addr + (p << 12))
    for p in range(mem >> 12):
        if order == 'one-pass' and not attr & 2: add(addr + (p << 12))
        if attr & 1:
            for c in range(16):
                o = (p << 12) + (c << 8)
                h.update(struct.pack('<16sQ104x', b'MR.EXTEND', addr + o) + image[off+o:off+o+256])
print(h.hexdigest())
`

function mrtdByPython(file: string, order: PageOrder): string | undefined {
  const { status, stdout, error } = spawnSync('python3', ['-c', PYTHON, file, order], { encoding: 'utf8' })
  return error === undefined && status === 0 ? stdout.trim() : undefined
}

for (const order of orders) {
  test(`MRTD, ${order}, of a small image is that of the definition`, (t) => {
    t.is(hex(mrtdOf(parseTdvf(tdvf()), order)), mrtdByDefinition(tdvf(), sections, order))
  })

  test(`MRTD, ${order}, is what Python computes`, (t) => {
    const file = join(temporaryDirectory(t), 'tdvf.fd')
    writeFileSync(file, tdvf())
    const other = mrtdByPython(file, order)
    if (other === undefined) return t.pass('there is no python3 here')
    t.is(hex(mrtdOf(parseTdvf(tdvf()), order)), other)
  })

  test(`MRTD, ${order}, of Debian's OVMF is the same computed three ways`, (t) => {
    const file = '/usr/share/ovmf/OVMF.fd'
    if (!existsSync(file)) return t.pass('ovmf is not installed')
    const image = new Uint8Array(readFileSync(file))
    const parsed = parseTdvf(image)
    const list = parsed.sections.map((section) => ({ ...section, type: 0 }))
    const ours = hex(mrtdOf(parsed, order))
    t.is(ours, mrtdByDefinition(image, list, order))
    t.is(ours, mrtdByPython(file, order) ?? ours)
  })
}

test('MRTD depends on every measured byte, every address, the order of pages, and on nothing else', (t) => {
  const image = tdvf()
  const whole = hex(mrtdOf(parseTdvf(image), 'one-pass'))
  t.not(whole, hex(mrtdOf(parseTdvf(image), 'two-pass')))
  const changed = (at: number) => {
    const copy = Uint8Array.from(image)
    copy[at] = (copy[at] ?? 0) ^ 1
    return hex(mrtdOf(parseTdvf(copy), 'one-pass'))
  }
  t.is(changed(0x10), whole)
  for (const at of [0x1000, 0x1fff, 0x2000, 0x27ff]) t.not(changed(at), whole)
  const moved = sections.map((section, i) => (i === 2 ? { ...section, address: section.address + 0x1000 } : section))
  t.not(hex(mrtdOf(parseTdvf(tdvf({ sections: moved })), 'one-pass')), whole)
})

test('the sections of a small image', (t) => {
  const parsed = parseTdvf(tdvf())
  t.deepEqual(
    parsed.sections.map(({ kind }) => kind),
    ['boot firmware', 'configuration', 'hand-off block', 'permanent memory'],
  )
  const [, configuration] = parsed.sections
  t.is(configuration && contentOf(parsed, configuration).length, 0x1000)
})

const [code, variables, block] = sections
const withFirst = (change: Partial<SectionSpec>): TdvfSpec =>
  code && variables ? { sections: [{ ...code, ...change }, variables] } : {}

const refused: readonly (readonly [string, TdvfSpec, RegExp])[] = [
  ['another signature', { signature: 'TDVX' }, /signature/],
  ['another version', { version: 2 }, /version 2/],
  ['a length that is not that of its sections', { length: 100 }, /says 100 bytes/],
  ['no section', { sections: [] }, /0 sections/],
  ['too many sections', { count: 65 }, /65 sections/],
  ['an unknown kind of section', withFirst({ type: 7 }), /type 7/],
  ['unknown attributes', withFirst({ attributes: 4 }), /attributes 4/],
  ['a measured section that comes later', withFirst({ attributes: 3 }), /comes later/],
  ['an address within a page', withFirst({ address: 0xffff_e001 }), /whole pages/],
  ['half a page', withFirst({ memoryBytes: 0x2800 }), /whole pages/],
  ['a section behind the end', withFirst({ offset: 0x2000 }), /outside the image/],
  ['more in the image than in memory', withFirst({ memoryBytes: 0x1000 }), /in memory/],
  ['less in the image than in memory', withFirst({ bytes: 0x1000 }), /in memory/],
  ['measured pages that are not in the image', withFirst({ bytes: 0 }), /in memory/],
  ['an address that no processor has', withFirst({ address: 2 ** 52 }), /is at/],
  ['more memory than any firmware takes', withFirst({ memoryBytes: 2 ** 40 }), /of memory/],
  ['sections that overlap', { sections: code && block ? [code, { ...block, address: 0xffff_f000 }] : [] }, /overlap/],
  ['no table', { poke: new Map([[33, 0]]) }, /no table/],
  ['a table that is longer than the image', { poke: new Map([[49, 0xff]]) }, /longer than the image/],
  ['an entry of no bytes', { poke: new Map([[68, 0]]) }, /damaged/],
  ['an entry that is longer than the table', { poke: new Map([[68, 99]]) }, /damaged/],
  ['no entry for TDX', { poke: new Map([[66, 0]]) }, /no TDX metadata/],
  ['metadata before the image', { poke: new Map([[70, 0xff]]) }, /outside the image/],
]

for (const [title, spec, message] of refused) {
  test(`an image is refused with ${title}`, (t) => {
    t.throws(() => parseTdvf(tdvf(spec)), { code: 'ABN_TEE_IMAGE', message })
  })
}

test('nothing but ABN_TEE_IMAGE comes of damaged images', (t) => {
  fc.assert(
    fc.property(fc.nat({ max: 0x2fff }), fc.nat({ max: 255 }), fc.nat({ max: 0x3000 }), (at, byte, length) => {
      for (const image of [tdvf(), efiProgram({ signature: 64 }), kernel()]) {
        image[at % image.length] = byte
        for (const bytes of [image, image.slice(0, length), image.slice(length)]) {
          for (const action of [
            () => mrtdOf(parseTdvf(bytes), 'one-pass'),
            () => authenticodeDigest(bytes),
            () => patchedByQemu(bytes, { memoryBytes: 2 ** 31, initrdBytes: 5 }),
          ]) {
            try {
              action()
            } catch (error) {
              if (!(error instanceof Error && 'code' in error && error.code === 'ABN_TEE_IMAGE')) throw error
            }
          }
        }
      }
    }),
    { numRuns: 60 },
  )
  t.pass()
})

test('the digest of an EFI program is that of the definition', (t) => {
  for (const is64 of [true, false]) {
    const directory = 0x98 + (is64 ? 112 : 96) + 32
    const image = Buffer.from(efiProgram({ signature: 72, trailing: 24, is64 }))
    // The sections' order in the file is that of their offsets, so that all is one run but for the three gaps.
    const hashed = Buffer.concat([
      image.subarray(0, 0xd8),
      image.subarray(0xdc, directory),
      image.subarray(directory + 8, -72),
    ])
    t.is(hex(authenticodeDigest(image)), createHash('sha384').update(hashed).digest('hex'))
    t.is(hex(authenticodeDigest(image, 'sha256')), createHash('sha256').update(hashed).digest('hex'))
  }
})

test('signatures and the checksum do not count, everything else does', (t) => {
  const image = efiProgram({ signature: 72 })
  const digest = (at?: number) => {
    const copy = Uint8Array.from(image)
    if (at !== undefined) copy[at] = (copy[at] ?? 0) ^ 1
    return hex(authenticodeDigest(copy))
  }
  t.is(digest(0xd8), digest())
  t.is(digest(image.length - 1), digest())
  for (const at of [0x50, 0x400, 0x600, image.length - 73]) t.not(digest(at), digest(), String(at))
})

for (const [title, at, bytes] of [
  ['no MZ', 0, [0]],
  ['no PE header', 0x80, [0]],
  ['an unknown optional header', 0x98, [0]],
  ['no entry for signatures', 0x98 + 108, [4]],
  ['sections that overlap', 0x98 + 112 + 128 + 20, [0x10, 0x05]],
  ['signatures that are not at its end', 0x98 + 112 + 36, [1]],
  ['headers that are longer than it', 0x98 + 60, [0, 0, 1]],
] as const) {
  test(`an EFI program is refused with ${title}`, (t) => {
    const image = efiProgram()
    image.set(bytes, at)
    t.throws(() => authenticodeDigest(image), { code: 'ABN_TEE_IMAGE' })
  })
}

test('registers of a direct boot', (t) => {
  const initrd = Uint8Array.of(1, 2, 3)
  const image = kernel()
  const { rtmr1, rtmr2 } = directBootRegisters({ kernel: image, initrd, commandLine: 'console=ttyS0' })
  t.deepEqual(rtmr1, rtmr1Of(authenticodeDigest(image)))
  const options = Buffer.from('console=ttyS0 initrd=initrd\0', 'utf16le')
  const chain = (before: Buffer, data: Uint8Array) =>
    createHash('sha384').update(before).update(createHash('sha384').update(data).digest()).digest()
  t.is(hex(rtmr2), hex(chain(chain(Buffer.alloc(48), options), initrd)))
  const without = directBootRegisters({ kernel: image, initrd: undefined, commandLine: 'console=ttyS0' })
  t.is(hex(without.rtmr2), hex(chain(Buffer.alloc(48), Buffer.from('console=ttyS0\0', 'utf16le'))))
  t.deepEqual(without.rtmr1, rtmr1)
  t.throws(() => loadOptionsOf('a\nb', false), { code: 'ABN_TEE_IMAGE' })
  t.throws(() => loadOptionsOf('ä', false), { code: 'ABN_TEE_IMAGE' })
})

test('a kernel as QEMU changes it: where the initrd is depends on the memory', (t) => {
  const of = (memoryBytes: number, image = kernel()) =>
    Buffer.from(patchedByQemu(image, { memoryBytes, initrdBytes: 0x1234 }))
  const small = of(0x4000_0000)
  t.is(small[0x210], 0xb0)
  t.is(small[0x211], 0x81)
  t.is(small.readUInt32LE(0x224), 0xfe00)
  t.is(small.readUInt32LE(0x228), 0x20000)
  t.is(small.readUInt32LE(0x218), (0x4000_0000 - 0x28000 - 1 - 0x1234) & ~4095)
  t.is(small.readUInt32LE(0x21c), 0x1234)
  t.deepEqual(of(0xb000_0000), of(2 ** 36))
  t.deepEqual(of(0xb000_0000), of(0x8000_0000))
  t.notDeepEqual(of(0xb000_0000), of(0xafff_f000))
  const low = kernel({ extraFlags: 0, initrdMaximum: 0x37ff_ffff })
  t.is(of(2 ** 36, low).readUInt32LE(0x218), (0x37ff_ffff - 0x1234) & ~4095)
  t.is(
    hex(patchedByQemu(kernel(), { memoryBytes: 2 ** 32, initrdBytes: undefined }).slice(0x218, 0x220)),
    '00'.repeat(8),
  )
  t.throws(() => of(2 ** 32, kernel({ protocol: 0x200 })), { code: 'ABN_TEE_IMAGE', message: /protocol/ })
  t.throws(() => of(2 ** 32, new Uint8Array(0x2000)), { code: 'ABN_TEE_IMAGE', message: /not a Linux kernel/ })
  t.throws(() => patchedByQemu(kernel(), { memoryBytes: 2 ** 31, initrdBytes: 2 ** 31 }), { code: 'ABN_TEE_IMAGE' })
})

test('RTMR3 of a builder', (t) => {
  const configuration = parseSha256('ab'.repeat(32))
  const domain = Buffer.concat([Buffer.from('abnpkg-configuration-v1\n'), Buffer.alloc(32, 0xab)])
  const digest = createHash('sha384').update(domain).digest()
  t.is(hex(runtimeDigestOf(configuration)), hex(digest))
  t.is(
    hex(runtimeRegisterOf(configuration)),
    hex(createHash('sha384').update(Buffer.alloc(48)).update(digest).digest()),
  )
  t.deepEqual(registerOf([]), new Uint8Array(48))
  t.is(hex(sha384(new Uint8Array())).slice(0, 8), '38b060a7')
})

test('GUIDs are written as UEFI does', (t) => {
  const text = '96b582de-1fb2-45f7-baea-a366c55a082d'
  t.is(hex(guidBytes(text)), 'de82b596b21ff745baeaa366c55a082d')
  t.is(guidText(guidBytes(text)), text)
})
