// A download in progress: a private file in the cache directory, and the hash of what is in it so far.
//
// The file belongs to one process: it is claimed by rename and given back by rename when the download stops early, so
// that the next run can go on from there. The remains of a killed process are copied, never taken over: whoever made
// them may still hold them open. Crash order: data is synced, then renamed to its hash, then the directory is synced;
// a file named by a hash is therefore whole.

import { createHash, type Hash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, type FileHandle, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sha256 } from '../../format/hash.ts'

const staleSeconds = 600 // a living writer stores something far more often, or gives up

export class Partial {
  readonly #directory: string
  readonly #sha256: Sha256
  readonly #path: string
  readonly #file: FileHandle
  #hash: Hash = createHash('sha256')
  #bytes = 0
  #finished = false

  private constructor(directory: string, sha256: Sha256, path: string, file: FileHandle) {
    this.#directory = directory
    this.#sha256 = sha256
    this.#path = path
    this.#file = file
  }

  /** Takes up what an earlier run left for this hash, or starts empty. Errors of the file system are thrown as they are. */
  static async open(directory: string, sha256: Sha256): Promise<Partial> {
    const path = join(directory, `${leftoverName(sha256)}-${process.pid}-${randomBytes(6).toString('hex')}`)
    await claimLeftover(directory, sha256, path)
    const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644)
    const partial = new Partial(directory, sha256, path, file)
    for await (const chunk of chunksOf(file)) {
      partial.#hash.update(chunk)
      partial.#bytes += chunk.length
    }
    return partial
  }

  get bytes(): number {
    return this.#bytes
  }

  isRight(): boolean {
    return this.sha256 === this.#sha256
  }

  /** Of what is there so far. */
  get sha256(): string {
    return this.#hash.copy().digest('hex')
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.length; ) {
      const { bytesWritten } = await this.#file.write(chunk, offset, chunk.length - offset, this.#bytes + offset)
      offset += bytesWritten
    }
    this.#hash.update(chunk)
    this.#bytes += chunk.length
  }

  async reset(): Promise<void> {
    await this.#file.truncate(0)
    this.#hash = createHash('sha256')
    this.#bytes = 0
  }

  /** Makes the file visible under its hash. Only for content that `isRight`. */
  async promote(): Promise<string> {
    const target = join(this.#directory, this.#sha256)
    await this.#file.chmod(0o444)
    await this.#file.sync()
    await rename(this.#path, target)
    this.#finished = true
    const directory = await open(this.#directory, constants.O_RDONLY)
    await directory.sync().finally(() => directory.close())
    return target
  }

  /** Leaves what is there for a later run. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
    if (this.#finished) return
    if (this.#bytes === 0) await rm(this.#path, { force: true })
    else await rename(this.#path, join(this.#directory, leftoverName(this.#sha256)))
  }
}

/** The whole file from its beginning; each chunk is valid until the next. Leaves the handle open. */
export async function* chunksOf(file: FileHandle): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(1 << 18)
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    position += bytesRead
  }
}

function leftoverName(sha256: Sha256): string {
  return `.partial-${sha256}`
}

async function claimLeftover(directory: string, sha256: Sha256, path: string): Promise<void> {
  const left = join(directory, leftoverName(sha256))
  if (
    await rename(left, path).then(
      () => true,
      () => false,
    )
  )
    return
  for (const name of await readdir(directory)) {
    if (!name.startsWith(`${leftoverName(sha256)}-`)) continue
    const remains = join(directory, name)
    const { mtimeMs } = await stat(remains).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
    if (Date.now() - mtimeMs < staleSeconds * 1000) continue
    await copyFile(remains, path, constants.COPYFILE_FICLONE).catch(() => {})
    await rm(remains, { force: true })
    return
  }
}
