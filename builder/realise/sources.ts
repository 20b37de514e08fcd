/**
 * The sources of a plan: all are fetched at once, and each build waits only for its own.
 *
 * A source that cannot be had fails the builds that need it; the others go on, since what they make is kept.
 */
import type { Sha256 } from '../../format/hash.ts'
import type { Channel } from '../evaluate/channel.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import type { FetchOptions, FetchProgress, SourceRequest } from '../fetch/sources.ts'
import { hintFor, type PlannedBuild, sourcesOf } from './plan.ts'

export type SourceOptions = Omit<FetchOptions, 'channelRoot' | 'cacheDirectory' | 'onProgress' | 'signal'> & {
  readonly cacheDirectory: string
  readonly channels: readonly Pick<Channel, 'name' | 'directory'>[]
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined
}

/** Resolves to the files of one package, by hash; rejects with ABN_SOURCE_…. */
export type Sources = { filesOf(one: EvaluatedPackage): Promise<ReadonlyMap<Sha256, string>> }

/** Begins to fetch. */
export function fetchForBuilds(builds: readonly PlannedBuild[], options: SourceOptions): Sources {
  const { channels, onProgress, signal, ...rest } = options
  const waiting = new Map<Sha256, PromiseWithResolvers<string>>()
  const byChannel = Map.groupBy(builds, (build) => build.package.metadata.channel)
  for (const [channel, ofChannel] of byChannel) {
    const requests = requestsOf(ofChannel).filter(({ sha256 }) => !waiting.has(sha256))
    for (const { sha256 } of requests) waiting.set(sha256, quietly(Promise.withResolvers<string>()))
    if (requests.length === 0) continue
    const channelRoot = channels.find(({ name }) => name === channel)?.directory
    if (channelRoot === undefined) throw new TypeError(`fetchForBuilds: no channel ${channel}`)
    const listen = (progress: FetchProgress): void => {
      if (progress.kind === 'done') waiting.get(progress.sha256)?.resolve(progress.path)
      onProgress?.(progress)
    }
    const fetching = import('../fetch/sources.ts').then(({ fetchSources }) =>
      fetchSources(requests, { ...rest, channelRoot, onProgress: listen, signal }),
    )
    fetching.then(
      (paths) => {
        for (const [sha256, path] of paths) waiting.get(sha256)?.resolve(path)
      },
      (error: unknown) => {
        for (const { sha256 } of requests) waiting.get(sha256)?.reject(error)
      },
    )
  }
  return {
    async filesOf(one) {
      const wanted = sourcesOf(one.derivation)
      return new Map(await Promise.all(wanted.map(async (sha256) => [sha256, await pathOf(sha256, waiting)] as const)))
    },
  }
}

function requestsOf(builds: readonly PlannedBuild[]): SourceRequest[] {
  const requests = builds.flatMap(({ package: one }) =>
    sourcesOf(one.derivation).map((sha256): [Sha256, SourceRequest] => [
      sha256,
      { sha256, hint: hintFor(sha256, one) },
    ]),
  )
  return [...new Map(requests).values()]
}

function pathOf(sha256: Sha256, waiting: ReadonlyMap<Sha256, PromiseWithResolvers<string>>): Promise<string> {
  const found = waiting.get(sha256)
  if (found === undefined) throw new TypeError(`no source ${sha256} was asked for`)
  return found.promise
}

/** Nobody may be waiting for a source that fails, which is no error then. */
function quietly<T>(resolvers: PromiseWithResolvers<T>): PromiseWithResolvers<T> {
  resolvers.promise.catch(() => {})
  return resolvers
}
