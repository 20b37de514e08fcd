// Writes the entries of an archive below one directory and nowhere else. Knows everything it has made, follows no
// symbolic link, overwrites nothing. Files get mode 0644 or 0755, directories 0755, all times are 1 s after the epoch,
// so that neither umask nor the archive's own times nor the order of entries show, and make sees nothing as newer.
//
// Synchronous: a promise a file costs several times the file. The directory must not be written by others meanwhile.

import * as fs from 'node:fs'
import { AbnError } from '../../format/errors.ts'
import { checkSize, overLimit, type UnpackLimits } from './limits.ts'
import { type ByteString, badName, checkLinkTarget, show } from './names.ts'

export const fixedSeconds = 1

export type FileWriter = { write(chunk: Uint8Array): void; end(): void; abandon(): void }

export type Unpacked = { readonly entries: number; readonly bytes: number }

export type OpenDirectory = {
  makeDirectory(parts: readonly string[]): void
  createFile(parts: readonly string[], executable: boolean): FileWriter
  makeLink(parts: readonly string[], target: ByteString): void
  /** A hard link of the archive becomes a copy. */
  copyFile(parts: readonly string[], from: readonly string[]): void
  /** Sets the times of directories. Throws ABN_UNPACK_DAMAGED when there was nothing in the archive. */
  finish(): Unpacked
}

type Kind = 'directory' | 'file' | 'executable' | 'link'

/** `top` must exist as a real directory. `packedBytes` is the size of the archive, for the limit on the ratio. */
export function openDirectory(top: string, packedBytes: number, limits: UnpackLimits): OpenDirectory {
  const known = new Map<ByteString, Kind>()
  const directories: Buffer[] = []
  const prefix = Buffer.from(`${top}/`)
  let entries = 0
  let bytes = 0

  const pathOf = (name: ByteString) => Buffer.concat([prefix, Buffer.from(name, 'latin1')])

  const count = () => {
    entries += 1
    if (entries > limits.entries) throw overLimit(`it has more than ${limits.entries} entries`)
  }

  const addBytes = (more: number) => {
    bytes += more
    checkSize(bytes, packedBytes, limits)
  }

  /** Makes directories along `parts`; every one of them is a real directory afterwards. */
  const ensureDirectories = (parts: readonly string[]) => {
    let name = ''
    for (const part of parts) {
      name = name === '' ? part : `${name}/${part}`
      const kind = known.get(name)
      if (kind === 'directory') continue
      if (kind === 'link') throw throughLink(name)
      if (kind !== undefined) throw duplicate(name)
      const path = pathOf(name)
      const found = fs.lstatSync(path, { throwIfNoEntry: false })
      if (found?.isSymbolicLink()) throw throughLink(name)
      if (found !== undefined && !found.isDirectory()) throw duplicate(name)
      if (found === undefined) {
        fs.mkdirSync(path, 0o755)
        fs.chmodSync(path, 0o755)
      }
      directories.push(path)
      known.set(name, 'directory')
    }
  }

  /** The name for a new entry that is not a directory; its parents exist afterwards. */
  const claim = (parts: readonly string[], kind: Kind): ByteString => {
    count()
    const name = parts.join('/')
    ensureDirectories(parts.slice(0, -1))
    if (known.has(name)) throw duplicate(name)
    known.set(name, kind)
    return name
  }

  const createFile = (parts: readonly string[], executable: boolean): FileWriter => {
    const name = claim(parts, executable ? 'executable' : 'file')
    const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW
    const descriptor = attempt(name, () => fs.openSync(pathOf(name), flags, 0o600))
    return {
      write(chunk) {
        addBytes(chunk.length)
        for (let offset = 0; offset < chunk.length; ) offset += fs.writeSync(descriptor, chunk, offset)
      },
      end() {
        fs.fchmodSync(descriptor, executable ? 0o755 : 0o644)
        fs.futimesSync(descriptor, fixedSeconds, fixedSeconds)
        fs.closeSync(descriptor)
      },
      abandon: () => fs.closeSync(descriptor),
    }
  }

  return {
    makeDirectory(parts) {
      count()
      ensureDirectories(parts)
    },

    createFile,

    makeLink(parts, target) {
      checkLinkTarget(parts, target, limits)
      const name = claim(parts, 'link')
      const path = pathOf(name)
      attempt(name, () => fs.symlinkSync(Buffer.from(target, 'latin1'), path))
      fs.lutimesSync(path, fixedSeconds, fixedSeconds)
    },

    copyFile(parts, from) {
      const source = from.join('/')
      const kind = known.get(source)
      if (kind !== 'file' && kind !== 'executable') {
        const names = `${show(parts.join('/'))} is a hard link to ${show(source)}`
        throw new AbnError('ABN_UNPACK_LINK', `refused to unpack: ${names}, which is no earlier file of the archive`, {
          hint: 'the archive is hostile or careless: use another archive of this source',
        })
      }
      const data = fs.readFileSync(pathOf(source))
      const writer = createFile(parts, kind === 'executable')
      try {
        writer.write(data)
      } catch (error) {
        writer.abandon()
        throw error
      }
      writer.end()
    },

    finish() {
      if (entries === 0) {
        throw new AbnError('ABN_UNPACK_DAMAGED', 'the archive holds nothing to unpack', {
          hint: 'check `strip` in the recipe: it may drop every name',
        })
      }
      for (const path of [...directories].reverse()) fs.utimesSync(path, fixedSeconds, fixedSeconds)
      fs.utimesSync(prefix, fixedSeconds, fixedSeconds)
      return { entries, bytes }
    },
  }
}

function attempt<T>(name: ByteString, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EEXIST') throw duplicate(name)
    if (code === 'ENAMETOOLONG') throw badName(name, 'is too long')
    throw error
  }
}

function duplicate(name: ByteString): AbnError {
  return new AbnError('ABN_UNPACK_DUPLICATE', `refused to unpack: ${show(name)} is there twice`, {
    hint: 'check `strip` in the recipe; two sources that hold the same name need directories of their own',
  })
}

function throughLink(name: ByteString): AbnError {
  return new AbnError(
    'ABN_UNPACK_LINK',
    `refused to unpack: an entry would be written through the link ${show(name)}`,
    {
      hint: 'the archive is hostile or careless: use another archive of this source',
    },
  )
}
