/**
 * Brings a fresh output on disk into the form that it has in the store: files 0444 or 0555 (by any executable bit),
 * directories 0555, every mtime 1, owned by root when root runs this, and no hard links: a name that shares its inode
 * becomes a copy, so that nothing outside the output can change it. Whatever ran in the sandbox has ended before.
 * The output's own directory keeps write permission, which renaming it needs; finishDirectory comes after that.
 */
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
import { AbnError } from '../format/errors.ts'

/** Throws ABN_OUTPUT_SET_UID, ABN_OUTPUT_FILE_KIND or ABN_OUTPUT_NOT_DIRECTORY. */
export function canonicaliseDirectory(directory: string): void {
  const status = lstatSync(directory, { throwIfNoEntry: false })
  if (!status?.isDirectory()) {
    throw new AbnError('ABN_OUTPUT_NOT_DIRECTORY', `the build made no directory for the output ${directory}`, {
      hint: 'let the recipe install into its output, for example below @{out}/bin',
    })
  }
  own(directory, status)
  chmodSync(directory, 0o755)
  canonicaliseBelow(directory)
}

/** The last step, when the directory stands in its final place. */
export function finishDirectory(directory: string): void {
  if ((lstatSync(directory).mode & 0o7777) !== 0o555) chmodSync(directory, 0o555)
  lutimesSync(directory, 1, 1)
}

function canonicaliseBelow(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`
    const status = lstatSync(path, { throwIfNoEntry: false })
    if (status === undefined) {
      throw new AbnError('ABN_OUTPUT_NAME', `the file name ${JSON.stringify(path)} is not valid UTF-8`)
    }
    own(path, status)
    if (status.isDirectory()) {
      if ((status.mode & 0o700) !== 0o700) chmodSync(path, 0o755)
      canonicaliseBelow(path)
      // Set-group-ID comes from the parent on some systems, and means nothing once nothing is created here any more.
      finishDirectory(path)
    } else if (status.isFile()) canonicaliseFile(path, status)
    else if (status.isSymbolicLink()) lutimesSync(path, 1, 1)
    else throw new AbnError('ABN_OUTPUT_FILE_KIND', `${path} is neither a file, a directory nor a symbolic link`)
  }
}

function canonicaliseFile(path: string, status: Stats): void {
  if ((status.mode & 0o6000) !== 0) {
    throw new AbnError('ABN_OUTPUT_SET_UID', `${path} has a set-user-ID or set-group-ID bit`, {
      hint: 'change the recipe so that the file is installed without it',
    })
  }
  if (status.nlink > 1) unlinkHard(path)
  const mode = (status.mode & 0o111) !== 0 ? 0o555 : 0o444
  if (status.nlink > 1 || (status.mode & 0o7777) !== mode) chmodSync(path, mode)
  lutimesSync(path, 1, 1)
}

function unlinkHard(path: string): void {
  const copy = `${path}.abn-copy`
  copyFileSync(path, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  renameSync(copy, path)
}

function own(path: string, status: Stats): void {
  if (process.geteuid?.() === 0 && (status.uid !== 0 || status.gid !== 0)) lchownSync(path, 0, 0)
}
