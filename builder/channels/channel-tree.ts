/**
 * What a channel may use of a commit: the file that says who may commit, and all that is below recipes/. The rest of a
 * repository is never written to disk. Only plain files and directories; links and submodules below recipes/ are refused,
 * and so is what is too large. Its digest is that of the canonical archive (docs/formats/archive.md), so that
 * `abnpkg hash DIRECTORY` prints it for a checkout.
 */
import { chmodSync, closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { compareEntries, encodeArchive } from '../../format/archive/encode.ts'
import type { ArchiveEntry } from '../../format/archive/entry.ts'
import { AbnError } from '../../format/errors.ts'
import { type Sha256, sha256Stream } from '../../format/hash.ts'
import { sourceTreeItem } from '../../store/output-digest.ts'
import { channelFileName } from './channel-file.ts'
import { type EntryKind, type ObjectId, parseTree } from './git-objects.ts'
import type { ReadObject } from './repository.ts'

export type ChannelTree = { readonly files: readonly TreeFile[]; readonly digest: Sha256 }

/** `path` is relative to the channel. */
export type TreeFile = { readonly path: string; readonly executable: boolean; readonly content: Buffer }

export type TreeLimits = { readonly files: number; readonly bytes: number; readonly fileBytes: number }

export const treeLimits: TreeLimits = { files: 50_000, bytes: 256 << 20, fileBytes: 64 << 20 }

/** Throws ABN_CHANNEL_OBJECT, ABN_CHANNEL_TREE or ABN_CHANNEL_HISTORY. */
export async function readChannelTree(read: ReadObject, tree: ObjectId, limits = treeLimits): Promise<ChannelTree> {
  const files: TreeFile[] = []
  let bytes = 0
  const readFile = async (path: string, { id, kind }: { readonly id: ObjectId; readonly kind: EntryKind }) => {
    if (kind === 'link' || kind === 'submodule') throw refused(`${path} is a ${kind}`)
    if (files.length >= limits.files) throw refused(`it has more than ${limits.files} files`)
    const content = await required(read(id, 'blob', Math.min(limits.fileBytes, limits.bytes - bytes)), path)
    bytes += content.length
    files.push({ path, executable: kind === 'program', content })
  }
  const readDirectory = async (path: string, id: ObjectId, depth: number): Promise<void> => {
    if (depth > DEEPEST) throw refused(`${path} is deeper than ${DEEPEST} directories`)
    for (const entry of parseTree(id, await required(read(id, 'tree', LARGEST_TREE), path))) {
      const below = `${path}/${entry.name}`
      if (entry.kind === 'directory') await readDirectory(below, entry.id, depth + 1)
      else await readFile(below, entry)
    }
  }
  const top = parseTree(tree, await required(read(tree, 'tree', LARGEST_TREE), '.'))
  for (const entry of top) {
    if (entry.name === 'recipes' && entry.kind === 'directory') await readDirectory('recipes', entry.id, 1)
    else if (entry.name === 'recipes') throw refused('recipes is no directory')
    else if (entry.name === channelFileName) await readFile(entry.name, entry)
  }
  if (!files.some(({ path }) => path.startsWith('recipes/packages/'))) throw refused('it has no recipes/packages')
  return { files, digest: digestOf(files) }
}

/** Into a directory that is not there yet; read-only in the end. */
export function writeChannelTree(directory: string, { files }: Pick<ChannelTree, 'files'>): void {
  const directories = directoriesOf(files)
  mkdirSync(directory)
  for (const path of directories) mkdirSync(join(directory, path))
  for (const { path, executable, content } of files) {
    const descriptor = openSync(join(directory, path), 'wx', executable ? 0o555 : 0o444)
    try {
      for (let at = 0; at < content.length; ) at += writeSync(descriptor, content, at)
    } finally {
      closeSync(descriptor)
    }
  }
  for (const path of directories.toReversed()) chmodSync(join(directory, path), 0o555)
}

function digestOf(files: readonly TreeFile[]): Sha256 {
  const hash = sha256Stream()
  const entries: ArchiveEntry[] = [
    { kind: 'directory', path: '' },
    ...directoriesOf(files).map((path) => ({ kind: 'directory', path }) as const),
    ...files.map(({ path, executable, content }) => {
      return { kind: 'file', path, executable, size: content.length, content: [content] } as const
    }),
  ]
  for (const chunk of encodeArchive(sourceTreeItem, entries.sort(compareEntries))) hash.update(chunk)
  return hash.digest()
}

/** Each after the one above it. */
function directoriesOf(files: readonly TreeFile[]): readonly string[] {
  const found = new Set<string>()
  for (const { path } of files) {
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
      found.add(path.slice(0, slash))
  }
  return [...found].sort()
}

const DEEPEST = 32
const LARGEST_TREE = 4 << 20

async function required(reading: Promise<Buffer | undefined>, path: string): Promise<Buffer> {
  const bytes = await reading
  if (bytes !== undefined) return bytes
  throw new AbnError('ABN_CHANNEL_HISTORY', `the repository of the channel is not complete: ${path} is missing`)
}

function refused(reason: string): AbnError {
  return new AbnError('ABN_CHANNEL_TREE', `the channel cannot be used: ${reason}`, {
    hint: 'a channel has its recipes in recipes/packages, and only plain files below recipes',
  })
}
