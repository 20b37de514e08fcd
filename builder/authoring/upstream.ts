/**
 * Asks hosts for what nobody has hashed yet: listings, indexes, and archives for which a first recipe is to be written. A host
 * that is dead costs one timeout in a run. What arrives is not trusted: archives are hashed, and the person is told where they
 * came from; texts are only looked through for names and versions.
 */
import { createHash, randomBytes } from 'node:crypto'
import { renameSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { parseSha256, type Sha256 } from '../../format/hash.ts'
import { diskError } from '../../store/io-errors.ts'
import { makeDirectories } from '../../store/make-directories.ts'
import { discard, Http } from '../fetch/http.ts'
import { type Candidate, candidatesOf, showUrl } from '../fetch/mirrors.ts'
import { type Origins, openOrigins } from '../fetch/origins.ts'
import { findDebianBases } from '../fetch/sources.ts'

export type UpstreamOptions = {
  readonly signal: AbortSignal
  /** Where archives go, under their hashes: the cache of sources. */
  readonly sourceCache: string
  readonly offline?: boolean
  readonly debianMirror?: string
  readonly aptDirectory?: string
  /** Called for each address before it is asked. */
  readonly onAsk?: (address: string) => void
}

export type Arrived = {
  readonly sha256: Sha256
  readonly bytes: number
  readonly path: string
  /** The address in the list that was given, `mirror://` and all. */
  readonly url: string
}

export class Upstream implements AsyncDisposable {
  readonly #options: UpstreamOptions
  readonly #http = new Http({ connectSeconds: 3, headersSeconds: 10, maxRedirects: 8 })
  readonly #origins: Origins = openOrigins()
  #debian: Promise<readonly Candidate[]> | undefined

  constructor(options: UpstreamOptions) {
    this.#options = options
  }

  /** The text behind the first address that has it; undefined when none has. Throws ABN_UPSTREAM_UNREACHABLE. */
  async text(urls: readonly string[], largestBytes = 8 << 20): Promise<string | undefined> {
    const got = await this.#first(urls, async (body) => {
      const chunks: Uint8Array[] = []
      let bytes = 0
      for await (const chunk of body) {
        bytes += chunk.length
        if (bytes > largestBytes) throw new Error(`it has more than ${largestBytes} bytes`)
        chunks.push(chunk)
      }
      return Buffer.concat(chunks).toString('utf8')
    })
    return got?.value
  }

  /** The file behind the first address that has it, in the cache of sources. Throws as text, ABN_DISK_FULL, ABN_STORE_UNUSABLE. */
  async file(urls: readonly string[], largestBytes = 1 << 30): Promise<Arrived | undefined> {
    try {
      return await this.#file(urls, largestBytes)
    } catch (error) {
      throw diskError(`cannot keep sources in ${this.#options.sourceCache}`, error)
    }
  }

  async #file(urls: readonly string[], largestBytes: number): Promise<Arrived | undefined> {
    const { sourceCache } = this.#options
    makeDirectories(sourceCache)
    const got = await this.#first(urls, async (body) => {
      const temporary = join(sourceCache, `.unknown-${process.pid}-${randomBytes(6).toString('hex')}`)
      const hash = createHash('sha256')
      let bytes = 0
      try {
        await using file = await open(temporary, 'wx', 0o444)
        for await (const chunk of body) {
          bytes += chunk.length
          if (bytes > largestBytes) throw new Error(`it has more than ${largestBytes} bytes`)
          hash.update(chunk)
          await file.writeFile(chunk)
        }
        await file.sync()
        const sha256 = parseSha256(hash.digest('hex'))
        renameSync(temporary, join(sourceCache, sha256))
        return { sha256, bytes, path: join(sourceCache, sha256) }
      } finally {
        rmSync(temporary, { force: true })
      }
    })
    return got && { ...got.value, url: got.url }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]()
  }

  async #first<T>(urls: readonly string[], take: (body: AsyncIterable<Uint8Array>) => Promise<T>) {
    const { signal, offline, onAsk } = this.#options
    const failures: string[] = []
    for (const url of urls) {
      for (const candidate of await this.#candidates(url)) {
        signal.throwIfAborted()
        const address = showUrl(candidate.url)
        if (offline) throw unreachable(['nothing may be asked: this run is offline'])
        if (this.#origins.isDead(candidate.url.origin)) continue
        onAsk?.(address)
        const isDead = (origin: string) => this.#origins.isDead(origin)
        const options = { headers: {}, signal: AbortSignal.any([signal, AbortSignal.timeout(TOO_LONG)]), isDead }
        const answer = await this.#http.get(candidate, options)
        if (answer.kind === 'failed') {
          if (answer.deadOrigin !== undefined) this.#origins.markDead(answer.deadOrigin, answer.detail)
          failures.push(`${address}: ${answer.detail}`)
          continue
        }
        if (answer.status !== 200) {
          discard(answer.body)
          if (answer.status !== 404 && answer.status !== 410) failures.push(`${address}: status ${answer.status}`)
          continue
        }
        try {
          return { value: await take(answer.body), url }
        } catch (error) {
          signal.throwIfAborted()
          if (isOfDisk(error)) throw error
          failures.push(`${address}: ${error instanceof Error ? error.message : String(error)}`)
        } finally {
          discard(answer.body)
        }
      }
    }
    if (failures.length > 0) throw unreachable(failures)
    return undefined
  }

  async #candidates(url: string): Promise<readonly Candidate[]> {
    this.#debian ??= url.startsWith('mirror://debian/') ? findDebianBases(this.#options) : undefined
    return candidatesOf([url], (await this.#debian) ?? [])
  }
}

/** For one answer, in milliseconds. */
const TOO_LONG = 600_000

function isOfDisk(error: unknown): boolean {
  return (
    error instanceof Error &&
    'syscall' in error &&
    'code' in error &&
    /^E(NOSPC|DQUOT|ACCES|ROFS|IO)$/.test(String(error.code))
  )
}

function unreachable(failures: readonly string[]): AbnError {
  return new AbnError(
    'ABN_UPSTREAM_UNREACHABLE',
    `could not ask upstream:\n${failures.map((one) => `  ${one}`).join('\n')}`,
    {
      hint: 'check the network and http_proxy, or give the address of the archive',
    },
  )
}
