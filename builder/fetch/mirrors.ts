// From what a recipe says (`https://…`, `mirror://<name>/…`) to the addresses to try. Every address is only a hint.

import { AbnError } from '../../format/errors.ts'

export type Candidate = {
  readonly url: URL
  readonly via: 'direct' | 'apt' // 'apt': the address came from apt's configuration, so apt's proxy applies
}

/** Upstream's own addresses behind each `mirror://` name. `debian` has none: it is what apt or the environment says. */
export const mirrors: Readonly<Record<string, readonly string[]>> = {
  apache: ['https://downloads.apache.org/', 'https://archive.apache.org/dist/'],
  debian: [],
  gcc: ['https://gcc.gnu.org/pub/gcc/', 'https://sourceware.org/pub/gcc/'],
  github: ['https://github.com/'],
  gnome: ['https://download.gnome.org/'],
  gnu: ['https://ftpmirror.gnu.org/', 'https://ftp.gnu.org/gnu/'],
  gnupg: ['https://gnupg.org/ftp/gcrypt/'],
  kernel: ['https://cdn.kernel.org/pub/', 'https://mirrors.edge.kernel.org/pub/'],
  musl: ['https://musl.libc.org/releases/'],
  savannah: ['https://download.savannah.nongnu.org/releases/', 'https://download-mirror.savannah.gnu.org/releases/'],
  sourceforge: ['https://downloads.sourceforge.net/project/'],
  sourceware: ['https://sourceware.org/pub/', 'https://mirrors.kernel.org/sourceware/'],
  xorg: ['https://www.x.org/releases/'],
}

/**
 * The addresses for one hint, in order, without duplicates. `debianBases` come from the environment or apt.
 * Throws ABN_SOURCE_ADDRESS for an unknown mirror name, another scheme or no address at all.
 */
export function candidatesOf(urls: readonly string[], debianBases: readonly Candidate[]): Candidate[] {
  const candidates = new Map<string, Candidate>()
  const add = (candidate: Candidate) => {
    if (!candidates.has(candidate.url.href)) candidates.set(candidate.url.href, candidate)
  }
  for (const address of urls) {
    const mirror = mirrorOf(address)
    if (mirror === undefined) {
      add({ url: parseHttpUrl(address), via: 'direct' })
      continue
    }
    const { name, path, bases } = mirror
    if (name === 'debian')
      for (const base of debianBases) add({ url: parseHttpUrl(base.url.href + path), via: base.via })
    for (const base of bases) add({ url: parseHttpUrl(base + path), via: 'direct' })
  }
  return [...candidates.values()]
}

/** Whether there is something to try behind one address of a recipe. Throws ABN_SOURCE_ADDRESS as candidatesOf does. */
export function checkAddress(address: string): void {
  if (mirrorOf(address) === undefined) parseHttpUrl(address)
}

function mirrorOf(
  address: string,
): { readonly name: string; readonly path: string; readonly bases: readonly string[] } | undefined {
  const [match, name = '', path = ''] = /^mirror:\/\/([^/]*)\/+(.*)$/s.exec(address) ?? []
  if (match === undefined) return undefined
  const bases = Object.hasOwn(mirrors, name) ? mirrors[name] : undefined
  if (bases === undefined) {
    throw new AbnError('ABN_SOURCE_ADDRESS', `unknown mirror name "${name}" in "${address}"`, {
      hint: `use one of ${Object.keys(mirrors).join(', ')}, or a full https:// address`,
    })
  }
  return { name, path, bases }
}

/** An absolute http or https address; throws ABN_SOURCE_ADDRESS for anything else (file:, ftp:, data:, …). */
export function parseHttpUrl(address: string): URL {
  const url = URL.parse(address)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new AbnError(
      'ABN_SOURCE_ADDRESS',
      `not an address to download from: "${address}", expected http:// or https://`,
      {
        hint: 'correct the urls of the source in the recipe',
      },
    )
  }
  return url
}

/** For people to read: without credentials. */
export function showUrl(url: URL): string {
  if (url.username === '' && url.password === '') return url.href
  const shown = new URL(url)
  shown.username = ''
  shown.password = ''
  return shown.href
}
