// The bytes of a compressed file, decompressed, with the limits on size and ratio watched while they come. The kind of
// compression is told by the derivation and never guessed. gzip and zstd: node:zlib; xz: xz.ts (dictionaries up to
// 64 MiB, no BCJ filters); bzip2: bzip2.ts.

import { createReadStream, statSync } from 'node:fs'
import type { Compression } from '../../format/derivation.ts'
import { AbnError } from '../../format/errors.ts'
import { decompressBzip2 } from './bzip2.ts'
import { checkSize, type UnpackLimits } from './limits.ts'

const chunkBytes = 256 * 1024

/** Throws ABN_UNPACK_DAMAGED or ABN_UNPACK_LIMIT; errors of the file system as they are. */
export async function* decompress(
  file: string,
  compression: Compression,
  limits: UnpackLimits,
): AsyncGenerator<Uint8Array> {
  const packed = statSync(file).size
  let unpacked = 0
  try {
    if (packed === 0) throw new Error('it is empty')
    for await (const chunk of await openStream(file, compression, limits)) {
      unpacked += chunk.length
      checkSize(unpacked, packed, limits)
      yield chunk
    }
  } catch (error) {
    if (error instanceof AbnError || error instanceof TypeError || isFileSystemError(error)) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new AbnError('ABN_UNPACK_DAMAGED', `not a whole ${compression} file: ${explain(compression, why)}`, {
      hint: 'check which compression the recipe names for this source',
      cause: error,
    })
  }
}

async function openStream(
  file: string,
  compression: Compression,
  limits: UnpackLimits,
): Promise<AsyncIterable<Uint8Array>> {
  switch (compression) {
    case 'none':
      return createReadStream(file, { highWaterMark: chunkBytes })
    case 'bzip2':
      return decompressBzip2(file, limits.bytes)
    case 'xz':
      return (await import('./xz.ts')).openXz(file)
    case 'gzip':
    case 'zstd': {
      const zlib = await import('node:zlib')
      const options = { chunkSize: chunkBytes }
      const inflate = compression === 'gzip' ? zlib.createGunzip(options) : zlib.createZstdDecompress(options)
      const source = createReadStream(file, { highWaterMark: chunkBytes })
      source.on('error', (error) => inflate.destroy(error))
      inflate.on('close', () => source.destroy())
      return source.pipe(inflate)
    }
    default:
      return compression satisfies never
  }
}

/** The codes of xz-embedded (enum xz_ret in xz.h). */
function explain(compression: Compression, why: string): string {
  if (compression !== 'xz') return why
  const code = /error code (\d+)/.exec(why)?.[1]
  if (code === '4') return 'it needs a dictionary of more than 64 MiB'
  if (code === '2' || code === '6') return 'it uses a filter or a check that is not supported'
  if (code === undefined) return why
  return code === '5' ? 'it has another format' : 'it is damaged or cut short'
}

function isFileSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
