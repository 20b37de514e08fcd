// abnpkg publish NAME... --to URL
import type { PublishEvent } from '../../builder/service/publish.ts'
import { AbnError } from '../../format/errors.ts'
import type { Arguments } from '../args.ts'
import type { Command } from '../commands.ts'
import { someNames } from '../names.ts'
import { attestNamed, attestOptions, jsonOfAttested } from '../operators/attesting.ts'
import { countText, sizeText } from '../output.ts'
import { type Progress, startProgress } from '../plans/progress.ts'
import { sourceCacheOf } from '../plans/work.ts'

export const publish: Command = {
  usage: 'NAME[@VERSION]... --to URL',
  details: [
    'Sends packages that this machine built to a cache where your key is registered: attestations, archives, logs and reports of',
    'tests, of the packages and of all that they were built from. What the cache has is not sent again, and what was cut off',
    'goes on where it stopped.',
  ].join('\n'),
  options: {
    ...attestOptions,
    to: { type: 'string', multiple: true, value: 'URL', help: 'the cache; may be given several times' },
    sources: { type: 'boolean', help: 'send the sources too' },
  },
  async run(args, surroundings) {
    const { output, signal } = surroundings
    const names = someNames(args, 'publish')
    const urls = urlsOf(args)
    const { cacheOriginOf, openCacheClient } = await import('../../builder/service/remote.ts')
    for (const url of urls) cacheOriginOf(url)
    const { attested, store, evaluation, signer } = await attestNamed(args, names, surroundings)
    const { publish: send } = await import('../../builder/service/publish.ts')
    const { sourceFinder } = await import('../../builder/service/source-files.ts')
    const sourceFile = args.options.sources === true ? sourceFinder(sourceCacheOf(store), evaluation) : undefined
    using _ = await store.lock('shared', { signal })
    const results: unknown[] = []
    for (const url of urls) {
      await using cache = openCacheClient({ url, signer, signal, nowSeconds: () => Math.floor(Date.now() / 1000) })
      using progress = startProgress(output)
      const done = await send(attested, { store, cache, sourceFile, signal, onEvent: watcher(progress) })
      output.line(
        `${cache.origin}: ${countText(done.accepted, 'statement')} accepted, ${done.known} known; ${countText(done.sent, 'file')} (${sizeText(done.bytes)}) sent, ${done.present} there`,
      )
      if (done.divergent.length > 0) {
        output.note(
          `${cache.origin} has other results for ${countText(done.divergent.length, 'recipe')}; see ${cache.origin}/v1/divergent`,
        )
      }
      results.push({ cache: cache.origin, ...done })
    }
    output.document({ attested: attested.map(jsonOfAttested), published: results })
    return 0
  },
}

function urlsOf(args: Arguments): readonly string[] {
  const { to } = args.options
  const urls = Array.isArray(to) ? to.filter((url) => typeof url === 'string') : []
  if (urls.length > 0) return [...new Set(urls)]
  throw new AbnError('ABN_USAGE', 'publish: expected --to with the address of a cache', {
    hint: 'for example --to https://cache.example.org',
  })
}

function watcher(progress: Progress): (event: PublishEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'file-start':
        return progress.begin(event.blob.digest, `sending ${event.title} (${sizeText(event.bytes)})`)
      case 'file-done':
        return progress.end(event.blob.digest, `sent ${event.title}`)
      case 'statements':
      case 'piece':
        return
      default:
        return event satisfies never
    }
  }
}
