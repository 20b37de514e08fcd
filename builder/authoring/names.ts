/** Names and versions, as upstreams put them into the names of their archives; and the other way round. */
import { compareVersions } from '../evaluate/versions.ts'
import { mirrors } from '../fetch/mirrors.ts'

export type NameAndVersion = { readonly name: string; readonly version: string }

/** Endings that a recipe can unpack. */
export const archiveEnding = /\.(?:tar\.(?:gz|bz2|xz|zst)|tgz|tbz2?|txz|tar|zip|crate)$/

/** From the last part of an address: hello-2.10.tar.gz, hello_2.10.orig.tar.xz, …/hello/archive/refs/tags/v2.10.tar.gz. */
export function nameAndVersionOf(url: string): NameAndVersion | undefined {
  const path = url.replace(/[?#].*$/s, '')
  const file = path.slice(path.lastIndexOf('/') + 1)
  const stem = file.replace(archiveEnding, '').replace(/\.orig$|[-_.](?:src|source)$/, '')
  if (stem === file) return undefined
  const [, written = '', version = ''] = WITH_DASH.exec(stem) ?? WITHOUT_DASH.exec(stem) ?? []
  const tagged = /\/([^/]+)\/(?:-\/)?(?:archive|releases\/download)\//.exec(path)?.[1]
  const name = plainName(written === '' ? (tagged ?? '') : written)
  return version === '' || name === '' ? undefined : { name, version: version.replaceAll('_', '.') }
}

const VERSION = String.raw`v?(\d[0-9A-Za-z.+~_]*(?:-[0-9A-Za-z.]+)*)`
const WITH_DASH = new RegExp(`^(.*?)[-_]${VERSION}$`)
const WITHOUT_DASH = new RegExp(`^(.*?)${VERSION}$`)

/** Versions of a package among the names in a listing or an index, newest first. */
export function versionsIn(text: string, name: string): readonly { readonly version: string; readonly file: string }[] {
  const found = new Map<string, string>()
  for (const [, file = ''] of text.matchAll(/["'=/>\s]([A-Za-z0-9][A-Za-z0-9._+~-]*)(?=["'<\s])/g)) {
    if (!archiveEnding.test(file)) continue
    const one = nameAndVersionOf(file)
    if (one?.name === plainName(name) && !isPrerelease(one.version) && !found.has(one.version)) {
      found.set(one.version, file)
    }
  }
  return [...found].map(([version, file]) => ({ version, file })).sort((a, b) => compareVersions(b.version, a.version))
}

export function isPrerelease(version: string): boolean {
  return /(?:alpha|beta|pre|rc|dev|test|snapshot)/i.test(version) || version.includes('~')
}

/** `mirror://gnu/…` for an address below one that stands behind a mirror's name. */
export function mirrored(url: string): string {
  for (const [name, bases] of Object.entries(mirrors)) {
    const base = bases.find((one) => url.startsWith(one))
    if (base !== undefined && name !== 'github') return `mirror://${name}/${url.slice(base.length)}`
  }
  return url
}

/** With `{version}` where the version stands. */
export function templated(url: string, version: string): string {
  return url.replaceAll(version, '{version}')
}

/** A name that a recipe can have; '' when nothing is left. */
export function plainName(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9+._-]+/g, '-')
    .replace(/^[^a-z0-9]+|[-._]+$/g, '')
    .slice(0, 64)
}

/** The name of the constant that a recipe is exported as: gnu-time → gnuTime. */
export function constantOf(name: string): string {
  const camel = name
    .replace(/\+/g, 'x')
    .replace(/[^A-Za-z0-9]+([A-Za-z0-9])?/g, (_, next: string = '') => next.toUpperCase())
  if (/^\d/.test(camel)) return `the${camel}`
  return RESERVED.has(camel) ? `${camel}Package` : camel
}

const RESERVED = new Set(
  'recipe tarball zip file git local steps parallel gnuBuild makeBuild out output quote toolchain await break case catch class const continue debugger default delete do else enum export extends false finally for function if import in instanceof let new null return static super switch this throw true try typeof var void while with yield'.split(
    ' ',
  ),
)
