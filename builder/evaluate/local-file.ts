/**
 * Files of a channel that recipes use as sources: below recipes/ or bootstrap/, reached without any symbolic link. A recipe
 * learns nothing of them but through its recipe hash.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { type Sha256, sha256Of } from '../../format/hash.ts'

const LARGEST = 64 << 20

/** Throws ABN_RECIPE_LOCAL_FILE. */
export function hashLocalFile(channelDirectory: string, path: string): Sha256 {
  const parts = path.split('/')
  const plain = parts.every((part) => part !== '' && part !== '.' && part !== '..') && !path.includes('\0')
  if (!plain || !/^(recipes|bootstrap)\//.test(path)) throw unusable(path, 'it is not below recipes/ or bootstrap/')
  for (let below = dirname(path); below !== '.'; below = dirname(below)) {
    const stat = lstatSync(join(channelDirectory, below), { throwIfNoEntry: false })
    if (stat?.isSymbolicLink()) throw unusable(path, `${below} is a symbolic link`)
  }
  let descriptor: number
  try {
    // Not blocking, or a named pipe would stop us.
    descriptor = openSync(
      join(channelDirectory, path),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    )
  } catch (cause) {
    throw unusable(path, reasonOf(cause), cause)
  }
  try {
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw unusable(path, 'it is not a plain file')
    if (stat.size > LARGEST) throw unusable(path, `it has ${stat.size} bytes, at most ${LARGEST} are allowed`)
    return sha256Of(readFileSync(descriptor))
  } finally {
    closeSync(descriptor)
  }
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'there is no such file'
  if (code === 'ELOOP') return 'it is a symbolic link'
  return cause instanceof Error ? cause.message : String(cause)
}

function unusable(path: string, reason: string, cause?: unknown): AbnError {
  return new AbnError('ABN_RECIPE_LOCAL_FILE', `cannot use the local source ${JSON.stringify(path)}: ${reason}`, {
    hint: "paths of local(…) and of patches begin at the channel's directory, such as recipes/patches/x.patch",
    cause,
  })
}
