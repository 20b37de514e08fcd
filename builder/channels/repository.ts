/**
 * A bare repository of ours into which the machine's git fetches a channel. It is only a cache: each object is hashed again
 * when it is read (git-objects.ts), so that nothing depends on what is on disk, or on what git makes of it.
 *
 * What reaches git from outside is an address that parseChannelAddress let through, a branch that requireBranch let
 * through, and full names of commits; all after `--`. There are no hooks, no configuration of others, no submodules, no tags.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { AbnError } from '../../format/errors.ts'
import { sha256Of } from '../../format/hash.ts'
import { withDiskErrors } from '../../store/io-errors.ts'
import { makeDirectories } from '../../store/make-directories.ts'
import { removeDirectory } from '../../store/remove-directory.ts'
import { gitCommand, gitEnvironment, runGit } from '../fetch/run-git.ts'
import { type ObjectId, type ObjectKind, parseObjectId, requireObject } from './git-objects.ts'
import { noteUse } from './note-use.ts'
import { parseChannelAddress } from './pin.ts'

export type RepositoryOptions = {
  /** Where repositories are kept: layout.cache + '/channels'. */
  readonly cacheDirectory: string
  readonly signal: AbortSignal
  readonly largestBytes?: number
}

/** Undefined when there is no such object. Throws ABN_CHANNEL_OBJECT when it is another kind, too large or damaged. */
export type ReadObject = (id: ObjectId, kind: ObjectKind, largestBytes: number) => Promise<Buffer | undefined>

/** Of the packs that git may write for one channel. */
export const largestRepositoryBytes = 1 << 30

export class Repository implements AsyncDisposable {
  readonly #directory: string
  readonly #url: string
  readonly #options: RepositoryOptions
  readonly #lock: Disposable
  #reader: ObjectReader | undefined
  #isFresh = false
  #hasAnswered = false

  private constructor(directory: string, url: string, options: RepositoryOptions, lock: Disposable) {
    this.#directory = directory
    this.#url = url
    this.#options = options
    this.#lock = lock
  }

  /** Only one process works on a channel's repository at a time. Throws ABN_CHANNEL_ADDRESS or ABN_CHANNEL_FETCH. */
  static async open(url: string, options: RepositoryOptions): Promise<Repository> {
    parseChannelAddress(url)
    const { takeLock } = await import('../../store/lock.ts')
    const above = join(options.cacheDirectory, 'repositories')
    withDiskErrors(`cannot make ${above}`, () => makeDirectories(above))
    const directory = join(above, sha256Of(url).slice(0, 32))
    const lock = await takeLock(`${directory}.lock`, 'exclusive', { signal: options.signal })
    const repository = new Repository(directory, url, options, lock)
    try {
      if (!existsSync(join(directory, 'HEAD'))) await repository.clear()
      noteUse(directory)
      return repository
    } catch (error) {
      lock[Symbol.dispose]()
      throw error
    }
  }

  /** Whether nothing of an earlier run is in it. */
  get isFresh(): boolean {
    return this.#isFresh
  }

  /** Begins anew, for what is there is damaged. */
  async clear(hash: 'sha1' | 'sha256' = 'sha1'): Promise<void> {
    this.#closeReader()
    withDiskErrors(`cannot make ${this.#directory}`, () => {
      removeDirectory(this.#directory)
      makeDirectories(this.#directory)
    })
    this.#isFresh = true
    await this.#git(['init', '--quiet', '--bare', '--template=', `--object-format=${hash}`, '.'])
  }

  /** Fetches what a branch ('': HEAD) is now, with all of its history. Throws ABN_CHANNEL_FETCH. */
  async fetchBranch(branch: string): Promise<ObjectId> {
    return this.#fetchOne(branch === '' ? 'HEAD' : `refs/heads/${branch}`)
  }

  /** Fetches a commit with its history, or with all branches where the other side gives out nothing else. */
  async fetchCommit(commit: ObjectId): Promise<void> {
    if ((await this.read(commit, 'commit', LARGEST_COMMIT)) !== undefined) return
    try {
      await this.#fetchOne(commit)
    } catch (error) {
      this.#options.signal.throwIfAborted()
      if (!(error instanceof AbnError)) throw error
      await this.#fetch(['+refs/heads/*:refs/abnpkg/heads/*'])
    }
  }

  read: ReadObject = async (id, kind, largestBytes) => {
    this.#options.signal.throwIfAborted()
    if (this.#reader?.isClosed) this.#reader = undefined
    this.#reader ??= new ObjectReader(this.#directory, this.#fail)
    return this.#reader.read(id, kind, largestBytes)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closeReader()
    this.#lock[Symbol.dispose]()
  }

  async #fetch(references: readonly string[]): Promise<void> {
    this.#closeReader() // it knows only the objects that were there when it began
    await this.#requireAnswer()
    const options = ['--quiet', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head', '--force']
    const words = ['-c', 'fetch.fsckObjects=true', 'fetch', ...options, '--', this.#url, ...references]
    try {
      await this.#git(words)
    } catch (error) {
      if (!(error instanceof AbnError && error.message.includes('mismatched algorithms'))) throw error
      await this.clear('sha256')
      await this.#git(words)
    }
  }

  /** git leaves a reference as it was, without a failure, when it does not like what it could be: so it begins as nothing. */
  async #fetchOne(what: string): Promise<ObjectId> {
    await this.#git(['update-ref', '-d', ARRIVED])
    await this.#fetch([`+${what}:${ARRIVED}`])
    const id = await this.#resolve(ARRIVED)
    await this.#git(['update-ref', KEPT, id]) // the next fetch asks only for what comes after it
    return id
  }

  /** git would wait for a dead host for minutes. */
  async #requireAnswer(): Promise<void> {
    const address = parseChannelAddress(this.#url)
    if (address.kind === 'directory' || this.#hasAnswered) return
    const { discard, Http } = await import('../fetch/http.ts')
    const { signal } = this.#options
    await using http = new Http({ connectSeconds: 3, headersSeconds: 10, maxRedirects: 5 })
    const candidate = { url: new URL(address.url), via: 'direct' } as const
    const answer = await http.get(candidate, { headers: {}, signal, isDead: () => false })
    signal.throwIfAborted()
    if (answer.kind === 'response') discard(answer.body)
    else if (answer.deadOrigin !== undefined) throw this.#fail(answer.detail)
    this.#hasAnswered = true
  }

  async #resolve(reference: string): Promise<ObjectId> {
    const text = await this.#git(['rev-parse', '--verify', '--end-of-options', reference])
    return parseObjectId(text.toString('latin1').trim())
  }

  #git(args: readonly string[]): Promise<Buffer> {
    const transports = parseChannelAddress(this.#url).kind === 'directory' ? 'file' : 'http:https'
    const { signal, largestBytes: largestFileBytes = largestRepositoryBytes } = this.#options
    return runGit(args, { directory: this.#directory, transports, signal, largestFileBytes, fail: this.#fail })
  }

  #fail = (why: string, cause?: unknown): AbnError =>
    new AbnError('ABN_CHANNEL_FETCH', `cannot fetch the channel from ${this.#url}: ${why}`, {
      hint: why.includes('dubious ownership')
        ? 'the repository belongs to another user: clone it, and add the clone'
        : 'check the address and the network; what you have of the channel stays as it is',
      cause,
    })

  #closeReader(): void {
    this.#reader?.close()
    this.#reader = undefined
  }
}

const ARRIVED = 'refs/abnpkg/arrived'
const KEPT = 'refs/abnpkg/kept'
const LARGEST_COMMIT = 1 << 20

/** One `git cat-file --batch`: a question at a time. */
class ObjectReader {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #fail: (why: string) => AbnError
  /** What has come and was not taken yet. */
  #chunks: Buffer[] = []
  #ended = false
  #wake = () => {}

  constructor(directory: string, fail: (why: string) => AbnError) {
    this.#fail = fail
    const [program = '', ...args] = gitCommand(['cat-file', '--batch'], {})
    const env = gitEnvironment({ directory, transports: '' })
    this.#child = spawn(program, args, { cwd: directory, env, stdio: ['pipe', 'pipe', 'ignore'] })
    this.#child.stdin.on('error', () => {})
    this.#child.on('error', () => {}) // told by the end of its output
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#wake()
    })
    this.#child.stdout.on('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  async read(id: ObjectId, kind: ObjectKind, largestBytes: number): Promise<Buffer | undefined> {
    if (this.#chunks.length > 0) throw this.#fail('git cat-file: unexpected output')
    this.#child.stdin.write(`${id}\n`)
    const head = await this.#line()
    if (head === `${id} missing`) return undefined
    const [, gotKind = '', digits = ''] = /^[0-9a-f]+ ([a-z]+) (\d{1,15})$/.exec(head) ?? []
    const size = Number(digits)
    if (gotKind !== kind || size > largestBytes) {
      this.close() // what would follow is not wanted
      const reason = gotKind === kind ? `has ${size} bytes, at most ${largestBytes} are allowed` : `is a ${gotKind}`
      throw new AbnError('ABN_CHANNEL_OBJECT', `object ${id} of the channel should be a ${kind}, but ${reason}`)
    }
    const bytes = (await this.#take(size + 1)).subarray(0, size)
    requireObject(id, kind, bytes)
    return bytes
  }

  get isClosed(): boolean {
    return this.#ended || this.#child.stdout.destroyed
  }

  close(): void {
    this.#child.stdin.destroy()
    this.#child.stdout.destroy()
    this.#child.kill()
  }

  async #line(): Promise<string> {
    for (;;) {
      const chunk = this.#gathered()
      const end = chunk.indexOf('\n')
      if (end >= 0) return (await this.#take(end + 1)).toString('latin1', 0, end)
      if (chunk.length > 200) throw this.#fail('git cat-file: unexpected output')
      await this.#more()
    }
  }

  async #take(count: number): Promise<Buffer> {
    for (let length = -1; ; await this.#more()) {
      length = this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      if (length < count) continue
      const all = this.#gathered()
      this.#chunks = length > count ? [all.subarray(count)] : []
      return all.subarray(0, count)
    }
  }

  #gathered(): Buffer {
    const [only, ...others] = this.#chunks
    if (only !== undefined && others.length === 0) return only
    const all = Buffer.concat(this.#chunks)
    this.#chunks = all.length > 0 ? [all] : []
    return all
  }

  async #more(): Promise<void> {
    if (this.#ended) throw this.#fail('git cat-file ended too early')
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    await promise
  }
}
