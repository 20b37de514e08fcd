// Sources that come with the channel itself: a file below its recipes/ or bootstrap/ directory, reached without any
// symbolic link that leads elsewhere.

import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { chunksOf, type Partial } from './partial.ts'

/** Copies the file to `partial`. Throws ABN_SOURCE_LOCAL when the path is not allowed or there is no such file. */
export async function copyLocal(channelRoot: string, path: string, partial: Partial): Promise<void> {
  const isPlain = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  if (!isPlain || path.includes('\0') || !/^(recipes|bootstrap)\//.test(path)) {
    throw new AbnError('ABN_SOURCE_LOCAL', `local source "${path}" is not below recipes/ or bootstrap/`, {
      hint: 'name a file of the channel by its path from the root of the channel',
    })
  }
  let file: string
  try {
    const root = await realpath(channelRoot)
    file = await realpath(join(root, path))
    if (!file.startsWith(root + sep)) throw new Error('it is a link that leads out of the channel')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AbnError('ABN_SOURCE_LOCAL', `cannot read local source "${path}": ${why}`, {
      hint: `put the file at ${join(channelRoot, path)}`,
      cause,
    })
  }
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK) // a named pipe must not hang us
  try {
    if (!(await handle.stat()).isFile()) {
      throw new AbnError('ABN_SOURCE_LOCAL', `local source "${path}" is not a regular file`, { hint: 'name a file' })
    }
    await partial.reset()
    for await (const chunk of chunksOf(handle)) await partial.append(chunk)
  } finally {
    await handle.close()
  }
}
