/**
 * Where the sources that a statement names are on this disk: in the cache of sources, where a commit of git is the canonical archive
 * of its tree, or among the files of the channel. The
 * cache server hashes what it gets, so that nothing is checked here.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Sha256 } from '../../format/hash.ts'
import type { Channel } from '../evaluate/channel.ts'
import { hintFor } from '../realise/plan.ts'
import type { Attested } from './attestations.ts'

export function sourceFinder(
  cacheDirectory: string,
  { channels }: { readonly channels: readonly Pick<Channel, 'name' | 'directory'>[] },
): (sha256: Sha256, one: Attested) => string | undefined {
  return (sha256, { package: one }) => {
    const hint = hintFor(sha256, one)
    const channel = channels.find(({ name }) => name === one.metadata.channel)
    const path = hint.kind === 'local' && channel ? join(channel.directory, hint.path) : join(cacheDirectory, sha256)
    return existsSync(path) ? path : undefined
  }
}
