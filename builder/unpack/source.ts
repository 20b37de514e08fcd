// Puts one fetched source where its derivation wants it. The file's hash has been checked; its content is still hostile.
// The kind of archive comes from the derivation, never from a name or from the content. After an error the destination
// holds what was written so far, and the caller throws the build directory away.

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Unpack } from '../../format/derivation.ts'
import { openDirectory, type Unpacked } from './directory.ts'
import { defaultUnpackLimits, type UnpackLimits } from './limits.ts'
import { splitName } from './names.ts'

export type UnpackOptions = {
  readonly file: string // the source as published
  readonly unpack: Unpack
  /** A directory of ours, real and without links in its own path: the root of the build. */
  readonly root: string
  /** Below `root`: a directory for archives (`.` is `root` itself), a file for kind `file`. Parents are made. */
  readonly to: string
  readonly limits?: Partial<UnpackLimits>
  readonly signal?: AbortSignal
}

/** Components that a canonical archive has before an item's own names: `abn/store/<item>/`. */
const canonicalPrefix = 3

/** Throws ABN_UNPACK_…, or errors of the file system as they are. Answers with what was written. */
export async function unpackSource(options: UnpackOptions): Promise<Unpacked> {
  const { file, unpack } = options
  const limits = { ...defaultUnpackLimits, ...options.limits }
  const signal = options.signal ?? new AbortController().signal
  const parts = splitName(Buffer.from(options.to).toString('latin1'), limits)
  const packed = statSync(file).size
  if (unpack.kind === 'file') {
    const directory = openDirectory(options.root, packed, limits)
    const writer = directory.createFile(parts, unpack.executable)
    writer.write(readFileSync(file))
    writer.end()
    return directory.finish()
  }

  const above = openDirectory(options.root, packed, limits)
  above.makeDirectory(parts)
  above.finish()
  const directory = openDirectory(join(options.root, options.to), packed, limits)
  switch (unpack.kind) {
    case 'tar':
      await (await import('./tar.ts')).unpackTar(file, directory, { ...unpack, limits, signal })
      break
    case 'git': {
      const tar = { compression: 'none', strip: canonicalPrefix, limits, signal } as const
      await (await import('./tar.ts')).unpackTar(file, directory, tar)
      break
    }
    case 'zip':
      await (await import('./zip.ts')).unpackZip(file, directory, { ...unpack, limits, signal })
      break
    default:
      return unpack satisfies never
  }
  return directory.finish()
}
