// abnpkg graph NAME...
import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import { findPackage } from '../../builder/evaluate/find.ts'
import type { EvaluatedPackage } from '../../builder/evaluate/package.ts'
import { AbnError } from '../../format/errors.ts'
import type { RecipeHash } from '../../format/hash.ts'
import { textOption } from '../args.ts'
import type { Command } from '../commands.ts'
import { someNames } from '../names.ts'
import type { Output } from '../output.ts'
import { evaluationFor } from '../session.ts'

export const graph: Command = {
  usage: 'NAME...',
  details: [
    'Prints which packages a package is made from, down to the first. A package that has been shown already ends in (…).',
    'With --from-seed: every byte that is trusted to make it: the seed, each source with its addresses and hash, and what of',
    'this machine takes part.',
    'As SVG, what is needed stands left of what needs it, and no line is drawn that others imply:',
    '  abnpkg graph hello --format svg >hello.svg',
  ].join('\n'),
  options: {
    format: { type: 'string', value: 'FORMAT', help: 'text, svg, dot (for Graphviz) or json' },
    'from-seed': { type: 'boolean', help: 'list every byte that is trusted' },
  },
  async run(args, { output, signal }) {
    const format = output.isJson ? 'json' : (textOption(args, 'format') ?? 'text')
    if (!['text', 'svg', 'dot', 'json'].includes(format)) {
      throw new AbnError('ABN_USAGE', `option --format: expected text, svg, dot or json, got '${format}'`)
    }
    const evaluation = await evaluationFor(args, signal)
    const tops: EvaluatedPackage[] = []
    for (const name of someNames(args, 'graph')) tops.push(await findPackage(evaluation, name))
    const print = (value: object) =>
      output.isJson ? output.document(value) : output.line(JSON.stringify(value, undefined, 2))
    const all = closureOf(tops, evaluation)
    if (args.options['from-seed']) {
      const { printTrusted, trustedBy } = await import('../graphs/trusted.ts')
      const trusted = trustedBy(all, evaluation.channels)
      if (format === 'json') print(trusted)
      else printTrusted(trusted, output)
    } else if (format === 'json') print(dataOf(tops, all))
    else if (format === 'dot') printDot(all, output)
    else if (format === 'svg') await printSvg(tops, all, output)
    else for (const top of tops) printTree(top, { evaluation, output })
    return 0
  },
}

/** Inputs before what needs them. */
function closureOf(tops: readonly EvaluatedPackage[], evaluation: Evaluation): EvaluatedPackage[] {
  const found = new Map<RecipeHash, EvaluatedPackage>()
  const seen = new Set<RecipeHash>()
  const visit = (one: EvaluatedPackage) => {
    if (seen.has(one.recipeHash)) return
    seen.add(one.recipeHash)
    for (const input of inputsOf(one, evaluation)) visit(input)
    found.set(one.recipeHash, one)
  }
  for (const top of tops) visit(top)
  return [...found.values()]
}

function inputsOf({ derivation }: EvaluatedPackage, evaluation: Evaluation): EvaluatedPackage[] {
  const hashes = [...new Set(derivation.inputs.map(({ recipe }) => recipe))]
  return hashes.flatMap((hash) => evaluation.byHash(hash) ?? [])
}

function printTree(top: EvaluatedPackage, { evaluation, output }: { evaluation: Evaluation; output: Output }): void {
  const shown = new Set<RecipeHash>()
  const visit = (one: EvaluatedPackage, { first, rest }: { first: string; rest: string }) => {
    const inputs = inputsOf(one, evaluation)
    const again = shown.has(one.recipeHash) && inputs.length > 0
    output.line(`${first}${labelOf(one)}${again ? ' (…)' : ''}`)
    shown.add(one.recipeHash)
    if (again) return
    inputs.forEach((input, index) => {
      const last = index === inputs.length - 1
      visit(input, { first: `${rest}${last ? '└─ ' : '├─ '}`, rest: `${rest}${last ? '   ' : '│  '}` })
    })
  }
  visit(top, { first: '', rest: '' })
}

function printDot(all: readonly EvaluatedPackage[], output: Output): void {
  output.line('digraph abnpkg {\n  rankdir=LR\n  node [shape=box, fontname="sans-serif"]')
  for (const one of all) output.line(`  "${one.recipeHash.slice(0, 16)}" [label="${labelOf(one)}"]`)
  for (const { recipeHash, derivation } of all) {
    for (const input of new Set(derivation.inputs.map(({ recipe }) => recipe))) {
      output.line(`  "${input.slice(0, 16)}" -> "${recipeHash.slice(0, 16)}"`)
    }
  }
  output.line('}')
}

async function printSvg(
  tops: readonly EvaluatedPackage[],
  all: readonly EvaluatedPackage[],
  output: Output,
): Promise<void> {
  const { svgOf } = await import('../graphs/svg-graph.ts')
  const indexes = new Map(all.map(({ recipeHash }, index) => [recipeHash, index]))
  const edges = all.flatMap(({ derivation }, to) =>
    [...new Set(derivation.inputs.map(({ recipe }) => recipe))].flatMap((recipe) => {
      const from = indexes.get(recipe)
      return from === undefined ? [] : [[from, to] as const]
    }),
  )
  const nodes = all.map((one) => ({
    label: labelOf(one),
    title: `${labelOf(one)}: ${one.metadata.summary}\n${one.recipeHash}`,
    isMarked: tops.includes(one),
  }))
  output.line(svgOf({ title: `${tops.map(labelOf).join(', ')}: what it is made from`, nodes, edges }))
}

function dataOf(tops: readonly EvaluatedPackage[], all: readonly EvaluatedPackage[]): object {
  const packages = all.map(({ recipeHash, derivation }) => ({
    recipeHash,
    name: derivation.name,
    version: derivation.version,
    inputs: derivation.inputs.map(({ recipe, output: name, path }) => ({ recipeHash: recipe, output: name, path })),
  }))
  return { tops: tops.map(({ recipeHash }) => recipeHash), packages }
}

function labelOf({ derivation }: EvaluatedPackage): string {
  return `${derivation.name} ${derivation.version}`
}
