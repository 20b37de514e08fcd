import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import fc from 'fast-check'
import { compileAbl } from '../../bootstrap/abl/reference.ts'
import { ccModules } from '../../bootstrap/tcc/commands.ts'

const bootstrap = fileURLToPath(new URL('../../bootstrap/', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'abnpkg-cc-'))
const cc = join(directory, 'cc')
const libc = [`-I${bootstrap}libc/include`, `${bootstrap}libc/libc.c`] as const

test.before(() => {
  const modules = ccModules.map((path) => readFileSync(join(bootstrap, path), 'latin1'))
  writeFileSync(cc, compileAbl(modules), { mode: 0o755 })
})
test.after.always(() => rmSync(directory, { recursive: true, force: true }))

let programs = 0
/** Compiles a C file together with libc; returns the program's path and what cc wrote to standard error. */
function compile(source: string, options: readonly string[] = []) {
  const output = join(directory, `program-${programs++}`)
  const [include, library] = libc
  const { status, stderr } = spawnSync(cc, [include, ...options, output, library, source], { encoding: 'latin1' })
  return { output, status, stderr }
}

function compileText(text: string, options: readonly string[] = []) {
  const folder = join(directory, `text-${programs++}`)
  mkdirSync(folder)
  writeFileSync(join(folder, 'case.c'), text, 'latin1')
  const made = compile(join(folder, 'case.c'), options)
  return { ...made, stderr: made.stderr.replaceAll(`${folder}/`, '') }
}

const cases = join(bootstrap, 'cc/cases')
for (const name of readdirSync(cases).filter((file) => file.endsWith('.c')))
  test(`case ${name}`, (t) => {
    const { output, status, stderr } = compile(join(cases, name))
    t.is(stderr, '')
    t.is(status, 0)
    const run = spawnSync(output, [], { cwd: directory, encoding: 'latin1', env: {} })
    t.is(run.stdout, readFileSync(join(cases, name.replace(/\.c$/, '.expected')), 'latin1'))
    t.is(run.status, 0)
  })

test('a program gets its arguments and environment and returns its status', (t) => {
  const { output } = compileText(
    '#include <stdlib.h>\n#include <stdio.h>\nint main(int n, char **v) { printf("%s %s", v[1], getenv("B")); return n; }',
  )
  const run = spawnSync(output, ['one', 'two'], { encoding: 'latin1', env: { A: '1', B: 'x=y' } })
  t.is(run.stdout, 'one x=y')
  t.is(run.status, 3)
})

test('-D defines a macro, with the value 1 or a given one', (t) => {
  const text = '#include <stdio.h>\nint main(void) { return !(A == 1 && sizeof B == 4 && B[0] == 120); }'
  const { output } = compileText(text, ['-DA', '-DB="x=y"'])
  t.is(spawnSync(output).status, 0)
})

test('the same input gives the same bytes', (t) => {
  const [first, second] = [compile(join(cases, 'calls.c')), compile(join(cases, 'calls.c'))]
  t.deepEqual(readFileSync(first.output), readFileSync(second.output))
})

const mistakes: readonly (readonly [title: string, program: string, message: string])[] = [
  ['no semicolon', 'int main(void) {\n  return 0\n}', 'case.c:3: expected ;, got }'],
  ['an expression is missing', 'int x = ;', 'case.c:1: expected an expression, got ;'],
  ['the end comes too early', 'int main(void) {\n', 'case.c:2: expected an expression, got the end of the input'],
  ['a name is not declared', 'int main(void) {\n  return y;\n}', "case.c:2: 'y' is not declared"],
  [
    'a function is not defined',
    'int f(void);\nint main(void) { return f(); }',
    "case.c:2: 'f' is used but not defined",
  ],
  [
    'a function is defined twice',
    'int f(void) { return 1; }\nint f(void) { return 2; }',
    "case.c:2: 'f' is defined twice",
  ],
  ['a variable is defined twice', 'int f = 1;\nint f = 2;', "case.c:2: 'f' is defined twice"],
  ['another type than before', 'int f;\nlong f;', "case.c:2: 'f' was declared otherwise"],
  ['too few arguments', 'int f(int a, int b);\nint main(void) { return f(1); }', 'case.c:2: too few arguments'],
  ['too many arguments', 'int f(int a);\nint main(void) { return f(1, 2); }', 'case.c:2: too many arguments'],
  ['a call of a number', 'int f;\nint main(void) { return f(1); }', 'case.c:2: not a function'],
  ['no such member', 'struct s { int a; } s;\nint b = sizeof s.b;', "case.c:2: no member 'b'"],
  ['a member of a number', 'int s;\nint b = sizeof s.b;', 'case.c:2: not a struct or union'],
  ['an incomplete struct', 'struct s;\nstruct s x;\nint main(void) { return 0; }', 'incomplete type'],
  [
    'a struct as a condition',
    'struct s { int a; } s;\nint main(void) { if (s) return 1; }',
    'case.c:2: a condition must be',
  ],
  ['a struct for a number', 'struct s { int a; } s;\nint main(void) { return s; }', 'case.c:2: cannot convert'],
  ['an assignment to a value', 'int main(void) { 1 = 2; }', 'case.c:1: cannot assign to this'],
  ['the address of a value', 'int main(void) { return *&1; }', 'case.c:1: only an object has an address'],
  ['the address of a bit-field', 'struct { int a : 3; } s;\nint *p = &s.a;', 'case.c:2: a bit-field has no address'],
  ['an initialiser is not constant', 'int a;\nint b = a;', 'case.c:2: an initialiser here must be constant'],
  ['too many initialisers', 'int a[2] = {1, 2, 3};', 'case.c:1: too many initialisers'],
  ['an array size is not constant', 'int n;\nint a[n];', 'case.c:2: not a constant'],
  ['division by zero in a constant', 'int a[1 / 0];', 'case.c:1: division by zero'],
  ['a case twice', 'int f(int n) { switch (n) { case 1: case 2 ... 4: case 3: ; }\n}', 'a case stands twice'],
  ['break outside a loop', 'void f(void) { break; }', 'case.c:1: break outside'],
  ['continue in a switch only', 'void f(void) { switch (1) { default: continue; } }', 'case.c:1: continue outside'],
  ['case outside a switch', 'void f(void) { case 1: ; }', 'case.c:1: case outside'],
  ['a label is missing', 'void f(void) { goto out; }', "label 'out' is not defined"],
  ['a label twice', 'void f(void) { a: ; a: ; }', 'case.c:1: label defined twice'],
  ['two basic types', 'int char x;', 'case.c:1: two types in one declaration'],
  ['a packed struct', 'struct __attribute__((packed)) s { int a; };', 'case.c:1: attribute not supported'],
  ['a weak function', 'int f(void) __attribute__((weak));', 'case.c:1: attribute not supported'],
  ['a local variable twice', 'void f(void) {\n  int a;\n  char a;\n}', "case.c:3: 'a' is declared twice"],
  ['a parameter twice', 'void f(int a, int a) {\n}', "'a' is declared twice"],
  ['a type twice', 'typedef int a;\ntypedef long a;', "case.c:2: 'a' is declared twice"],
  ['an assignment to a cast', 'void f(int a) { (long)a = 1; (int)a = 1; }', 'case.c:1: cannot assign to this'],
  ['an unknown directive', '\n#assert x', 'case.c:2: unknown directive'],
  ['a number too large for #if', '#if 0xffffffffffffffff > 0\n#endif', 'case.c:1: number too large after #if'],
  ['a header is missing', '\n#include "missing.h"', 'case.c:2: cannot find missing.h'],
  ['#error', '#ifndef X\n#error give -DX\n#endif', 'case.c:2: #error give -DX'],
  ['#if without #endif', '#if 1\nint x;', '#if without #endif'],
  ['#if without #endif, skipped', '#if 0\nint x;\n', '#if without #endif'],
  ['#endif without #if', 'int x;\n#endif', 'case.c:2: #else or #endif without #if'],
  ['a bad expression after #if', '#if 1 +\n#endif', 'case.c:1: bad expression after #if'],
  ['a macro call without end', '#define f(x) x\nint a = f(1;', 'macro call without end'],
  ['too many arguments for a macro', '#define f(x) x\nint a = f(1, 2);', 'case.c:2: too many arguments for a macro'],
  ['## that makes no token', '#define f(x, y) x##y\nint a = f(+, /);', 'case.c:2: ## does not make one token'],
  ['a comment without end', 'int x;\n/* never\n', 'comment without end'],
  ['a string without end', 'char *s = "abc\n;', 'case.c:1: quote without end'],
  ['a number with letters', 'int x = 12ab;', 'case.c:1: not a number'],
  [
    'a double with more digits than cc can round',
    'double x = 0.12345678901234567;',
    'case.c:1: floating constant with too many',
  ],
  ['bytes that are no token', 'int x = 1 @ 2;', 'case.c:1: expected ;, got @'],
]
for (const [title, program, message] of mistakes)
  test(`mistake: ${title}`, (t) => {
    const { status, stderr } = compileText(program)
    t.is(status, 1)
    t.true(stderr.includes(message), stderr)
    t.is(stderr.trimEnd().split('\n').length, 1)
  })

test('a file that is missing, and no arguments', (t) => {
  t.regex(compile('/nonexistent.c').stderr, /nonexistent\.c.*cannot open/)
  const { status, stderr } = spawnSync(cc, [], { encoding: 'latin1' })
  t.is(status, 1)
  t.regex(stderr, /usage: cc/)
})

test('libc: strtod agrees with the engine on any decimal number', (t) => {
  const { output } = compileText(`
    #include <stdio.h>
    #include <stdlib.h>
    int main(int count, char **texts) {
      while (*++texts) { union { double d; unsigned long u; } v; char *end; v.d = strtod(*texts, &end); printf("%016lx%s\\n", v.u, end); }
      return 0;
    }`)
  const digits = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 40 }).map((d) => d.join(''))
  const power = fc.oneof(fc.integer({ min: -345, max: 310 }), fc.integer({ min: -20, max: 20 }))
  const decimal = fc.tuple(fc.constantFrom('', '-'), digits, digits, power).map(([s, a, b, e]) => `${s}${a}.${b}e${e}`)
  // halfway between two doubles, exactly and nearly
  const half = fc.double({ noNaN: true, noDefaultInfinity: true, min: 1, max: 2 ** 52 }).map((x) => {
    const bits = new BigUint64Array(Float64Array.of(x).buffer)[0] ?? 0n
    const [significand, exponent] = [(bits & 0xfffffffffffffn) | (1n << 52n), Number(bits >> 52n) - 1075]
    return `${(significand * 2n + 1n) * 5n ** BigInt(1 - exponent)}e${exponent - 1}`
  })
  fc.assert(
    fc.property(fc.array(fc.oneof(decimal, half), { minLength: 50, maxLength: 50 }), (texts) => {
      const { stdout } = spawnSync(output, texts, { encoding: 'latin1' })
      const expected = texts.map((text) => {
        const bits = new BigUint64Array(Float64Array.of(Number(text)).buffer)[0] ?? 0n
        return bits.toString(16).padStart(16, '0')
      })
      t.deepEqual(stdout.trimEnd().split('\n'), expected)
    }),
    { numRuns: 20 },
  )
})
