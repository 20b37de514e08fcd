/**
 * An output as a file that can be sent: its canonical archive in one zstd frame. The same output gives the same file with the
 * same version of Node, so that an upload that was interrupted goes on where it stopped.
 */
import { createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdCompress, constants as zlib } from 'node:zlib'
import { encodeArchive } from '../../format/archive/encode.ts'
import { AbnError } from '../../format/errors.ts'
import { sha256Stream } from '../../format/hash.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import { diskError, errorCode } from '../../store/io-errors.ts'
import type { Store } from '../../store/store.ts'
import { readEntries } from '../../store/walk.ts'
import type { StatedOutput } from '../../trust/statement.ts'

/**
 * Resolves to the size of the file. Throws ABN_PUBLISH_ITEM when what is in the store is not what was stated, and
 * ABN_DISK_FULL.
 */
export async function writeArchiveFile(
  { path, digest, bytes }: Pick<StatedOutput, 'path' | 'digest' | 'bytes'>,
  { store, file, signal }: { readonly store: Store; readonly file: string; readonly signal?: AbortSignal | undefined },
): Promise<number> {
  const hash = sha256Stream()
  const item = storeItemOf(path)
  function* chunks(): Generator<Buffer> {
    for (const chunk of encodeArchive(item, readEntries(store.physicalPath(path), item))) {
      hash.update(chunk)
      // A chunk is a view of a buffer that the next one overwrites.
      yield Buffer.from(chunk)
    }
  }
  const params = { [zlib.ZSTD_c_compressionLevel]: LEVEL, [zlib.ZSTD_c_checksumFlag]: 1 }
  const compress = createZstdCompress({ params, pledgedSrcSize: bytes })
  try {
    await pipeline(Readable.from(chunks(), { objectMode: false }), compress, createWriteStream(file, { flags: 'wx' }), {
      ...(signal ? { signal } : {}),
    })
  } catch (cause) {
    signal?.throwIfAborted()
    // The frame announces the size; zstd complains when the content has another one.
    if (String(errorCode(cause)).startsWith('ZSTD_')) throw damaged(path, cause)
    throw diskError(`cannot write ${file}`, cause)
  }
  if (hash.digest() !== digest) throw damaged(path)
  return (await stat(file)).size
}

const LEVEL = 12

function damaged(path: StorePath, cause?: unknown): AbnError {
  return new AbnError('ABN_PUBLISH_ITEM', `${path} is damaged: its files are not those that were registered`, {
    hint: 'remove it and build it again; do not publish from this store before you know why',
    cause,
  })
}
