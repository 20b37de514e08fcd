// bzip2 files, block by block, with the decoder of unbzip2-stream. Its stream interface would hold everything that a
// megabyte of input unpacks to in memory; a bomb makes that terabytes. So the decoder is called for one block at a time.

import { closeSync, openSync, readSync } from 'node:fs'
import { overLimit } from './limits.ts'

/** Yields one block at a time (at most 46 MB). Throws on damage and past `maxBytes`. */
export async function* decompressBzip2(file: string, maxBytes: number): AsyncGenerator<Uint8Array> {
  const { default: bzip2 } = await import('unbzip2-stream/lib/bzip2.js')
  const { default: bitIterator } = await import('unbzip2-stream/lib/bit_iterator.js')
  const descriptor = openSync(file, 'r')
  try {
    let given = 0
    const bits = bitIterator(() => {
      const buffer = Buffer.allocUnsafe(256 * 1024)
      const length = readSync(descriptor, buffer)
      if (length === 0) throw new Error('it is cut short')
      given += length
      return buffer.subarray(0, length)
    })
    const isAtEnd = () => bits.bytesRead === given && readSync(descriptor, Buffer.alloc(1), { position: given }) === 0
    let output = Buffer.allocUnsafe(1 << 20)
    let length = 0
    let total = 0
    const push = (byte: number) => {
      if (length === output.length) output = Buffer.concat([output], length * 2)
      output[length++] = byte
    }
    do {
      const block = new Int32Array(bzip2.header(bits) * 100_000)
      for (let crc: number | null = 0; ; ) {
        length = 0
        crc = bzip2.decompress(bits, push, block, block.length, crc)
        if (crc === null) break
        total += length
        if (total > maxBytes) throw overLimit(`it unpacks to more than ${maxBytes} bytes`)
        yield Buffer.from(output.subarray(0, length))
      }
    } while (!isAtEnd())
  } finally {
    closeSync(descriptor)
  }
}
