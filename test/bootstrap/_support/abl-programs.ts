/**
 * Random Abl programs for the comparison of the two compilers, and random expressions with their values. Both are made
 * from a tape of numbers, so that fast-check can shrink them.
 */

/** The next choice: an integer from 0 to below `n`. */
type Choose = (n: number) => number

export function tape(numbers: readonly number[]): Choose {
  let i = 0
  return (n) => (numbers.length === 0 ? 0 : (numbers[i++ % numbers.length] ?? 0) + Math.floor(i / numbers.length)) % n
}

/** A valid program, which need not be good for anything when it runs. */
export function randomProgram(choose: Choose): string {
  const pick = <T>(items: readonly T[]): T => {
    const [item] = items.slice(choose(items.length))
    if (item === undefined) throw new TypeError('nothing to pick from')
    return item
  }
  const constants = ['SIZE']
  const globals = ['count']
  const arrays = ['heap']
  const fields = ['next', 'kind']
  const functions = ['main', 'f0', 'f1', 'f2', 'raw']
  const out = ['const SIZE = 8; record node { next, kind, left }', 'var count; var heap[SIZE];']
  let locals: string[] = []
  let depth = 0

  const number = () =>
    pick([
      '0',
      '1',
      '255',
      '0x7f',
      '4294967295',
      '4294967296',
      '0xFFFFFFFFFFFFFFFF',
      '18446744073709551617',
      "'a'",
      "'\\n'",
    ])
  const space = () => pick([' ', ' ', '\n', '\t', ' # a comment ; { "\n', ''])
  const binary = () => pick('|| && | ^ & == != < <= > >= << >> + - * / %'.split(' '))
  const string = () => `"${pick(['', 'text', '\\n\\t\\r\\0\\\\\\\'\\"', "a # 'b", '\xe9\xff'])}"`

  function leaf(): string {
    const kinds = [
      number,
      string,
      () => pick(constants),
      () => pick(globals),
      () => pick(arrays),
      () => pick(functions),
    ]
    if (locals.length > 0)
      kinds.push(
        () => pick(locals),
        () => pick(locals),
      )
    return pick(kinds)()
  }

  function expression(): string {
    if (depth > 4) return leaf()
    depth++
    const made = pick<() => string>([
      leaf,
      leaf,
      () => `${expression()}${space()}${binary()} ${expression()}`,
      () => `${expression()} ${binary()}${space()}${expression()}`,
      () => `${pick(['-', '!', '~'])}${space()}${expression()}`,
      () => `(${space()}${expression()})`,
      place,
      call,
    ])()
    depth--
    return made
  }

  function call(): string {
    const callee = choose(3) === 0 ? `(${expression()})` : leaf()
    return `${callee}${space()}(${Array.from({ length: choose(4) }, expression).join(',')})`
  }

  function place(): string {
    const base = choose(2) === 0 ? leaf() : `(${expression()})`
    return base + pick([`[${expression()}]`, `.[${expression()}]`, `.${pick(fields)}`, ` . ${pick(fields)}[${leaf()}]`])
  }

  function target(): string {
    const variables = [...globals, ...locals]
    return choose(2) === 0 ? pick(variables) : place()
  }

  function statement(inLoop: boolean): string {
    if (depth > 3) return `${leaf()};`
    depth++
    const made = pick<() => string>([
      () => `${target()}${space()}=${space()}${expression()};`,
      () => `${target()} = ${expression()};`,
      () => `${expression()};`,
      () => `{${space()}${statements(inLoop)}}`,
      () => `if (${expression()}) ${statement(inLoop)}`,
      () => `if(${expression()}){${statements(inLoop)}}else ${statement(inLoop)}`,
      () => `while (${expression()}) ${statement(true)}`,
      () => (inLoop ? 'break;' : 'return;'),
      () => (inLoop ? 'continue ;' : `return ${expression()};`),
      () => {
        const name = `${pick(['x', 'y_', 'Z9', 'count'])}${locals.length}`
        const text = `var ${name} = ${expression()};`
        locals.push(name)
        return text
      },
    ])()
    depth--
    return made
  }

  function statements(inLoop: boolean): string {
    return Array.from({ length: choose(4) }, () => statement(inLoop)).join(space())
  }

  for (const name of ['f0', 'main', 'f1', 'raw', 'f2']) {
    if (name === 'raw') out.push('asm raw(a, b) { 48 8B 44 24 10 0f # mov\n05 c3 }')
    else {
      locals = ['p', 'q', 'count'].slice(0, choose(4))
      out.push(`fn ${name}(${locals.join(`${space()},`)}) {${statements(false)}}`)
    }
    if (choose(3) === 0) {
      const more = `K${out.length}`
      out.push(`const ${more} = ${pick(['-', ''])}${pick([number(), ...constants])};`)
      constants.push(more)
    }
    if (choose(3) === 0) {
      const more = `g${out.length}`
      out.push(`var ${more};`)
      globals.push(more)
    }
    if (choose(3) === 0) {
      out.push(`record r${out.length} { next, kind }`)
      const more = `h${out.length}`
      out.push(`var ${more}[${pick(constants.slice(0, 1))}];`)
      arrays.push(more)
    }
  }
  return out.join(space() || '\n')
}

type Valued = { readonly text: string; readonly value: bigint; readonly level: number }

const word = (value: bigint) => BigInt.asIntN(64, value)
const shift = (value: bigint) => BigInt.asUintN(6, value)
const truth = (value: boolean) => (value ? 1n : 0n)

/** Binary operators by how tightly they bind, and what they do with signed words. */
const operators: Readonly<Record<string, readonly [level: number, apply: (a: bigint, b: bigint) => bigint]>> = {
  '||': [1, (a, b) => (a === 0n ? b : a)],
  '&&': [2, (a, b) => (a === 0n ? 0n : b)],
  '|': [3, (a, b) => a | b],
  '^': [4, (a, b) => a ^ b],
  '&': [5, (a, b) => a & b],
  '==': [6, (a, b) => truth(a === b)],
  '!=': [6, (a, b) => truth(a !== b)],
  '<': [7, (a, b) => truth(a < b)],
  '<=': [7, (a, b) => truth(a <= b)],
  '>': [7, (a, b) => truth(a > b)],
  '>=': [7, (a, b) => truth(a >= b)],
  '<<': [8, (a, b) => a << shift(b)],
  '>>': [8, (a, b) => BigInt.asUintN(64, a) >> shift(b)],
  '+': [9, (a, b) => a + b],
  '-': [9, (a, b) => a - b],
  '*': [10, (a, b) => a * b],
  '/': [10, (a, b) => a / b],
  '%': [10, (a, b) => a % b],
}

/** An expression over the variables a, b, c and its value. Never divides by 0 or the lowest number by -1. */
export function randomExpression(choose: Choose, variables: Readonly<Record<string, bigint>>, depth = 0): Valued {
  const inner = (level: number): Valued => {
    const made = randomExpression(choose, variables, depth + 1)
    return made.level >= level ? made : { ...made, text: `(${made.text})` }
  }
  const kind = depth > 5 ? choose(2) : choose(6)
  if (kind === 0) {
    const names = Object.keys(variables)
    const text = names[choose(names.length)] ?? ''
    return { text, value: variables[text] ?? 0n, level: 12 }
  }
  if (kind === 1) {
    const value = [0n, 1n, 2n, 63n, 255n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 32n, 1n << 62n][choose(10)] ?? 0n
    return { text: choose(2) === 0 ? `${value}` : `0x${value.toString(16)}`, value, level: 12 }
  }
  if (kind === 2) {
    const operand = inner(11)
    const operator = '-~!'[choose(3)]
    const value = operator === '-' ? -operand.value : operator === '~' ? ~operand.value : truth(operand.value === 0n)
    return { text: `${operator}${operand.text}`, value: word(value), level: 11 }
  }
  const names = Object.keys(operators)
  const operator = names[choose(names.length)] ?? '+'
  const [level, apply] = operators[operator] ?? [9, (a: bigint) => a]
  const left = inner(level)
  let right = inner(level + 1)
  if ((operator === '/' || operator === '%') && (right.value === 0n || right.value === -1n))
    right = { ...right, text: '3', value: 3n }
  return { text: `${left.text} ${operator} ${right.text}`, value: word(apply(left.value, right.value)), level }
}
