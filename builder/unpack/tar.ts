// POSIX.1-2017 pax, ustar, GNU and version 7 archives, read with tar-stream, entry by entry into an OpenDirectory. What
// is not a file, directory or link inside is refused: devices, named pipes, sparse files, volumes.

import { Readable } from 'node:stream'
import type { Compression } from '../../format/derivation.ts'
import { AbnError } from '../../format/errors.ts'
import { decompress } from './decompress.ts'
import type { OpenDirectory } from './directory.ts'
import type { UnpackLimits } from './limits.ts'
import { type ByteString, badName, show, splitName } from './names.ts'

export type TarOptions = {
  readonly compression: Compression
  readonly strip: number
  readonly limits: UnpackLimits
  readonly signal: AbortSignal
}

/**
 * Unpacks all entries; those with no more than `strip` components in their name are left out, as GNU tar does (here `.`
 * counts for nothing). Throws ABN_UNPACK_….
 */
export async function unpackTar(file: string, directory: OpenDirectory, options: TarOptions): Promise<void> {
  const { extract: openExtract } = await import('tar-stream')
  const settings = { highWaterMark: 1 << 18, filenameEncoding: 'latin1', allowUnknownFormat: true }
  const extract = openExtract(settings)
  const source = Readable.from(decompress(file, options.compression, options.limits), { objectMode: true })
  source.on('error', (error) => extract.destroy(error))
  extract.on('close', () => source.destroy())
  source.pipe(extract)
  try {
    for await (const entry of extract) {
      options.signal.throwIfAborted()
      await unpackEntry(entry, directory, options)
    }
  } catch (error) {
    extract.destroy()
    throw wrap(error)
  }
}

type Entry = AsyncIterable<unknown> & { readonly header: Header; resume(): unknown }

type Header = {
  readonly name: string
  readonly type: string | null // null: a type flag that tar-stream does not know
  readonly mode: number
  readonly size: number
  readonly linkname: string | null
  readonly pax?: unknown
}

async function unpackEntry(entry: Entry, directory: OpenDirectory, options: TarOptions): Promise<void> {
  const { header } = entry
  const pax = new Map(Object.entries(header.pax ?? {}))
  const name = fromPax(pax.get('path')) ?? header.name
  const target = fromPax(pax.get('linkpath')) ?? header.linkname ?? ''
  if ([...pax.keys()].some((key) => key.startsWith('GNU.sparse.'))) throw refused(name, 'a sparse file')
  const parts = splitName(name, options.limits).slice(options.strip)
  const isFile = header.type === 'file' || header.type === 'contiguous-file'
  if (!isFile && header.type !== null && header.size !== 0) throw refused(name, `a ${header.type} with content`)
  if (isFile) {
    if (parts.length === 0) return void entry.resume()
    const writer = directory.createFile(parts, (header.mode & 0o111) !== 0)
    try {
      for await (const chunk of entry) if (chunk instanceof Uint8Array) writer.write(chunk)
    } catch (error) {
      writer.abandon()
      throw error
    }
    return writer.end()
  }
  entry.resume()
  switch (header.type) {
    case 'directory':
      if (parts.length > 0) directory.makeDirectory(parts)
      return
    case 'symlink':
      if (parts.length > 0) directory.makeLink(parts, target)
      return
    case 'link':
      if (parts.length > 0) directory.copyFile(parts, splitName(target, options.limits).slice(options.strip))
      return
    default:
      throw refused(name, header.type === null ? 'of an unknown kind' : `a ${header.type}`)
  }
}

/** tar-stream reads pax values as UTF-8. Bytes that were not valid are lost then, so such a name is refused. */
function fromPax(value: unknown): ByteString | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  const name = Buffer.from(value, 'utf8').toString('latin1')
  if (value.includes('\ufffd')) throw badName(name, 'is not valid UTF-8, as its pax header must be')
  return name
}

function refused(name: ByteString, what: string): AbnError {
  return new AbnError('ABN_UNPACK_ENTRY', `refused to unpack: ${show(name)} is ${what}`, {
    hint: 'only files, directories and links are unpacked: use another archive of this source',
  })
}

function wrap(error: unknown): unknown {
  if (error instanceof AbnError || !(error instanceof Error)) return error
  if (!/^(Unexpected end of data|Invalid (tar )?header|Header exceeds max size)/.test(error.message)) return error
  return new AbnError('ABN_UNPACK_DAMAGED', `not a whole tar archive: ${error.message}`, {
    hint: 'check the kind of archive and the compression that the recipe names for this source',
    cause: error,
  })
}
