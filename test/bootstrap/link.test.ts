import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { assembleLink, linkInputLimit } from '../../bootstrap/link/reference.ts'
import { withStages } from './_support/stages.ts'

const stages = withStages(test, 'link')
const link = join(stages.directory, 'link')

const cases: readonly (readonly [title: string, input: string, hex: string])[] = [
  ['nothing', '', ''],
  ['digits of both cases, spread out', '4 1aB\nCd', '41abcd'],
  ['comments', '41 # 42\n43 ; :x !x\n44 #', '414344'],
  ['an absolute reference', '90 :here &here', '9001004000'],
  ['a relative reference counts from the end of its field', ':a %a %b :b', 'fcffffff00000000'],
  ['in one byte', ':a !a !b :b', 'ff00'],
  [
    'the ends of one byte',
    `:a ${'90 '.repeat(127)}!a !b ${'90 '.repeat(127)}:b`,
    `${'90'.repeat(127)}807f${'90'.repeat(127)}`,
  ],
  ['names of any characters', ':#a;:! &#a;:! :\xff \x01&\xff', '0000400004004000'],
  ['a name that begins another', ':ab :a 90 &ab &a &abc :abc', '9000004000000040000d004000'],
  ['a name at the end of the file', ':a &a', '00004000'],
]

const assembles = test.macro((t, input: string, hex: string) => {
  const bytes = Buffer.from(input, 'latin1')
  const expected = Buffer.from(hex, 'hex')
  t.is(Buffer.from(assembleLink(bytes)).toString('hex'), hex)
  const made = stages.assemble('link', bytes)
  t.is(made.status, 0)
  t.true(expected.equals(made.output ?? Buffer.from('none')))
})

for (const [title, input, hex] of cases) test(title, assembles, input, hex)

const mistakes: readonly (readonly [title: string, input: string])[] = [
  ['a label that is not defined', '90 &a'],
  ['a label that is defined twice', ':a 90 :a'],
  ['a label too far back', `:a ${'90 '.repeat(128)}!a`],
  ['a label too far ahead', `!a ${'90 '.repeat(128)}:a`],
  ['a character that means nothing', '90 g'],
  ['a prefix of hex2 that is not in the language', ':a $a'],
  ['a digit left over', '90 9'],
  ['a label between two digits', '9 :a 0'],
  ['a reference between two digits', ':a 9 !a 0'],
  ['a label without a name', ': a'],
  ['a reference without a name', '90 &'],
  ['an input of 1 MiB', ' '.repeat(linkInputLimit)],
]

const fails = test.macro((t, input: string) => {
  t.throws(() => assembleLink(Buffer.from(input)), { instanceOf: RangeError })
  t.deepEqual(stages.assemble('link', input), { status: 1, output: undefined })
})

for (const [title, input] of mistakes) test(`refuses ${title}`, fails, input)

test('an input just below 1 MiB is read whole', (t) => {
  const input = Buffer.from('90 '.repeat(1 << 20)).subarray(0, linkInputLimit - 1)
  const made = stages.assemble('link', input)
  t.is(made.status, 0)
  t.true(Buffer.from(assembleLink(input)).equals(made.output ?? Buffer.from('none')))
})

test('random inputs give what the reference gives', (t) => {
  const name = fc.constantFrom('a', 'b', 'ab', 'loop', '_1', 'A')
  const item = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom('90', 'C3', '0', 'f', '12 34 56', '# x\n', '; :a\n', '\n', '00 '.repeat(60)),
    },
    { weight: 2, arbitrary: name.map((n) => `:${n}`) },
    { weight: 4, arbitrary: fc.tuple(fc.constantFrom('!', '%', '&'), name).map((parts) => parts.join('')) },
    { weight: 1, arbitrary: fc.constantFrom('!', 'x', ':', '$a') },
  )
  const seen = { good: 0, bad: 0 }
  // Half the inputs define every label first, so that many are good.
  const all = fc.constantFrom('', ':a :b 90 :ab 90 :loop 90 90 :_1 :A ')
  fc.assert(
    fc.property(all, fc.array(item, { maxLength: 12 }), (prefix, items) => {
      const input = prefix + items.join(' ')
      let expected: Uint8Array | undefined
      try {
        expected = assembleLink(Buffer.from(input))
      } catch {
        // expected to be refused
      }
      const made = stages.assemble('link', input)
      seen[expected ? 'good' : 'bad']++
      if (!expected) return made.status === 1 && made.output === undefined
      return made.status === 0 && Buffer.from(expected).equals(made.output ?? Buffer.from('none'))
    }),
    { numRuns: 300, seed: 1 },
  )
  t.true(seen.good > 30 && seen.bad > 30, JSON.stringify(seen))
})

test('files that cannot be opened give status 1, and the output is executable', (t) => {
  const input = join(stages.directory, 'link-input')
  const output = join(stages.directory, 'link-output')
  writeFileSync(input, '41')
  t.is(spawnSync(link, [join(stages.directory, 'missing'), output]).status, 1)
  t.false(existsSync(output))
  t.is(spawnSync(link, [input, join(stages.directory, 'missing', 'output')]).status, 1)
  t.is(spawnSync(link, [input, '/dev/full']).status, 1)
  t.is(spawnSync(link, [input]).status, 1)
  t.is(spawnSync(link, []).status, 1)
  t.is(spawnSync('sh', ['-c', 'umask 022; exec "$0" "$@"', link, input, output]).status, 0)
  t.is(statSync(output).mode & 0o777, 0o755)
  t.is(readFileSync(output, 'latin1'), 'A')
})
