// A commit of a git repository as a source: the canonical archive (docs/formats/archive.md) of its directory, with the
// fixed item name `sourceTreeItem`. Blobs come out as they are stored: no attributes, no line-end conversion, no export rules,
// and a submodule is an empty directory. The machine's git runs with argument arrays, without the user's and the system's
// configuration, without hooks, and with http and https only. git is not trusted: the archive's SHA-256 decides.

import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { compareEntries, encodeArchive } from '../../format/archive/encode.ts'
import type { ArchiveEntry } from '../../format/archive/entry.ts'
import { AbnError } from '../../format/errors.ts'
import { sourceTreeItem } from '../../store/output-digest.ts'
import { parseHttpUrl, showUrl } from './mirrors.ts'
import type { Partial } from './partial.ts'
import { type GitIo, runGit } from './run-git.ts'

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
  const fail = (why: string, cause?: unknown) => failed(url, why, cause)
  const git = (args: readonly string[], io: GitIo = {}) =>
    runGit(args, { ...io, directory, transports: 'http:https', fail, signal: options.signal })
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
      for (const chunk of encodeArchive(sourceTreeItem, entriesOf(files, indexBlobs(blobs), blobs)))
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

function failed(url: URL, why: string, cause?: unknown): AbnError {
  return new AbnError('ABN_SOURCE_GIT', `cannot read git repository ${showUrl(url)}: ${why}`, {
    hint: 'check the url and the commit of the source in the recipe, and the network',
    cause,
  })
}
