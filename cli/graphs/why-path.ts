// abnpkg why A B: which references lead from A to B, and by which files; else how B took part in making A.

import type { Evaluation } from '../../builder/evaluate/evaluation.ts'
import { findEntry } from '../../builder/evaluate/find.ts'
import type { RecipeHash } from '../../format/hash.ts'
import { candidatesOf, createReferenceScanner } from '../../format/reference-scan.ts'
import { type StorePath, storeItemOf } from '../../format/store-path.ts'
import type { Store } from '../../store/store.ts'
import { readEntries } from '../../store/walk.ts'
import type { Arguments } from '../args.ts'
import type { Surroundings } from '../commands.ts'
import { evaluationFor, storeToLookAt } from '../session.ts'
import { namedInStore } from '../store/store-names.ts'

export async function whyPath(
  [a, b]: readonly [string, string],
  args: Arguments,
  { output, signal }: Surroundings,
): Promise<number> {
  const store = storeToLookAt(args)
  const from = await namedInStore(a, { store, args, signal })
  const to = await namedInStore(b, { store, args, signal }).catch(() => undefined)
  const path = to && shortestPath(from.paths, new Set(to.paths), (one) => store.readItem(one).references)
  if (path) {
    const steps = path.map((one, index) => ({ path: one, files: filesNaming(store, path[index - 1], one) }))
    for (const [index, step] of steps.entries()) {
      const by = step.files.length > 0 ? `  ${output.paint('dim', `named in ${step.files.join(', ')}`)}` : ''
      output.line(`${arrow(index)}${step.path}${by}`)
    }
    output.document({ from: from.paths, to: to.paths, kind: 'reference', path: steps })
    return 0
  }
  const made = await madeWith(await evaluationFor(args, signal), [a, b])
  output.line(`${from.label} does not refer to ${to?.label ?? b}, directly or not`)
  if (made === undefined) output.document({ from: from.paths, to: to?.paths ?? [], kind: null, path: [] })
  else {
    output.line('it was made with it:')
    for (const [index, label] of made.entries()) output.line(`${arrow(index)}${label}`)
    output.document({ from: from.paths, to: to?.paths ?? [], kind: 'input', path: made })
  }
  return made === undefined ? 1 : 0
}

function arrow(index: number): string {
  return index === 0 ? '' : `${'   '.repeat(index - 1)}└─ `
}

/** Breadth first, so that no other way is shorter. */
function shortestPath<T>(
  from: readonly T[],
  to: ReadonlySet<T>,
  next: (one: T) => readonly T[],
): readonly T[] | undefined {
  const cameFrom = new Map<T, T | undefined>(from.map((one) => [one, undefined]))
  // A map that grows while it is iterated over is iterated over to its end.
  for (const [one] of cameFrom) {
    if (to.has(one)) {
      const path: T[] = []
      for (let at: T | undefined = one; at !== undefined; at = cameFrom.get(at)) path.unshift(at)
      return path
    }
    for (const other of next(one)) if (!cameFrom.has(other)) cameFrom.set(other, one)
  }
  return undefined
}

const SHOWN_FILES = 3

/** The first files of an item that name another. */
function filesNaming(store: Store, item: StorePath | undefined, named: StorePath): readonly string[] {
  if (item === undefined) return []
  const wanted = candidatesOf([named])
  const found: string[] = []
  for (const entry of readEntries(store.physicalPath(item), storeItemOf(item))) {
    const scanner = createReferenceScanner(wanted, { builds: false })
    if (entry.kind === 'link') scanner.scan(Buffer.from(entry.target))
    if (entry.kind === 'file') for (const chunk of entry.content) scanner.scan(chunk)
    if (scanner.found().length > 0) found.push(entry.path)
    if (found.length === SHOWN_FILES) break
  }
  return found
}

/** Names of packages, from the one that is made to the one that it is made with. */
async function madeWith(
  evaluation: Evaluation,
  names: readonly [string, string],
): Promise<readonly string[] | undefined> {
  const [top, part] = await Promise.all(names.map((name) => findEntry(evaluation, name).catch(() => undefined)))
  if (top === undefined || part === undefined) return undefined
  const inputsOf = (recipe: RecipeHash) =>
    evaluation.byHash(recipe)?.derivation.inputs.map((input) => input.recipe) ?? []
  const path = shortestPath([top.recipeHash], new Set([part.recipeHash]), inputsOf)
  return path?.flatMap((recipe) => {
    const derivation = evaluation.byHash(recipe)?.derivation
    return derivation ? [`${derivation.name} ${derivation.version}`] : []
  })
}
