/**
 * Makes many files durable at once: a few by fsync(2) each, more by coreutils' `sync -f`, as Node has no syncfs(2). Without that
 * program, a loss of power may cost what the kernel had not yet written.
 */
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { AbnError } from '../format/errors.ts'
import { errorCode, withDiskErrors } from './io-errors.ts'
import { syncPath } from './write-durably.ts'

/** All on one file system. Throws ABN_DISK_FULL or ABN_STORE_UNUSABLE. */
export async function flushFiles(paths: readonly string[]): Promise<void> {
  const [first] = paths
  if (first === undefined) return
  if (paths.length <= MOST_SINGLE_SYNCS) {
    for (const path of paths) withDiskErrors(`cannot write ${path}`, () => syncPath(path))
    return
  }
  try {
    await promisify(execFile)('sync', ['-f', dirname(first)])
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return
    throw new AbnError('ABN_STORE_UNUSABLE', `cannot flush ${dirname(first)} to the disk`, { cause })
  }
}

const MOST_SINGLE_SYNCS = 100
