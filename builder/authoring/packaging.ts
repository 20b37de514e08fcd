/** What the directory debian/ of a source package says that helps to write a recipe. Only read, and only told. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseStanza } from './debian.ts'
import { licenceOfDebian } from './licences.ts'

export type Packaging = {
  readonly summary: string | undefined
  readonly licence: string | undefined
  readonly patches: readonly string[]
  /** Words of its build script that look like options of configure. */
  readonly options: readonly string[]
}

/** `directory` holds debian/. */
export function readPackaging(directory: string): Packaging {
  const read = (path: string) => {
    try {
      return readFileSync(join(directory, 'debian', path), 'utf8').slice(0, 1 << 20)
    } catch {
      return ''
    }
  }
  const control = read('control').split(/\n\n+/).map(parseStanza)
  const descriptions = control.flatMap((stanza) => stanza.get('description')?.split('\n')[0] ?? [])
  const patches = read('patches/series')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/)[0] ?? '')
    .filter((line) => line !== '')
  const options = [...read('rules').matchAll(/--(?:with|without|enable|disable)-[A-Za-z0-9_-]+(?:=[A-Za-z0-9_./-]+)?/g)]
  return {
    summary: descriptions[0]?.trim(),
    licence: licenceIn(read('copyright')),
    patches,
    options: [...new Set(options.map(([option]) => option))],
  }
}

function licenceIn(copyright: string): string | undefined {
  const stanzas = copyright.split(/\n[ \t]*\n/).map(parseStanza)
  const all = stanzas.find((stanza) => stanza.get('files')?.trim() === '*')
  const short = all?.get('license')?.split('\n')[0]
  return short === undefined ? undefined : licenceOfDebian(short)
}

/** The recipes of ours that stand for packages of Debian that a build needs; the rest as Debian calls them. */
export function recipesFor(buildDepends: readonly string[], has: (name: string) => boolean) {
  const libraries: string[] = []
  const tools: string[] = []
  const others: string[] = []
  for (const one of buildDepends) {
    if (
      /^(debhelper|dh-|dpkg-|build-essential|autotools-dev|autoconf|automake|autopoint|libtool|gettext|texinfo|help2man|quilt)/.test(
        one,
      )
    )
      continue
    const library = LIBRARIES.find(([pattern]) => pattern.test(one))?.[1]
    if (library !== undefined && has(library)) libraries.push(library)
    else if (has(one)) tools.push(one)
    else others.push(one)
  }
  return { libraries: [...new Set(libraries)], tools: [...new Set(tools)], others }
}

const LIBRARIES: readonly (readonly [RegExp, string])[] = [
  [/^libn?curses(w?5|w?6)?-dev$/, 'ncurses'],
  [/^zlib1g-dev$/, 'zlib'],
  [/^libbz2-dev$/, 'bzip2'],
  [/^liblzma-dev$/, 'xz'],
]
