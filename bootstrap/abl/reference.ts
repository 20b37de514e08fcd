/**
 * The Abl compiler in TypeScript: the reference for bootstrap/abl/abl.link, which must produce the same bytes.
 *
 * Abl is the untyped systems language between the linker stage and C; README.md has its grammar. The compiler is one
 * recursive descent over the tokens that emits x86-64 code as it reads. It runs twice: the first pass finds the
 * addresses of functions (a function may be used before its definition), the second has them. Both passes emit the
 * same number of bytes, because every address, displacement and immediate has a fixed width.
 *
 * Also compiles the programs that abnpkg itself puts into the sandbox, so that they need no C compiler.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { CodeBuffer, dataBase, executable, operators } from './code.ts'
import { type Token, tokenize } from './tokens.ts'

/** An error in an Abl program; `line` counts from 1 in input number `input` (from 0). */
export class AblError extends Error {
  readonly input: number
  readonly line: number
  constructor(message: string, token: { readonly input: number; readonly line: number }) {
    super(`input ${token.input + 1}, line ${token.line}: ${message}`)
    this.name = 'AblError'
    this.input = token.input
    this.line = token.line
  }
}

/** Compiles the concatenation of `sources` to a static ELF64 executable. Throws AblError. */
export function compileAbl(sources: readonly string[]): Uint8Array {
  const tokens = sources.flatMap((text, input) => tokenize(text, input))
  const symbols: Symbols = new Map()
  const first = new Compiler(tokens, symbols, 1)
  first.program()
  const second = new Compiler(tokens, symbols, 2)
  second.program()
  return executable(second.code, second.dataBytes)
}

/** Of one array: data addresses must stay below 2^31. */
const maximumWords = 1n << 27n

/** What a name stands for. `value` is a constant's value, or an address. */
type GlobalSymbol = { kind: 'const' | 'scalar' | 'array' | 'function'; value: bigint; pass: number }
type Symbols = Map<string, GlobalSymbol>

/** Where an expression's value is: in rax, or still in a place that may be loaded from or stored to. */
type Place =
  | { kind: 'value' }
  | { kind: 'local'; displacement: number }
  | { kind: 'global'; address: bigint }
  | { kind: 'word' } // rax holds the address of a word
  | { kind: 'byte' } // rax holds the address of a byte

const inRax: Place = { kind: 'value' }

class Compiler extends CodeBuffer {
  dataBytes = 0
  private next = 0
  private locals = new Map<string, number>() // name → displacement from rbp
  private slots = 0 // local variables of the current function
  private breaks: number[][] = [] // for each enclosing loop, positions of rel32 fields to patch
  private loops: number[] = [] // for each enclosing loop, the position of its condition
  private readonly tokens: readonly Token[]
  private readonly symbols: Symbols
  private readonly pass: 1 | 2

  constructor(tokens: readonly Token[], symbols: Symbols, pass: 1 | 2) {
    super()
    this.tokens = tokens
    this.symbols = symbols
    this.pass = pass
  }

  program(): void {
    this.emit('48 8b 04 24') // mov rax,[rsp]       argc
    this.emit('48 8d 4c 24 08') // lea rcx,[rsp+8]  argv
    this.emit('50 51') // push rax; push rcx
    this.call('main', this.tokens[0] ?? { kind: 'end', text: '', value: 0n, input: 0, line: 1 })
    this.emit('48 89 c7') // mov rdi,rax
    this.emit('b8 3c 00 00 00 0f 05') // mov eax,60; syscall (exit)
    while (this.peek().kind !== 'end') this.declaration()
  }

  private declaration(): void {
    const word = this.take()
    if (word.text === 'const') {
      const name = this.name()
      this.expect('=')
      this.define(name, 'const', this.constant())
      this.expect(';')
    } else if (word.text === 'record') {
      const record = this.name()
      let fields = 0n
      this.expect('{')
      do this.define(this.name(), 'const', fields++)
      while (this.accept(','))
      this.expect('}')
      this.define(record, 'const', fields)
    } else if (word.text === 'var') {
      const name = this.name()
      const isArray = this.accept('[')
      const words = isArray ? this.constant() : 1n
      if (words > maximumWords) throw new AblError('an array has too many words', name)
      if (isArray) this.expect(']')
      this.expect(';')
      this.define(name, isArray ? 'array' : 'scalar', BigInt(dataBase + this.dataBytes))
      this.dataBytes += 8 * Number(words)
    } else if (word.text === 'fn') this.functionBody(this.name())
    else if (word.text === 'asm') this.machineCode(this.name())
    else throw new AblError(`expected a declaration, got '${word.text}'`, word)
  }

  private functionBody(name: Token): void {
    this.define(name, 'function', this.here())
    const parameters = this.parameters()
    this.locals = new Map(parameters.map((p, i) => [p.text, 16 + 8 * (parameters.length - 1 - i)]))
    this.slots = 0
    this.emit('55 48 89 e5 48 81 ec') // push rbp; mov rbp,rsp; sub rsp,imm32
    const frame = this.reserve32()
    this.expect('{')
    this.block()
    this.emit('31 c0 c9 c3') // xor eax,eax; leave; ret
    this.patch32(frame, 8 * this.slots)
    this.locals = new Map()
  }

  private machineCode(name: Token): void {
    this.define(name, 'function', this.here())
    this.parameters()
    this.expect('{')
    while (!this.accept('}')) {
      const byte = this.take()
      if (!/^[0-9a-fA-F]{2}$/.test(byte.text)) throw new AblError(`expected a byte in hex, got '${byte.text}'`, byte)
      this.code.push(Number.parseInt(byte.text, 16))
    }
  }

  private parameters(): Token[] {
    const names: Token[] = []
    this.expect('(')
    if (this.accept(')')) return names
    do names.push(this.name())
    while (this.accept(','))
    this.expect(')')
    const twice = names.find((a, i) => names.some((b, j) => j < i && a.text === b.text))
    if (twice) throw new AblError(`parameter '${twice.text}' is named twice`, twice)
    return names
  }

  private block(): void {
    while (!this.accept('}')) this.statement()
  }

  private statement(): void {
    if (this.accept('{')) this.block()
    else if (this.accept('if')) this.ifStatement()
    else if (this.accept('while')) this.whileStatement()
    else if (this.accept('break')) {
      const breaks = this.breaks.at(-1)
      if (!breaks) throw new AblError('break outside a loop', this.peek())
      breaks.push(this.jump('e9'))
      this.expect(';')
    } else if (this.accept('continue')) {
      const top = this.loops.at(-1)
      if (top === undefined) throw new AblError('continue outside a loop', this.peek())
      this.land(this.jump('e9'), top)
      this.expect(';')
    } else if (this.accept('return')) {
      if (this.accept(';'))
        this.emit('31 c0') // xor eax,eax
      else {
        this.value()
        this.expect(';')
      }
      this.emit('c9 c3') // leave; ret
    } else if (this.accept('var')) {
      const name = this.name()
      if (this.locals.has(name.text)) throw new AblError(`'${name.text}' is defined twice`, name)
      this.expect('=')
      this.value()
      this.expect(';')
      const displacement = -8 * ++this.slots
      this.locals.set(name.text, displacement)
      this.emit('48 89 85') // mov [rbp+disp32],rax
      this.emit32(displacement)
    } else this.assignment()
  }

  private ifStatement(): void {
    this.expect('(')
    this.value()
    this.expect(')')
    this.emit('48 85 c0') // test rax,rax
    const otherwise = this.jump('0f 84') // jz
    this.statement()
    if (this.accept('else')) {
      const end = this.jump('e9')
      this.land(otherwise)
      this.statement()
      this.land(end)
    } else this.land(otherwise)
  }

  private whileStatement(): void {
    const top = this.code.length
    this.expect('(')
    this.value()
    this.expect(')')
    this.emit('48 85 c0') // test rax,rax
    const breaks = [this.jump('0f 84')] // jz
    this.breaks.push(breaks)
    this.loops.push(top)
    this.statement()
    this.land(this.jump('e9'), top)
    this.breaks.pop()
    this.loops.pop()
    for (const field of breaks) this.land(field)
  }

  private assignment(): void {
    const start = this.peek()
    const place = this.expression()
    if (this.accept('=')) {
      if (place.kind === 'value') throw new AblError('cannot assign to this', start)
      if (place.kind === 'word' || place.kind === 'byte') this.emit('50') // push rax
      this.value()
      this.store(place)
    } else this.load(place)
    this.expect(';')
  }

  /** Emits code that leaves the value of an expression in rax. */
  private value(): void {
    this.load(this.expression())
  }

  private expression(): Place {
    return this.shortCircuit('||', '0f 85', () => this.shortCircuit('&&', '0f 84', () => this.binary(0)))
  }

  /** `a op b`, where b is evaluated only if the conditional jump `jump` over it is not taken. */
  private shortCircuit(operator: string, jump: string, operand: () => Place): Place {
    let place = operand()
    while (this.accept(operator)) {
      this.load(place)
      this.emit('48 85 c0') // test rax,rax
      const end = this.jump(jump)
      this.load(operand())
      this.land(end)
      place = inRax
    }
    return place
  }

  private binary(level: number): Place {
    const table = operators[level]
    if (!table) return this.unary()
    let place = this.binary(level + 1)
    for (;;) {
      const token = this.peek()
      const code = token.kind === 'operator' ? table[token.text] : undefined
      if (!code) return place
      this.take()
      this.load(place)
      this.emit('50') // push rax
      this.load(this.binary(level + 1))
      this.emit('48 89 c1 58') // mov rcx,rax; pop rax
      this.emit(code)
      place = inRax
    }
  }

  private unary(): Place {
    const code = this.accept('-')
      ? '48 f7 d8' // neg rax
      : this.accept('~')
        ? '48 f7 d0' // not rax
        : this.accept('!')
          ? '48 85 c0 0f 94 c0 0f b6 c0' // test rax,rax; sete al; movzx eax,al
          : ''
    if (!code) return this.postfix()
    this.load(this.unary())
    this.emit(code)
    return inRax
  }

  private postfix(): Place {
    let place = this.primary()
    for (;;) {
      if (this.accept('(')) {
        this.load(place)
        this.emit('50') // push rax
        const count = this.callArguments()
        this.emit('ff 94 24') // call [rsp+disp32]
        this.emit32(8 * count)
        this.emit('48 81 c4') // add rsp,imm32
        this.emit32(8 * (count + 1))
        place = inRax
      } else if (this.accept('[')) {
        this.index(place)
        this.emit('48 8d 04 c1') // lea rax,[rcx+rax*8]
        place = { kind: 'word' }
      } else if (this.accept('.')) {
        if (this.accept('[')) {
          this.index(place)
          this.emit('48 01 c8') // add rax,rcx
          place = { kind: 'byte' }
        } else {
          this.load(place)
          const field = this.name()
          const symbol = this.symbols.get(field.text)
          if (symbol?.kind !== 'const') throw new AblError(`'${field.text}' is not a field`, field)
          this.emit('48 05') // add rax,imm32
          this.emit32(8 * Number(symbol.value))
          place = { kind: 'word' }
        }
      } else return place
    }
  }

  /** After `[`: pushes the base, evaluates the index; then rcx = base, rax = index. */
  private index(base: Place): void {
    this.load(base)
    this.emit('50') // push rax
    this.value()
    this.expect(']')
    this.emit('59') // pop rcx
  }

  private primary(): Place {
    const token = this.take()
    switch (token.kind) {
      case 'number':
        this.number(token.value)
        return inRax
      case 'string': {
        const bytes = Buffer.from(token.text, 'latin1')
        this.emit('48 8d 05 05 00 00 00 e9') // lea rax,[rip+5]; jmp over
        this.emit32(bytes.length + 1)
        this.code.push(...bytes, 0)
        return inRax
      }
      case 'name':
        return this.named(token)
      default:
        if (token.text !== '(') throw new AblError(`expected an expression, got '${token.text}'`, token)
        this.value()
        this.expect(')')
        return inRax
    }
  }

  private named(token: Token): Place {
    const displacement = this.locals.get(token.text)
    if (displacement !== undefined) return { kind: 'local', displacement }
    const symbol = this.symbols.get(token.text)
    if (!symbol && this.pass === 2) throw new AblError(`'${token.text}' is not defined`, token)
    if (!symbol || symbol.kind === 'function') {
      if (this.accept('(')) {
        const count = this.callArguments()
        this.call(token.text, token)
        this.emit('48 81 c4') // add rsp,imm32
        this.emit32(8 * count)
      } else this.number(symbol?.value ?? 0n)
      return inRax
    }
    if (symbol.pass !== this.pass) throw new AblError(`'${token.text}' is used before its definition`, token)
    if (symbol.kind === 'scalar') return { kind: 'global', address: symbol.value }
    this.number(symbol.value)
    return inRax
  }

  /** After `(`: pushes the arguments from left to right; returns how many. */
  private callArguments(): number {
    if (this.accept(')')) return 0
    let count = 0
    do {
      this.value()
      this.emit('50') // push rax
      count++
    } while (this.accept(','))
    this.expect(')')
    return count
  }

  private call(name: string, token: Token): void {
    const symbol = this.symbols.get(name)
    if (this.pass === 2 && symbol?.kind !== 'function') throw new AblError(`'${name}' is not a function`, token)
    this.emit('e8') // call rel32
    this.emit32(Number((symbol?.value ?? 0n) - this.here()) - 4)
  }

  private load(place: Place): void {
    switch (place.kind) {
      case 'value':
        return
      case 'local':
        this.emit('48 8b 85') // mov rax,[rbp+disp32]
        this.emit32(place.displacement)
        return
      case 'global':
        this.emit('48 8b 04 25') // mov rax,[addr32]
        this.emit32(Number(place.address))
        return
      case 'word':
        this.emit('48 8b 00') // mov rax,[rax]
        return
      case 'byte':
        this.emit('0f b6 00') // movzx eax,byte [rax]
        return
      default:
        place satisfies never
    }
  }

  /** Stores rax; for a computed address, that address was pushed before. */
  private store(place: Place): void {
    switch (place.kind) {
      case 'local':
        this.emit('48 89 85') // mov [rbp+disp32],rax
        this.emit32(place.displacement)
        return
      case 'global':
        this.emit('48 89 04 25') // mov [addr32],rax
        this.emit32(Number(place.address))
        return
      case 'word':
        this.emit('59 48 89 01') // pop rcx; mov [rcx],rax
        return
      case 'byte':
        this.emit('59 88 01') // pop rcx; mov [rcx],al
        return
      case 'value':
        throw new TypeError('store to a value')
      default:
        place satisfies never
    }
  }

  private constant(): bigint {
    const negative = this.accept('-')
    const token = this.take()
    let value = token.value
    if (token.kind === 'name') {
      const symbol = this.symbols.get(token.text)
      if (symbol?.kind !== 'const') throw new AblError(`'${token.text}' is not a constant`, token)
      value = symbol.value
    } else if (token.kind !== 'number') throw new AblError(`expected a constant, got '${token.text}'`, token)
    return BigInt.asUintN(64, negative ? -value : value)
  }

  private define(token: Token, kind: GlobalSymbol['kind'], value: bigint): void {
    const old = this.symbols.get(token.text)
    if (
      old &&
      (old.kind !== kind || old.value !== value || old.pass === this.pass) &&
      !(kind === 'const' && old.kind === 'const' && old.value === value)
    )
      throw new AblError(`'${token.text}' is defined twice`, token)
    this.symbols.set(token.text, { kind, value, pass: this.pass })
  }

  private peek(): Token {
    const token = this.tokens[this.next]
    if (token) return token
    const last = this.tokens.at(-1)
    return { kind: 'end', text: 'the end of the program', value: 0n, input: last?.input ?? 0, line: last?.line ?? 1 }
  }

  private take(): Token {
    const token = this.peek()
    this.next++
    return token
  }

  private accept(text: string): boolean {
    const token = this.peek()
    if ((token.kind !== 'operator' && token.kind !== 'keyword') || token.text !== text) return false
    this.next++
    return true
  }

  private expect(text: string): void {
    const token = this.peek()
    if (!this.accept(text)) throw new AblError(`expected '${text}', got '${token.text}'`, token)
  }

  private name(): Token {
    const token = this.take()
    if (token.kind !== 'name') throw new AblError(`expected a name, got '${token.text}'`, token)
    return token
  }
}

if (import.meta.main) {
  const [output, ...inputs] = process.argv.slice(2)
  if (!output || inputs.length === 0) throw new TypeError('usage: reference.ts OUTPUT INPUT...')
  writeFileSync(output, compileAbl(inputs.map((path) => readFileSync(path, 'latin1'))), { mode: 0o755 })
}
