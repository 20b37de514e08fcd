// Where this machine's apt would look for Debian's archive: parses sources.list(5) (one-line and deb822 style) and
// `apt-config dump`. Nothing here is trusted: the addresses are hints, every file is checked against its SHA-256.
// Credentials (auth.conf) are never read.

import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export type AptEntry = {
  readonly uris: readonly string[]
  readonly suites: readonly string[]
  readonly components: readonly string[]
}

export type AptProxies = { proxyOf(url: URL): string | 'DIRECT' | undefined }

/** Base addresses (ending in `/`) that carry Debian's own `pool/`, in apt's order, those named …/debian first. */
export async function readDebianBases(aptDirectory: string): Promise<string[]> {
  const uris: string[] = []
  for (const entry of await readAptEntries(aptDirectory)) {
    if (!isDebianArchive(entry)) continue
    for (const uri of entry.uris) uris.push(...(await followMirrorFile(uri)))
  }
  const bases = [...new Set(uris.filter(isHttp).map((uri) => `${uri.replace(/\/+$/, '')}/`))]
  return [...bases.filter((base) => base.endsWith('/debian/')), ...bases.filter((base) => !base.endsWith('/debian/'))]
}

/** Enabled entries of every configuration file that apt itself would read; an unreadable file counts as absent. */
export async function readAptEntries(aptDirectory: string): Promise<AptEntry[]> {
  const parts = join(aptDirectory, 'sources.list.d')
  const names = (await readdir(parts).catch(() => [])).filter((name) => /^[A-Za-z0-9_.-]+\.(list|sources)$/.test(name))
  const files = [join(aptDirectory, 'sources.list'), ...names.sort().map((name) => join(parts, name))]
  const entries: AptEntry[] = []
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '')
    entries.push(...(file.endsWith('.sources') ? parseDeb822(text) : parseOneLine(text)))
  }
  return entries
}

/** sources.list(5), "deb822-style format". Disabled stanzas and stanzas that are not deb or deb-src are left out. */
export function parseDeb822(text: string): AptEntry[] {
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith('#'))
  const entries: AptEntry[] = []
  for (const stanza of lines.join('\n').split(/\n[ \t]*\n/)) {
    const fields = new Map<string, string>()
    let name = ''
    for (const line of stanza.split('\n')) {
      const field = /^([^\s:]+)[ \t]*:(.*)$/.exec(line)
      if (field) {
        name = (field[1] ?? '').toLowerCase()
        fields.set(name, field[2] ?? '')
      } else if (/^[ \t]/.test(line) && name !== '') fields.set(name, `${fields.get(name)} ${line}`)
    }
    const words = (key: string) => (fields.get(key) ?? '').split(/\s+/).filter((word) => word !== '')
    if (/^(no|false|without|off|disable|0)$/i.test(words('enabled')[0] ?? 'yes')) continue
    if (!words('types').some((type) => type === 'deb' || type === 'deb-src')) continue
    entries.push({ uris: words('uris'), suites: words('suites'), components: words('components') })
  }
  return entries
}

/** sources.list(5), "one-line-style format": `deb [option=value …] uri suite component…`. */
export function parseOneLine(text: string): AptEntry[] {
  const entries: AptEntry[] = []
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*deb(?:-src)?\s+(?:\[[^\]]*\]\s+)?([^\s[]+)\s+([^\s#]+)([^#]*)/.exec(line)
    if (!match) continue
    const components = (match[3] ?? '').split(/\s+/).filter((word) => word !== '')
    entries.push({ uris: [match[1] ?? ''], suites: [match[2] ?? ''], components })
  }
  return entries
}

const releases = 'buster|bullseye|bookworm|trixie|forky|duke|sid|rc-buggy|experimental|testing|unstable|(?:old)*stable'
const debianSuite = new RegExp(`^(?:${releases})(?:-updates|-backports(?:-sloppy)?|-proposed-updates)?/?$`)

/** Debian's main archive, not its security archive (another pool) and not somebody's repository for Debian. */
export function isDebianArchive(entry: AptEntry): boolean {
  return entry.components.includes('main') && entry.suites.some((suite) => debianSuite.test(suite))
}

/** apt-transport-mirror(1): Debian's cloud images name a local list of addresses (`mirror+file:/etc/apt/mirrors/…`). */
async function followMirrorFile(uri: string): Promise<string[]> {
  const file = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1]
  if (file === undefined) return [uri]
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.split('\n').flatMap((line) => (line.startsWith('#') ? [] : (line.trim().split(/\s+/)[0] ?? '')))
}

function isHttp(uri: string): boolean {
  return /^https?:\/\//i.test(uri) && URL.canParse(uri)
}

/** `apt-config dump` of this machine; '' where there is no apt. */
export function readAptConfig(): Promise<string> {
  return new Promise((resolve) => {
    execFile('apt-config', ['dump'], { timeout: 5000 }, (error, stdout) => resolve(error ? '' : stdout))
  })
}

/** apt.conf(5), Acquire::http: a proxy for a scheme, overridden for a host; `DIRECT` means none. */
export function parseAptProxies(dump: string): AptProxies {
  const settings = new Map<string, string>()
  for (const match of dump.matchAll(/^Acquire::(https?)::Proxy(?:::([^\s"]+))? "([^"]*)";$/gim)) {
    const value = match[3] ?? ''
    if (value !== '') settings.set(`${match[1]}/${match[2] ?? ''}`.toLowerCase(), value)
  }
  return {
    proxyOf(url) {
      const scheme = url.protocol.slice(0, -1)
      const value = settings.get(`${scheme}/${url.hostname}`) ?? settings.get(`${scheme}/`)
      if (value === undefined || isHttp(value)) return value
      return /^(direct|false)$/i.test(value) ? 'DIRECT' : undefined
    },
  }
}
