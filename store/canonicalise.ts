/**
 * Brings a fresh output on disk into the form that it has in the store: files 0444 or 0555 (by any executable bit),
 * directories 0555, every mtime 1, owned by root when root runs this, and no hard links: a name that shares its inode
 * becomes a copy, so that nothing outside the output can change it. Whatever ran in the sandbox has ended before.
 * The output's own directory keeps write permission, which renaming it needs; finishDirectory comes after that.
 */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  constants,
  copyFileSync,
  lchownSync,
  lstatSync,
  lutimesSync,
  readdirSync,
  renameSync,
  type Stats,
} from 'node:fs'
import { maximumPathBytes } from '../format/archive/entry.ts'
import { AbnError } from '../format/errors.ts'
import type { StorePath } from '../format/store-path.ts'

/**
 * `path` is what the directory is to be, for messages: where it is now, nobody will find it. Files that are copied pass through
 * its parent, a workspace. Throws ABN_OUTPUT_SET_UID, ABN_OUTPUT_FILE_KIND, ABN_OUTPUT_NAME or ABN_OUTPUT_NOT_DIRECTORY.
 */
export function canonicaliseDirectory(directory: string, path: StorePath): void {
  const status = lstatSync(directory, { throwIfNoEntry: false })
  if (!status?.isDirectory()) {
    throw new AbnError('ABN_OUTPUT_NOT_DIRECTORY', `the build made no directory for the output ${path}`, {
      hint: 'let the recipe install into its output, for example below @{out}/bin',
    })
  }
  own(directory, status)
  chmodSync(directory, 0o755)
  canonicaliseBelow(directory, { directory, path })
}

/** The last step, when the directory stands in its final place. */
export function finishDirectory(directory: string): void {
  chmodSync(directory, 0o555)
  lutimesSync(directory, 1, 1)
}

type Output = { readonly directory: string; readonly path: StorePath }

function canonicaliseBelow(directory: string, output: Output): void {
  for (const { name } of readdirSync(directory, { withFileTypes: true })) {
    const at = `${directory}/${name}`
    requireShort(at, output)
    const status = lstatSync(at, { throwIfNoEntry: false })
    if (status === undefined) {
      throw new AbnError('ABN_OUTPUT_NAME', `the file name ${shown(at, output)} is not valid UTF-8`, {
        hint: 'change the recipe so that the build leaves only names in UTF-8',
      })
    }
    own(at, status)
    if (status.isDirectory()) {
      if ((status.mode & 0o700) !== 0o700) chmodSync(at, 0o755)
      canonicaliseBelow(at, output)
      // Set-group-ID comes from the parent on some systems, and means nothing once nothing is created here any more.
      finishDirectory(at)
    } else if (status.isFile()) canonicaliseFile(at, status, output)
    else if (status.isSymbolicLink()) lutimesSync(at, 1, 1)
    else {
      throw new AbnError(
        'ABN_OUTPUT_FILE_KIND',
        `${shown(at, output)} is neither a file, a directory nor a symbolic link`,
        { hint: 'change the recipe so that the build does not leave it in the output' },
      )
    }
  }
}

/** The archive has the same bound. Here it also keeps the descent where paths can still be named. */
function requireShort(at: string, output: Output): void {
  const below = at.length - output.directory.length - 1
  if (below * 3 <= maximumPathBytes) return
  if (Buffer.byteLength(at) - Buffer.byteLength(output.directory) - 1 <= maximumPathBytes) return
  throw new AbnError(
    'ABN_OUTPUT_NAME',
    `${shown(at, output)}: path too long: expected at most ${maximumPathBytes} bytes below the output`,
    { hint: 'change the recipe so that the build leaves shorter names or fewer directories in each other' },
  )
}

function canonicaliseFile(at: string, status: Stats, output: Output): void {
  if ((status.mode & 0o6000) !== 0) {
    throw new AbnError('ABN_OUTPUT_SET_UID', `${shown(at, output)} has a set-user-ID or set-group-ID bit`, {
      hint: 'change the recipe so that the file is installed without it',
    })
  }
  if (status.nlink > 1) unlinkHard(at, status, output)
  const mode = (status.mode & 0o111) !== 0 ? 0o555 : 0o444
  if (status.nlink > 1 || (status.mode & 0o7777) !== mode) chmodSync(at, mode)
  lutimesSync(at, 1, 1)
}

/** The copy is made beside the output, where no name of the build's can be in the way and every name has room. */
function unlinkHard(at: string, { mode }: Stats, { directory }: Output): void {
  if ((mode & 0o400) === 0) chmodSync(at, (mode & 0o7777) | 0o400)
  const copy = `${directory}.copy-${randomBytes(6).toString('hex')}`
  copyFileSync(at, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  renameSync(copy, at)
}

function shown(at: string, { directory, path }: Output): string {
  const text = `${path}${at.slice(directory.length)}`
  return JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}…` : text)
}

function own(path: string, status: Stats): void {
  if (process.geteuid?.() === 0 && (status.uid !== 0 || status.gid !== 0)) lchownSync(path, 0, 0)
}
