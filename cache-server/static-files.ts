/**
 * A cache as a directory that any static web server can serve, under the paths of the API: /v1/evidence/<recipe>,
 * /v1/closures/<recipe>/<depth>, /v1/archives/<digest>, /v1/log/… and so on. And back: what such a directory holds is taken in only as
 * far as it verifies, so it may come from anybody.
 */
import { randomUUID } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { zstdDecompress } from 'node:zlib'
import { AbnError } from '../format/errors.ts'
import { parseSha256, type Sha256 } from '../format/hash.ts'
import { decodeBundle, maximumBundleBytes } from '../trust/bundle.ts'
import { encodePublicKey } from '../trust/key.ts'
import { treeSizeOf } from '../trust/log/merkle.ts'
import { encodeNote } from '../trust/log/note.ts'
import { encodeAnswer, envelopesOf } from './answers.ts'
import type { Cache } from './cache.ts'
import { allRecipes, blobRecord } from './catalogue.ts'
import { closureOf } from './closure.ts'
import { copyTree } from './log/copy-log.ts'
import { openTreeFiles } from './log/tree-files.ts'
import { materialise } from './materialise.ts'
import { type BlobKey, blobKinds } from './storage/blobs.ts'
import { isMissing, writeFileDurably } from './storage/durable.ts'

export type Exported = { readonly recipes: number; readonly blobs: number; readonly entries: number }
export type Imported = {
  readonly accepted: number
  readonly known: number
  readonly refused: number
  readonly blobs: number
  readonly sessions: number
}

/** Adds to what an earlier export left there. Files that are there already are not written again, answers are. */
export async function exportCache(cache: Cache, directory: string): Promise<Exported> {
  const at = join(directory, 'v1')
  const log = await exportTree(cache, at)
  for (const folder of ['evidence', 'closures', ...blobKinds.map((kind) => `${kind}s`)]) {
    await mkdir(join(at, folder), { recursive: true })
  }
  const keys = cache.operators.list.map(({ name, keys: own }) => ({ name, keys: own.map(encodePublicKey) }))
  await writeFileDurably(join(at, 'operators'), JSON.stringify({ operators: keys }))
  await writeFileDurably(
    join(at, 'revocations'),
    (await encodeAnswer(cache.index, [], { encoder: cache.encoder })).body,
  )
  const blobs = await exportBlobs(cache, at)
  let recipes = 0
  for await (const { recipe } of allRecipes(cache.index)) {
    recipes++
    await writeFileDurably(
      join(at, 'evidence', recipe),
      (await encodeAnswer(cache.index, [recipe], { encoder: cache.encoder })).body,
    )
    await mkdir(join(at, 'closures', recipe), { recursive: true })
    for (const depth of ['references', 'inputs'] as const) {
      const closure = await closureOf(cache.index, recipe, depth, cache.config.limits.closureRecipes)
      await writeFileDurably(
        join(at, 'closures', recipe, depth),
        (await encodeAnswer(cache.index, closure, { encoder: cache.encoder, logged: log?.evidenceOf })).body,
      )
    }
  }
  // Last, so that what it speaks of is there.
  if (log !== undefined) await writeFileDurably(join(at, 'log', 'checkpoint'), log.checkpoint)
  return { recipes, blobs, entries: log?.size ?? 0 }
}

/** Tiles and entries of the tree that is published when this begins; evidence in the closures is under its checkpoint. */
async function exportTree({ log }: Cache, at: string) {
  const checkpoint = await log?.publish()
  if (log === undefined || checkpoint === undefined) return undefined
  await copyTree(log.files, openTreeFiles(join(at, 'log')), checkpoint.size)
  return {
    size: checkpoint.size,
    checkpoint: encodeNote(checkpoint.note),
    evidenceOf: (documents: readonly Sha256[]) => log.evidenceOf(documents, treeSizeOf(0), checkpoint),
  }
}

/** Throws ABN_CACHE_DATA when there is no exported directory. */
export async function importCache(cache: Cache, directory: string): Promise<Imported> {
  const at = join(directory, 'v1')
  const counts = { accepted: 0, known: 0, refused: 0, blobs: 0, sessions: 0 }
  const take = async (file: string) => {
    const bundle = await decompress(await readFile(file), { maxOutputLength: maximumBundleBytes })
    const evidence = decodeBundle(bundle)
    const sessions = await cache.sessions.take(evidence)
    counts.sessions += sessions.accepted
    counts.refused += sessions.refused
    for (const { status } of await cache.acceptor.accept(envelopesOf(evidence), undefined)) counts[status]++
  }
  await take(join(at, 'revocations'))
  for (const name of await namesIn(join(at, 'evidence'))) await take(join(at, 'evidence', name))
  for (const kind of blobKinds) {
    for (const name of await namesIn(join(at, `${kind}s`))) {
      if (await importBlob(cache, { kind, digest: parseSha256(name) }, join(at, `${kind}s`, name))) counts.blobs++
    }
  }
  return counts
}

const decompress = promisify(zstdDecompress)

async function exportBlobs(cache: Cache, at: string): Promise<number> {
  let blobs = 0
  for (const kind of blobKinds) {
    const present = new Set(await namesIn(join(at, `${kind}s`)))
    for await (const { digest } of cache.blobs.list(kind)) {
      if (present.has(digest) || (await blobRecord(cache.index, { kind, digest })) === undefined) continue
      const temporary = join(at, `${kind}s`, `.${randomUUID()}`)
      const copy = await materialise(cache, { kind, digest }, temporary)
      try {
        await rename(temporary, join(at, `${kind}s`, digest))
      } finally {
        await copy.dispose()
      }
      blobs++
    }
  }
  return blobs
}

/** False when nothing names it, or it is not what it should be. */
async function importBlob(cache: Cache, key: BlobKey, file: string): Promise<boolean> {
  const copy = join(cache.uploadsDirectory, `import-${randomUUID()}`)
  try {
    await cache.publisher.requireNamed(key, undefined)
    await copyFile(file, copy)
    return (await cache.publisher.publish(key, copy, undefined)).fresh
  } catch (error) {
    if (error instanceof AbnError && !error.code.startsWith('ABN_CACHE_DATA')) return false
    throw error
  } finally {
    await rm(copy, { force: true })
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => /^[0-9a-f]{64}$/.test(name)).sort()
  } catch (cause) {
    if (!isMissing(cause)) throw cause
    throw new AbnError('ABN_CACHE_DATA', `${directory} is not there`, {
      hint: 'name a directory made by an export',
      cause,
    })
  }
}
