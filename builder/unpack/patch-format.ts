// Unified diffs (POSIX.1-2017 diff -u, and git's extended headers for modes) as data. Text is a ByteString, one character
// a byte, and every line keeps its end, so that CR LF and a missing last newline are just bytes.
//
// Worked example:
//   --- a/hello.c
//   +++ b/hello.c
//   @@ -1,2 +1,2 @@
//    int main(void)
//   -{ return 1; }
//   +{ return 0; }

import { AbnError } from '../../format/errors.ts'
import { type ByteString, show } from './names.ts'

export type FilePatch = {
  readonly path: ByteString // without its first component
  readonly kind: 'change' | 'create' | 'delete'
  readonly executable: boolean | undefined // undefined: as it was, or not for a new file
  readonly hunks: readonly Hunk[]
}

export type Hunk = {
  readonly patchLine: number // of its header, counted from 1
  readonly oldStart: number // line counted from 1; for an empty side the line before
  readonly oldLines: readonly ByteString[] // with their ends
  readonly newLines: readonly ByteString[]
}

/** Throws ABN_PATCH_INVALID with the line. Text before a file's headers is ignored, as in mails. */
export function parsePatch(text: ByteString, name: string): FilePatch[] {
  const lines = text.split('\n')
  const files: FilePatch[] = []
  let modes = noModes
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? ''
    const fail = (what: string) => invalid(name, at + 1, what)
    if (/^(GIT binary patch|Binary files |rename (from|to) |copy (from|to) )/.test(line)) {
      throw fail('binary changes, renames and copies are not supported')
    }
    if (line.startsWith('diff --git ')) modes = noModes
    modes = readMode(modes, line, fail)
    if (line.startsWith('--- ') && lines[at + 1]?.startsWith('+++ ')) {
      const names = { old: parseName(line, fail), new: parseName(lines[at + 1] ?? '', fail) }
      const { hunks, next } = parseHunks(lines, at + 2, name)
      if (hunks.length === 0) throw fail('a file without a change')
      files.push(filePatchOf(names, hunks, { modes, fail }))
      modes = noModes
      at = next
    } else if (line.startsWith('@@ -')) throw fail('a hunk without the names of its file')
    else at += 1
  }
  if (files.length === 0) throw invalid(name, 1, 'no change at all')
  return files
}

type Fail = (what: string) => AbnError
type Name = { readonly path: ByteString | undefined; readonly isAbsent: boolean }
type Modes = { readonly executable: boolean | undefined; readonly isNew: boolean }

const noModes: Modes = { executable: undefined, isNew: false }

function readMode(modes: Modes, line: ByteString, fail: Fail): Modes {
  const match = /^(new file mode|new mode) (\d+)$/.exec(line)
  if (!match) return modes
  if (match[2] !== '100644' && match[2] !== '100755') throw fail(`mode ${match[2]} is not that of a plain file`)
  return { executable: match[2] === '100755', isNew: match[1] === 'new file mode' }
}

/** `--- a/name<tab>time`. A file that does not exist is /dev/null or, for diff -N, has the time 0. */
function parseName(line: ByteString, fail: Fail): Name {
  const [path = '', time = ''] = line.slice(4).split('\t')
  if (path === '/dev/null') return { path: undefined, isAbsent: true }
  const slash = path.indexOf('/')
  if (path.startsWith('"') || slash < 1) throw fail(`expected a name with a leading component (-p1), got ${show(path)}`)
  return { path: path.slice(slash + 1), isAbsent: time !== '' && Date.parse(time) === 0 }
}

function filePatchOf(
  names: { readonly old: Name; readonly new: Name },
  hunks: readonly Hunk[],
  { modes, fail }: { readonly modes: Modes; readonly fail: Fail },
): FilePatch {
  const path = names.new.path ?? names.old.path
  if (path === undefined) throw fail('a change from /dev/null to /dev/null')
  const only = hunks.length === 1 ? hunks[0] : undefined
  const isCreation = modes.isNew || names.old.isAbsent
  if (names.new.isAbsent) {
    if (only?.newLines.length !== 0) throw fail('a deleted file must lose all its lines in one hunk')
    return { path, kind: 'delete', executable: undefined, hunks }
  }
  if (isCreation && only?.oldLines.length !== 0) throw fail('a new file must get all its lines in one hunk')
  return { path, kind: isCreation ? 'create' : 'change', executable: modes.executable, hunks }
}

function parseHunks(lines: readonly ByteString[], start: number, name: string): { hunks: Hunk[]; next: number } {
  const hunks: Hunk[] = []
  let at = start
  for (;;) {
    const header = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@/.exec(lines[at] ?? '')
    if (!header) break
    const patchLine = at + 1
    const oldCount = Number(header[2] ?? 1)
    const newCount = Number(header[4] ?? 1)
    const oldLines: ByteString[] = []
    const newLines: ByteString[] = []
    at += 1
    while (oldLines.length < oldCount || newLines.length < newCount) {
      const line = lines[at]
      if (line === undefined || (at === lines.length - 1 && line === ''))
        throw invalid(name, at + 1, 'a hunk is cut short')
      const isUnended = lines[at + 1]?.startsWith('\\ ') === true
      const text = line.slice(1) + (isUnended ? '' : '\n')
      const mark = line === '' ? ' ' : line[0] // editors drop the blank of an empty context line
      if (mark !== ' ' && mark !== '-' && mark !== '+')
        throw invalid(name, at + 1, 'a hunk is shorter than its header says')
      if (mark !== '+') oldLines.push(text)
      if (mark !== '-') newLines.push(text)
      at += isUnended ? 2 : 1
    }
    const isTooLong = oldLines.length !== oldCount || newLines.length !== newCount || isStray(lines, at)
    if (isTooLong) throw invalid(name, at + 1, 'a hunk is longer than its header says')
    hunks.push({ patchLine, oldStart: Number(header[1]), oldLines, newLines })
  }
  return { hunks, next: at }
}

/** Whether a line behind a hunk looks as if it belonged to it: not a header, not the `-- ` before a mail's signature. */
function isStray(lines: readonly ByteString[], at: number): boolean {
  const line = lines[at] ?? ''
  if (line === '-- ' || (line.startsWith('--- ') && lines[at + 1]?.startsWith('+++ '))) return false
  return /^[ +\\-]/.test(line)
}

function invalid(name: string, line: number, what: string): AbnError {
  return new AbnError('ABN_PATCH_INVALID', `patch ${name}, line ${line}: ${what}`, {
    hint: 'make the patch again with `diff -Nru a b` or `git diff`',
  })
}
