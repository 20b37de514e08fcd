// abnpkg search WORD...
import type { PackageEntry } from '../../builder/evaluate/records.ts'
import { compareVersions } from '../../builder/evaluate/versions.ts'
import type { Command } from '../commands.ts'
import { evaluationFor } from '../session.ts'

export const search: Command = {
  usage: '[WORD...]',
  details: 'Lists the packages whose name or summary has every word; all of them without a word.',
  options: { all: { type: 'boolean', help: 'also the steps of the bootstrap, which nobody would install' } },
  async run(args, { output, signal }) {
    const words = args.names.map((word) => word.toLowerCase())
    const evaluation = await evaluationFor(args, signal)
    const entries = evaluation.entriesWith(words).filter((entry) => args.options.all || !entry.hidden)
    const found = rank(newest(entries), words)
    const width = Math.max(0, ...found.map(({ name }) => name.length))
    const versions = Math.max(0, ...found.map(({ version }) => version.length))
    for (const { name, version, summary } of found) {
      output.line(`${output.paint('bold', name.padEnd(width))}  ${version.padEnd(versions)}  ${summary}`)
    }
    if (found.length === 0) output.note('no package has that in its name or summary')
    if (evaluation.broken.length > 0) (await import('../recipes/broken.ts')).noteBroken(evaluation, output)
    output.document(found.map(({ name, version, summary, recipeHash }) => ({ name, version, summary, recipeHash })))
    return found.length > 0 ? 0 : 1
  },
}

function newest(entries: readonly PackageEntry[]): PackageEntry[] {
  const best = new Map<string, PackageEntry>()
  for (const entry of entries) {
    const known = best.get(entry.name)
    if (known === undefined || compareVersions(entry.version, known.version) > 0) best.set(entry.name, entry)
  }
  return [...best.values()]
}

/** Exact names first, then names that begin with the word, names that have it, summaries; alphabetical within each. */
function rank(entries: readonly PackageEntry[], words: readonly string[]): PackageEntry[] {
  const score = ({ name }: PackageEntry) => {
    const [word = ''] = words
    return name === word ? 0 : name.startsWith(word) ? 1 : name.includes(word) ? 2 : 3
  }
  const text = ({ name, summary }: PackageEntry) => `${name} ${summary}`.toLowerCase()
  return entries
    .filter((entry) => words.every((word) => text(entry).includes(word)))
    .sort((a, b) => score(a) - score(b) || (a.name < b.name ? -1 : 1))
}
