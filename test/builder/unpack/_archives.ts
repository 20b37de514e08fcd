// Archives made by hand, block by block, so that a test can put into them what no archiver would.

import { crc32, deflateRawSync } from 'node:zlib'

export type TarEntry = {
  readonly name: string | Buffer
  readonly type?: string // the type flag
  readonly data?: Buffer
  readonly size?: number // when it is to lie
  readonly link?: string
  readonly mode?: number
  readonly magic?: Buffer
}

/** One header with its data; everything of a ustar archive except the end. */
export function tarEntry({ name, type = '0', data = Buffer.alloc(0), size, link = '', mode = 0o644, magic }: TarEntry) {
  const block = Buffer.alloc(512)
  Buffer.from(name).copy(block, 0)
  block.write(`${mode.toString(8).padStart(7, '0')}\0`, 100)
  block.write('0001750\0' + '0001750\0', 108)
  block.write(`${(size ?? data.length).toString(8).padStart(11, '0')}\0`, 124)
  block.write(`${(1_234_567_890).toString(8).padStart(11, '0')}\0`, 136)
  block.write(type, 156, 'latin1')
  Buffer.from(link).copy(block, 157)
  ;(magic ?? Buffer.from('ustar\x0000')).copy(block, 257)
  block.write('somebody', 265)
  block.write('        ', 148)
  block.write(
    `${[...block]
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return Buffer.concat([block, data, Buffer.alloc((512 - (data.length % 512)) % 512)])
}

export function tarOf(...entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), Buffer.alloc(1024)])
}

/** A pax header for the entry after it. */
export function pax(records: Readonly<Record<string, string | Buffer>>, type = 'x'): TarEntry {
  const lines = Object.entries(records).map(([key, value]) => {
    const body = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')])
    let length = body.length + 1
    while (String(length).length + body.length !== length) length += 1
    return Buffer.concat([Buffer.from(String(length)), body])
  })
  return { name: 'PaxHeader', type, data: Buffer.concat(lines) }
}

/** A GNU header for the long name ('L') or link target ('K') of the entry after it. */
export function gnuLong(type: 'L' | 'K', value: string): TarEntry {
  return { name: '././@LongLink', type, data: Buffer.from(`${value}\0`), magic: Buffer.from('ustar  \0') }
}

export type ZipItem = {
  readonly name: string
  readonly data?: Buffer
  readonly unixMode?: number
  readonly flags?: number
  readonly crc?: number
  readonly size?: number
}

export function zipOf(...items: readonly ZipItem[]): Buffer {
  const locals: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const { name, data = Buffer.alloc(0), unixMode = 0o100644, flags = 0, crc, size } of items) {
    const packed = deflateRawSync(data)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(flags, 2)
    common.writeUInt16LE(8, 4)
    common.writeUInt32LE(crc ?? crc32(data), 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(size ?? data.length, 18)
    common.writeUInt16LE(Buffer.byteLength(name), 22)
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE((unixMode << 16) >>> 0, 6)
    tail.writeUInt32LE(offset, 10)
    central.push(Buffer.from('PK\x01\x02'), Buffer.from([20, 3]), common, tail, Buffer.from(name))
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed])
    locals.push(local)
    offset += local.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(items.length, 8)
  end.writeUInt16LE(items.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, directory, end])
}
