/** A first recipe as data, and its text: what `abnpkg recipe new` and `import` write, in the shape that our own recipes have. */
import type { Sha256 } from '../../format/hash.ts'
import { constantOf, templated } from './names.ts'

export type Draft = {
  readonly name: string
  readonly version: string
  readonly summary: string
  readonly homepage: string | undefined
  readonly licence: string
  readonly urls: readonly string[]
  readonly sha256: Sha256
  readonly isZip: boolean
  /** 0 where the archive has several directories at its top. */
  readonly strip: 0 | 1
  readonly tools: readonly string[]
  readonly libraries: readonly string[]
  readonly build: DraftBuild
  /** Programs in bin/. */
  readonly programs: readonly string[]
  /** What a person should know, as comments above the recipe. */
  readonly comments: readonly string[]
}

export type DraftBuild = {
  readonly system: 'gnu' | 'make'
  /** All arguments of a configure that autoconf has not made; undefined: those that gnuBuild has. */
  readonly configure?: readonly string[] | undefined
  /** Which of gnuBuild's arguments of configure it does not understand. */
  readonly omit?: readonly string[]
  /** A target, or why there are none; undefined: the build system's own. */
  readonly check: { readonly target: string } | { readonly off: string } | undefined
  /** Arguments of every make. */
  readonly make?: readonly string[]
  /** Shell lines between configure and make. */
  readonly before?: readonly string[]
  /** Undefined: make install. Else path in the output → path in the source. */
  readonly install: Readonly<Record<string, string>> | undefined
}

/** What stands where nothing could be guessed; lint finds it. */
export const todo = 'TODO'

/** `prefixOf`: how a module of a recipe is imported: 'abnpkg/' or './'. */
export function recipeText(draft: Draft, prefixOf: (name: string) => 'abnpkg/' | './'): string {
  const { name, version, build, tools, libraries } = draft
  const source = draft.isZip ? 'zip' : 'tarball'
  const system = build.system === 'gnu' ? 'gnuBuild' : 'makeBuild'
  const names = [system, ...(build.configure === undefined ? [] : ['out']), 'recipe', source].sort()
  const imports = [...tools, ...libraries, 'toolchain'].sort()
  return `${[
    `import { ${names.join(', ')} } from 'abnpkg'`,
    ...imports.map(
      (one) =>
        `import { ${constantOf(one) === `${one}Package` ? one : constantOf(one)} } from '${prefixOf(one)}${one}.ts'`,
    ),
    '',
    ...draft.comments.map((line) => `// ${line}`),
    `export const ${constantOf(name)} = recipe({`,
    `  name: ${quoted(name)},`,
    `  version: ${quoted(version)},`,
    `  summary: ${quoted(draft.summary)},`,
    ...(draft.homepage === undefined ? [] : [`  homepage: ${quoted(draft.homepage)},`]),
    `  license: ${quoted(draft.licence)},`,
    '',
    `  source: ${source}({`,
    ...urlLines(draft),
    `    sha256: ${quoted(draft.sha256)},`,
    ...(draft.strip === 0 ? ['    strip: 0,'] : []),
    '  }),',
    '',
    `  tools: [${[...tools, 'toolchain'].join(', ')}],`,
    ...(libraries.length === 0 ? [] : [`  libraries: [${libraries.join(', ')}],`]),
    '',
    `  build: ${system}(${optionsText(build)}),`,
    ...smokeLines(draft),
    '})',
  ].join('\n')}\n`
}

function urlLines({ urls, version }: Draft): string[] {
  const list = urls.map((url) => quoted(templated(url, version)))
  const one = `    urls: [${list.join(', ')}],`
  return one.length <= 120 ? [one] : ['    urls: [', ...list.map((url) => `      ${url},`), '    ],']
}

function optionsText({ configure, omit = [], make = [], before = [], check, install }: DraftBuild): string {
  const parts: string[] = []
  if (configure !== undefined) {
    const words = configure.map((word) => (word.includes('{out}') ? `\`${word}\`` : quoted(word)))
    parts.push(`omit: 'all', configure: [${words.join(', ')}]`)
  }
  if (omit.length > 0) parts.push(`omit: [${omit.map(quoted).join(', ')}]`)
  if (make.length > 0) parts.push(`make: [${make.map(quoted).join(', ')}]`)
  if (before.length > 0) parts.push(`build: { before: ${linesText(before)} }`)
  if (check !== undefined && 'off' in check) parts.push(`check: { off: ${quoted(check.off)} }`)
  else if (check !== undefined) parts.push(`check: [${quoted(check.target)}]`)
  if (install !== undefined) {
    const files = Object.entries(install).map(([to, from]) => `${quoted(to)}: ${quoted(from)}`)
    parts.push(`install: { files: { ${files.join(', ')} } }`)
  }
  const line = `{ ${parts.join(', ')} }`
  if (line.length < 100 && !line.includes('\n')) return parts.length === 0 ? '' : line
  return `{\n${parts.map((part) => `    ${part},\n`).join('')}  }`
}

function linesText(lines: readonly string[]): string {
  const [only] = lines
  if (only !== undefined && lines.length === 1) return quoted(only)
  const escaped = lines.map((line) => `        ${line.replace(/[\\`]|\$\{/g, '\\$&')}\n`)
  return `\`\n${escaped.join('')}      \``
}

function smokeLines({ programs }: Draft): string[] {
  const commands = programs.map((program) => `[${quoted(`bin/${program}`)}, '--version']`)
  return commands.length === 0 ? [] : [`  smoke: [${commands.join(', ')}],`]
}

function quoted(text: string): string {
  if (text.includes("'") && !/["\\]/.test(text)) return `"${text}"`
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}
