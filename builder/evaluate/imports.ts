/**
 * The imports of one evaluation: gives QuickJS its modules, remembers what imports what and why an import was refused, and
 * adds to a problem what only the import graph knows.
 */
import type { Problem } from './problem.ts'
import { apiPrefix, resolveImport } from './resolve.ts'
import type { SandboxInput } from './sandbox.ts'

export class Imports {
  readonly #input: SandboxInput
  readonly #texts: ReadonlyMap<string, string>
  readonly #graph = new Map<string, string[]>()
  #refused: Problem | undefined

  constructor(input: SandboxInput, texts: ReadonlyMap<string, string>) {
    this.#input = input
    this.#texts = texts
  }

  resolve(base: string, request: string): string {
    if (base === `${apiPrefix}entry`) return request.replace(/^module:/, '')
    const resolution = resolveImport(request, base, this.#input.channels, (id) => this.#texts.has(id))
    if (resolution.kind === 'refused') {
      const message = `cannot import '${request}': ${resolution.reason}`
      this.#refused ??= { kind: 'import', name: '', message, frames: [this.#position(base, request)] }
      return REFUSED
    }
    this.#graph.set(base, [...(this.#graph.get(base) ?? []), resolution.id])
    return resolution.id
  }

  load(id: string): string | { error: Error } {
    const text = this.#texts.get(id)
    return text ?? { error: new Error('no such module') }
  }

  /** Adds what only the import graph knows. */
  explain(problem: Problem): Problem {
    if (this.#refused !== undefined) return this.#refused
    const missing = /^Could not find export '(.*)' in module '(.*)'$/s.exec(problem.message)
    if (problem.kind === 'import' && missing !== null) return this.#missingExport(missing[1] ?? '', missing[2] ?? '')
    const from = problem.frames[0]?.replace(/:\d+:\d+$/, '')
    const cycle = from === undefined ? undefined : this.#cycle(from)
    return cycle === undefined ? problem : { ...problem, cycle }
  }

  /** Recipe modules in the order in which they are evaluated: each after what it imports. */
  order(): readonly string[] {
    const recipes = new Set(this.#input.modules.map(({ id }) => id))
    const found = new Set<string>()
    const seen = new Set<string>()
    const visit = (id: string) => {
      if (seen.has(id)) return
      seen.add(id)
      for (const next of this.#graph.get(id) ?? []) visit(next)
      if (recipes.has(id)) found.add(id)
    }
    for (const id of recipes) visit(id)
    return [...found]
  }

  #missingExport(name: string, module: string): Problem {
    const importers = [...this.#graph].filter(([, imported]) => imported.includes(module)).map(([id]) => id)
    const frames = importers.filter((id) => this.#texts.get(id)?.includes(name)).map((id) => this.#position(id, name))
    const message = `'${module}' exports nothing that is called '${name}'`
    return { kind: 'import', name: '', message, frames: frames.slice(0, 1) }
  }

  /** Where the text first occurs in the module: column of its first character, or of the quote before it. */
  #position(id: string, request: string): string {
    const lines = (this.#texts.get(id) ?? '').split(request)[0]?.split('\n') ?? []
    const last = lines.at(-1) ?? ''
    return `${id}:${lines.length}:${/["']$/.test(last) ? last.length : last.length + 1}`
  }

  /** The shortest way from a module back to itself. */
  #cycle(start: string): string[] | undefined {
    const before = new Map<string, string>()
    const queue = [start]
    for (const id of queue) {
      for (const next of this.#graph.get(id) ?? []) {
        if (next === start) return trail(before, id, start)
        if (!before.has(next)) {
          before.set(next, id)
          queue.push(next)
        }
      }
    }
    return undefined
  }
}

/** No module has this name. */
const REFUSED = 'abnpkg:refused'

function trail(before: ReadonlyMap<string, string>, last: string, start: string): string[] {
  const path = [start]
  for (let id: string | undefined = last; id !== undefined && id !== start; id = before.get(id)) path.splice(1, 0, id)
  return [...path, start]
}
