/**
 * Results of earlier evaluations, in a directory: '<content key>.index' and '.data' hold one (records.ts), 'state-….json' says
 * which one belongs to the files as they are on disk now. Whatever is missing, damaged or of another version is ignored and
 * made again; a cache that cannot be written only costs time. Several processes may use it: files appear by rename.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Sha256, sha256Of } from '../../format/hash.ts'
import type { BrokenModule } from './broken.ts'
import type { Channel, ChannelListing } from './channel.ts'
import { listCode } from './code.ts'
import type { LocalFile } from './evaluate-anew.ts'
import { Evaluation } from './evaluation.ts'
import { areUnchanged, type FileState, fileStateOf, useEvaluation } from './file-states.ts'
import { hashLocalFile } from './local-file.ts'
import type { Records } from './records.ts'

/** Of everything that a result depends on, except the files that recipes name with local(). */
export type CacheKey = Sha256

type Header = {
  readonly version: 1
  readonly key: CacheKey
  readonly locals: readonly LocalFile[]
  readonly broken: readonly BrokenModule[]
  readonly dataBytes: number
  /** Of the rest of the index. */
  readonly sha256: Sha256
}

type State = {
  readonly version: 1
  readonly channels: string
  readonly key: CacheKey
  readonly looked: number
  readonly files: readonly FileState[]
}

export type Remembered = {
  readonly key: CacheKey
  readonly listings: readonly ChannelListing[]
  readonly locals: readonly LocalFile[]
  /** When the files began to be read, in milliseconds. */
  readonly started: number
}

/** How many results are kept. */
const KEPT = 8

export class EvaluationCache {
  readonly #directory: string
  readonly #channels: readonly Channel[]
  readonly #identity: string

  constructor(directory: string, channels: readonly Channel[]) {
    this.#directory = directory
    this.#channels = channels
    this.#identity = JSON.stringify([
      process.version,
      channels.map((each) => [each.name, each.directory, each.modules]),
    ])
  }

  /** The result for the files on disk, if by their sizes and times none has changed since it was remembered. */
  readUnchanged(): Evaluation | undefined {
    const state = attempt((): State => JSON.parse(readFileSync(this.#statePath(), 'utf8')))
    if (state?.version !== 1 || state.channels !== this.#identity) return undefined
    if (!attempt(() => areUnchanged(state.files, state.looked))) return undefined
    const evaluation = attempt(() => this.#open(state.key).evaluation)
    if (evaluation !== undefined) useEvaluation({ path: this.#statePath(), key: state.key })
    return evaluation
  }

  /** The result for contents, if its local files have theirs still. */
  read(key: CacheKey): { readonly evaluation: Evaluation; readonly locals: readonly LocalFile[] } | undefined {
    const opened = attempt(() => this.#open(key))
    const same = opened?.locals.every(({ channel, path, sha256 }) => {
      const directory = this.#channels.find(({ name }) => name === channel)?.directory
      return directory !== undefined && attempt(() => hashLocalFile(directory, path)) === sha256
    })
    return same === true ? opened : undefined
  }

  /** Undefined when it cannot be written. */
  write(
    key: CacheKey,
    { index, data }: Records,
    { locals, broken }: Pick<Header, 'locals' | 'broken'>,
  ): Evaluation | undefined {
    const header: Header = { version: 1, key, locals, broken, dataBytes: data.length, sha256: sha256Of(index) }
    return attempt(() => {
      mkdirSync(this.#directory, { recursive: true })
      this.#prune()
      writeWhole(this.#path(key, 'data'), data)
      writeWhole(this.#path(key, 'index'), `${JSON.stringify(header)}${index}`)
      return this.#open(key).evaluation
    })
  }

  /** Takes down the state of all files, so that readUnchanged finds the result. */
  remember({ key, listings, locals, started }: Remembered): void {
    const paths = this.#channels.flatMap(({ directory }, i) => {
      const listing = listings[i]
      return [...(listing?.directories ?? []), ...(listing?.modules ?? [])].map((path) => join(directory, path))
    })
    const directoryOf = (channel: string) => this.#channels.find(({ name }) => name === channel)?.directory ?? ''
    const code = listCode()
    const all = [
      ...code.directories,
      ...code.files,
      ...paths,
      ...locals.map(({ channel, path }) => join(directoryOf(channel), path)),
    ]
    const files = all.map(fileStateOf)
    const state = { version: 1, channels: this.#identity, key, looked: started, files }
    const isWritten =
      !files.includes(undefined) && attempt(() => writeWhole(this.#statePath(), JSON.stringify(state))) !== undefined
    useEvaluation(isWritten ? { path: this.#statePath(), key } : undefined)
  }

  #open(key: CacheKey): { readonly evaluation: Evaluation; readonly locals: readonly LocalFile[] } {
    const path = this.#path(key, 'index')
    const text = readFileSync(path, 'utf8')
    const end = text.indexOf('\n')
    const header: Header = JSON.parse(text.slice(0, end))
    const index = text.slice(end)
    const data = this.#path(key, 'data')
    if (header.version !== 1 || header.key !== key || header.sha256 !== sha256Of(index)) throw new Error('damaged')
    if (statSync(data).size !== header.dataBytes) throw new Error('damaged')
    const discard = () => {
      for (const each of [path, data]) rmSync(each, { force: true })
    }
    return {
      evaluation: new Evaluation(this.#channels, index, {
        data: { kind: 'file', path: data, discard },
        broken: header.broken,
      }),
      locals: header.locals,
    }
  }

  /** Removes the oldest results. A process that still reads one of them evaluates again. */
  #prune(): void {
    const indexes = readdirSync(this.#directory).filter((name) => name.endsWith('.index'))
    const byAge = indexes
      .map((name) => ({ name, time: statSync(join(this.#directory, name)).mtimeMs }))
      .sort((a, b) => b.time - a.time)
    for (const { name } of byAge.slice(KEPT - 1)) {
      for (const each of [name, name.replace(/index$/, 'data')]) rmSync(join(this.#directory, each), { force: true })
    }
  }

  #path(key: CacheKey, kind: 'index' | 'data'): string {
    return join(this.#directory, `${key}.${kind}`)
  }

  #statePath(): string {
    return join(this.#directory, `state-${sha256Of(this.#identity).slice(0, 16)}.json`)
  }
}

function writeWhole(path: string, content: string | Buffer): true {
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, content)
  renameSync(temporary, path)
  return true
}

/** Undefined when it throws: a cache is never the reason of a failure. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
