/**
 * Who may commit to a channel, decided commit by commit (the idea is that of Guix's "Building a Secure Software Supply Chain
 * with GNU Guix", 2022): a commit counts if a key has signed it that every one of its parents lists in .abnpkg-channel.json. So
 * nobody adds a key but who has one already, and a merge gives nobody rights that one side does not give.
 * The introduction is where it begins: that commit is taken because the user names it and the key that signed it.
 *
 * Stricter than its model: every way back from the head must end at the introduction. A branch that forked before it cannot be
 * merged, for nothing before it has been vouched for. Whatever is missing, as in a shallow clone, is an error.
 */
import { AbnError } from '../../format/errors.ts'
import type { ChannelFile } from './channel-file.ts'
import { channelFileName, maximumChannelFileBytes, parseChannelFile } from './channel-file.ts'
import type { Introduction } from './configuration.ts'
import { type Commit, type ObjectId, parseCommit, parseObjectId, parseTree } from './git-objects.ts'
import type { ReadObject } from './repository.ts'
import { fingerprintOf, type SshFingerprint, type SshKey } from './ssh-key.ts'
import { verifySshSignature } from './ssh-signature.ts'

/** Made by readHistory and authenticate only. */
export type History = {
  readonly head: ObjectId
  readonly headCommit: Commit
  /** How many commits were looked at. */
  readonly count: number
  /** Whether it is the head or comes before it. */
  contains(commit: string): boolean
}

export type VerifiedHistory = History & { readonly introduction: Introduction }

export type AuthenticateOptions = {
  readonly head: ObjectId
  readonly introduction: { readonly commit: string; readonly key: SshKey | SshFingerprint }
}

/**
 * Checks every commit from the head back to the introduction. Throws ABN_CHANNEL_UNTRUSTED with the commit that does not
 * count, ABN_CHANNEL_HISTORY when the introduction is not where all ways end, or ABN_CHANNEL_OBJECT, ABN_CHANNEL_FILE.
 */
export async function authenticate(
  read: ReadObject,
  { head, introduction }: AuthenticateOptions,
): Promise<VerifiedHistory> {
  const first = parseObjectId(introduction.commit)
  const files = new ChannelFiles(read)
  let introducedBy: SshKey | undefined
  const history = await walk(read, head, async (id, commit) => {
    const key = signerOf(id, commit)
    if (id === first) {
      if (key !== introduction.key && fingerprintOf(key) !== introduction.key) {
        throw untrusted(id, `expected the introduction to be signed by ${introduction.key}, got ${fingerprintOf(key)}`)
      }
      await files.of(id, commit)
      introducedBy = key
      return []
    }
    if (commit.parents.length === 0) throw detached(first, head, `${id} has no parent`)
    for (const parent of commit.parents) {
      const { keys } = await files.of(parent)
      if (!keys.some((one) => one.key === key)) {
        throw untrusted(
          id,
          `${fingerprintOf(key)} signed it, which is none of the keys that its parent ${parent} lists`,
        )
      }
    }
    return commit.parents
  })
  if (introducedBy === undefined) throw detached(first, head, 'it is not among the commits before that one')
  await files.of(head, history.headCommit)
  return { ...history, introduction: { commit: first, key: introducedBy } }
}

/** Of a channel that is not signed: only that the commits hang together. Throws ABN_CHANNEL_HISTORY, ABN_CHANNEL_OBJECT. */
export function readHistory(read: ReadObject, head: ObjectId): Promise<History> {
  return walk(read, head, async (_, commit) => commit.parents)
}

type Visit = (id: ObjectId, commit: Commit) => Promise<readonly ObjectId[]>

/** `visit` says where to go on. Each commit is visited once. */
async function walk(read: ReadObject, head: ObjectId, visit: Visit): Promise<History> {
  const seen = new Set<string>([head])
  const waiting: ObjectId[] = [head]
  let headCommit: Commit | undefined
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const commit = await readCommit(read, id)
    headCommit ??= commit
    for (const next of await visit(id, commit)) {
      if (seen.has(next)) continue
      if (seen.size >= MOST_COMMITS) throw new AbnError('ABN_CHANNEL_HISTORY', `more than ${MOST_COMMITS} commits`)
      seen.add(next)
      waiting.push(next)
    }
  }
  if (headCommit === undefined) throw new TypeError('walk: no head')
  return { head, headCommit, count: seen.size, contains: (commit) => seen.has(commit) }
}

export async function readCommit(read: ReadObject, id: ObjectId): Promise<Commit> {
  const bytes = await read(id, 'commit', LARGEST_COMMIT)
  if (bytes === undefined) {
    throw new AbnError('ABN_CHANNEL_HISTORY', `commit ${id} of the channel is missing`, {
      hint: 'the repository may be a shallow clone, or the commit may be of another one',
    })
  }
  return parseCommit(id, bytes)
}

function signerOf(id: ObjectId, { signature, signed }: Commit): SshKey {
  if (signature === undefined) throw untrusted(id, 'it is not signed')
  try {
    return verifySshSignature(signature, { message: signed, namespace: 'git' })
  } catch (error) {
    if (error instanceof AbnError && error.code === 'ABN_CHANNEL_SIGNATURE') throw untrusted(id, error.message)
    throw error
  }
}

/** The channel files of commits; most commits have the same one. */
class ChannelFiles {
  readonly #read: ReadObject
  readonly #byBlob = new Map<ObjectId, ChannelFile>()
  readonly #byCommit = new Map<ObjectId, ChannelFile>()

  constructor(read: ReadObject) {
    this.#read = read
  }

  async of(id: ObjectId, known?: Commit): Promise<ChannelFile> {
    const found = this.#byCommit.get(id)
    if (found !== undefined) return found
    const { tree } = known ?? (await readCommit(this.#read, id))
    const entries = parseTree(tree, await this.#required(tree, 'tree'))
    const entry = entries.find(({ name }) => name === channelFileName)
    if (entry === undefined || (entry.kind !== 'file' && entry.kind !== 'program')) {
      throw new AbnError('ABN_CHANNEL_FILE', `commit ${id} has no file ${channelFileName}, which says who may commit`, {
        hint: 'the introduction of a channel is the first commit that has this file; docs/formats/channel.md',
      })
    }
    const file = this.#byBlob.get(entry.id) ?? parseChannelFile(await this.#required(entry.id, 'blob'))
    this.#byBlob.set(entry.id, file)
    this.#byCommit.set(id, file)
    return file
  }

  async #required(id: ObjectId, kind: 'tree' | 'blob'): Promise<Buffer> {
    const bytes = await this.#read(id, kind, kind === 'tree' ? LARGEST_TREE : maximumChannelFileBytes)
    if (bytes !== undefined) return bytes
    throw new AbnError('ABN_CHANNEL_HISTORY', `the ${kind} ${id} of the channel is missing`)
  }
}

const MOST_COMMITS = 200_000
const LARGEST_COMMIT = 1 << 20
const LARGEST_TREE = 4 << 20

function untrusted(id: ObjectId, reason: string): AbnError {
  return new AbnError('ABN_CHANNEL_UNTRUSTED', `commit ${id} does not count: ${reason}`, {
    hint: 'what you have of the channel stays as it is; ask who keeps the channel',
  })
}

function detached(first: ObjectId, head: ObjectId, reason: string): AbnError {
  return new AbnError(
    'ABN_CHANNEL_HISTORY',
    `commit ${head} does not come from the introduction ${first} alone: ${reason}`,
    { hint: 'see that the introduction is of this channel; a branch that forked before it cannot be merged' },
  )
}
