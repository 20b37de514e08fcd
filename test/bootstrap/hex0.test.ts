import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { assembleHex0 } from '../../bootstrap/hex0/reference.ts'
import { seedPath } from '../../bootstrap/ladder.ts'
import { withStages } from './_support/stages.ts'

const stages = withStages(test, 'hex0')
const source = new URL('../../bootstrap/hex0/hex0.hex0', import.meta.url)

test('the seed is smaller than 229 bytes, and its source assembled by itself gives it again', (t) => {
  const seed = readFileSync(seedPath)
  t.true(seed.length < 229)
  const made = stages.assemble('hex0', readFileSync(source))
  t.is(made.status, 0)
  t.true(seed.equals(made.output ?? new Uint8Array()))
  t.true(seed.equals(assembleHex0(readFileSync(source))))
})

const cases: readonly (readonly [title: string, input: string, hex: string])[] = [
  ['nothing', '', ''],
  ['digits of both cases', '0123456789ABCDEFabcdef', '0123456789abcdefabcdef'],
  ['white space anywhere', ' 4\t1\n4 2\r\n', '4142'],
  ['comments to the end of the line', '41 # 42\n43 ; 44 # 45\n46', '414346'],
  ['a comment between two digits', '4# 5\n1', '41'],
  ['a comment at the end of the file', '41 # 42', '41'],
  ['an empty comment', '#\n;\n41', '41'],
  ['other characters are ignored', '4G1 /:@`g~\x00\x7f\x80\xff 4"2', '4142'],
  ['a single last digit is dropped', '41 4', '41'],
]

const assembles = test.macro((t, input: string, hex: string) => {
  const bytes = Buffer.from(input, 'latin1')
  const expected = Buffer.from(hex, 'hex')
  t.true(expected.equals(assembleHex0(bytes)))
  const made = stages.assemble('hex0', bytes)
  t.is(made.status, 0)
  t.true(expected.equals(made.output ?? Buffer.from('none')))
})

for (const [title, input, hex] of cases) test(title, assembles, input, hex)

test('random inputs give what the reference gives', (t) => {
  const text = fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF #;\n\tgG'), maxLength: 300 })
  const anything = fc.uint8Array({ maxLength: 300 })
  fc.assert(
    fc.property(fc.oneof(text.map(Buffer.from), anything), (input) => {
      const made = stages.assemble('hex0', input)
      return made.status === 0 && Buffer.from(assembleHex0(input)).equals(made.output ?? Buffer.from('none'))
    }),
    { numRuns: 150 },
  )
  t.pass()
})

test('the output is executable by its owner, and an old one is replaced', (t) => {
  const input = join(stages.directory, 'mode-input')
  const output = join(stages.directory, 'mode-output')
  writeFileSync(input, '41')
  t.is(spawnSync(seedPath, [input, output]).status, 0)
  t.is(statSync(output).mode & 0o777, 0o700)
  writeFileSync(input, '')
  t.is(spawnSync(seedPath, [input, output]).status, 0)
  t.is(readFileSync(output).length, 0)
})

test('files that cannot be opened give a status other than 0', (t) => {
  const input = join(stages.directory, 'some-input')
  const output = join(stages.directory, 'no-output')
  writeFileSync(input, '41')
  t.not(spawnSync(seedPath, [join(stages.directory, 'missing'), output]).status, 0)
  t.false(existsSync(output), 'no input, no output')
  t.not(spawnSync(seedPath, [input, join(stages.directory, 'missing', 'output')]).status, 0)
  t.not(spawnSync(seedPath, [input, '/dev/full']).status, 0)
  t.not(spawnSync(seedPath, [stages.directory, output]).status, 0, 'a directory cannot be read')
  t.not(spawnSync(seedPath, [input]).status, 0)
  t.not(spawnSync(seedPath, []).status, 0)
})

test('input that arrives in pieces is read to its end', (t) => {
  const output = join(stages.directory, 'piped')
  const pipe = `(printf 4; sleep 0.1; printf '1 4'; sleep 0.1; printf 2) | "$0" /dev/stdin "$1"`
  t.is(spawnSync('sh', ['-c', pipe, seedPath, output]).status, 0)
  t.is(readFileSync(output, 'latin1'), 'AB')
})
