// ZIP archives (PKWARE APPNOTE 6.3), read with yauzl from the central directory, entry by entry into an OpenDirectory.
// Stored and deflated entries only; Unix modes count where the archive was made on Unix.

import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import type { Entry, ZipFile } from 'yauzl'
import { AbnError } from '../../format/errors.ts'
import type { OpenDirectory } from './directory.ts'
import type { UnpackLimits } from './limits.ts'
import { type ByteString, show, splitName } from './names.ts'

export type ZipOptions = { readonly strip: number; readonly limits: UnpackLimits; readonly signal: AbortSignal }

const madeOnUnix = 3
const kindMask = 0o170000
const kinds = new Map<number, 'file' | 'directory' | 'link'>([
  [0, 'file'],
  [0o100000, 'file'],
  [0o040000, 'directory'],
  [0o120000, 'link'],
])

/** Names are split and stripped as in unpackTar. Throws ABN_UNPACK_…. */
export async function unpackZip(file: string, directory: OpenDirectory, options: ZipOptions): Promise<void> {
  let zip: ZipFile | undefined
  try {
    zip = await openZip(file)
    for await (const entry of entriesOf(zip)) {
      options.signal.throwIfAborted()
      await unpackEntry(zip, entry, { directory, options })
    }
  } catch (error) {
    if (error instanceof AbnError || options.signal.aborted || (error instanceof Error && 'syscall' in error))
      throw error
    throw damaged(error instanceof Error ? error.message : String(error), error)
  } finally {
    zip?.close()
  }
}

async function openZip(file: string): Promise<ZipFile> {
  const { open } = await import('yauzl')
  const settings = { lazyEntries: true, decodeStrings: false, autoClose: false, validateEntrySizes: true }
  return new Promise((resolve, reject) => {
    open(file, settings, (error, zip) => (error ? reject(error) : resolve(zip)))
  })
}

async function* entriesOf(zip: ZipFile): AsyncGenerator<Entry> {
  for (let read = 0; read < zip.entryCount; read += 1) {
    const next = once(zip, 'entry') // rejects on 'error'
    zip.readEntry()
    const [entry] = await next
    yield entry
  }
}

async function unpackEntry(
  zip: ZipFile,
  entry: Entry,
  { directory, options }: { readonly directory: OpenDirectory; readonly options: ZipOptions },
): Promise<void> {
  const name = nameOf(entry)
  const parts = splitName(name, options.limits).slice(options.strip)
  const unixMode = entry.versionMadeBy >>> 8 === madeOnUnix ? entry.externalFileAttributes >>> 16 : 0
  const kind = name.endsWith('/') ? 'directory' : kinds.get(unixMode & kindMask)
  if (kind === undefined || entry.isEncrypted()) {
    throw new AbnError('ABN_UNPACK_ENTRY', `refused to unpack: ${show(name)} is a device, a pipe or encrypted`, {
      hint: 'only files, directories and links are unpacked: use another archive of this source',
    })
  }
  if (parts.length === 0) return
  if (kind === 'directory') return directory.makeDirectory(parts)
  if (kind === 'link') {
    if (entry.uncompressedSize > options.limits.nameBytes) throw damaged(`the target of link ${show(name)} is too long`)
    const target: Uint8Array[] = []
    await readContent(zip, entry, (chunk) => target.push(chunk))
    return directory.makeLink(parts, Buffer.concat(target).toString('latin1'))
  }
  const writer = directory.createFile(parts, (unixMode & 0o111) !== 0)
  try {
    await readContent(zip, entry, writer.write)
  } catch (error) {
    writer.abandon()
    throw error
  }
  writer.end()
}

async function readContent(zip: ZipFile, entry: Entry, write: (chunk: Uint8Array) => void): Promise<void> {
  const stream = await new Promise<Readable>((resolve, reject) => {
    zip.openReadStream(entry, (error, readable) => (error ? reject(error) : resolve(readable)))
  })
  let sum = 0
  for await (const chunk of stream) {
    sum = crc32(chunk, sum)
    write(chunk)
  }
  if (sum !== entry.crc32) throw damaged(`the check sum of ${show(nameOf(entry))} is wrong`)
}

/** With `decodeStrings: false` yauzl leaves names as bytes, which its types do not say. */
function nameOf(entry: Entry): ByteString {
  const name: unknown = entry.fileName
  if (!Buffer.isBuffer(name)) throw new TypeError('expected the name of an entry as bytes')
  return name.toString('latin1')
}

function damaged(why: string, cause?: unknown): AbnError {
  return new AbnError('ABN_UNPACK_DAMAGED', `not a whole zip archive: ${why}`, {
    hint: 'check the kind of archive that the recipe names for this source',
    cause,
  })
}
