import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createTwoFilesPatch } from 'diff'
import fc from 'fast-check'
import { applyPatches } from '../../../builder/unpack/patch.ts'
import { AbnError, type ErrorCode } from '../../../format/errors.ts'
import { temporaryDirectory } from '../../_support/temporary.ts'

type Files = Readonly<Record<string, string>>

function setUp(t: ExecutionContext, files: Files) {
  const top = temporaryDirectory(t)
  const directory = join(top, 'source')
  fs.mkdirSync(directory)
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(dirname(join(directory, name)), { recursive: true })
    fs.writeFileSync(join(directory, name), text, 'latin1')
  }
  const apply = (...texts: readonly string[]) => {
    const patches = texts.map((text, n) => {
      fs.writeFileSync(join(top, `${n}.patch`), text, 'latin1')
      return { file: join(top, `${n}.patch`), name: `${n}.patch` }
    })
    applyPatches({ directory, patches })
  }
  const read = (name: string) => fs.readFileSync(join(directory, name), 'latin1')
  return { apply, read, directory, top }
}

const seven = '1\n2\n3\n4\n5\n6\n7\n'
const header = '--- a/f\n+++ b/f\n'

const good: readonly [string, string, string, string][] = [
  ['a change', seven, '@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n', '1\ntwo\n3\n4\n5\n6\n7\n'],
  ['two hunks', seven, '@@ -1,2 +1,3 @@ main()\n+0\n 1\n 2\n@@ -6,2 +7 @@\n 6\n-7\n', '0\n1\n2\n3\n4\n5\n6\n'],
  ['a pure insertion after a line', '1\n2\n', '@@ -1,0 +2 @@\n+x\n', '1\nx\n2\n'],
  ['an emptied file', '1\n', '@@ -1 +0,0 @@\n-1\n', ''],
  ['an insertion at the beginning', '1\n', '@@ -0,0 +1 @@\n+0\n', '0\n1\n'],
  ['an empty file', '', '@@ -0,0 +1 @@\n+1\n', '1\n'],
  ['CR LF as it is', 'a\r\nb\r\n', '@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n', 'a\r\nc\r\n'],
  ['bytes that are no UTF-8', '\xff\xfe\n', '@@ -1 +1 @@\n-\xff\xfe\n+\xe4\n', '\xe4\n'],
  ['a last newline lost', 'a\nb\n', '@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n', 'a\nb'],
  ['a last newline gained', 'a\nb', '@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n', 'a\nb\n'],
  ['no last newline in context', 'a\nb', '@@ -1,2 +1,2 @@\n-a\n+x\n b\n\\ No newline at end of file\n', 'x\nb'],
  ['an empty context line without its blank', 'a\n\nb\n', '@@ -1,3 +1,3 @@\n-a\n+x\n\n b\n', 'x\n\nb\n'],
  ['lines that look like headers', '-- a/x\n', '@@ -1 +1 @@\n--- a/x\n+++ b/y\n', '++ b/y\n'],
  ['a mail around it', seven, '@@ -1 +1 @@\n-1\n+one\n-- \n2.39.2\n\n', 'one\n2\n3\n4\n5\n6\n7\n'],
]

for (const [title, before, hunks, after] of good) {
  test(`applies ${title}`, (t) => {
    const { apply, read } = setUp(t, { f: before })
    apply(`Subject: why\n\ndiff --git a/f b/f\nindex 1..2 100644\n${header}${hunks}`)
    t.is(read('f'), after)
  })
}

test('creates, deletes and sets the executable bit; modes and times are fixed', (t) => {
  const { apply, read, directory } = setUp(t, { gone: 'x\n', 'old/gone': 'y\n', run: 'r\n', keep: 'k\n' })
  fs.chmodSync(join(directory, 'keep'), 0o755)
  apply(
    [
      '--- /dev/null\n+++ b/new/deep/file\n@@ -0,0 +1 @@\n+new\n',
      'diff --git a/tool b/tool\nnew file mode 100755\n--- /dev/null\n+++ b/tool\n@@ -0,0 +1 @@\n+tool\n',
      '--- a/dated\t1970-01-01 01:00:00.000000000 +0100\n+++ b/dated\t2020-01-01 00:00:00\n@@ -0,0 +1 @@\n+d\n',
      '--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n',
      '--- a/old/gone\t2020-01-01 00:00:00\n+++ b/old/gone\t1970-01-01 00:00:00.000000000 +0000\n@@ -1 +0,0 @@\n-y\n',
      'diff --git a/run b/run\nold mode 100644\nnew mode 100755\n--- a/run\n+++ b/run\n@@ -1 +1 @@\n-r\n+R\n',
      '--- a/keep\n+++ b/keep\n@@ -1 +1 @@\n-k\n+K\n',
    ].join(''),
  )
  t.is(read('new/deep/file'), 'new\n')
  t.deepEqual(fs.readdirSync(directory).sort(), ['dated', 'keep', 'new', 'old', 'run', 'tool'])
  t.deepEqual(fs.readdirSync(join(directory, 'old')), [])
  const modeOf = (name: string) => fs.statSync(join(directory, name)).mode & 0o7777
  t.deepEqual(['keep', 'run', 'tool', 'dated', 'new'].map(modeOf), [0o755, 0o755, 0o755, 0o644, 0o755])
  for (const name of ['.', 'new', 'new/deep', 'new/deep/file', 'keep', 'old']) {
    t.is(fs.statSync(join(directory, name)).mtimeMs, 1000, name)
  }
})

test('several patches apply in order', (t) => {
  const { apply, read } = setUp(t, { f: '1\n' })
  apply(`${header}@@ -1 +1 @@\n-1\n+2\n`, `${header}@@ -1 +1 @@\n-2\n+3\n`)
  t.is(read('f'), '3\n')
})

const bad: readonly [string, string, ErrorCode, RegExp][] = [
  [
    'other context',
    '@@ -1,3 +1,3 @@\n 1\n-2\n+x\n 4\n',
    'ABN_PATCH_FAILED',
    /0\.patch does not fit "f": hunk 1 \(line 3 of the patch\): line 3 is "3\\n", expected "4\\n"/,
  ],
  [
    'an offset',
    '@@ -2,2 +2,2 @@\n 1\n-2\n+x\n',
    'ABN_PATCH_FAILED',
    /line 2 is "2\\n", expected "1\\n"; the lines of the hunk are at line 1$/,
  ],
  ['context behind the end', '@@ -7,2 +7,2 @@\n 7\n-8\n+x\n', 'ABN_PATCH_FAILED', /line 8 is the end of the file/],
  ['a start behind the end', '@@ -90 +90 @@\n-8\n+x\n', 'ABN_PATCH_FAILED', /is for line 90, but the file has 7 lines/],
  [
    'hunks in the wrong order',
    '@@ -5 +5 @@\n-5\n+x\n@@ -1 +1 @@\n-1\n+x\n',
    'ABN_PATCH_FAILED',
    /hunk 2 .* overlaps the one before/,
  ],
  [
    'a newline that is there',
    '@@ -7 +7 @@\n-7\n\\ No newline at end of file\n+x\n',
    'ABN_PATCH_FAILED',
    /expected "7"/,
  ],
  [
    'a broken line in the middle',
    '@@ -1 +1 @@\n-1\n+x\n\\ No newline at end of file\n',
    'ABN_PATCH_FAILED',
    /without an end in its middle/,
  ],
  ['a hunk that is cut short', '@@ -1,3 +1,3 @@\n 1\n', 'ABN_PATCH_INVALID', /line 5: a hunk is cut short/],
  [
    'a hunk that is too short',
    '@@ -1,3 +1,3 @@\n 1\n@@ -5 +5 @@\n',
    'ABN_PATCH_INVALID',
    /shorter than its header says/,
  ],
  ['a hunk that is too long', '@@ -1 +1 @@\n-1\n+x\n 2\n', 'ABN_PATCH_INVALID', /longer than its header says/],
  [
    'a hunk with too many lines of one side',
    '@@ -1,2 +1 @@\n-1\n+x\n+y\n-2\n',
    'ABN_PATCH_INVALID',
    /longer than its header says/,
  ],
  ['no hunk', '', 'ABN_PATCH_INVALID', /without a change/],
]

function refusal(t: ExecutionContext, work: () => void): AbnError {
  const error = t.throws(work)
  if (!(error instanceof AbnError)) throw error
  t.truthy(error.hint)
  return error
}

for (const [title, hunks, code, message] of bad) {
  test(`refuses ${title}`, (t) => {
    const { apply, read } = setUp(t, { f: seven })
    const error = refusal(t, () => apply(header + hunks))
    t.is(error.code, code)
    t.regex(error.message, message)
    t.is(read('f'), seven)
  })
}

const change = '@@ -1 +1 @@\n-x\n+y\n'
const creation = '@@ -0,0 +1 @@\n+y\n'
const badHeaders: readonly [string, string, ErrorCode][] = [
  ['a file that is not there', `--- a/none\n+++ b/none\n${change}`, 'ABN_PATCH_FAILED'],
  ['a name without a component to strip', `--- f\n+++ f\n${change}`, 'ABN_PATCH_INVALID'],
  ['a quoted name', `--- "a/f"\n+++ "b/f"\n${change}`, 'ABN_PATCH_INVALID'],
  ['a name that leads out', `--- a/../victim\n+++ b/../victim\n${change}`, 'ABN_PATCH_FAILED'],
  ['an absolute name', `--- a//etc/f\n+++ b//etc/f\n${change}`, 'ABN_PATCH_FAILED'],
  ['a link', `--- a/link\n+++ b/link\n${change}`, 'ABN_PATCH_FAILED'],
  ['a name behind a link', `--- a/way/victim\n+++ b/way/victim\n${change}`, 'ABN_PATCH_FAILED'],
  ['a new file behind a link', `--- /dev/null\n+++ b/way/new\n${creation}`, 'ABN_PATCH_FAILED'],
  ['a directory', `--- a/directory\n+++ b/directory\n${change}`, 'ABN_PATCH_FAILED'],
  ['a file below a file', `--- /dev/null\n+++ b/f/new\n${creation}`, 'ABN_PATCH_FAILED'],
  ['a deletion that leaves lines', '--- a/f\n+++ /dev/null\n@@ -1 +1 @@\n-x\n+y\n', 'ABN_PATCH_INVALID'],
  ['a creation of what exists', `--- /dev/null\n+++ b/f\n${creation}`, 'ABN_PATCH_FAILED'],
  ['a creation with context', '--- /dev/null\n+++ b/new\n@@ -1 +1,2 @@\n x\n+y\n', 'ABN_PATCH_INVALID'],
  ['a new link', `new file mode 120000\n--- /dev/null\n+++ b/l\n${creation}`, 'ABN_PATCH_INVALID'],
  ['a rename', 'diff --git a/f b/g\nrename from f\nrename to g\n', 'ABN_PATCH_INVALID'],
  ['a binary patch', 'diff --git a/f b/f\nGIT binary patch\n', 'ABN_PATCH_INVALID'],
  ['a hunk without a file', change, 'ABN_PATCH_INVALID'],
  ['an empty patch', '', 'ABN_PATCH_INVALID'],
  ['nothing on both sides', `--- /dev/null\n+++ /dev/null\n${change}`, 'ABN_PATCH_INVALID'],
]

for (const [title, patch, code] of badHeaders) {
  test(`refuses ${title}`, (t) => {
    const { apply, directory, top } = setUp(t, { f: 'x\n', 'directory/f': 'x\n' })
    fs.writeFileSync(join(top, 'victim'), 'x\n')
    fs.symlinkSync('../victim', join(directory, 'link'))
    fs.symlinkSync('..', join(directory, 'way'))
    t.is(refusal(t, () => apply(patch)).code, code)
    t.is(fs.readFileSync(join(top, 'victim'), 'utf8'), 'x\n')
    t.false(fs.existsSync(join(top, 'new')))
  })
}

test('what another implementation writes as a diff is applied to the same text', (t) => {
  const line = fc.constantFrom('a', 'b', 'c', '', '-', '+', '\\', '@@ -1 +1 @@', '-- x', '\r', '\xe4')
  const side = fc.tuple(fc.array(line, { maxLength: 30 }), fc.boolean())
  const textOf = ([lines, isEnded]: [string[], boolean]) => lines.join('\n') + (isEnded && lines.length > 0 ? '\n' : '')
  const { apply, read, directory } = setUp(t, {})
  fc.assert(
    fc.property(side.map(textOf), side.map(textOf), fc.integer({ min: 0, max: 3 }), (before, after, context) => {
      if (before === after || after === '') return
      const patch = createTwoFilesPatch('a/f', 'b/f', before, after, undefined, undefined, { context })
      if (before !== '') fs.writeFileSync(join(directory, 'f'), before, 'latin1')
      else fs.rmSync(join(directory, 'f'), { force: true })
      apply(patch)
      return read('f') === after
    }),
  )
  t.pass()
})
