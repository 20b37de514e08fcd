/**
 * Where a package's source comes from. A source is known by its SHA-256; the URLs are only hints where to find it, tried in
 * order, and stay out of the recipe hash. `{name}` and `{version}` in a URL stand for the recipe's own.
 */
import { expectBoolean, expectFields, expectLine, expectList, expectMatch, expectRelativePath, fail } from './check.ts'
import { callSite } from './registry.ts'

/** Made by tarball, zip, file, git or local; given to `source`, `sources` or `patches`. */
export type Source = TarballSource | ZipSource | FileSource | GitSource | LocalSource

/** A unified diff that applies strictly with -p1: a path below recipes/, or a `file` that is downloaded. */
export type Patch = string | LocalSource | FileSource

export type Compression = 'none' | 'gzip' | 'bzip2' | 'xz' | 'zstd'

type Download = {
  /** `https://…`, `http://…` or `mirror://gnu/…`, `mirror://debian/pool/…`; `{version}` and `{name}` are filled in. */
  readonly urls: readonly string[]
  /** Of the file as published: 64 lowercase hexadecimal digits. */
  readonly sha256: string
  /** Of the file as published, in bytes; lets a download of the wrong size stop early. */
  readonly size?: number
}

export type TarballOptions = Download & {
  /** Leading directories to drop from each name in the archive; 1 unless told. */
  readonly strip?: number
  /** Where to unpack, relative to /build; `.` unless told. */
  readonly to?: string
  /** Taken from the first URL's ending unless told. */
  readonly compression?: Compression
  readonly patches?: readonly Patch[]
}
export type ZipOptions = Omit<TarballOptions, 'compression'>
export type FileOptions = Download & {
  /** The file's path relative to /build; the last part of the first URL unless told. */
  readonly to?: string
  readonly executable?: boolean
}
export type GitOptions = {
  readonly url: string
  /** The full commit identifier, 40 hexadecimal digits. */
  readonly commit: string
  /** Of the canonical archive of the checked-out files; `abnpkg hash` prints it. */
  readonly sha256: string
  readonly to?: string
  readonly patches?: readonly Patch[]
}
export type LocalOptions = {
  /** The file's path relative to /build; its own name unless told. */
  readonly to?: string
  readonly executable?: boolean
}

export type TarballSource = DownloadedSource & {
  readonly kind: 'tarball'
  readonly compression: Compression
  readonly strip: number
  readonly patches: readonly Patch[]
}
export type ZipSource = DownloadedSource & {
  readonly kind: 'zip'
  readonly strip: number
  readonly patches: readonly Patch[]
}
export type FileSource = DownloadedSource & { readonly kind: 'file'; readonly executable: boolean }
export type GitSource = {
  readonly kind: 'git'
  readonly url: string
  readonly commit: string
  readonly sha256: string
  readonly to: string
  readonly patches: readonly Patch[]
}
export type LocalSource = {
  readonly kind: 'local'
  readonly path: string
  /** Where `local` was called: the path belongs to that module's channel. */
  readonly at: string
  readonly to: string
  readonly executable: boolean
}
type DownloadedSource = {
  readonly urls: readonly string[]
  readonly sha256: string
  readonly size: number | undefined
  readonly to: string
}

const sources = new WeakSet<object>()

export function isSource(value: unknown): value is Source {
  return typeof value === 'object' && value !== null && sources.has(value)
}

/** A tar archive, compressed or not, unpacked before the build. */
export function tarball(options: TarballOptions): TarballSource {
  const where = 'tarball'
  const given = expectFields(options, where, ['urls', 'sha256', 'size', 'strip', 'to', 'compression', 'patches'])
  const download = checkDownload(given, where)
  return made({
    kind: 'tarball',
    ...download,
    to: checkTo(given.to ?? '.', where),
    compression: checkCompression(given.compression, download.urls[0] ?? '', where),
    strip: checkCount(given.strip ?? 1, `${where}.strip`),
    patches: checkPatches(given.patches ?? [], `${where}.patches`),
  })
}

/** A zip archive, unpacked before the build. */
export function zip(options: ZipOptions): ZipSource {
  const where = 'zip'
  const given = expectFields(options, where, ['urls', 'sha256', 'size', 'strip', 'to', 'patches'])
  return made({
    kind: 'zip',
    ...checkDownload(given, where),
    to: checkTo(given.to ?? '.', where),
    strip: checkCount(given.strip ?? 1, `${where}.strip`),
    patches: checkPatches(given.patches ?? [], `${where}.patches`),
  })
}

/** One file, put into /build as it is. */
export function file(options: FileOptions): FileSource {
  const where = 'file'
  const given = expectFields(options, where, ['urls', 'sha256', 'size', 'to', 'executable'])
  const download = checkDownload(given, where)
  return made({
    kind: 'file',
    ...download,
    to: expectRelativePath(given.to ?? lastName(download.urls[0] ?? ''), `${where}.to`),
    executable: expectBoolean(given.executable ?? false, `${where}.executable`),
  })
}

/** The files of one git commit. */
export function git(options: GitOptions): GitSource {
  const where = 'git'
  const given = expectFields(options, where, ['url', 'commit', 'sha256', 'to', 'patches'])
  return made({
    kind: 'git',
    url: checkUrl(given.url, `${where}.url`),
    commit: expectMatch(
      given.commit,
      `${where}.commit`,
      /^[0-9a-f]{40}$/,
      'the full commit, 40 lowercase hexadecimal digits',
    ),
    sha256: checkSha256(given.sha256, where),
    to: checkTo(given.to ?? '.', where),
    patches: checkPatches(given.patches ?? [], `${where}.patches`),
  })
}

/**
 * A file that lies beside the recipes: a path relative to the channel's root, below recipes/ or bootstrap/. Its hash is taken
 * when the recipe is evaluated.
 */
export function local(path: string, options: LocalOptions = {}): LocalSource {
  return localAt(callSite(), path, options)
}

/** `at`: the position in the recipes, module:line:column, whose channel the file is in. */
export function localAt(at: string, path: string, options: LocalOptions = {}): LocalSource {
  const where = 'local'
  const given = expectFields(options, where, ['to', 'executable'])
  const checked = expectRelativePath(path, where)
  if (!/^(recipes|bootstrap)\//.test(checked)) {
    fail(where, `expected a path below recipes/ or bootstrap/, relative to the channel's root, got '${checked}'`)
  }
  return made({
    kind: 'local',
    path: checked,
    at,
    to: expectRelativePath(given.to ?? lastName(checked), `${where}.to`),
    executable: expectBoolean(given.executable ?? false, `${where}.executable`),
  })
}

/** A patch as a source: a text is a path below recipes/. */
export function patchSource(value: unknown, where: string): LocalSource | FileSource {
  if (typeof value === 'string') return local(value)
  if (isSource(value) && (value.kind === 'local' || value.kind === 'file')) return value
  return fail(where, "expected a path like 'recipes/patches/x.patch', local(…) or file(…)")
}

/** Fills `{name}` and `{version}` into a URL. */
export function expandUrl(url: string, name: string, version: string): string {
  return url.replace(/\{([^{}]*)\}/g, (placeholder, key) => {
    if (key === 'name') return name
    if (key === 'version') return version
    return fail('url', `unknown ${placeholder} in '${url}'; {name} and {version} can be filled in`)
  })
}

function checkDownload(given: { urls?: unknown; sha256?: unknown; size?: unknown }, where: string) {
  const urls = expectList(given.urls, `${where}.urls`).map((url, i) => checkUrl(url, `${where}.urls[${i}]`))
  if (urls.length === 0) fail(`${where}.urls`, 'expected at least one URL')
  return {
    urls: Object.freeze(urls),
    sha256: checkSha256(given.sha256, where),
    size: given.size === undefined ? undefined : checkCount(given.size, `${where}.size`),
  }
}

function checkUrl(value: unknown, where: string): string {
  return expectMatch(
    value,
    where,
    /^(https?|mirror):\/\/[!-~]+$/,
    'a URL that begins with https://, http:// or mirror://',
  )
}

function checkSha256(value: unknown, where: string): string {
  return expectMatch(value, `${where}.sha256`, /^[0-9a-f]{64}$/, 'a SHA-256, 64 lowercase hexadecimal digits')
}

function checkTo(value: unknown, where: string): string {
  return value === '.' ? '.' : expectRelativePath(value, `${where}.to`)
}

function checkCount(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    fail(where, 'expected a whole number from 0')
  return value
}

function checkCompression(value: unknown, url: string, where: string): Compression {
  const given =
    value ?? compressionOf(url) ?? fail(`${where}.compression`, `'${url}' does not end in .tar.gz or the like; say it`)
  const found = COMPRESSIONS.find((compression) => compression === given)
  return found ?? fail(`${where}.compression`, `expected ${COMPRESSIONS.join(', ')}`)
}

const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'bzip2', 'xz', 'zstd']

function compressionOf(url: string): Compression | undefined {
  if (/\.(tar\.gz|tgz|crate)$/.test(url)) return 'gzip'
  if (/\.(tar\.bz2|tbz2?)$/.test(url)) return 'bzip2'
  if (/\.(tar\.xz|txz)$/.test(url)) return 'xz'
  if (/\.(tar\.zst|tzst)$/.test(url)) return 'zstd'
  return url.endsWith('.tar') ? 'none' : undefined
}

function checkPatches(value: unknown, where: string): readonly Patch[] {
  return Object.freeze(expectList(value, where).map((patch, i) => patchSource(patch, `${where}[${i}]`)))
}

function lastName(path: string): string {
  return expectLine(path.slice(path.lastIndexOf('/') + 1), `the name of '${path}'`)
}

function made<Made extends Source>(source: Made): Made {
  sources.add(source)
  return Object.freeze(source)
}
