// Applies unified diffs to an unpacked source, strictly: the lines of every hunk must stand exactly where the hunk says,
// with no fuzz and no offset, so that a patch either means what its author saw or fails. Writes only below one directory
// and through no symbolic link.

import * as fs from 'node:fs'
import { AbnError } from '../../format/errors.ts'
import { fixedSeconds } from './directory.ts'
import { defaultUnpackLimits } from './limits.ts'
import { type ByteString, show, splitName } from './names.ts'
import { type FilePatch, type Hunk, parsePatch } from './patch-format.ts'

export type PatchOptions = {
  readonly directory: string // where the source was unpacked
  readonly patches: readonly { readonly file: string; readonly name: string }[] // name: for messages
}

/** Applies the patches in order, each with -p1. Throws ABN_PATCH_INVALID or ABN_PATCH_FAILED; then all is lost. */
export function applyPatches({ directory, patches }: PatchOptions): void {
  for (const { file, name } of patches) {
    for (const change of parsePatch(fs.readFileSync(file, 'latin1'), name)) applyFilePatch(directory, name, change)
  }
}

function applyFilePatch(directory: string, patchName: string, change: FilePatch): void {
  const target = locate(directory, patchName, change)
  const { path, stat } = target
  const fail = (what: string) => failed(patchName, change.path, what)
  if (change.kind === 'create' && stat !== undefined && stat.size > 0) throw fail('it exists already')
  if (stat === undefined && !mayCreate(change)) throw fail('there is no such file')
  const before = stat === undefined ? '' : fs.readFileSync(path, 'latin1')
  const after = applyHunks(before, change.hunks, fail)
  if (change.kind === 'delete') {
    if (after !== '') throw fail('it is to be deleted, but has more lines than the patch knows')
    fs.unlinkSync(path)
  } else {
    const wasExecutable = ((stat?.mode ?? 0) & 0o111) !== 0
    replaceFile(path, after, { exists: stat !== undefined, executable: change.executable ?? wasExecutable })
  }
  for (const parent of target.parents) fs.utimesSync(parent, fixedSeconds, fixedSeconds)
}

/** The text after all hunks. Hunks come in order and name lines of the text before. */
function applyHunks(before: ByteString, hunks: readonly Hunk[], fail: (what: string) => AbnError): ByteString {
  const lines = before.match(/[^\n]*\n|[^\n]+$/g) ?? []
  const output: ByteString[] = []
  let done = 0
  for (const [index, hunk] of hunks.entries()) {
    const start = hunk.oldLines.length === 0 ? hunk.oldStart : hunk.oldStart - 1
    const which = `hunk ${index + 1} (line ${hunk.patchLine} of the patch)`
    if (start < done) throw fail(`${which} overlaps the one before`)
    if (start > lines.length) throw fail(`${which} is for line ${start + 1}, but the file has ${lines.length} lines`)
    const bad = hunk.oldLines.findIndex((line, n) => lines[start + n] !== line)
    if (bad !== -1) {
      const found = lines[start + bad]
      const got = found === undefined ? 'the end of the file' : show(found)
      const elsewhere = findElsewhere(lines, hunk.oldLines)
      const moved = elsewhere === undefined ? '' : `; the lines of the hunk are at line ${elsewhere}`
      throw fail(`${which}: line ${start + bad + 1} is ${got}, expected ${show(hunk.oldLines[bad] ?? '')}${moved}`)
    }
    for (let n = done; n < start; n += 1) output.push(lines[n] ?? '')
    for (const line of hunk.newLines) output.push(line)
    done = start + hunk.oldLines.length
  }
  for (let n = done; n < lines.length; n += 1) output.push(lines[n] ?? '')
  if (output.slice(0, -1).some((line) => !line.endsWith('\n')))
    throw fail('it would get a line without an end in its middle')
  return output.join('')
}

/** Some diffs name a new file on both sides and show only by `-0,0` that there was nothing before. */
function mayCreate(change: FilePatch): boolean {
  const [first, ...others] = change.hunks
  return change.kind === 'create' || (change.kind === 'change' && first?.oldStart === 0 && others.length === 0)
}

function findElsewhere(lines: readonly ByteString[], wanted: readonly ByteString[]): number | undefined {
  const last = lines.length - wanted.length
  for (let at = 0; at <= last; at += 1) {
    if (wanted.every((line, n) => lines[at + n] === line)) return at + 1
  }
  return undefined
}

type Target = { readonly path: Buffer; readonly stat: fs.Stats | undefined; readonly parents: readonly Buffer[] }

/** The file to change and the directories above it, each checked to be real; makes those that a new file needs. */
function locate(directory: string, patchName: string, change: FilePatch): Target {
  const fail = (what: string) => failed(patchName, change.path, what)
  let parts: string[]
  try {
    parts = splitName(change.path, defaultUnpackLimits)
  } catch {
    throw fail('its name leads out of the source')
  }
  const parents = [Buffer.from(directory)]
  let path = Buffer.from(directory)
  for (const [depth, part] of parts.entries()) {
    path = Buffer.concat([path, Buffer.from(`/${part}`, 'latin1')])
    const stat = fs.lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isSymbolicLink()) throw fail('it is, or is behind, a symbolic link')
    if (depth === parts.length - 1) {
      if (stat !== undefined && !stat.isFile()) throw fail('it is not a plain file')
      return { path, stat, parents }
    }
    if (stat === undefined) {
      if (!mayCreate(change)) throw fail('there is no such file')
      fs.mkdirSync(path, 0o755)
      fs.chmodSync(path, 0o755)
    } else if (!stat.isDirectory()) throw fail('a file stands where a directory should')
    parents.push(path)
  }
  throw fail('it has no name')
}

function replaceFile(
  path: Buffer,
  text: ByteString,
  { exists, executable }: { readonly exists: boolean; readonly executable: boolean },
): void {
  if (exists) fs.unlinkSync(path)
  const descriptor = fs.openSync(path, 'wx', 0o600)
  try {
    fs.writeFileSync(descriptor, text, 'latin1')
    fs.fchmodSync(descriptor, executable ? 0o755 : 0o644)
    fs.futimesSync(descriptor, fixedSeconds, fixedSeconds)
  } finally {
    fs.closeSync(descriptor)
  }
}

function failed(patchName: string, path: ByteString, what: string): AbnError {
  return new AbnError('ABN_PATCH_FAILED', `patch ${patchName} does not fit ${show(path)}: ${what}`, {
    hint: 'make the patch again for exactly this source',
  })
}
