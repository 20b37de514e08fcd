// A commit of a git repository as a source: the canonical archive (docs/formats/archive.md) of its directory, with the
// fixed item name `gitItem`. Blobs come out as they are stored: no attributes, no line-end conversion, no export rules,
// and a submodule is an empty directory. The machine's git runs with argument arrays, without the user's and the system's
// configuration, without hooks, and with http and https only. git is not trusted: the archive's SHA-256 decides.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { compareEntries, encodeArchive } from '../../format/archive/encode.ts'
import type { ArchiveEntry } from '../../format/archive/entry.ts'
import { AbnError } from '../../format/errors.ts'
import { parseStoreItem } from '../../format/store-path.ts'
import { parseHttpUrl, showUrl } from './mirrors.ts'
import type { Partial } from './partial.ts'

export const gitItem = parseStoreItem(`${'a'.repeat(32)}-source-git`)

export type GitOptions = { readonly temporaryDirectory: string; readonly signal: AbortSignal }

/** Fills `partial` with the archive. Throws ABN_SOURCE_GIT. */
export async function fetchGit(
  source: { readonly url: string; readonly commit: string },
  partial: Partial,
  options: GitOptions,
): Promise<void> {
  const url = parseHttpUrl(source.url)
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(source.commit)) {
    throw failed(url, `"${source.commit}" is not the full hash of a commit`)
  }
  const directory = join(options.temporaryDirectory, `.git-${process.pid}-${randomBytes(6).toString('hex')}`)
  fs.mkdirSync(directory, { recursive: true })
  const git = (args: readonly string[], io: GitIo = {}) =>
    runGit(args, { ...io, directory, url, signal: options.signal })
  try {
    await git(['init', '--quiet', '--bare', '--template=', '.'])
    const fetch = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--no-write-fetch-head']
    try {
      await git([...fetch, '--depth=1', '--', url.href, source.commit])
    } catch (error) {
      options.signal.throwIfAborted() // else: this server gives out branches and tags only
      if (!(error instanceof AbnError)) throw error
      await git([...fetch, '--', url.href, '+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'])
    }
    const files = parseListing(await git(['ls-tree', '-r', '-z', '--full-tree', source.commit]), url)
    const blobs = fs.openSync(join(directory, 'blobs'), 'w+')
    try {
      const input = files.flatMap((file) => (file.mode === submoduleMode ? [] : `${file.object}\n`)).join('')
      await git(['cat-file', '--batch'], { input, output: blobs })
      await partial.reset()
      for (const chunk of encodeArchive(gitItem, entriesOf(files, indexBlobs(blobs), blobs)))
        await partial.append(chunk)
    } finally {
      fs.closeSync(blobs)
    }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

type ListedFile = { readonly mode: string; readonly object: string; readonly path: string }
type Place = { readonly offset: number; readonly size: number }

const submoduleMode = '160000'

function parseListing(listing: Buffer, url: URL): ListedFile[] {
  const rows = new TextDecoder('utf-8', { fatal: true })
  try {
    return rows
      .decode(listing)
      .split('\0')
      .filter((row) => row !== '')
      .map((row) => {
        const [, mode = '', object = '', path = ''] = /^(\d{6}) \w+ ([0-9a-f]+)\t(.+)$/s.exec(row) ?? []
        if (path === '') throw new Error(`unexpected row ${JSON.stringify(row)}`)
        return { mode, object, path }
      })
  } catch (cause) {
    throw failed(url, 'a name in it is not valid UTF-8', cause)
  }
}

/** Where each blob is in the output of `git cat-file --batch`: `<object> blob <size>\n<content>\n`. */
function indexBlobs(descriptor: number): Map<string, Place> {
  const places = new Map<string, Place>()
  const head = Buffer.alloc(128)
  for (let at = 0; ; ) {
    const length = fs.readSync(descriptor, head, 0, head.length, at)
    if (length === 0) return places
    const [row = '', object = '', size = ''] =
      /^([0-9a-f]+) blob (\d+)\n/.exec(head.toString('latin1', 0, length)) ?? []
    if (row === '') throw new Error('git cat-file: unexpected output')
    places.set(object, { offset: at + row.length, size: Number(size) })
    at += row.length + Number(size) + 1
  }
}

function entriesOf(files: readonly ListedFile[], places: ReadonlyMap<string, Place>, blobs: number): ArchiveEntry[] {
  const entries = new Map<string, ArchiveEntry>([['', { kind: 'directory', path: '' }]])
  for (const { mode, object, path } of files) {
    for (let slash = path.indexOf('/'); slash !== -1; slash = path.indexOf('/', slash + 1)) {
      const parent = path.slice(0, slash)
      if (!entries.has(parent)) entries.set(parent, { kind: 'directory', path: parent })
    }
    const place = places.get(object)
    if (mode === submoduleMode) entries.set(path, { kind: 'directory', path })
    else if (place === undefined) throw new Error(`git cat-file: no object ${object}`)
    else if (mode === '120000') {
      const target = Buffer.concat([...contentOf(blobs, place)]).toString('utf8')
      entries.set(path, { kind: 'link', path, target })
    } else {
      const content = contentOf(blobs, place)
      entries.set(path, { kind: 'file', path, executable: mode === '100755', size: place.size, content })
    }
  }
  return [...entries.values()].sort(compareEntries)
}

function* contentOf(descriptor: number, { offset, size }: Place): Generator<Uint8Array> {
  for (let done = 0; done < size; ) {
    const buffer = Buffer.allocUnsafe(Math.min(size - done, 1 << 18))
    const length = fs.readSync(descriptor, buffer, 0, buffer.length, offset + done)
    if (length === 0) return
    yield buffer.subarray(0, length)
    done += length
  }
}

type GitIo = { readonly input?: string; readonly output?: number }
type GitRun = GitIo & { readonly directory: string; readonly url: URL; readonly signal: AbortSignal }

const settings = {
  'core.hooksPath': '/dev/null',
  'credential.helper': '',
  'gc.auto': '0',
  'http.followRedirects': 'initial',
  'http.lowSpeedLimit': '1000',
  'http.lowSpeedTime': '20',
}

/** Standard output, unless it goes to the descriptor `output`. */
function runGit(args: readonly string[], { input = '', output, directory, url, signal }: GitRun): Promise<Buffer> {
  const options = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  const kept = /^(PATH|https?_proxy|no_proxy|HTTPS?_PROXY|NO_PROXY|all_proxy|GIT_SSL_CAINFO|SSL_CERT_(FILE|DIR))$/
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => kept.test(name))),
    GIT_ALLOW_PROTOCOL: 'http:https',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_DIR: directory,
    GIT_TERMINAL_PROMPT: '0',
    HOME: directory,
    LC_ALL: 'C',
  }
  return new Promise((resolve, reject) => {
    const child = spawn('git', [...options, ...args], {
      cwd: directory,
      env,
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
      else reject('code' in error && error.code === 'ENOENT' ? withoutGit(url) : failed(url, error.message, error))
    })
    child.on('close', (status) => {
      if (status === 0) resolve(Buffer.concat(chunks))
      else reject(failed(url, `git ${args[0]} failed: ${printable(complaints)}`))
    })
  })
}

function printable(text: string): string {
  return text.trim().replace(/[^\x20-\x7e]+/g, ' ')
}

function failed(url: URL, why: string, cause?: unknown): AbnError {
  return new AbnError('ABN_SOURCE_GIT', `cannot read git repository ${showUrl(url)}: ${why}`, {
    hint: 'check the url and the commit of the source in the recipe, and the network',
    cause,
  })
}

function withoutGit(url: URL): AbnError {
  return new AbnError('ABN_SOURCE_GIT', `git is needed to read ${showUrl(url)}, but is not installed`, {
    hint: 'install git, or put the source in the source cache',
  })
}
