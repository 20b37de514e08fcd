/**
 * Channels on disk: `<cache>/channels/<digest>` is a channel at one commit, read-only, under the digest of what it holds. It
 * is written beside its place, flushed and renamed when it is whole; who finds it there need not ask where it came from.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { flushFiles } from '../../store/flush.ts'
import { diskError, errorCode } from '../../store/io-errors.ts'
import { makeDirectories } from '../../store/make-directories.ts'
import { removeDirectory } from '../../store/remove-directory.ts'
import type { Channel } from '../evaluate/channel.ts'
import { readCommit } from './authenticate.ts'
import { type ChannelTree, readChannelTree, writeChannelTree } from './channel-tree.ts'
import { parseObjectId } from './git-objects.ts'
import { noteUse } from './note-use.ts'
import type { ChannelPin } from './pin.ts'

export type CheckoutOptions = {
  /** layout.cache + '/channels'. */
  readonly cacheDirectory: string
  readonly signal: AbortSignal
  /** Fetch nothing. */
  readonly offline?: boolean
}

/**
 * The channel of a pin, fetched if it is not there. Whether its commit may be trusted is not asked here: the digest
 * in the pin says what it must hold. Throws ABN_CHANNEL_OFFLINE, ABN_CHANNEL_FETCH, ABN_CHANNEL_DIFFERS and what reading throws.
 */
export async function checkedOut(pin: ChannelPin, options: CheckoutOptions): Promise<Channel> {
  const directory = join(options.cacheDirectory, pin.digest)
  if (existsSync(directory)) noteUse(directory)
  else await fetchPin(pin, options)
  return { name: pin.name, directory, modules: 'recipes/packages' }
}

/** Puts a tree that was read from a repository into its place. Resolves to its digest. */
export async function checkOut(tree: ChannelTree, { cacheDirectory }: Pick<CheckoutOptions, 'cacheDirectory'>) {
  const directory = join(cacheDirectory, tree.digest)
  if (existsSync(directory)) {
    noteUse(directory)
    return tree.digest
  }
  try {
    makeDirectories(cacheDirectory)
    const temporary = join(cacheDirectory, `${TEMPORARY}${process.pid}-${randomBytes(6).toString('hex')}`)
    try {
      writeChannelTree(temporary, tree)
      await flushFiles([...tree.files.map(({ path }) => join(temporary, path)), temporary])
      moveTo(directory, temporary)
      await flushFiles([cacheDirectory])
    } finally {
      removeDirectory(temporary)
    }
  } catch (error) {
    throw diskError(`cannot write ${directory}`, error)
  }
  return tree.digest
}

/** The digests that are there, for whoever cleans up. */
export function listCheckouts(cacheDirectory: string): readonly string[] {
  return existsSync(cacheDirectory) ? readdirSync(cacheDirectory).filter((name) => /^[0-9a-f]{64}$/.test(name)) : []
}

/** What a killed process leaves has this prefix. */
const TEMPORARY = '.new-'

async function fetchPin(pin: ChannelPin, options: CheckoutOptions): Promise<void> {
  if (options.offline) {
    throw new AbnError(
      'ABN_CHANNEL_OFFLINE',
      `channel ${pin.name} at ${pin.commit} is not here, and this run is offline`,
      {
        hint: 'run once without --offline',
      },
    )
  }
  const { Repository } = await import('./repository.ts')
  await using repository = await Repository.open(pin.url, options)
  const commit = parseObjectId(pin.commit)
  await repository.fetchCommit(commit)
  const tree = await readChannelTree(repository.read, (await readCommit(repository.read, commit)).tree)
  requireDigest(pin, tree.digest)
  await checkOut(tree, options)
}

function requireDigest({ name, commit, digest }: ChannelPin, got: Sha256): void {
  if (got === digest) return
  throw new AbnError('ABN_CHANNEL_DIFFERS', `channel ${name} at ${commit}: expected digest ${digest}, got ${got}`, {
    hint: 'the repository has other contents under that commit than were recorded: ask who keeps the channel',
  })
}

/** Another process may have been quicker, with the same contents. */
function moveTo(directory: string, temporary: string): void {
  try {
    renameSync(temporary, directory)
    chmodSync(directory, 0o555)
  } catch (error) {
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error
  }
}
