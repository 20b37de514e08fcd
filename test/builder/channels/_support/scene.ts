// A user who follows a signed channel in a repository that the test can do anything with.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { addChannel, type FollowedChannel, updateChannel } from '../../../../builder/channels/follow.ts'
import { temporaryDirectory } from '../../../_support/temporary.ts'
import { channelFile, type Files, newSigner, recipesOf, type Signer, TestRepository } from './repository.ts'

export type Scene = {
  readonly t: ExecutionContext
  readonly top: string
  readonly repository: TestRepository
  readonly files: Files
  readonly alice: Signer
  readonly mallory: Signer
  /** The introduction, which the user has. */
  readonly first: string
  readonly channel: FollowedChannel
  readonly update: (more?: object) => Promise<unknown>
  /** What is checked out. */
  readonly digests: () => readonly string[]
}

export async function scene(t: ExecutionContext): Promise<Scene> {
  const top = temporaryDirectory(t)
  const repository = new TestRepository(join(top, 'repository'))
  const options = { cacheDirectory: join(top, 'cache'), signal: new AbortController().signal }
  const [alice, mallory] = [newSigner(), newSigner()]
  const files = { '.abnpkg-channel.json': channelFile(alice), ...recipesOf('one') }
  const first = repository.commit({ files, by: alice })
  const introduction = { commit: first, key: alice.key }
  const { channel } = await addChannel({ name: 'extra', url: repository.directory, branch: '', introduction }, options)
  const update = (more = {}) => updateChannel(channel, { ...options, allowRollback: false, ...more })
  const digests = () => readdirSync(options.cacheDirectory).filter((name) => name !== 'repositories')
  return { t, top, repository, files, alice, mallory, first, channel, update, digests }
}
