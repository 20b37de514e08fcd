// Where a project is, and its two files. Both come from strangers: they are read as plain files of limited size, never through a link,
// and written only as they were when they were read.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { nearest } from '../../builder/evaluate/nearest.ts'
import { AbnError } from '../../format/errors.ts'
import { type Lockfile, maximumLockfileBytes, parseLockfile } from '../../format/lockfile.ts'
import { emptyProject, maximumProjectBytes, type ProjectFile, parseProject } from '../../format/project.ts'
import { writeAllDurably } from '../../store/write-durably.ts'

export type Project = {
  /** Absolute, without symbolic links. */
  readonly directory: string
  readonly file: ProjectFile
  readonly text: string
  /** Of abnpkg.lock; undefined when there is none. */
  readonly lockText: string | undefined
}

export const projectName = 'abnpkg.json'
export const lockName = 'abnpkg.lock'

/**
 * The project whose abnpkg.json is in the directory, or in the nearest one above it: not above the home directory, not on another file
 * system, and not one of another user than this one and the owner of the directory, so that nobody can put one into /tmp for all.
 * Throws ABN_PROJECT_INVALID or ABN_PROJECT_FILE.
 */
export function projectAt(directory: string, env: NodeJS.ProcessEnv = process.env): Project | undefined {
  const found = directoryOfProject(directory, env)
  return found === undefined ? undefined : readProject(found)
}

/** Throws ABN_PROJECT_MISSING too. */
export function requireProject(directory: string): Project {
  const found = projectAt(directory)
  if (found !== undefined) return found
  throw new AbnError('ABN_PROJECT_MISSING', `there is no ${projectName} in ${directory} or above it`, {
    hint: "'abnpkg add NAME' makes one here",
  })
}

/** Throws ABN_PROJECT_INVALID or ABN_PROJECT_FILE. */
export function readProject(directory: string): Project {
  const text = readPlainFile(join(directory, projectName), maximumProjectBytes)
  if (text === undefined) throw new AbnError('ABN_PROJECT_MISSING', `there is no ${projectName} in ${directory}`)
  const lockText = readPlainFile(join(directory, lockName), maximumLockfileBytes)
  return { directory, file: parseProject(text, { nearest }), text, lockText }
}

/** Of a directory that has no abnpkg.json yet. Throws ABN_PROJECT_FILE. */
export function newProject(directory: string): Project {
  const real = realpathSync(directory)
  const lockText = readPlainFile(join(real, lockName), maximumLockfileBytes)
  return { directory: real, file: parseProject(emptyProject), text: '', lockText }
}

/** Undefined when there is none. Throws ABN_LOCKFILE_INVALID or ABN_LOCKFILE_CONFLICT. */
export function lockOf({ lockText }: Project): Lockfile | undefined {
  return lockText === undefined ? undefined : parseLockfile(lockText)
}

/** Writes what has changed. Throws ABN_PROJECT_CHANGED when one of the files is not any more what was read, ABN_PROJECT_FILE. */
export function writeProject(before: Project, after: Pick<Project, 'text' | 'lockText'>): void {
  const { directory } = before
  const file = join(directory, projectName)
  const lock = join(directory, lockName)
  const isAsRead =
    readPlainFile(lock, maximumLockfileBytes) === before.lockText &&
    (readPlainFile(file, maximumProjectBytes) ?? '') === before.text
  if (!isAsRead) {
    throw new AbnError('ABN_PROJECT_CHANGED', `${file} or ${lockName} was changed by somebody else meanwhile`, {
      hint: 'run the command again; what was built is kept',
    })
  }
  // A crash in between leaves a lock that does not fit yet; the next command makes it fit.
  writeAll([
    ...(after.text !== before.text ? [{ path: file, content: after.text }] : []),
    ...(after.lockText !== undefined && after.lockText !== before.lockText
      ? [{ path: lock, content: after.lockText }]
      : []),
  ])
}

function directoryOfProject(from: string, env: NodeJS.ProcessEnv): string | undefined {
  const start = realpathSync(from)
  const { dev, uid } = statSync(start)
  const home = env.HOME && existsSync(env.HOME) ? realpathSync(env.HOME) : undefined
  const owners = [uid, process.geteuid?.()]
  for (let at = start; ; at = dirname(at)) {
    const here = statSync(at)
    if (here.dev !== dev) return undefined
    const file = lstatSync(join(at, projectName), { throwIfNoEntry: false })
    if (file !== undefined && (at === start || owners.includes(file.uid))) return at
    if (at === home || at === dirname(at)) return undefined
  }
}

/** UTF-8. Undefined when there is no such file. Throws ABN_PROJECT_FILE. */
function readPlainFile(path: string, maximumBytes: number): string | undefined {
  let descriptor: number | undefined
  try {
    // Not through a link, and without waiting for the writer of a named pipe.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw new Error('it is not a plain file')
    if (stat.size > maximumBytes) throw new Error(`it is larger than ${maximumBytes} bytes`)
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(descriptor))
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT') return undefined
    const reason = code === 'ELOOP' ? 'it is a symbolic link' : cause instanceof Error ? cause.message : String(cause)
    throw new AbnError('ABN_PROJECT_FILE', `${path} cannot be read: ${reason}`, { cause })
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

function writeAll(files: readonly { readonly path: string; readonly content: string }[]): void {
  const modeOf = (path: string) => (statSync(path, { throwIfNoEntry: false })?.mode ?? 0o644) & 0o777
  try {
    writeAllDurably(files.map((one) => ({ ...one, mode: modeOf(one.path) })))
  } catch (cause) {
    if (cause instanceof AbnError && cause.code === 'ABN_DISK_FULL') throw cause
    const paths = files.map(({ path }) => path).join(' and ')
    throw new AbnError('ABN_PROJECT_FILE', `${paths} cannot be written`, { cause })
  }
}
