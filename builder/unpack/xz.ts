// xz files (The .xz File Format 1.2.1) by xz-embedded as WebAssembly (xz-decompress). That decoder knows the checks none,
// CRC32 and CRC64 only, so a file with SHA-256 checks, as XZ Utils itself publishes, is first rewritten without its checks:
// the LZMA2 data stays as it is, the index is made anew. Nothing is lost by that: the whole file's SHA-256 was verified.

import { closeSync, createReadStream, openSync, readFileSync, readSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { crc32 } from 'node:zlib'

/** The decompressed bytes. Throws an Error that says what is wrong with the file. */
export async function openXz(file: string): Promise<ReadableStream<Uint8Array>> {
  const { XzReadableStream } = (await import('xz-decompress')).default
  const packed =
    checkTypeOf(file) === sha256Check
      ? Readable.from(withoutChecks(readFileSync(file)))
      : createReadStream(file, { highWaterMark: 1 << 18 })
  return new XzReadableStream(Readable.toWeb(packed))
}

const sha256Check = 10
const checkBytes = 32
const headerBytes = 12
const footerBytes = 12
const magic = Buffer.from('\xfd7zXZ\0', 'latin1')

function checkTypeOf(file: string): number | undefined {
  const header = Buffer.alloc(headerBytes)
  const descriptor = openSync(file, 'r')
  try {
    readSync(descriptor, header)
  } finally {
    closeSync(descriptor)
  }
  return header.subarray(0, 6).equals(magic) ? (header[7] ?? 0) & 0x0f : undefined
}

type IndexRecord = { readonly unpaddedBytes: number; readonly bytes: number }

/** One stream with SHA-256 checks, as one without. Throws an Error for damage that shows here. */
export function withoutChecks(file: Buffer): Buffer[] {
  const parts: Buffer[] = [streamHeader()]
  const records: IndexRecord[] = []
  let at = headerBytes
  while (byteAt(file, at) !== 0) {
    const blockHeaderBytes = (byteAt(file, at) + 1) * 4
    const data = walkLzma2(file, at + blockHeaderBytes)
    const unpaddedBytes = data.end - at
    const paddedEnd = at + padded(unpaddedBytes)
    parts.push(file.subarray(at, data.end), Buffer.alloc(paddedEnd - data.end))
    records.push({ unpaddedBytes, bytes: data.bytes })
    at = paddedEnd + checkBytes
  }
  const oldIndexBytes = (file.length < at + footerBytes ? 0 : file.readUInt32LE(file.length - 8) + 1) * 4
  if (at + oldIndexBytes + footerBytes !== file.length) throw new Error('it is cut short, or of several streams')
  const index = indexOf(records)
  parts.push(index, streamFooter(index.length))
  return parts
}

/** LZMA2 chunks (section 5.3.1 and the LZMA SDK): where they end, and how many bytes they decompress to. */
function walkLzma2(file: Buffer, start: number): { readonly end: number; readonly bytes: number } {
  let bytes = 0
  for (let at = start; ; ) {
    const control = byteAt(file, at)
    if (control === 0) return { end: at + 1, bytes }
    if (control > 2 && control < 0x80) throw new Error('it is damaged or uses a filter that is not supported')
    const low = (byteAt(file, at + 1) << 8) + byteAt(file, at + 2) + 1
    if (control <= 2) {
      bytes += low
      at += 3 + low
    } else {
      bytes += ((control & 0x1f) << 16) + low
      at += (control >= 0xc0 ? 6 : 5) + (byteAt(file, at + 3) << 8) + byteAt(file, at + 4) + 1
    }
  }
}

const withoutCheckFlags = Buffer.from([0, 0])

function streamHeader(): Buffer {
  return Buffer.concat([magic, withoutCheckFlags, crc32Of(withoutCheckFlags)])
}

function streamFooter(indexBytes: number): Buffer {
  const backward = Buffer.alloc(4)
  backward.writeUInt32LE(indexBytes / 4 - 1)
  const body = Buffer.concat([backward, withoutCheckFlags])
  return Buffer.concat([crc32Of(body), body, Buffer.from('YZ')])
}

function indexOf(records: readonly IndexRecord[]): Buffer {
  const numbers = [records.length, ...records.flatMap((record) => [record.unpaddedBytes, record.bytes])]
  const body = Buffer.from([0, ...numbers.flatMap(variableLength)])
  const whole = Buffer.concat([body, Buffer.alloc(padded(body.length) - body.length)])
  return Buffer.concat([whole, crc32Of(whole)])
}

/** Section 1.2: seven bits a byte, the lowest first. */
function variableLength(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80)
  return [...bytes, rest]
}

function crc32Of(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4)
  sum.writeUInt32LE(crc32(bytes))
  return sum
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4
}

function byteAt(file: Buffer, at: number): number {
  const byte = file[at]
  if (byte === undefined) throw new Error('it is cut short')
  return byte
}
