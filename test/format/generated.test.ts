import test from 'ava'
import { outdatedPages, writeGeneratedPages } from '../../docs/generate.ts'
import { AbnError, ERRORS } from '../../format/errors.ts'

test('docs/ERRORS.md and docs/GLOSSARY.md are what their tables say (ACCEPT=1 writes them)', (t) => {
  if (process.env.ACCEPT === '1') writeGeneratedPages()
  t.deepEqual(outdatedPages(), [])
})

test('every code has its form and a sentence', (t) => {
  for (const [code, text] of Object.entries(ERRORS)) {
    t.regex(code, /^ABN_[A-Z0-9]+(_[A-Z0-9]+)*$/)
    t.regex(text, /^[A-Z].*\.$/s, code)
  }
})

test('an AbnError has code, hint and cause', (t) => {
  const cause = new Error('x')
  const error = new AbnError('ABN_DISK_FULL', 'message', { hint: 'do this', cause })
  t.is(error.code, 'ABN_DISK_FULL')
  t.is(error.hint, 'do this')
  t.is(error.cause, cause)
  t.false('cause' in new AbnError('ABN_DISK_FULL', 'message'))
})
