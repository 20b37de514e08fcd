/**
 * Random C programs that print what they calculate, without undefined behaviour but for signed overflow (gcc -fwrapv):
 * integer and floating expressions of all types, bit-fields, arrays, assignments, conditions, calls.
 */

const integers = ['signed char', 'unsigned char', 'short', 'unsigned short', 'int', 'unsigned', 'long', 'unsigned long']
const types = [...integers, '_Bool']
const floats = ['float', 'double', 'long double']

/** The program of that number. */
export function randomC(seed: number): string {
  const random = generator(seed)
  const below = (n: number) => Math.floor(random() * n)
  const pick = <T>(list: readonly T[]): T => {
    const one = list[below(list.length)]
    if (one === undefined) throw new TypeError('nothing to pick from')
    return one
  }
  const bits = (n: number) => {
    let value = 0n
    for (let i = 0; i < n; i++) value = value * 2n + BigInt(below(2))
    return value
  }

  const declarations: string[] = []
  const places: string[] = []
  const floating: string[] = []
  for (let i = 0; i < 24; i++) {
    const value = pick([0n, 1n, -1n, bits(7), bits(15), -bits(15), bits(31), -bits(31), bits(63), -bits(63)])
    declarations.push(`${pick(types)} v${i} = ${value}L;`)
    places.push(`v${i}`)
  }
  for (let i = 0; i < 6; i++) {
    declarations.push(`${pick(floats)} f${i} = ${below(2000) - 1000}.${below(1000)};`)
    floating.push(`f${i}`)
  }
  const width = (least: number, most: number) => least + below(most - least + 1)
  declarations.push(
    `struct { int a : ${width(2, 30)}; unsigned b : ${width(2, 31)}; unsigned char c; int d : ${width(20, 31)}; short e; }`,
    `  s = {${bits(29)}, ${bits(30)}, ${bits(8)}, ${bits(29)}, ${bits(15)}}, *sp = &s;`,
    'int array[4] = {3, -7, 100000, 2}, *pointer = array + 1;',
  )
  places.push('s.a', 's.b', 's.c', 'sp->d', 'sp->e', 'array[v0 & 3]', 'pointer[-1]', '(*pointer)', 'pointer[v1 & 1]')

  const leaf = () =>
    below(4) > 0
      ? pick(places)
      : pick([
          `${below(600) - 300}`,
          `${bits(32)}U`,
          `${bits(62)}L`,
          `${bits(64)}UL`,
          `0x${bits(pick([8, 31, 32, 40, 63])).toString(16)}`,
          "'z'",
        ])
  const integer = (depth: number): string => {
    if (depth <= 0) return leaf()
    const [a, b] = [() => integer(depth - 1), () => integer(depth - 2)]
    const choices: readonly (() => string)[] = [
      () => `(${a()} ${pick(['+', '-', '*', '&', '|', '^'])} ${a()})`,
      () => `(${a()} ${pick(['+', '-', '*'])} ${a()})`,
      () => `(${a()} ${pick(['&', '|', '^'])} ${b()})`,
      () => `(${a()} ${pick(['/', '%'])} ((${b()} & 15) + 1))`,
      () => `(${a()} ${pick(['<<', '>>'])} (${b()} & 31))`,
      () => `(${a()} ${pick(['<', '>', '<=', '>=', '==', '!='])} ${a()})`,
      () => `(${a()} ${pick(['&&', '||'])} ${a()})`,
      () => `${pick(['-', '~', '!', '+'])}(${a()})`,
      () => `(${a()} ? ${a()} : ${a()})`,
      () => `((${pick(types)})${a()})`,
      () => `(${real(depth - 2)} ${pick(['<', '>=', '=='])} ${real(depth - 2)})`,
      () => `(${b()}, ${a()})`,
    ]
    return pick(choices)()
  }
  const real = (depth: number): string => {
    if (depth <= 0) return pick([...floating, '1.5', '2.25f', '3.0L', '0.1'])
    const a = () => real(depth - 1)
    const choices: readonly (() => string)[] = [
      () => `(${a()} ${pick(['+', '-', '*'])} ${a()})`,
      () => `(${a()} ${pick(['+', '-', '*'])} ${a()})`,
      () => `(${a()} / (${pick(floating)} + 5000))`,
      () => `(-${a()})`,
      () => `((${pick(floats)})${a()})`,
      () => `((${pick(floats)})${integer(depth - 1)} + ${a()})`,
      () => `(${integer(depth - 2)} ? ${a()} : ${a()})`,
    ]
    return pick(choices)()
  }
  const assignment = (): string => {
    const place = pick(places)
    const choices: readonly (() => string)[] = [
      () => `out(${pick([`${place}++`, `${place}--`, `++${place}`, `--${place}`])});`,
      () => `out(${place} ${pick(['<<=', '>>='])} (${integer(1)} & 15));`,
      () => `out(${place} ${pick(['/=', '%='])} ((${integer(1)} & 15) + 1));`,
      () => `out(${place} ${pick(['=', '+=', '-=', '*=', '&=', '|=', '^='])} ${integer(3)});`,
    ]
    return `${pick(choices)()} out(${place});`
  }
  const statements: readonly (() => string)[] = [
    () => `out(${integer(1 + below(5))});`,
    () => `out(${integer(1 + below(5))});`,
    () => `show(${real(1 + below(4))});`,
    () => `show(narrow(${real(3)}) + ${real(2)});`,
    () => `out(same(${integer(3)}) + byte(${integer(2)}));`,
    assignment,
    assignment,
    () => `${pick(floating)} = ${real(2)};`,
    () => `if (${integer(3)}) out(1); else out(2);`,
    () =>
      `switch (${integer(2)}) { case 0: out(0); break; case 1 ... 50: out(50); default: out(99); case -1: out(-1); }`,
  ]
  return [
    '#include <stdio.h>',
    '#include <string.h>',
    ...declarations,
    'static void out(long v) { printf("%ld\\n", v); }',
    'static void show(long double v) {',
    '  unsigned long u[2] = {0, 0};',
    '  memcpy(u, &v, 10);',
    '  printf("%lx %lx\\n", v != v ? 0 : u[1], v != v ? 0 : u[0]);',
    '}',
    'static long same(long x) { return x; }',
    'static unsigned char byte(int x) { return x; }',
    'static float narrow(float x) { return x; }',
    'int main(void) {',
    ...Array.from({ length: 40 }, () => `  ${pick(statements)()}`),
    ...places.map((place) => `  out(${place});`),
    ...floating.map((name) => `  show(${name});`),
    '  return 0;',
    '}',
    '',
  ].join('\n')
}

/** Numbers from 0 to below 1: mulberry32. */
function generator(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
