import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { countText, printable, sizeText, timeText } from '../../cli/output.ts'

const launcher = join(import.meta.dirname, '../../abnpkg')

test('no control character of outside text is printed', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const printed = printable(text)
      return !/[^\P{Cc}\n\t]|\p{Cf}/u.test(printed) && printable(printed) === printed
    }),
  )
  t.is(printable('a\x1b]0;title\x07b\rc\u202ed'), 'a]0;titlebcd')
})

test('sizes, times and counts as a person reads them', (t) => {
  t.deepEqual([0, 999, 1000, 1_540, 12_300_000].map(sizeText), ['0 B', '999 B', '1.0 kB', '1.5 kB', '12 MB'])
  t.deepEqual([0.04, 9.96, 59.4, 61, 185].map(timeText), ['0.0 s', '10.0 s', '59 s', '1 min 1 s', '3 min 5 s'])
  t.deepEqual([countText(1, 'package'), countText(2, 'package')], ['1 package', '2 packages'])
})

test('with --json an error is one document on standard output and a message on standard error', (t) => {
  const { stdout, stderr, status } = spawnSync(launcher, ['instal', '--json'], { encoding: 'utf8' })
  t.is(status, 2)
  t.deepEqual(JSON.parse(stdout), {
    error: {
      code: 'ABN_COMMAND_UNKNOWN',
      message: "unknown command 'instal'",
      causes: [],
      hint: "did you mean 'abnpkg install'?",
    },
  })
  t.regex(stderr, /^error\[ABN_COMMAND_UNKNOWN\]: unknown command/)
})

test('a reader that goes away ends the command quietly', (t) => {
  const { stderr, stdout } = spawnSync('sh', ['-c', `"${launcher}" help | head -n 1`], { encoding: 'utf8' })
  t.is(stdout, 'usage: abnpkg COMMAND [options] [NAME...]\n')
  t.is(stderr, '')
})
