/** What a module that is only data (literal.ts) exports and makes: the same notes that it would leave in the sandbox. */
import { checkOutputs, checkProvides } from '../../recipes/api/recipe.ts'
import { quote } from '../../recipes/api/shell.ts'
import { localAt } from '../../recipes/api/sources.ts'
import { parallel } from '../../recipes/api/steps.ts'
import { type Expression, type Field, type LiteralModule, NotLiteral } from './literal.ts'
import { isReference, type Note } from './replay.ts'
import { apiModule } from './resolve.ts'
import type { ModuleText } from './sandbox.ts'

export type Surroundings = {
  /** What another module exports under a name. Throws NotLiteral where that cannot be had. */
  readonly imported: (request: string, name: string) => Sized
  /** Takes the note of a recipe, and gives it a number. */
  readonly note: (note: Note, size: number) => number
  /** Undefined for a recipe that is broken. */
  readonly outputsOf: (index: number) => readonly string[] | undefined
}

/**
 * `size`: about how many characters the value has as JSON. Values share their parts, so that a few lines can make one that is far
 * larger than the memory; in the interpreter such lines meet a limit.
 */
export type Sized = { readonly value: unknown; readonly size: number }

/** In characters. A derivation may not have more. */
const LARGEST = 4 << 20

/** The exports, as recipes/api/noting.ts writes them. Throws NotLiteral where the interpreter has to say what is wrong. */
export function readLiteral(
  module: ModuleText & { readonly literal: LiteralModule },
  surroundings: Surroundings,
): ReadonlyMap<string, Sized> {
  const reader = new Reader(module, surroundings)
  for (const { request, names } of module.literal.imports) {
    for (const { exported, local } of names) {
      if (request === apiModule) reader.bindApi(local, exported)
      else reader.bind(local, surroundings.imported(request, exported))
    }
  }
  const exports = new Map<string, Sized>()
  for (const { name, isExported, value } of module.literal.constants) {
    const read = reader.readSized(value)
    reader.bind(name, read)
    if (isExported) exports.set(name, read)
  }
  return exports
}

class Reader {
  readonly #module: ModuleText
  readonly #surroundings: Surroundings
  readonly #values = new Map<string, Sized>()
  readonly #functions = new Map<string, ApiFunction>()
  /** Of what the present constant has so far. */
  #size = 0

  constructor(module: ModuleText, surroundings: Surroundings) {
    this.#module = module
    this.#surroundings = surroundings
  }

  bind(name: string, value: Sized): void {
    this.#values.set(name, value)
  }

  bindApi(name: string, exported: string): void {
    const found = functions.get(exported)
    if (found !== undefined) this.#functions.set(name, found)
    else if (exported === 'out') this.#values.set(name, { value: '@{out}', size: 6 })
    else throw new NotLiteral()
  }

  readSized(expression: Expression): Sized {
    this.#size = 0
    const value = this.#read(expression)
    return { value, size: this.#size }
  }

  #grow(size: number): void {
    this.#size += size
    if (this.#size > LARGEST) throw new NotLiteral()
  }

  #read(expression: Expression): unknown {
    switch (expression.kind) {
      case 'value':
        this.#grow(typeof expression.value === 'string' ? expression.value.length + 4 : 4)
        return expression.value
      case 'name': {
        const { value, size } = this.#values.get(expression.name) ?? { value: undefined, size: 0 }
        this.#grow(size + 4)
        return value
      }
      case 'template': {
        const { texts, parts } = expression
        let text = texts[0] ?? ''
        for (const [i, part] of parts.entries()) text += `${textOf(this.#read(part))}${texts[i + 1]}`
        this.#grow(texts.reduce((sum, each) => sum + each.length, 0))
        return text
      }
      case 'sum': {
        const [left, right] = [this.#read(expression.left), this.#read(expression.right)]
        if (typeof left !== 'string' && typeof right !== 'string') throw new NotLiteral()
        return textOf(left) + textOf(right)
      }
      case 'list':
        return this.#list(expression.items)
      case 'record':
        return this.#record(expression.fields)
      case 'call':
        return this.#call(expression)
      case 'spread':
        throw new NotLiteral()
      default: {
        const never: never = expression
        throw new TypeError(`no such expression: ${String(never)}`)
      }
    }
  }

  #list(items: readonly Expression[]): readonly unknown[] {
    const list: unknown[] = []
    for (const item of items) {
      const read = this.#read(item.kind === 'spread' ? item.from : item)
      if (item.kind !== 'spread') list.push(read)
      else if (Array.isArray(read)) for (const each of read) list.push(each)
      else throw new NotLiteral()
    }
    return list
  }

  #record(fields: readonly Field[]): object {
    const record: Record<string, unknown> = {}
    for (const [key, value] of fields) {
      this.#grow(key.length)
      if (value.kind === 'spread') Object.assign(record, recordOf(this.#read(value.from)))
      else record[key] = this.#read(value)
    }
    return record
  }

  #call({ name, args, offset }: Extract<Expression, { kind: 'call' }>): unknown {
    const make = this.#functions.get(name)
    if (make === undefined) throw new NotLiteral()
    const before = this.#size
    const read = args.map((arg) => this.#read(arg))
    return make(read, {
      stack: () => this.#stackAt(offset),
      note: (note) => {
        const size = this.#size - before
        // In its place stands a reference.
        this.#size = before
        return this.#surroundings.note(note, size)
      },
      outputsOf: this.#surroundings.outputsOf,
    })
  }

  /** As the interpreter would write it. */
  #stackAt(offset: number): string {
    return `    at <anonymous> (${positionAt(this.#module, offset)})\n`
  }
}

/** As module:line:column. */
export function positionAt({ id, text }: ModuleText, offset: number): string {
  let line = 1
  let begin = 0
  for (let end = text.indexOf('\n'); end >= 0 && end < offset; end = text.indexOf('\n', begin)) {
    line++
    begin = end + 1
  }
  return `${id}:${line}:${offset - begin + 1}`
}

type Call = {
  readonly stack: () => string
  readonly note: (note: Note) => number
  readonly outputsOf: Surroundings['outputsOf']
}
type ApiFunction = (args: readonly unknown[], call: Call) => unknown

/** As in recipes/api/noting.ts. What an API function refuses at once is left to the interpreter, which says where it is. */
const functions: ReadonlyMap<string, ApiFunction> = new Map<string, ApiFunction>([
  [
    'recipe',
    ([options], { stack, note }) => {
      const { outputs, provides } = Object(options)
      if (outputs !== undefined) attempt(checkOutputs, [outputs, ''])
      if (provides !== undefined) attempt(checkProvides, [provides, ''])
      return { '#': 'recipe', index: note({ stack: stack(), options }), output: 'out' }
    },
  ],
  [
    'output',
    ([recipe, output], { outputsOf }) => {
      if (!isReference(recipe) || typeof output !== 'string') throw new NotLiteral()
      if (!outputsOf(recipe.index)?.includes(output)) throw new NotLiteral()
      return { ...recipe, output }
    },
  ],
  ...['tarball', 'zip', 'git'].map((kind): [string, ApiFunction] => [
    kind,
    ([options], { stack }) => ({ '#': kind, options, stack: stack() }),
  ]),
  ['file', ([options]) => ({ '#': 'file', options })],
  [
    'local',
    ([path, options], { stack }) => {
      attempt(localAt, ['', path, options])
      return { '#': 'local', path, options, stack: stack() }
    },
  ],
  ...['steps', 'gnuBuild', 'makeBuild'].map((kind): [string, ApiFunction] => [
    kind,
    ([options]) => ({ '#': kind, options }),
  ]),
  ['parallel', (args) => attempt(parallel, args)],
  ['quote', (args) => (typeof args[0] === 'string' ? quote(args[0]) : attempt(quote, []))],
])

/** The names of the functions that a module may call. */
export const callable: ReadonlySet<string> = new Set(functions.keys())

function attempt(make: (...args: never[]) => unknown, args: readonly unknown[]): unknown {
  try {
    return Reflect.apply(make, undefined, args)
  } catch {
    throw new NotLiteral()
  }
}

/** An object that is one in the interpreter too: not a recipe, a source or a build. */
function recordOf(value: unknown): object {
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value) && !('#' in value)
  // What comes from the interpreter can have such a field, and assigning it would do something else.
  if (!isPlain || Object.hasOwn(value, '__proto__')) throw new NotLiteral()
  return value
}

function textOf(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (isReference(value)) return `@{#${value.index}:${value.output}}`
  throw new NotLiteral()
}
