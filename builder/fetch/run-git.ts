// Runs the machine's git with argument arrays, without the user's and the system's configuration, without hooks, replaced
// objects, credentials or questions, and with no other transports than those that the caller names. git is not trusted: who
// uses what it says checks the hashes.

import { spawn } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { AbnError } from '../../format/errors.ts'
import { diskFullHint } from '../../store/io-errors.ts'

export type GitIo = {
  readonly input?: string
  /** A descriptor for the standard output; without it the output is what the promise resolves to. */
  readonly output?: number
}

export type GitRun = GitIo & {
  /** The repository: a bare one of ours. */
  readonly directory: string
  /** Of gitremote-helpers(7), separated by colons: 'http:https'. */
  readonly transports: string
  readonly signal: AbortSignal
  /** No file that git writes becomes larger. */
  readonly largestFileBytes?: number
  /** The caller's error for what went wrong. */
  readonly fail: (why: string, cause?: unknown) => Error
}

const settings = {
  'core.hooksPath': '/dev/null',
  'credential.helper': '',
  'gc.auto': '0',
  'http.followRedirects': 'initial',
  'http.lowSpeedLimit': '1000',
  'http.lowSpeedTime': '20',
  'maintenance.auto': 'false',
}

/** Resolves to the standard output, empty if it went to a descriptor. Throws ABN_DISK_FULL and what `fail` makes. */
export function runGit(args: readonly string[], { input = '', output, signal, ...run }: GitRun): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const [program = '', ...words] = gitCommand(args, run)
    const child = spawn(program, words, {
      cwd: run.directory,
      env: gitEnvironment(run),
      signal,
      stdio: ['pipe', output ?? 'pipe', 'pipe'],
    })
    const chunks: Buffer[] = []
    let complaints = ''
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => {
      complaints = (complaints + chunk.toString('utf8')).slice(-2000)
    })
    child.stdin?.on('error', () => {}) // an early exit is reported by its status
    child.stdin?.end(input)
    child.on('error', (error) => {
      if (signal.aborted) reject(signal.reason)
      else reject(run.fail('code' in error && error.code === 'ENOENT' ? NO_GIT : error.message, error))
    })
    child.on('close', (status, killed) => {
      if (status === 0) resolve(Buffer.concat(chunks))
      else if (killed === 'SIGXFSZ' || /file size limit|File too large/i.test(complaints)) {
        reject(run.fail(`it is larger than ${run.largestFileBytes} bytes`))
      } else if (isDiskFull(complaints, run.directory)) {
        const message = `git: no space left in ${run.directory}`
        reject(new AbnError('ABN_DISK_FULL', message, { hint: diskFullHint, cause: new Error(printable(complaints)) }))
      } else
        reject(run.fail(`git ${args.find((word) => /^[a-z]+(-[a-z]+)*$/.test(word))} failed: ${printable(complaints)}`))
    })
  })
}

/** Program and arguments. The limit is set by prlimit, which is of util-linux, as unshare is. */
export function gitCommand(args: readonly string[], { largestFileBytes }: Pick<GitRun, 'largestFileBytes'>): string[] {
  const limit = largestFileBytes === undefined ? [] : ['prlimit', `--fsize=${largestFileBytes}`, '--core=0', '--']
  return [...limit, 'git', ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]), ...args]
}

export function gitEnvironment({ directory, transports }: Pick<GitRun, 'directory' | 'transports'>): NodeJS.ProcessEnv {
  const kept = /^(PATH|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|all_proxy|GIT_SSL_CAINFO|SSL_CERT_(FILE|DIR))$/
  return {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.test(name))),
    GIT_ALLOW_PROTOCOL: transports,
    GIT_ATTR_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_DIR: directory,
    GIT_GRAFT_FILE: `${directory}/no-such-file`,
    GIT_NO_LAZY_FETCH: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_TERMINAL_PROMPT: '0',
    HOME: directory,
    LC_ALL: 'C',
  }
}

const NO_GIT = 'git is not installed'

/** git says it in many words, or only that it could not write. */
function isDiskFull(complaints: string, directory: string): boolean {
  if (/no space left|out of diskspace|quota exceeded/i.test(complaints)) return true
  try {
    const { bavail, bsize } = statfsSync(directory)
    return bavail * bsize < NEXT_TO_NOTHING && /couldn't|cannot|could not|unable to|write error/i.test(complaints)
  } catch {
    return false
  }
}

/** Bytes of free space with which git cannot have found room for what it writes. */
const NEXT_TO_NOTHING = 65_536

/** Without advice, which is for who runs git by hand. */
function printable(text: string): string {
  const lines = text.split('\n').filter((line) => !/^(remote: )?hint:/.test(line))
  return lines
    .join('\n')
    .trim()
    .replace(/[^\x20-\x7e]+/g, ' ')
}
