import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import fc from 'fast-check'
import { countText, printable, sizeText, timeText } from '../../cli/output.ts'
import { knownAnswer } from '../../cli/quick.ts'
import { makeHome } from '../_support/channel.ts'

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
  const script = `{ "${launcher}" help; echo $? >&2; } | sh -c 'read line && echo "$line" && exec <&-'`
  const { stderr, stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
  t.is(stdout, 'usage: abnpkg COMMAND [options] [NAME...]\n')
  t.regex(stderr, /^(0|141)\n$/) // 0 if it had printed everything before
  const gone = spawnSync('sh', ['-c', `{ sleep 1; "${launcher}" help; echo $? >&2; } | true`], { encoding: 'utf8' })
  t.is(gone.stderr, '141\n')
})

test('standard output that cannot be written is an error of its own', async (t) => {
  using home = makeHome()
  const install = () => spawnSync(launcher, ['install', 'greet'], { env: home.env, encoding: 'utf8' })
  t.is(install().status, 0)
  const known = () => knownAnswer(['install', 'greet'], home.env)
  // Files that were changed less than two seconds ago are never taken for unchanged, abnpkg's own among them.
  for (let attempt = 0; attempt < 10 && known() === undefined; attempt++) {
    await setTimeout(2100)
    t.is(install().stdout, 'greet 1.1.0 is installed already\n')
  }
  t.truthy(known(), 'from now on the short way')
  const full = openSync('/dev/full', 'w')
  for (const line of ['help', 'list', 'list --json', 'lisd --json', 'install greet']) {
    const { status, stderr } = spawnSync(launcher, line.split(' '), {
      env: home.env,
      encoding: 'utf8',
      stdio: ['ignore', full, 'pipe'],
    })
    const isUnknown = line.startsWith('lisd')
    t.is(status, isUnknown ? 2 : 1, line)
    const said = isUnknown
      ? /^error\[ABN_COMMAND_UNKNOWN\]/
      : /^error\[ABN_STDOUT\]: standard output cannot be written: ENOSPC$/m
    t.regex(stderr, said, line)
    t.notRegex(stderr, /\n\s+at /, line)
  }
  closeSync(full)
})
