/**
 * Reads recipe modules that are only data: imports by name, constants, and in them texts, numbers, lists, objects, names and calls
 * of the recipe API. Nothing of them needs to run, so that thousands are read in the time in which the interpreter does hundreds.
 * This is a small part of JavaScript, and whatever is not certainly in it is left to the interpreter, errors above all: a module
 * that is read here has no types, no escapes but the plainest, no methods, no operators but `+`.
 */

import { apiModule } from './resolve.ts'

export type Expression =
  | { readonly kind: 'value'; readonly value: string | number | boolean }
  /** One text more than parts; the parts stand between them. */
  | { readonly kind: 'template'; readonly texts: readonly string[]; readonly parts: readonly Expression[] }
  | { readonly kind: 'sum'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'record'; readonly fields: readonly Field[] }
  /** In a list, or as a field. */
  | { readonly kind: 'spread'; readonly from: Expression }
  | { readonly kind: 'name'; readonly name: string }
  /** `offset`: where the call stands in the text. */
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expression[]; readonly offset: number }

/** The key of a spread is empty. */
export type Field = readonly [key: string, value: Expression]

export type LiteralModule = {
  readonly imports: readonly LiteralImport[]
  readonly constants: readonly { readonly name: string; readonly isExported: boolean; readonly value: Expression }[]
}

export type LiteralImport = {
  readonly request: string
  readonly names: readonly { readonly exported: string; readonly local: string }[]
  readonly offset: number
}

/** Undefined for any other module. `functions`: what 'abnpkg' exports that can be called. */
export function parseLiteral(text: string, functions: ReadonlySet<string>): LiteralModule | undefined {
  // Other line ends would have to be seen in templates and comments.
  if (/[\r\u2028\u2029]/.test(text)) return undefined
  try {
    return new Parser(text, functions).module()
  } catch (error) {
    // A regular expression says so of a text that is too long for it.
    if (error instanceof NotLiteral || error instanceof RangeError) return undefined
    throw error
  }
}

/** Thrown, and caught, for what the interpreter has to look at. */
export class NotLiteral extends Error {}

/** The text of a template up to its end or to an expression. */
const CHUNK = /([^`\\$]*(?:(?:\$(?!\{)|\\[^\n])[^`\\$]*)*)(`|\$\{)/y
const DEEPEST = 50

class Parser {
  readonly #text: string
  readonly #functions: ReadonlySet<string>
  /** The current token, where it begins, where it and the one before it end. */
  #token = ''
  #kind: 'name' | 'text' | 'number' | 'mark' = 'mark'
  #start = 0
  #end = 0
  #before = 0
  #depth = 0
  /** Every name that has a value, and whether it is a function. */
  readonly #declared = new Map<string, boolean>()

  constructor(text: string, functions: ReadonlySet<string>) {
    this.#text = text
    this.#functions = functions
    this.#next()
  }

  module(): LiteralModule {
    const imports: LiteralImport[] = []
    const constants: LiteralModule['constants'][number][] = []
    while (this.#accept('import')) imports.push(this.#importStatement())
    while (!this.#is('')) {
      const isExported = this.#accept('export')
      this.#expect('const')
      const name = this.#name()
      this.#expect('=')
      constants.push({ name, isExported, value: this.#expression() })
      this.#declare(name, false)
      this.#endStatement()
    }
    return { imports, constants }
  }

  #importStatement(): LiteralImport {
    const names: LiteralImport['names'][number][] = []
    this.#expect('{')
    while (!this.#accept('}')) {
      const exported = this.#name()
      names.push({ exported, local: this.#accept('as') ? this.#name() : exported })
      if (!this.#is('}')) this.#expect(',')
    }
    this.#expect('from')
    const offset = this.#start
    const request = this.#string()
    for (const { exported, local } of names) {
      this.#declare(local, request === apiModule && this.#functions.has(exported))
    }
    this.#endStatement()
    return { request, names, offset }
  }

  #expression(): Expression {
    if (++this.#depth > DEEPEST) throw new NotLiteral()
    let left = this.#term()
    while (this.#accept('+')) left = { kind: 'sum', left, right: this.#term() }
    this.#depth--
    return left
  }

  #term(): Expression {
    const offset = this.#start
    if (this.#kind === 'text') return { kind: 'value', value: this.#string() }
    if (this.#kind === 'number') {
      const value = Number(this.#token)
      this.#next()
      return { kind: 'value', value }
    }
    if (this.#accept('[')) return { kind: 'list', items: this.#items(']') }
    if (this.#accept('{')) return { kind: 'record', fields: this.#fields() }
    if (this.#is('`')) return this.#template()
    if (this.#is('true') || this.#is('false')) {
      const value = this.#is('true')
      this.#next()
      return { kind: 'value', value }
    }
    const name = this.#name()
    if (this.#declared.get(name) === false) return { kind: 'name', name }
    if (this.#declared.get(name) === undefined) throw new NotLiteral()
    this.#expect('(')
    return { kind: 'call', name, args: this.#items(')'), offset }
  }

  #items(close: ']' | ')'): Expression[] {
    const items: Expression[] = []
    while (!this.#accept(close)) {
      items.push(
        close === ']' && this.#accept('...') ? { kind: 'spread', from: this.#expression() } : this.#expression(),
      )
      if (!this.#is(close)) this.#expect(',')
    }
    return items
  }

  #fields(): Field[] {
    const fields: Field[] = []
    while (!this.#accept('}')) {
      if (this.#accept('...')) {
        fields.push(['', { kind: 'spread', from: this.#expression() }])
      } else if (this.#kind === 'text') {
        const key = this.#string()
        this.#expect(':')
        fields.push([key, this.#expression()])
      } else {
        if (this.#kind !== 'name') throw new NotLiteral()
        const key = this.#token
        this.#next()
        if (this.#accept(':')) fields.push([key, this.#expression()])
        else if (this.#declared.get(key) === false) fields.push([key, { kind: 'name', name: key }])
        else throw new NotLiteral()
      }
      // It would set the prototype.
      if (fields.at(-1)?.[0] === '__proto__') throw new NotLiteral()
      if (!this.#is('}')) this.#expect(',')
    }
    return fields
  }

  #template(): Expression {
    const texts: string[] = []
    const parts: Expression[] = []
    for (;;) {
      // The current token is the mark before the text: ` or }.
      CHUNK.lastIndex = this.#end
      const match = CHUNK.exec(this.#text)
      if (match === null) throw new NotLiteral()
      texts.push(unescaped(match[1] ?? ''))
      this.#end = CHUNK.lastIndex
      this.#next()
      if (match[2] === '`') break
      parts.push(this.#expression())
      if (!this.#is('}')) throw new NotLiteral()
    }
    return parts.length === 0 ? { kind: 'value', value: texts[0] ?? '' } : { kind: 'template', texts, parts }
  }

  /** A semicolon, or a line break before what begins another statement and cannot go on with this one. */
  #endStatement(): void {
    if (this.#accept(';') || this.#is('')) return
    const begins = this.#is('import') || this.#is('export') || this.#is('const')
    if (!begins || !this.#text.slice(this.#before, this.#start).includes('\n')) throw new NotLiteral()
  }

  #declare(name: string, isFunction: boolean): void {
    if (this.#declared.has(name)) throw new NotLiteral()
    this.#declared.set(name, isFunction)
  }

  #name(): string {
    const name = this.#token
    if (this.#kind !== 'name' || RESERVED.has(name)) throw new NotLiteral()
    this.#next()
    return name
  }

  #string(): string {
    if (this.#kind !== 'text') throw new NotLiteral()
    const text = unescaped(this.#token.slice(1, -1))
    this.#next()
    return text
  }

  #is(token: string): boolean {
    return this.#token === token && this.#kind !== 'text'
  }

  #accept(token: string): boolean {
    if (!this.#is(token)) return false
    this.#next()
    return true
  }

  #expect(token: string): void {
    if (!this.#accept(token)) throw new NotLiteral()
  }

  /** The token after the last one is empty. */
  #next(): void {
    this.#before = this.#end
    const text = this.#text
    const start = afterSpace(text, this.#end)
    const code = text.charCodeAt(start)
    let end = start
    if (isNameCode(code)) {
      this.#kind = 'name'
      while (isNameCode(text.charCodeAt(end)) || isDigitCode(text.charCodeAt(end))) end++
    } else if (code === QUOTE || code === DOUBLE_QUOTE) {
      this.#kind = 'text'
      end = afterString(text, start)
    } else if (isDigitCode(code)) {
      this.#kind = 'number'
      while (isDigitCode(text.charCodeAt(end))) end++
      const isPlain = (code !== ZERO || end === start + 1) && end - start <= 15
      if (!isPlain || isNameCode(text.charCodeAt(end)) || text[end] === '.') throw new NotLiteral()
    } else {
      this.#kind = 'mark'
      end = text.startsWith('...', start) ? start + 3 : start + 1
      if (start === text.length) end = start
      else if (end === start + 1 && !MARKS.includes(text.charAt(start))) throw new NotLiteral()
    }
    this.#token = text.slice(start, end)
    this.#start = start
    this.#end = end
  }
}

const [SPACE, TAB, LINE, SLASH, STAR, ZERO, QUOTE, DOUBLE_QUOTE, BACKSLASH] = [
  32, 9, 10, 47, 42, 48, 39, 34, 92,
] as const
const MARKS = '{}[](),:=+;`'

function isNameCode(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95
}

function isDigitCode(code: number): boolean {
  return code >= ZERO && code <= 57
}

/** Where white space and comments from `at` on end. */
function afterSpace(text: string, at: number): number {
  for (let i = at; ; ) {
    const code = text.charCodeAt(i)
    if (code === SPACE || code === LINE || code === TAB) i++
    else if (code === SLASH && text.charCodeAt(i + 1) === SLASH) {
      const end = text.indexOf('\n', i)
      i = end < 0 ? text.length : end
    } else if (code === SLASH && text.charCodeAt(i + 1) === STAR) {
      const end = text.indexOf('*/', i + 2)
      if (end < 0) throw new NotLiteral()
      i = end + 2
    } else return i
  }
}

/** Where the text in quotes that begins at `start` ends. */
function afterString(text: string, start: number): number {
  const quote = text.charCodeAt(start)
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) return i + 1
    if (code === BACKSLASH) i++
    if (text.charCodeAt(i) === LINE) break
  }
  throw new NotLiteral()
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', '\\': '\\', "'": "'", '"': '"', '`': '`', $: '$' }

function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(.)/g, (_, escaped: string) => {
    const plain = ESCAPES[escaped]
    if (plain === undefined) throw new NotLiteral()
    return plain
  })
}

/** No names in a module (ECMA-262, 12.7.2), and those that mean something there. */
const RESERVED: ReadonlySet<string> = new Set(
  (
    'arguments await break case catch class const continue debugger default delete do else enum eval export extends false ' +
    'finally for function if implements import in instanceof interface let new null package private protected public return ' +
    'static super switch this throw true try typeof undefined var void while with yield'
  ).split(' '),
)
