/**
 * Looks into an archive: how it seems to be built, what it makes, what it needs. The archive is unpacked into a directory of
 * its own, by the code that unpacks sources for builds, and nothing in it is run.
 */
import { lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Compression } from '../../format/derivation.ts'
import { licenceIn } from './licences.ts'
import { type Obstacles, obstaclesIn } from './obstacles.ts'

export type Facts = {
  /** The only directory at the top, or undefined when there is not exactly one. */
  readonly top: string | undefined
  readonly system: 'gnu' | 'make' | 'other'
  /** Of a configure that autoconf has not made: whether it can be told the compiler. */
  readonly handwritten: { readonly takesCompiler: boolean } | undefined
  /** Whether its config.sub is from before our kind of system had a name. */
  readonly isOldConfigSub: boolean
  /** In words, for systems that no recipe function is for. */
  readonly systemName: string
  /** Targets of the makefile, for `make`. */
  readonly targets: ReadonlySet<string>
  readonly programs: readonly string[]
  /** Whether they seem to know --version. */
  readonly saysVersion: boolean
  readonly licence: { readonly spdx: string; readonly file: string } | undefined
  readonly summary: string | undefined
  /** Names of recipes that it seems to need: `tools` to run, `libraries` to link. */
  readonly tools: readonly string[]
  readonly libraries: readonly string[]
  /** Why its tests cannot run in a build, as far as one can see. */
  readonly testsNeed: string | undefined
  readonly warnings: readonly string[]
  readonly obstacles: Obstacles
}

/** `directory`: the archive, unpacked with nothing stripped. `name`: of the package. */
export function lookInto(directory: string, name: string): Facts {
  const names = readdirSync(directory).filter((one) => one !== 'pax_global_header')
  const only = names.length === 1 ? names[0] : undefined
  const top = only !== undefined && lstatSync(join(directory, only)).isDirectory() ? only : undefined
  const root = top === undefined ? directory : join(directory, top)
  const files = filesBelow(root)
  const has = (path: string) => files.has(path)
  const read = (path: string) => (has(path) ? readFileSync(join(root, path), 'latin1').slice(0, 400_000) : '')
  const makefile = ['GNUmakefile', 'makefile', 'Makefile'].find(has)
  const system = has('configure') ? 'gnu' : makefile !== undefined && !has('configure.ac') ? 'make' : 'other'
  const licenceFile = [...files].find((path) => /^(COPYING|LICEN[CS]E)(\.[a-z0-9-]+)?$/i.test(path))
  const spdx = licenceFile === undefined ? undefined : licenceIn(read(licenceFile))
  return {
    top,
    system,
    handwritten: handwrittenIn(system === 'gnu' ? read('configure') : ''),
    isOldConfigSub: [...files].some((path) => /(^|\/)config\.sub$/.test(path) && !/linux-musl/.test(read(path))),
    systemName: system === 'other' ? systemNameOf(has) : '',
    targets: targetsIn(read(makefile ?? '')),
    programs: programsIn(files, read, name),
    saysVersion: [...files].some((path) => /\.[chy]$/.test(path) && !isOfTests(path) && SAYS_VERSION.test(read(path))),
    licence: spdx === undefined || licenceFile === undefined ? undefined : { spdx, file: licenceFile },
    summary: summaryIn([...files].filter((path) => /^README/i.test(path)).map(read), name),
    tools: toolsFor(files),
    libraries: librariesIn(read('configure.ac') || read('configure.in') || read(makefile ?? '')),
    testsNeed: testsNeed(files, read),
    warnings: warningsAbout(files),
    obstacles: obstaclesIn({ files, read, name }),
  }
}

/** As an option in full, in a table of getopt_long(3) or of those that are made after it, or by way of argp or gnulib. */
const SAYS_VERSION =
  /"--version"|"version"\s*,\s*(?:no_argument|ap_no|FALSE|false|0|NULL)\b|GETOPT_VERSION|argp_program_version|parse_long_options|parse_gnu_standard_options/

function isOfTests(path: string): boolean {
  return /(?:^|\/)(?:tests?|testsuite|gnulib)\//.test(path)
}

/** By its name; undefined for what recipes cannot unpack. */
export function unpackOf(
  file: string,
): { kind: 'tar'; compression: Compression; strip: 0 } | { kind: 'zip'; strip: 0 } | undefined {
  if (file.endsWith('.zip')) return { kind: 'zip', strip: 0 }
  const [, ending = ''] = /\.(?:tar\.)?(gz|tgz|crate|bz2|tbz2?|xz|txz|zst|tar)$/.exec(file) ?? []
  const compression = COMPRESSIONS[ending]
  return compression === undefined ? undefined : { kind: 'tar', compression, strip: 0 }
}

const COMPRESSIONS: Readonly<Record<string, Compression>> = {
  gz: 'gzip',
  tgz: 'gzip',
  crate: 'gzip',
  bz2: 'bzip2',
  tbz: 'bzip2',
  tbz2: 'bzip2',
  xz: 'xz',
  txz: 'xz',
  zst: 'zstd',
  tar: 'none',
}

const MOST_FILES = 30_000

function filesBelow(root: string): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (directory: string) => {
    for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`
      if (found.size > MOST_FILES) return
      if (entry.isDirectory()) visit(path)
      else if (entry.isFile() && statSync(join(root, path)).size < 8 << 20) found.add(path)
    }
  }
  visit('')
  return found
}

function handwrittenIn(configure: string): Facts['handwritten'] {
  if (configure === '' || /Generated (automatically )?(by|using) (GNU )?autoconf/i.test(configure.slice(0, 4000)))
    return undefined
  return { takesCompiler: /^\s*CC=\*\)/m.test(configure) }
}

function systemNameOf(has: (path: string) => boolean): string {
  if (has('configure.ac') || has('configure.in') || has('autogen.sh')) return 'autoconf, without a configure script'
  const known = {
    'CMakeLists.txt': 'CMake',
    'meson.build': 'Meson',
    'Cargo.toml': 'Cargo',
    'go.mod': 'Go',
    'setup.py': 'Python',
  }
  return Object.entries(known).find(([file]) => has(file))?.[1] ?? 'none that is known'
}

function targetsIn(makefile: string): ReadonlySet<string> {
  return new Set(
    [...makefile.matchAll(/^([A-Za-z0-9_. -]+?)\s*::?(?!=)/gm)].flatMap(([, names = '']) => names.split(/\s+/)),
  )
}

/** automake says so; else a program of the package's own name. */
function programsIn(files: ReadonlySet<string>, read: (path: string) => string, name: string): readonly string[] {
  const makefiles = [...files].filter(
    (path) => /(^|\/)(Makefile|local)\.(am|mk)$/.test(path) && !/(^|\/)(tests?|gnulib|lib|examples?)\//.test(path),
  )
  const listed = makefiles.flatMap((path) =>
    [...read(path).matchAll(/^\s*bin_(?:PROGRAMS|SCRIPTS)\s*\+?=\s*((?:[^\\\n]|\\\n)*)/gm)].flatMap(([, names = '']) =>
      names.replace(/\\\n/g, ' ').split(/\s+/),
    ),
  )
  const plain = listed
    .map((one) => one.slice(one.lastIndexOf('/') + 1))
    .filter((one) => /^[A-Za-z0-9][\w.+-]*$/.test(one))
  return plain.length > 0 ? [...new Set(plain)] : [name]
}

/** The first line of a README that says `name is …` or `name - …`. */
function summaryIn(readmes: readonly string[], name: string): string | undefined {
  const escaped = name.replace(/[.+]/g, '\\$&')
  const pattern = new RegExp(
    `\\b(?:GNU )?${escaped}(?:\\(\\d\\))?(?: \\d[\\w.]*)?(?:,? (?:is|are)(?: an?| the)?| ?(?:--?|:|–|—))\\s+([^\\n]{8,}(?:\\n[^\\n]+)?)`,
    'i',
  )
  for (const text of readmes) {
    const sentence = pattern.exec(text.slice(0, 20_000))?.[1]
    if (sentence !== undefined) return summaryOf(sentence)
  }
  return undefined
}

/** One line, beginning in lower case, without a full stop. */
export function summaryOf(sentence: string): string | undefined {
  const line =
    sentence
      .replace(/\s+/g, ' ')
      .split(/(?<=[a-z)])[.;!](?:\s|$)/)[0]
      ?.trim() ?? ''
  const printable = line
    .replace(/[^ -~]/g, '')
    .slice(0, 78)
    .trim()
  const [first = ''] = printable
  const isWord = /^[A-Z][a-z]/.test(printable)
  return printable.length < 8 ? undefined : isWord ? first.toLowerCase() + printable.slice(1) : printable
}

/** Parsers and scanners for which no C is there. */
function toolsFor(files: ReadonlySet<string>): readonly string[] {
  const without = (ending: RegExp) =>
    [...files].some(
      (path) =>
        ending.test(path) && !files.has(path.replace(ending, '.c')) && !files.has(path.replace(ending, '.tab.c')),
    )
  return [...(without(/\.y$/) ? ['bison'] : []), ...(without(/\.l$/) ? ['flex'] : [])]
}

const LIBRARIES: readonly (readonly [recipe: string, pattern: RegExp])[] = [
  [
    'ncurses',
    /-l?(?:ncursesw?|termcap|tinfo|curses)\b|AC_(?:CHECK|SEARCH)_LIBS?\(\[?(?:[^)]*\b)?(?:ncurses|termcap|tinfo|curses)/,
  ],
  ['zlib', /-lz\b|AC_(?:CHECK|SEARCH)_LIBS?\(\[?(?:[^)]*,\s*)?\[?z\b/],
  ['bzip2', /-lbz2\b|AC_CHECK_LIB\(\[?bz2\b/],
  ['xz', /-llzma\b|AC_CHECK_LIB\(\[?lzma\b/],
]

function librariesIn(text: string): readonly string[] {
  return LIBRARIES.flatMap(([recipe, pattern]) => (pattern.test(text) ? [recipe] : []))
}

/** From the first lines of the scripts in the directories of tests. */
function testsNeed(files: ReadonlySet<string>, read: (path: string) => string): string | undefined {
  const tests = [...files].filter((path) => /^(?:tests?|testsuite|checks?)\//.test(path)).slice(0, 400)
  const needs = new Map([
    ['Perl', /^#! ?\/\S*(?:env )?perl/],
    ['Python', /^#! ?\/\S*(?:env )?python/],
    ['/bin/bash', /^#! ?\/bin\/bash/],
    ['Expect', /^#! ?\/\S*(?:env )?expect/],
  ])
  if (tests.some((path) => path.endsWith('.exp'))) return 'DejaGnu'
  for (const path of tests) {
    const start = read(path).slice(0, 60)
    for (const [what, pattern] of needs)
      if (pattern.test(start) || (what === 'Perl' && path.endsWith('.pl'))) return what
  }
  return undefined
}

function warningsAbout(files: ReadonlySet<string>): readonly string[] {
  const count = (ending: RegExp) =>
    [...files].filter((path) => ending.test(path) && !/(^|\/)(tests?|examples?|doc)\//.test(path)).length
  const [c, cxx, rust, go] = [count(/\.c$/), count(/\.(cc|cpp|cxx)$/), count(/\.rs$/), count(/\.go$/)]
  return [
    ...(cxx > c ? [`it is mostly C++ (${cxx} files), and our toolchain compiles C only`] : []),
    ...(rust > c ? ['it is mostly Rust, for which we have no compiler'] : []),
    ...(go > c ? ['it is mostly Go, for which we have no compiler'] : []),
  ]
}
