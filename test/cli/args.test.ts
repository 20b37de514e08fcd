import test from 'ava'
import { nearest } from '../../builder/evaluate/nearest.ts'
import { numberOption, type OptionTable, parseArguments, splitCommand } from '../../cli/args.ts'

const table: OptionTable = {
  check: { type: 'boolean', help: '' },
  rounds: { type: 'string', value: 'N', help: '' },
}

const refused = test.macro((t, argv: string[], message: RegExp, hint?: string) => {
  const error = t.throws(() => parseArguments(argv, table), { code: 'ABN_USAGE', message })
  if (hint !== undefined) t.is(error !== undefined && 'hint' in error ? error.hint : undefined, hint)
})

test('an unknown option', refused, ['--chekc'], /^unknown option --chekc$/, 'did you mean --check?')
test('an unknown short option', refused, ['-x'], /^unknown option -x$/, 'see the options with --help')
test('a value for a switch', refused, ['--check=yes'], /^option '--check' does not take an argument$/)
test('a missing value', refused, ['--rounds'], /^option '--rounds <value>' argument missing$/)
test('a value that looks like an option', refused, ['--rounds', '--check'], /argument is ambiguous$/)

test('names and options may be mixed, and -- ends them', (t) => {
  const args = parseArguments(['lua', '--check', 'jq', '--', '--rounds', 'x'], table)
  t.deepEqual(args.names, ['lua', 'jq'])
  t.true(args.options.check)
  t.deepEqual(args.rest, ['--rounds', 'x'])
})

test('global options may stand before the command', (t) => {
  t.deepEqual(splitCommand(['--root', 'build', '--json', 'install', 'lua']), {
    name: 'install',
    args: ['--root', 'build', '--json', 'lua'],
  })
  t.is(splitCommand(['--json', '--', 'install']).name, undefined)
})

const number = test.macro((t, text: string, expected: number | undefined) => {
  const read = () => numberOption(parseArguments(['--rounds', text], table), 'rounds', { least: 2 })
  if (expected === undefined) t.throws(read, { code: 'ABN_USAGE' })
  else t.is(read(), expected)
})

test('a number', number, '12', 12)
test('a number below the least', number, '1', undefined)
test('a number with a leading zero', number, '02', undefined)
test('a number with words', number, '2x', undefined)
test('an enormous number', number, '99999999', undefined)

const guess = test.macro((t, word: string, expected: string | undefined) => {
  t.is(nearest(word, ['hello', 'lua', 'grep', 'coreutils']), expected)
})

test('swapped letters are one slip', guess, 'ehllo', 'hello')
test('a missing letter', guess, 'helo', 'hello')
test('a short word allows one slip', guess, 'la', 'lua')
test('a short word allows no two', guess, 'xa', undefined)
test('a long word allows three', guess, 'corutlis', 'coreutils')
test('another word', guess, 'firefox', undefined)
