/** Archives in memory, for tests. */
import fc from 'fast-check'
import {
  type ArchiveDecoder,
  type ArchiveLimits,
  type ArchiveSummary,
  createArchiveDecoder,
} from '../../../format/archive/decode.ts'
import { compareEntries, encodeArchive } from '../../../format/archive/encode.ts'
import type { ArchiveEntry } from '../../../format/archive/entry.ts'
import { parseStoreItem } from '../../../format/store-path.ts'

export const item = parseStoreItem(`${'a'.repeat(32)}-hello-2.10`)
export const longItem = parseStoreItem(`${'a'.repeat(32)}-${'n'.repeat(64)}-${'1'.repeat(64)}-${'o'.repeat(16)}`)

export type PlainEntry =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'file'; readonly path: string; readonly executable: boolean; readonly bytes: Buffer }

export function encodePlain(entries: readonly PlainEntry[], of = item): Buffer {
  return Buffer.concat([...encodeArchive(of, entries.map(withContent).sort(compareEntries))])
}

export function withContent(entry: PlainEntry): ArchiveEntry {
  if (entry.kind !== 'file') return entry
  const { kind, path, executable, bytes } = entry
  return { kind, path, executable, size: bytes.length, content: [bytes] }
}

/** Decodes in pieces of `chunkBytes`. */
export function decodePlain(
  archive: Buffer,
  {
    of = item,
    chunkBytes = archive.length,
    limits,
  }: { of?: typeof item; chunkBytes?: number; limits?: ArchiveLimits } = {},
): { entries: PlainEntry[]; ended: string[]; summary: ArchiveSummary } {
  const entries: PlainEntry[] = []
  const ended: string[] = []
  let file: { path: string; executable: boolean; size: number; chunks: Buffer[] } | undefined
  const decoder: ArchiveDecoder = createArchiveDecoder(
    of,
    {
      directory: (path) => void entries.push({ kind: 'directory', path }),
      directoryEnd: (path) => void ended.push(path),
      link: (path, target) => void entries.push({ kind: 'link', path, target }),
      file: (path, size, executable) => {
        file = { path, size, executable, chunks: [] }
      },
      data: (bytes) => void file?.chunks.push(Buffer.from(bytes)),
      fileEnd: () => {
        if (file === undefined) throw new Error('fileEnd without file')
        const bytes = Buffer.concat(file.chunks)
        if (bytes.length !== file.size) throw new Error('fileEnd before its time')
        entries.push({ kind: 'file', path: file.path, executable: file.executable, bytes })
        file = undefined
      },
    },
    limits,
  )
  for (let at = 0; at < archive.length; at += chunkBytes) decoder.push(archive.subarray(at, at + chunkBytes))
  return { entries, ended, summary: decoder.end() }
}

/** Trees of directories, files and links, with names short and long, plain and not; in the order of the archive. */
export const tree: fc.Arbitrary<PlainEntry[]> = fc
  .array(
    fc.record({
      parent: fc.nat(),
      name: fc.oneof(
        fc.constantFrom('a', 'a.b', 'a-b', 'bin', 'b', '0', 'Z'),
        fc
          .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
          .filter((s) => !/[/\0]/.test(s) && s !== '.' && s !== '..' && s.isWellFormed()),
        fc.integer({ min: 1, max: 255 }).map((n) => 'x'.repeat(n)),
      ),
      kind: fc.constantFrom('directory', 'file', 'link'),
      executable: fc.boolean(),
      bytes: fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 505, maxLength: 1100 })),
      target: fc.oneof(
        fc.constantFrom('b', 'a/b', `/abn/store/${'b'.repeat(32)}-c-1/lib`),
        fc.integer({ min: 1, max: 300 }).map((n) => 'y'.repeat(n)),
      ),
    }),
    { maxLength: 12 },
  )
  .map((specs) => {
    const directories = ['']
    const paths = new Set<string>()
    const entries: PlainEntry[] = [{ kind: 'directory', path: '' }]
    for (const { parent, name, kind, executable, bytes, target } of specs) {
      const directory = directories[parent % directories.length] ?? ''
      const path = directory === '' ? name : `${directory}/${name}`
      if (paths.has(path) || Buffer.byteLength(path) > 1500) continue
      paths.add(path)
      if (kind === 'directory') {
        directories.push(path)
        entries.push({ kind, path })
      } else if (kind === 'link') entries.push({ kind, path, target })
      else entries.push({ kind: 'file', path, executable, bytes: Buffer.from(bytes) })
    }
    return entries.sort((a, b) => compareEntries(withContent(a), withContent(b)))
  })
