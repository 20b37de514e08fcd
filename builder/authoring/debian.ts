/**
 * What Debian knows of a package: the entry of its source index, by `apt-cache showsrc` where the machine's apt has source
 * indexes (which apt has verified), else from the mirror's own index, which nobody has: its hashes only say what the
 * mirror has, and a person reads the recipe. Format: deb822(5), Debian policy sections 5.4 and 5.6.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { compareVersions } from '../evaluate/versions.ts'
import { isDebianArchive, readAptEntries } from '../fetch/apt.ts'
import { decompress } from '../unpack/decompress.ts'
import { defaultUnpackLimits } from '../unpack/limits.ts'
import type { Upstream } from './upstream.ts'

export type DebianSource = {
  readonly name: string
  /** As Debian counts: `1:1.8+dfsg-2`. */
  readonly version: string
  /** Without epoch and revision: `1.8+dfsg`. */
  readonly upstreamVersion: string
  readonly homepage: string | undefined
  readonly buildDepends: readonly string[]
  /** What upstream published, perhaps repacked. */
  readonly archive: DebianFile
  /** Debian's own part: the directory debian/. */
  readonly packaging: DebianFile | undefined
}

/** `url`: mirror://debian/pool/… */
export type DebianFile = { readonly url: string; readonly sha256: string }

export type DebianOptions = {
  readonly upstream: Upstream
  /** Where indexes are kept for a day. */
  readonly cacheDirectory: string
  readonly signal: AbortSignal
  readonly aptDirectory?: string
  /** `apt-cache showsrc`, in tests. */
  readonly showSource?: (name: string) => Promise<string>
}

/** The newest of that source package; undefined when Debian has none. Throws ABN_UPSTREAM_UNREACHABLE. */
export async function findDebianSource(name: string, options: DebianOptions): Promise<DebianSource | undefined> {
  if (!/^[a-z0-9][a-z0-9+.-]+$/.test(name)) return undefined
  const known = await (options.showSource ?? showSource)(name)
  const stanzas = known === '' ? await stanzasOf(name, options) : known.split(/\n\n+/)
  return stanzas
    .flatMap((stanza) => sourceOf(parseStanza(stanza), name) ?? [])
    .sort((a, b) => compareVersions(b.version, a.version))[0]
}

/** Fields by their names in lower case; continuation lines keep their line breaks. */
export function parseStanza(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  let last = ''
  for (const line of text.split('\n')) {
    const [, name, value = ''] = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line) ?? []
    if (name !== undefined) {
      last = name.toLowerCase()
      fields.set(last, value)
    } else if (/^[ \t]/.test(line) && last !== '') fields.set(last, `${fields.get(last)}\n${line}`)
  }
  return fields
}

function sourceOf(fields: ReadonlyMap<string, string>, name: string): DebianSource | undefined {
  if ((fields.get('package') ?? fields.get('source')) !== name) return undefined
  const version = fields.get('version') ?? ''
  const directory = fields.get('directory') ?? ''
  if (!/^pool\/[A-Za-z0-9/+._-]+$/.test(directory) || /(^|\/)\.\.?(\/|$)/.test(directory)) return undefined
  const files = (fields.get('checksums-sha256') ?? '')
    .split('\n')
    .flatMap((line): (DebianFile & { file: string })[] => {
      const [, sha256 = '', file = ''] = /^\s*([0-9a-f]{64})\s+\d+\s+([A-Za-z0-9+._~-]+)\s*$/.exec(line) ?? []
      return sha256 === '' ? [] : [{ file, url: `mirror://debian/${directory}/${file}`, sha256 }]
    })
  const find = (pattern: RegExp) => {
    const { url, sha256 } = files.find(({ file }) => pattern.test(file)) ?? { url: '', sha256: '' }
    return url === '' ? undefined : { url, sha256 }
  }
  const archive = find(/\.orig\.tar\.[a-z0-9]+$/) ?? find(/^[^_]+_[^-]*\.tar\.[a-z0-9]+$/)
  if (version === '' || archive === undefined) return undefined
  return {
    name,
    version,
    upstreamVersion: version.replace(/^\d+:/, '').replace(/-[^-]*$/, ''),
    homepage: fields.get('homepage'),
    buildDepends: (fields.get('build-depends') ?? '')
      .split(',')
      .flatMap((one) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(one)?.[1] ?? []),
    archive,
    packaging: find(/\.debian\.tar\.[a-z0-9]+$/),
  }
}

/** '' where there is no apt, or it has no source indexes. */
function showSource(name: string): Promise<string> {
  return new Promise((resolve) => {
    const options = { timeout: 20_000, maxBuffer: 8 << 20, env: { ...process.env, LC_ALL: 'C' } }
    execFile('apt-cache', ['showsrc', '--only-source', '--', name], options, (error, stdout) =>
      resolve(error ? '' : stdout),
    )
  })
}

async function stanzasOf(name: string, options: DebianOptions): Promise<readonly string[]> {
  const entries = (await readAptEntries(options.aptDirectory ?? '/etc/apt')).filter(isDebianArchive)
  const suites = new Set(entries.flatMap(({ suites: own }) => own).filter((suite) => !/-|\/$/.test(suite)))
  const found: string[] = []
  for (const suite of suites.size > 0 ? suites : ['stable']) {
    const index = await indexOf(suite, options)
    if (index !== undefined) found.push(...(await stanzasIn(index, name)))
  }
  return found
}

const INDEX_SECONDS = 86_400

/** The index as a file, fetched when there is none of today. */
async function indexOf(
  suite: string,
  { upstream, cacheDirectory, signal }: DebianOptions,
): Promise<string | undefined> {
  const kept = join(cacheDirectory, `${suite}-main-Sources.xz`)
  const age = Date.now() - (statSync(kept, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  if (age >= 0 && age < INDEX_SECONDS * 1000) return kept
  signal.throwIfAborted()
  const arrived = await upstream.file([`mirror://debian/dists/${suite}/main/source/Sources.xz`], 200 << 20)
  if (arrived === undefined) return undefined
  withDiskErrors(`cannot write ${kept}`, () => {
    mkdirSync(cacheDirectory, { recursive: true })
    renameSync(arrived.path, kept)
  })
  return kept
}

async function stanzasIn(file: string, name: string): Promise<readonly string[]> {
  const found: string[] = []
  const text = new TextDecoder()
  let rest = ''
  const limits = { ...defaultUnpackLimits, bytes: 1 << 30 }
  for await (const chunk of decompress(file, 'xz', limits)) {
    rest += text.decode(chunk, { stream: true })
    const end = rest.lastIndexOf('\n\n')
    if (end < 0) continue
    found.push(...stanzasNamed(rest.slice(0, end + 1), name))
    rest = rest.slice(end + 2)
  }
  return [...found, ...stanzasNamed(rest, name)]
}

function stanzasNamed(text: string, name: string): string[] {
  const found: string[] = []
  const start = `Package: ${name}\n`
  for (let at = text.indexOf(start); at >= 0; at = text.indexOf(start, at + 1)) {
    if (at > 0 && text[at - 1] !== '\n') continue
    const begin = text.lastIndexOf('\n\n', at)
    const end = text.indexOf('\n\n', at)
    found.push(text.slice(begin < 0 ? 0 : begin + 2, end < 0 ? undefined : end))
  }
  return found
}

export function requireDebianSource(name: string, found: DebianSource | undefined): DebianSource {
  if (found !== undefined) return found
  throw new AbnError('ABN_UPSTREAM_UNKNOWN', `Debian has no source package called ${name}`, {
    hint: "a binary package may come from a source package of another name: apt-cache show NAME tells, under 'Source'",
  })
}
