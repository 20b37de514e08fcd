/**
 * What should be changed in a recipe although it evaluates: things that readers stumble over, and that make it age badly. Each
 * complaint has the line of the module that it is about.
 */
import type { EvaluatedPackage } from '../evaluate/package.ts'
import { todo } from './draft.ts'
import { constantOf } from './names.ts'

/** `line` counts from 1. */
export type Complaint = { readonly line: number; readonly rule: string; readonly text: string }

/** `packages`: those that the module exports. `file`: its name without directories. */
export function lintModule(
  text: string,
  packages: readonly EvaluatedPackage[],
  { file }: { readonly file: string },
): readonly Complaint[] {
  const lines = text.split('\n')
  const found: Complaint[] = []
  for (const [i, line] of lines.entries()) {
    if (new RegExp(`\\b${todo}\\b`).test(line))
      found.push({ line: i + 1, rule: 'todo', text: 'something is left to decide' })
    if (line.length > 120) found.push({ line: i + 1, rule: 'width', text: `${line.length} characters, at most 120` })
    if (/[ \t]$/.test(line)) found.push({ line: i + 1, rule: 'white-space', text: 'white space at the end' })
    if (/\t/.test(line)) found.push({ line: i + 1, rule: 'white-space', text: 'a tab; indent with two spaces' })
  }
  if (!text.endsWith('\n')) found.push({ line: lines.length, rule: 'white-space', text: 'no newline at the end' })
  for (const one of packages)
    found.push(...lintPackage(one, blockOf(lines, one), { file, alone: packages.length === 1 }))
  return found.sort((a, b) => a.line - b.line || (a.rule < b.rule ? -1 : 1))
}

type Block = { readonly first: number; readonly lines: readonly string[] }

/** From the export of the package to the next one. */
function blockOf(lines: readonly string[], { metadata }: EvaluatedPackage): Block {
  const start = lines.findIndex((line) => new RegExp(`\\bexport const ${metadata.exportName}\\b`).test(line))
  const first = Math.max(start, 0)
  const next = lines.findIndex((line, i) => i > first && /^export /.test(line))
  return { first, lines: lines.slice(first, next < 0 ? undefined : next) }
}

function lintPackage(
  { derivation, metadata }: EvaluatedPackage,
  block: Block,
  { file, alone }: { readonly file: string; readonly alone: boolean },
): Complaint[] {
  const { name, version } = derivation
  const { summary, homepage, license, smoke, sources, exportName } = metadata
  const at = (field: string) => {
    const index = block.lines.findIndex((line) => new RegExp(`\\b${field}\\b\\s*[:(]`).test(line))
    return block.first + Math.max(index, 0) + 1
  }
  const complaints: (Complaint | false)[] = [
    alone &&
      file !== `${name}.ts` && {
        line: at('name'),
        rule: 'file-name',
        text: `the module of ${name} is best called ${name}.ts`,
      },
    alone &&
      exportName !== constantOf(name) && {
        line: block.first + 1,
        rule: 'constant',
        text: `best exported as ${constantOf(name)}`,
      },
    /^[A-Z][a-z]/.test(summary) && {
      line: at('summary'),
      rule: 'summary',
      text: 'begins in lower case, unless with a name',
    },
    /\.$/.test(summary) && { line: at('summary'), rule: 'summary', text: 'has no full stop at the end' },
    summary.length > 80 && {
      line: at('summary'),
      rule: 'summary',
      text: `has ${summary.length} characters, at most 80`,
    },
    /^(an?|the) /i.test(summary) && { line: at('summary'), rule: 'summary', text: 'needs no article at the beginning' },
    homepage === '' && { line: block.first + 1, rule: 'homepage', text: 'has no homepage' },
    homepage.startsWith('http://') && { line: at('homepage'), rule: 'homepage', text: 'https, if the site has it' },
    !isSpdx(license) && {
      line: at('license'),
      rule: 'license',
      text: `${JSON.stringify(license)} is no SPDX expression`,
    },
    smoke.length === 0 &&
      !metadata.hidden && {
        line: block.first + 1,
        rule: 'smoke',
        text: 'has no smoke test: nothing is tried when it is built',
      },
  ]
  for (const hint of Object.values(sources)) {
    if (hint.kind === 'git') {
      complaints.push(
        /^(refs\/|v?\d+\.)/.test(hint.commit) && {
          line: at('commit'),
          rule: 'commit',
          text: 'name a commit, not a tag',
        },
      )
      continue
    }
    if (hint.kind !== 'urls') continue
    complaints.push(
      hint.urls.every((url) => url.startsWith('http://')) && {
        line: at('urls'),
        rule: 'urls',
        text: 'every address is plain http',
      },
      hint.urls.some((url) => /\/(?:archive|tarball|zipball)\/(?:refs\/heads\/)?(?:main|master|HEAD)\b/.test(url)) && {
        line: at('urls'),
        rule: 'urls',
        text: 'an archive of a branch changes with every commit: take one of a release',
      },
    )
  }
  const literal = block.lines.findIndex(
    (line) => /(https?|mirror):\/\//.test(line) && version.length > 1 && line.includes(version),
  )
  complaints.push(
    literal >= 0 && {
      line: block.first + literal + 1,
      rule: 'version',
      text: `write {version} for ${version} in addresses`,
    },
  )
  return complaints.filter((one) => one !== false)
}

/** The form of an expression, not whether every identifier is on the list. */
function isSpdx(text: string): boolean {
  const id = '(?:LicenseRef-)?[A-Za-z0-9][A-Za-z0-9.-]*\\+?'
  return (
    new RegExp(`^\\(*${id}\\)*(?: (?:AND|OR|WITH) \\(*${id}\\)*)*$`).test(text) &&
    !/^(GPL|LGPL|AGPL|BSD|Apache|unknown|other|none)$/i.test(text)
  )
}
