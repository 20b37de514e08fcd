/**
 * Unfinished uploads: a file in <data>/uploads and a record in the index, bound to one operator. What was acknowledged is on
 * the disk; what came after it is cut off when the upload goes on. Nothing here is visible to readers.
 *
 * A piece is acknowledged in this order: bytes flushed, then the offset in the record.
 */
import { createHash, randomUUID } from 'node:crypto'
import { open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import type { Limits } from '../limits.ts'
import type { BlobKey } from '../storage/blobs.ts'
import type { Index } from '../storage/index.ts'

export type Upload = BlobKey & {
  readonly id: string
  readonly operator: string
  /** Declared size of the whole. */
  readonly bytes: number
  /** How much of it is here. */
  readonly offset: number
  /** When it was last touched, in seconds since 1970. */
  readonly at: number
}

export type UploadRequest = BlobKey & { readonly operator: string; readonly bytes: number; readonly nowSeconds: number }
export type Piece = {
  readonly offset: number
  readonly bytes: number
  readonly sha256: Sha256
  readonly body: AsyncIterable<Uint8Array>
  readonly nowSeconds: number
}

export type Uploads = {
  /** Throws ABN_CACHE_LIMIT. Gives back the operator's unfinished upload of the same blob when there is one. */
  create(request: UploadRequest): Promise<Upload>
  /** Throws ABN_CACHE_NOT_FOUND or ABN_CACHE_FOREIGN. */
  find(id: string, operator: string): Promise<Upload>
  /** Throws also ABN_CACHE_UPLOAD_BUSY, ABN_CACHE_UPLOAD_OFFSET, ABN_CACHE_UPLOAD_REFUSED. */
  append(upload: Upload, piece: Piece): Promise<Upload>
  /** Runs `action` on the complete file with nobody else writing to it. Throws ABN_CACHE_UPLOAD_BUSY or _OFFSET. */
  finish<T>(upload: Upload, action: (file: string) => Promise<T>): Promise<T>
  remove(upload: Upload): Promise<void>
  /** Removes those not touched since then, and files without a record. */
  purge(beforeSeconds: number, files: () => Promise<readonly string[]>): Promise<number>
}

export function createUploads(index: Index, directory: string, limits: Limits): Uploads {
  /** Ids of the uploads that a request is writing to. */
  const busy = new Set<string>()
  const fileOf = (id: string) => join(directory, id)

  async function exclusively<T>(id: string, action: () => Promise<T>): Promise<T> {
    if (busy.has(id)) throw new AbnError('ABN_CACHE_UPLOAD_BUSY', `another request is writing to the upload ${id}`)
    busy.add(id)
    try {
      return await action()
    } finally {
      busy.delete(id)
    }
  }

  async function all(): Promise<readonly Upload[]> {
    const found: Upload[] = []
    for await (const [, value] of index.entries({ prefix: PREFIX })) found.push(uploadOf(value))
    return found
  }

  async function save(upload: Upload): Promise<Upload> {
    await index.write([{ kind: 'put', key: PREFIX + upload.id, value: Buffer.from(JSON.stringify(upload)) }], {
      durable: false,
    })
    return upload
  }

  async function create({ kind, digest, operator, bytes, nowSeconds }: UploadRequest): Promise<Upload> {
    return exclusively(`operator ${operator}`, async () => {
      const own = (await all()).filter((upload) => upload.operator === operator)
      const same = own.find((upload) => upload.kind === kind && upload.digest === digest && upload.bytes === bytes)
      if (same !== undefined) return same
      const declared = own.reduce((sum, upload) => sum + upload.bytes, bytes)
      if (own.length >= limits.uploadsPerOperator || declared > limits.uploadBytesPerOperator) {
        throw new AbnError('ABN_CACHE_LIMIT', `${operator} has ${own.length} unfinished uploads`, {
          hint: 'finish or delete some of them first',
        })
      }
      const id = randomUUID()
      const handle = await open(fileOf(id), 'wx', 0o600)
      await handle.close()
      return save({ id, kind, digest, operator, bytes, offset: 0, at: nowSeconds })
    })
  }

  async function find(id: string, operator: string): Promise<Upload> {
    const value = /^[0-9a-f-]{36}$/.test(id) ? await index.get(PREFIX + id) : undefined
    if (value === undefined) throw new AbnError('ABN_CACHE_NOT_FOUND', 'there is no such upload')
    const upload = uploadOf(value)
    if (upload.operator !== operator) {
      throw new AbnError('ABN_CACHE_FOREIGN', 'this upload belongs to another operator')
    }
    return upload
  }

  async function append(stale: Upload, { offset, bytes, sha256, body, nowSeconds }: Piece): Promise<Upload> {
    return exclusively(stale.id, async () => {
      const upload = await find(stale.id, stale.operator)
      if (offset !== upload.offset) throw wrongOffset(upload, offset)
      if (bytes === 0 || offset + bytes > upload.bytes) {
        throw refused(`${bytes} bytes at ${offset} do not fit into ${upload.bytes}`)
      }
      const handle = await open(fileOf(upload.id), 'r+')
      try {
        await handle.truncate(offset)
        const hash = createHash('sha256')
        let at = offset
        for await (const chunk of body) {
          if (at + chunk.length > offset + bytes) throw refused('the piece is longer than declared')
          hash.update(chunk)
          await handle.write(chunk, 0, chunk.length, at)
          at += chunk.length
        }
        if (at !== offset + bytes) throw refused('the piece is shorter than declared')
        if (hash.digest('hex') !== sha256) throw refused('the piece has another hash than was signed')
        await handle.sync()
      } finally {
        await handle.close()
      }
      return save({ ...upload, offset: offset + bytes, at: nowSeconds })
    })
  }

  async function finish<T>(stale: Upload, action: (file: string) => Promise<T>): Promise<T> {
    return exclusively(stale.id, async () => {
      const upload = await find(stale.id, stale.operator)
      if (upload.offset !== upload.bytes) throw wrongOffset(upload, upload.bytes)
      const { size } = await stat(fileOf(upload.id))
      if (size !== upload.bytes) throw refused(`${size} bytes on the disk, expected ${upload.bytes}`)
      return action(fileOf(upload.id))
    })
  }

  async function remove({ id }: Upload): Promise<void> {
    await index.write([{ kind: 'remove', key: PREFIX + id }], { durable: false })
    await rm(fileOf(id), { force: true })
  }

  async function purge(beforeSeconds: number, files: () => Promise<readonly string[]>): Promise<number> {
    // The files first: one that is made after this has its record soon, and is not judged.
    const present = await files()
    const uploads = await all()
    const old = uploads.filter(({ id, at }) => at < beforeSeconds && !busy.has(id))
    for (const upload of old) await remove(upload)
    const known = new Set(uploads.map(({ id }) => id))
    const stray: string[] = []
    for (const name of present) if (!known.has(name) && (await ageOf(fileOf(name))) < beforeSeconds) stray.push(name)
    for (const name of stray) await rm(fileOf(name), { force: true })
    return old.length + stray.length
  }

  return { create, find, append, finish, remove, purge }
}

const PREFIX = 'upload/'

function uploadOf(value: Uint8Array): Upload {
  return JSON.parse(Buffer.from(value).toString('utf8'))
}

async function ageOf(file: string): Promise<number> {
  return Math.floor((await stat(file)).mtimeMs / 1000)
}

function wrongOffset({ offset, bytes }: Upload, got: number): AbnError {
  return new AbnError('ABN_CACHE_UPLOAD_OFFSET', `expected offset ${offset} of ${bytes}, got ${got}`, {
    hint: `go on at ${offset}`,
  })
}

function refused(reason: string): AbnError {
  return new AbnError('ABN_CACHE_UPLOAD_REFUSED', `upload refused: ${reason}`)
}
