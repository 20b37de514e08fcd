// Plays every session of test/transcripts, each in a home of its own with the test channel.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { makeHome } from '../_support/channel.ts'
import { isMatch, parseTranscript, play, programsNeeded } from '../_support/transcript.ts'

const directory = join(import.meta.dirname, '../transcripts')

for (const name of readdirSync(directory).filter((file) => file.endsWith('.txt'))) {
  const text = readFileSync(join(directory, name), 'utf8')
  const missing = programsNeeded(text).filter(isMissing)
  const testOrSkip = missing.length === 0 ? test : test.skip
  testOrSkip(name, (t) => {
    using home = makeHome()
    for (const exchange of parseTranscript(text)) {
      const complaint = play(exchange, home.env)
      if (complaint !== undefined) t.fail(`${name}, ${complaint}`)
    }
    t.pass()
  })
}

/** ssh-keygen wants to know the name of who runs it, which a user id without an account has not. */
function isMissing(what: string): boolean {
  if (what === 'an account') return spawnSync('id', ['-un']).status !== 0
  return spawnSync(what, ['--help']).error !== undefined
}

const match = test.macro((t, expected: string, printed: string, is: boolean) => {
  t.is(isMatch(printed.split('\n'), expected.split('\n')), is)
})

test('the same lines match', match, 'a\nb', 'a\nb', true)
test('a missing line does not', match, 'a\nb', 'a', false)
test('a line too many does not', match, 'a', 'a\nb', false)
test('… within a line', match, 'took … s', 'took 12 s', true)
test('… does not stand for a line break', match, 'took … s', 'took\n12 s', false)
test('… alone stands for any lines', match, 'a\n…\nz', 'a\nb\nc\nz', true)
test('… alone stands for no line', match, 'a\n…\nz', 'a\nz', true)
test('… alone at the end', match, 'a\n…', 'a\nb', true)
test('signs of patterns are themselves', match, 'a.b (c)?', 'axb (c)?', false)
