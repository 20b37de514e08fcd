/**
 * Adding a channel, going on to its newest commit, and to one that the user names: fetches, decides whether the commits
 * count, checks out what they hold. Changes no configuration; what comes back is what to write there.
 */
import { AbnError } from '../../format/errors.ts'
import { authenticate, type History, readHistory } from './authenticate.ts'
import { type ChannelTree, readChannelTree } from './channel-tree.ts'
import { checkOut } from './checkout.ts'
import type { Introduction, SignedChannel, UnsignedChannel } from './configuration.ts'
import { type ObjectId, parseObjectId } from './git-objects.ts'
import { parseChannelAddress, requireBranch, requireChannelName } from './pin.ts'
import { Repository, type RepositoryOptions } from './repository.ts'
import type { SshFingerprint, SshKey } from './ssh-key.ts'

export type FollowedChannel = SignedChannel | UnsignedChannel

export type NewChannel = {
  readonly name: string
  readonly url: string
  readonly branch: string
  /** Undefined for a channel that is not signed. */
  readonly introduction: { readonly commit: string; readonly key: SshKey | SshFingerprint } | undefined
  /** This commit, and stay there; else the newest one. */
  readonly commit?: string | undefined
}

export type Followed = { readonly channel: FollowedChannel; readonly commits: number; readonly time: number }

/** Throws ABN_CHANNEL_… . */
export async function addChannel(wanted: NewChannel, options: RepositoryOptions): Promise<Followed> {
  const { name, branch, introduction } = wanted
  requireChannelName(name)
  if (branch !== '') requireBranch(branch)
  const address = parseChannelAddress(wanted.url)
  const url = address.kind === 'http' ? address.url : address.directory
  if (introduction === undefined && address.kind === 'http' && url.startsWith('http:')) {
    throw new AbnError('ABN_CHANNEL_ADDRESS', `${url}: a channel that is not signed cannot come over plain http`, {
      hint: 'use https, for anybody on the way could change its recipes',
    })
  }
  return withRepository(url, options, async (repository) => {
    const head = await headOf(repository, wanted)
    const { history, known } = await historyOf(repository, head, introduction)
    const tree = await readChannelTree(repository.read, history.headCommit.tree)
    const pin = { name, url, commit: head, digest: await checkOut(tree, options) }
    const base = { name, branch, pin, isPinned: wanted.commit !== undefined }
    const channel: FollowedChannel =
      known === undefined ? { kind: 'unsigned', ...base } : { kind: 'signed', ...base, introduction: known }
    return { channel, commits: history.count, time: history.headCommit.time }
  })
}

export type UpdateOptions = RepositoryOptions & {
  /** Takes a commit that does not come after the recorded one. */
  readonly allowRollback: boolean
  /** Go to this commit, and stay there. */
  readonly commit?: string
}

/**
 * The channel as it is now; the same object when there is nothing new. Throws ABN_CHANNEL_ROLLBACK when the recorded commit is not
 * among those before the new one, ABN_CHANNEL_UNTRUSTED and others of authenticate, ABN_CHANNEL_FETCH.
 */
export async function updateChannel(channel: FollowedChannel, options: UpdateOptions): Promise<Followed> {
  const { pin, branch } = channel
  const introduction = channel.kind === 'signed' ? channel.introduction : undefined
  return withRepository(pin.url, options, async (repository) => {
    const head = await headOf(repository, { branch, commit: options.commit })
    const { history } = await historyOf(repository, head, introduction)
    if (options.commit === undefined && !options.allowRollback && !history.contains(pin.commit))
      throw rollback(channel, head)
    const tree: ChannelTree = await readChannelTree(repository.read, history.headCommit.tree)
    const digest = await checkOut(tree, options)
    const isPinned = options.commit !== undefined
    const isSame = head === pin.commit && digest === pin.digest && isPinned === channel.isPinned
    return {
      channel: isSame ? channel : { ...channel, isPinned, pin: { ...pin, commit: head, digest } },
      commits: history.count,
      time: history.headCommit.time,
    }
  })
}

/** What is kept of the repository is only a cache: if it turns out to be damaged, it is fetched again, once. */
async function withRepository<T>(
  url: string,
  options: RepositoryOptions,
  work: (repository: Repository) => Promise<T>,
): Promise<T> {
  await using repository = await Repository.open(url, options)
  try {
    return await work(repository)
  } catch (error) {
    const isDamage =
      error instanceof AbnError &&
      (DAMAGED.has(error.code) || /corrupt|bad object|packfile|loose object|not a git repository/i.test(error.message))
    if (!isDamage || repository.isFresh) throw error
    await repository.clear()
    return await work(repository)
  }
}

const DAMAGED: ReadonlySet<string> = new Set(['ABN_CHANNEL_OBJECT', 'ABN_CHANNEL_HISTORY'])

async function headOf(
  repository: Repository,
  { branch, commit }: { readonly branch: string; readonly commit?: string | undefined },
): Promise<ObjectId> {
  if (commit === undefined) return repository.fetchBranch(branch)
  const id = parseObjectId(commit)
  await repository.fetchCommit(id)
  return id
}

type Decided = { readonly history: History; readonly known: Introduction | undefined }

async function historyOf(
  repository: Repository,
  head: ObjectId,
  introduction: NewChannel['introduction'],
): Promise<Decided> {
  if (introduction === undefined) return { history: await readHistory(repository.read, head), known: undefined }
  const history = await authenticate(repository.read, { head, introduction })
  return { history, known: history.introduction }
}

function rollback({ name, pin }: FollowedChannel, head: ObjectId): AbnError {
  return new AbnError(
    'ABN_CHANNEL_ROLLBACK',
    `channel ${name}: its commit is now ${head}, which does not come after ${pin.commit}, the one that you have`,
    {
      hint: `somebody has taken commits back, or shows you an old state; if you know why: abnpkg channel update ${name} --allow-rollback`,
    },
  )
}
