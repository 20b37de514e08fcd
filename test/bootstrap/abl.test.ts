import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { compileAbl } from '../../bootstrap/abl/reference.ts'
import { randomExpression, randomProgram, tape } from './_support/abl-programs.ts'
import { withStages } from './_support/stages.ts'

const stages = withStages(test, 'abl')

/** What both compilers make of a valid program. */
function compileBoth(inputs: readonly string[]): Uint8Array {
  const expected = Buffer.from(compileAbl(inputs))
  const made = stages.compile(inputs)
  if (made.status !== 0 || !made.output || !expected.equals(made.output))
    throw new Error(`abl and its reference differ (status ${made.status}) on:\n${inputs.join('\n')}`)
  return expected
}

const library = `
asm syscall3(number, a, b, c) {
  48 8b 44 24 20  # mov rax,[rsp+32]
  48 8b 7c 24 18  # mov rdi,[rsp+24]
  48 8b 74 24 10  # mov rsi,[rsp+16]
  48 8b 54 24 08  # mov rdx,[rsp+8]
  0f 05 c3        # syscall; ret
}
fn length(text) { var n = 0; while (text.[n]) n = n + 1; return n; }
fn print(text) { syscall3(1, 1, text, length(text)); }
`

const programs: readonly (readonly [title: string, program: string, status: number, stdout: string])[] = [
  ['a function without return gives 0', 'fn main() { 7; }', 0, ''],
  ['return without a value gives 0', 'fn main() { if (1) return; return 5; }', 0, ''],
  ['the number of arguments', 'fn main(argc, argv) { print(argv[2]); return argc; }', 3, 'two'],
  ['the environment follows the arguments', 'fn main(argc, argv) { return argv[argc] == 0; }', 1, ''],
  [
    'strings and escapes',
    `fn main() { print("a\\tb\\n\\\\\\'\\"'#;{"); return "\\0".[0] + "x".[1]; }`,
    0,
    `a\tb\n\\'"'#;{`,
  ],
  ['characters', `fn main() { return 'A' + '\\n' + '\\0' + '\\'' - '"' - '#'; }`, 65 + 10 + 39 - 34 - 35, ''],
  ['strings keep their bytes', 'fn main() { print("\xe9\xff"); }', 0, '\xe9\xff'],
  [
    'constants',
    'const A = 5; const B = -A; const C = 0x1FFFFFFFF; const D = A; fn main() { return A * 10 + (B == 0 - 5) + (C >> 32) + D; }',
    57,
    '',
  ],
  [
    'records share names of fields',
    `record pair { first, second } record list { first, second, third } var p[pair]; var q[list];
     fn main() { p.second = 4; q.third = 9; q.first = p; q.first.second = q.first.second + 1; return p.second * 10 + q[third] + list; }`,
    62,
    '',
  ],
  [
    'words and bytes',
    `var w[4]; fn main() { w[1] = 0x1122334455667788; w.[9] = 0xff; w.[10] = 'a' * 256; var i = 0; while (i < 32) { w[2] = w[2] + w.[i]; i = i + 1; }
     return w[1] == 0x112233445500ff88 && w[0] == 0 && w[2] == 0x88 + 0xff + 0x55 + 0x44 + 0x33 + 0x22 + 0x11 + w.[16] + w.[17]; }`,
    0,
    '',
  ],
  [
    'loops, break and continue',
    `fn main() { var i = 0; var sum = 0;
       while (1) { i = i + 1; if (i > 10) break; if (i % 2) continue;
         var j = 0; while (j < i) { j = j + 1; if (j == 3) continue; if (j > 5) break; sum = sum + 1; } }
       while (0) sum = 99; return sum; }`,
    2 + 3 + 4 + 4 + 4,
    '',
  ],
  ['else belongs to the nearest if', 'fn main() { if (1) if (0) return 1; else return 2; return 3; }', 2, ''],
  [
    'else if',
    'fn f(n) { if (n == 1) return 10; else if (n == 2) return 20; else return 30; } fn main() { return f(1) + f(2) + f(3); }',
    60,
    '',
  ],
  [
    'recursion, and functions used before their definition',
    'fn main() { return fib(12); } fn fib(n) { if (n < 2) return n; return fib(n - 1) + fib(n - 2); }',
    144,
    '',
  ],
  [
    'calls through variables, arrays and expressions',
    `var table[2]; fn add(a, b) { return a - b; } fn get() { return add; }
     fn main() { var f = add; table[1] = f; return f(9, 1) + table[1](20, 4) + get()(3, 1) + (add)(1, 1); }`,
    26,
    '',
  ],
  [
    'arguments are evaluated from left to right',
    'var n; fn next() { n = n + 1; return n; } fn three(a, b, c) { return a * 100 + b * 10 + c; } fn main() { return three(next(), next(), next()); }',
    123,
    '',
  ],
  [
    '&& and || evaluate no more than they must',
    'var n; fn hit(v) { n = n + 1; return v; } fn main() { hit(0) && hit(1); hit(2) || hit(1); return n * 100 + (5 && 7) * 10 + (0 || 3) + (0 && 9) + (4 || 9); }',
    (277 % 256) + 0,
    '',
  ],
  [
    'a parameter hides a global variable',
    'var x; fn f(x) { x = x + 1; return x; } fn main() { x = 40; return f(1) + x; }',
    42,
    '',
  ],
  [
    'a new variable is not yet known in its own value',
    'var x; fn main() { x = 3; var y = x; var z = y * 2; return z; }',
    6,
    '',
  ],
  [
    'many parameters',
    'fn f(a, b, c, d, e, g, h) { return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * g + 7 * h; } fn main() { return f(1, 1, 1, 1, 1, 1, 2); }',
    35,
    '',
  ],
]

const runs = test.macro((t, program: string, status: number, stdout: string) => {
  const executable = compileBoth([library, program])
  t.deepEqual(stages.execute(executable, ['one', 'two']), { status, stdout })
})

for (const [title, program, status, stdout] of programs) test(title, runs, program, status, stdout)

const mistakes: readonly (readonly [title: string, program: string])[] = [
  ['no main', 'fn other() { }'],
  ['main that is a variable', 'var main;'],
  ['a name that is not defined', 'fn main() { return x; }'],
  ['a function that is not defined', 'fn main() { f(); }'],
  ['a variable used before its definition', 'fn main() { return x; } var x;'],
  ['a constant used before its definition', 'fn main() { return X; } const X = 1;'],
  ['a constant defined by a later one', 'const A = B; const B = 1; fn main() { }'],
  ['a constant with two values', 'const A = 1; const A = 2; fn main() { }'],
  ['a function defined twice', 'fn f() { } fn f() { } fn main() { }'],
  ['a variable defined twice', 'var x; var x; fn main() { }'],
  ['a name with two meanings', 'var x; fn x() { } fn main() { }'],
  ['a local variable defined twice', 'fn main() { var a = 1; { var a = 2; } }'],
  ['a parameter named twice', 'fn f(a, a) { } fn main() { }'],
  ['a local variable with the name of a parameter', 'fn main(a) { var a = 2; }'],
  ['a local variable without a value', 'fn main() { var a; }'],
  ['an assignment to a number', 'fn main() { 1 = 2; }'],
  ['an assignment to an array', 'var a[2]; fn main() { a = 2; }'],
  ['an assignment to a function', 'fn main() { main = 2; }'],
  ['an assignment to a sum', 'var a; fn main() { a + 1 = 2; }'],
  ['an assignment to something in parentheses', 'var a; fn main() { (a) = 2; }'],
  ['a call of a constant in its place', 'fn main() { return main.x; }'],
  ['a field that is a variable', 'var v; fn main() { return main.v; }'],
  ['break outside a loop', 'fn main() { break; }'],
  ['continue after a loop', 'fn main() { while (0) { } continue; }'],
  ['a missing semicolon', 'fn main() { return 1 }'],
  ['a missing parenthesis', 'fn main() { return (1; }'],
  ['a missing brace', 'fn main() { '],
  ['a keyword as a name', 'fn main() { var while = 1; }'],
  ['a statement outside a function', 'return 1; fn main() { }'],
  ['a character that means nothing', 'fn main() { return 1 ? 2; }'],
  ['a number with letters', 'fn main() { return 12z; }'],
  ['a string that is not closed', 'fn main() { return "abc; }'],
  ['an unknown escape', 'fn main() { return "\\q"; }'],
  ['two characters in one', "fn main() { return 'ab'; }"],
  ['machine code that is not in hex', 'asm f() { 0g } fn main() { }'],
  ['machine code with three digits', 'asm f() { 0ff } fn main() { }'],
]

const refused = test.macro((t, program: string) => {
  t.throws(() => compileAbl([program]))
  t.deepEqual(stages.compile([program]), { status: 1, output: undefined })
})

for (const [title, program] of mistakes) test(`refuses ${title}`, refused, program)

test('random programs give what the reference gives', (t) => {
  let bytes = 0
  fc.assert(
    fc.property(fc.array(fc.nat(0xffff), { minLength: 20, maxLength: 400 }), (numbers) => {
      bytes += compileBoth([randomProgram(tape(numbers))]).length
    }),
    { numRuns: 200 },
  )
  t.true(bytes > 200 * 300, `the programs are not trivial: ${bytes} bytes`)
})

test('random expressions have the values that they should', (t) => {
  const variables = { a: -3n, b: 0x123456789abcdefn, c: 5n }
  fc.assert(
    fc.property(fc.array(fc.nat(0xffff), { minLength: 50, maxLength: 1000 }), (numbers) => {
      const choose = tape(numbers)
      const made = Array.from({ length: 50 }, () => randomExpression(choose, variables))
      const checks = made.map(({ text, value }, i) => `if ((${text}) != ${BigInt.asUintN(64, value)}) return ${i + 1};`)
      const program = `const A = -3; var c; fn main() { var a = A; var b = 0x123456789abcdef; c = 5;\n${checks.join('\n')} }`
      const { status } = stages.execute(compileBoth([program]))
      if (status !== 0) throw new Error(`wrong value (status ${status}): ${made[(status ?? 1) - 1]?.text}`)
    }),
    { numRuns: 30 },
  )
  t.pass()
})

test('inputs follow each other, and no token or comment crosses from one to the next', (t) => {
  const executable = compileBoth(['const A = 4', '; # no line feed', 'fn main() { return A', '\n* 10; }'])
  t.is(stages.execute(executable).status, 40)
  t.throws(() => compileAbl(['fn main() { return 4', '0; }']))
  t.deepEqual(stages.compile(['fn main() { return 4', '0; }']), { status: 1, output: undefined })
})

test('a large program', (t) => {
  const functions = Array.from({ length: 6000 }, (_, i) => `fn function_${i}(a, b) { var c = a * ${i} + b; return c; }`)
  const source = [...functions, 'fn main() { return function_5999(1, 2) & 255; }'].join('\n')
  t.is(stages.execute(compileBoth([source])).status, 6001 & 255)
})

test('files that cannot be opened give status 1, and the output is executable', (t) => {
  const abl = join(stages.directory, 'abl')
  const input = join(stages.directory, 'main.abl')
  const output = join(stages.directory, 'main')
  writeFileSync(input, 'fn main() { return 9; }')
  t.is(spawnSync(abl, [output, input, join(stages.directory, 'missing')]).status, 1)
  t.is(spawnSync(abl, [output]).status, 1)
  t.is(spawnSync(abl, []).status, 1)
  t.false(existsSync(output))
  t.is(spawnSync(abl, [join(stages.directory, 'missing', 'main'), input]).status, 1)
  t.is(spawnSync(abl, ['/dev/full', input]).status, 1)
  writeFileSync(join(stages.directory, 'large.abl'), ' '.repeat(1 << 20))
  t.is(spawnSync(abl, [output, input, join(stages.directory, 'large.abl')]).status, 1)
  t.is(spawnSync('sh', ['-c', 'umask 022; exec "$0" "$@"', abl, output, input]).status, 0)
  t.is(statSync(output).mode & 0o777, 0o755)
  t.is(spawnSync(output).status, 9)
  t.deepEqual(readFileSync(output), Buffer.from(compileAbl([readFileSync(input, 'latin1')])))
})
