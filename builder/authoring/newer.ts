/**
 * Asks for newer versions in the places that the recipe's addresses name: directories of releases (GNU and the like), tags of git
 * repositories, Debian's source index. What cannot be asked is told, and does not stop the rest.
 */
import { execFile } from 'node:child_process'
import { AbnError } from '../../format/errors.ts'
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { compareVersions } from '../evaluate/versions.ts'
import { gitEnvironment } from '../fetch/run-git.ts'
import { type DebianOptions, findDebianSource } from './debian.ts'
import { isPrerelease, versionsIn } from './names.ts'

export type Place = {
  /** What was asked, for people. */
  readonly asked: string
  readonly kind: 'listing' | 'tags' | 'debian'
  /** The newest version there; undefined when there is none, or it could not be asked. */
  readonly version: string | undefined
  readonly failure: string | undefined
}

export type Newer = {
  readonly current: string
  /** The newest of all places; undefined when none has more than the recipe. */
  readonly newest: string | undefined
  readonly places: readonly Place[]
}

/** Throws only the signal's reason. */
export async function findNewer({ derivation, metadata }: EvaluatedPackage, options: DebianOptions): Promise<Newer> {
  const { name, version } = derivation
  const hints = Object.values(metadata.sources)
  const urls = hints.flatMap((hint) => (hint.kind === 'urls' ? hint.urls : []))
  const repositories = [
    ...hints.flatMap((hint) => (hint.kind === 'git' ? [hint.url] : [])),
    ...urls.flatMap((url) => /^https:\/\/(?:github|gitlab|codeberg)\.(?:com|org)\/[^/]+\/[^/]+/.exec(url)?.[0] ?? []),
  ]
  const asked = new Map<string, () => Promise<Place>>()
  for (const url of urls) {
    const debian = /^mirror:\/\/debian\/pool\/[^/]+\/[^/]+\/([^/]+)\//.exec(url)?.[1]
    const file = url.slice(url.lastIndexOf('/') + 1)
    const directory = url.slice(0, url.lastIndexOf('/') + 1)
    if (debian !== undefined) asked.set(`debian ${debian}`, () => inDebian(debian, options))
    else if (!directory.includes(version) && !/^https:\/\/(github|gitlab|codeberg)\./.test(url)) {
      const written = file.slice(0, Math.max(file.indexOf(version), 0)).replace(/[-_]?v?$/, '') || name
      asked.set(directory, () => inListing(directory, written, options))
    }
  }
  for (const url of repositories) asked.set(url, () => inTags(url, options))
  const places: Place[] = []
  for (const ask of asked.values()) places.push(await ask())
  const versions = places.flatMap((place) => place.version ?? []).sort((a, b) => compareVersions(b, a))
  const [newest] = versions
  return {
    current: version,
    newest: newest !== undefined && compareVersions(newest, version) > 0 ? newest : undefined,
    places,
  }
}

async function place(kind: Place['kind'], asked: string, work: () => Promise<string | undefined>, signal: AbortSignal) {
  try {
    return { kind, asked, version: await work(), failure: undefined }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof AbnError)) throw error
    const failure = error.message
      .split('\n')
      .slice(0, 2)
      .map((line) => line.trim())
      .join(' ')
    return { kind, asked, version: undefined, failure }
  }
}

function inListing(directory: string, name: string, { upstream, signal }: DebianOptions): Promise<Place> {
  const work = async () => versionsIn((await upstream.text([directory])) ?? '', name)[0]?.version
  return place('listing', directory, work, signal)
}

function inDebian(name: string, options: DebianOptions): Promise<Place> {
  const work = async () => (await findDebianSource(name, options))?.upstreamVersion
  return place('debian', `Debian's source package ${name}`, work, options.signal)
}

function inTags(url: string, { signal }: DebianOptions): Promise<Place> {
  return place('tags', `tags of ${url}`, async () => newestTag(await listTags(url, signal)), signal)
}

/** Of tags such as v1.2.3, name-1.2.3, RELEASE_1_2_3. */
export function newestTag(listing: string): string | undefined {
  const versions = listing.split('\n').flatMap((line) => {
    const tag = /\trefs\/tags\/([^^]+)$/.exec(line)?.[1] ?? ''
    const version = /(?:^|[-_v/])(\d+(?:[._]\d+)*[a-z]?)$/i.exec(tag)?.[1]?.replaceAll('_', '.')
    return version === undefined || isPrerelease(tag) ? [] : [version]
  })
  return versions.sort((a, b) => compareVersions(b, a))[0]
}

function listTags(url: string, signal: AbortSignal): Promise<string> {
  const { GIT_DIR: _, ...env } = gitEnvironment({ directory: '/nonexistent', transports: 'http:https' })
  const options = { env, signal, timeout: 15_000, maxBuffer: 16 << 20 }
  return new Promise((resolve, reject) => {
    execFile(
      'git',
      ['-c', 'credential.helper=', 'ls-remote', '--tags', '--', url],
      options,
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else if (signal.aborted) reject(signal.reason)
        else {
          const reason = stderr.trim().split('\n').at(-1) ?? error.message
          reject(
            new AbnError(
              'ABN_UPSTREAM_UNREACHABLE',
              `could not ask upstream: ${url}: ${reason.replace(/[^ -~]/g, ' ')}`,
            ),
          )
        }
      },
    )
  })
}
