/**
 * The imports of one evaluation: gives QuickJS its modules, remembers what imports what and why an import was refused, and
 * adds to a problem what only the import graph knows.
 */
import { type Problem, ProblemError } from './problem.ts'
import { apiModule, apiPrefix, resolveImport } from './resolve.ts'
import type { SandboxInput } from './sandbox.ts'
import { stripTypes } from './strip-types.ts'

export class Imports {
  readonly #input: SandboxInput
  readonly #texts: ReadonlyMap<string, string>
  readonly #graph = new Map<string, string[]>()
  readonly #broken: Set<string>
  readonly #others: ReadonlySet<string>
  readonly #loaded = new Set<string>()
  #current = ''
  #onTheWay: string[] = []
  #refused: Problem | undefined
  #wanted: string | undefined

  constructor(input: SandboxInput) {
    this.#input = input
    this.#texts = new Map([...input.api, ...input.modules].map(({ id, text }) => [id, text]))
    this.#broken = new Set(input.broken)
    this.#others = new Set(input.others)
  }

  /** Everything from now on happens because this module is evaluated. */
  begin(id: string): void {
    this.#current = id
    this.#onTheWay = []
    this.#refused = undefined
  }

  /** No other module gets to see this one any more. */
  breaks(id: string): void {
    this.#broken.add(id)
  }

  /** Whether the interpreter knows it already, because a module before it in a circle needed it. */
  isLoaded(id: string): boolean {
    return this.#loaded.has(id)
  }

  /** Those that were not evaluated by themselves: the others of a circle. */
  loadedOnTheWay(): readonly string[] {
    return this.#onTheWay
  }

  resolve(base: string, request: string): string {
    if (base === `${apiPrefix}entry`) return request.replace(/^module:/, '')
    const has = (id: string) => this.#texts.has(id) || this.#others.has(id)
    const resolution = resolveImport(request, base, this.#input.channels, has)
    if (resolution.kind === 'refused') {
      const message = `cannot import '${request}': ${resolution.reason}`
      return this.#refuse({ kind: 'import', name: '', message, frames: [this.#position(base, request)] })
    }
    const { id } = resolution
    if (this.#broken.has(id)) {
      return this.#refuse({ kind: 'needs', name: id, message: '', frames: [this.#position(base, request)] })
    }
    if (this.#others.has(id)) {
      this.#wanted ??= id
      return REFUSED
    }
    const known = this.#graph.get(base)
    if (known === undefined) this.#graph.set(base, [id])
    else known.push(id)
    return id
  }

  load(id: string): string | { error: Error } {
    const text = this.#texts.get(id)
    if (text === undefined) return { error: new Error('no such module') }
    if (id !== apiModule && !id.startsWith(apiPrefix)) {
      this.#loaded.add(id)
      this.#onTheWay.push(id)
    }
    try {
      return stripTypes({ id, text })
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error
      this.#refuse(error.problem)
      return { error }
    }
  }

  /** A module that nobody gave to the interpreter, and that one imports. */
  wanted(): string | undefined {
    return this.#wanted
  }

  /** Adds what only the import graph knows. */
  explain(problem: Problem): Problem {
    if (this.#refused !== undefined) return this.#refused
    const missing = /^Could not find export '(.*)' in module '(.*)'$/s.exec(problem.message)
    if (problem.kind === 'import' && missing !== null) return this.#missingExport(missing[1] ?? '', missing[2] ?? '')
    const from = problem.frames[0]?.replace(POSITION, '')
    const cycle = from === undefined ? undefined : this.#cycle(from)
    return cycle === undefined ? problem : { ...problem, cycle }
  }

  /** Which module to leave out so that the others can be evaluated. */
  culprit({ frames }: Problem): string {
    const modules = frames.map((frame) => frame.replace(POSITION, ''))
    return modules.find((id) => this.#onTheWay.includes(id)) ?? this.#current
  }

  #refuse(problem: Problem): string {
    this.#refused ??= problem
    return REFUSED
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

const POSITION = /:\d+:\d+$/

/** No module has this name. */
const REFUSED = 'abnpkg:refused'

function trail(before: ReadonlyMap<string, string>, last: string, start: string): string[] {
  const path = [start]
  for (let id: string | undefined = last; id !== undefined && id !== start; id = before.get(id)) path.splice(1, 0, id)
  return [...path, start]
}
