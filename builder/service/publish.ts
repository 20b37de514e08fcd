/**
 * Brings attestations and the files that they name to a cache. Everything can be repeated and nothing is done twice: the cache
 * says which statements it knows and which files it has. Sessions go first and statements second, because a cache takes statements
 * only by keys that it knows, and files only that one of the operator's statements names.
 */
import { existsSync, readFileSync } from 'node:fs'
import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants as zlib, zstdCompress } from 'node:zlib'
import { AbnError } from '../../format/errors.ts'
import { type RecipeHash, type Sha256, sha256Of } from '../../format/hash.ts'
import type { Store } from '../../store/store.ts'
import type { Statement } from '../../trust/statement.ts'
import { logNameOf, readLog } from '../realise/log.ts'
import { testReportPathOf } from '../realise/test-report.ts'
import { type Brought, bringSession } from '../session/bring.ts'
import { writeArchiveFile } from './archive-file.ts'
import type { Attested } from './attestations.ts'
import type { CacheClient } from './remote.ts'
import { type Blob, hasBlob, uploadFile } from './upload.ts'

export type PublishEvent =
  | { readonly kind: 'statements'; readonly accepted: number; readonly known: number; readonly refused: number }
  | { readonly kind: 'file-start'; readonly blob: Blob; readonly title: string; readonly bytes: number }
  | { readonly kind: 'piece'; readonly blob: Blob; readonly bytes: number }
  | { readonly kind: 'file-done'; readonly blob: Blob; readonly title: string }

export type PublishOptions = {
  readonly store: Store
  readonly cache: CacheClient
  /** Where a source is on this disk; undefined when it is not, or when sources are not to be published. */
  readonly sourceFile?: ((sha256: Sha256, one: Attested) => string | undefined) | undefined
  /** Sessions that this cache has taken before. */
  readonly brought?: Brought | undefined
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: ((event: PublishEvent) => void) | undefined
}

export type Published = {
  readonly accepted: number
  readonly known: number
  /** Files sent, and those that the cache had. */
  readonly sent: number
  readonly present: number
  readonly bytes: number
  /** Recipes of which the cache now has statements that contradict each other. */
  readonly divergent: readonly RecipeHash[]
}

/** Throws ABN_PUBLISH_…, ABN_CACHE_… (what the cache answers) or ABN_DISK_FULL. What was sent before stays there. */
export async function publish(attested: readonly Attested[], options: PublishOptions): Promise<Published> {
  const { cache, store, signal, brought = new Set() } = options
  const sessions = new Set(attested.flatMap(({ session }) => session ?? []))
  for (const session of sessions) await bringSession(cache, session, brought)
  const statements = await sendStatements(attested, options)
  const blobs = attested.flatMap((one) => blobsOf(one, options))
  const queue = [...new Map(blobs.map((one) => [`${one.blob.kind} ${one.blob.digest}`, one])).values()]
  using workspace = await store.createWorkspace()
  const totals = { sent: 0, present: 0, bytes: 0 }
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      signal?.throwIfAborted()
      if (await hasBlob(cache, next.blob)) {
        totals.present++
        continue
      }
      const bytes = await send(next, workspace.directory, options)
      totals.bytes += bytes
      totals.sent++
    }
  }
  const workers = await Promise.allSettled(Array.from({ length: AT_ONCE }, work))
  const failed = workers.find((worker) => worker.status === 'rejected')
  if (failed) throw failed.reason
  return { ...statements, ...totals }
}

const AT_ONCE = 3
/** Below the limits that a cache has on one request. */
const STATEMENTS_AT_ONCE = 200
const BYTES_AT_ONCE = 4 * 1024 * 1024

async function sendStatements(
  attested: readonly Attested[],
  { cache, onEvent }: PublishOptions,
): Promise<Pick<Published, 'accepted' | 'known' | 'divergent'>> {
  const totals = { accepted: 0, known: 0 }
  const divergent: RecipeHash[] = []
  const refused: string[] = []
  for (const batch of batchesOf(attested)) {
    const body = Buffer.concat(batch.flatMap(({ attestation }) => [attestation.bytes, NEWLINE]))
    const { results } = await cache.write({ method: 'POST', path: '/v1/evidence', body, type: 'application/jsonl' })
    const list = Array.isArray(results) ? results : []
    for (const [i, one] of batch.entries()) {
      const result: unknown = list[i]
      const { status, message, divergent: isDivergent } = isRecord(result) ? result : {}
      if (status === 'accepted' || status === 'known') totals[status]++
      else
        refused.push(
          `${nameOf(one.attestation.statement)}: ${typeof message === 'string' ? message.slice(0, 500) : 'no answer'}`,
        )
      if (isDivergent === true) divergent.push(one.package.recipeHash)
    }
  }
  onEvent?.({ kind: 'statements', ...totals, refused: refused.length })
  if (refused.length > 0) {
    const more = refused.length > 5 ? `\n  and ${refused.length - 5} more` : ''
    const lines = refused.slice(0, 5).map((line) => `  ${line}`)
    throw new AbnError('ABN_PUBLISH_REFUSED', `${cache.origin} refused statements:\n${lines.join('\n')}${more}`, {
      hint: 'ask whoever runs the cache; the other statements were taken',
    })
  }
  return { ...totals, divergent }
}

function* batchesOf(attested: readonly Attested[]): Generator<readonly Attested[]> {
  let batch: Attested[] = []
  let bytes = 0
  for (const one of attested) {
    const { length } = one.attestation.bytes
    if (batch.length > 0 && (batch.length >= STATEMENTS_AT_ONCE || bytes + length > BYTES_AT_ONCE)) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(one)
    bytes += length + 1
  }
  if (batch.length > 0) yield batch
}

type Sendable = {
  readonly blob: Blob
  readonly title: string
  /** Resolves to the size of the file; a file of its own is made below `directory`. */
  readonly prepare: (file: string) => Promise<{ readonly path: string; readonly bytes: number }>
}

function blobsOf(one: Attested, { store, sourceFile, signal }: PublishOptions): readonly Sendable[] {
  const { statement } = one.attestation
  const name = nameOf(statement)
  const archives = statement.outputs.map(
    (output): Sendable => ({
      blob: { kind: 'archive', digest: output.digest },
      title: output.output === 'out' ? name : `${name} (${output.output})`,
      prepare: async (path) => ({ path, bytes: await writeArchiveFile(output, { store, file: path, signal }) }),
    }),
  )
  const texts = [textBlob(statement.log, `log of ${name}`, () => logOf(statement, store))]
  texts.push(textBlob(statement.tests, `tests of ${name}`, () => testsOf(statement, store)))
  const sources = statement.sources.flatMap((digest): Sendable[] => {
    const path = sourceFile?.(digest, one)
    if (path === undefined || !existsSync(path)) return []
    const blob = { kind: 'source', digest } as const
    return [{ blob, title: `source of ${name}`, prepare: async () => ({ path, bytes: (await stat(path)).size }) }]
  })
  return [...archives, ...texts.flat(), ...sources]
}

/** A log that was overwritten since is not the one that was stated, and is not sent. */
function textBlob(digest: Sha256 | null, title: string, read: () => Buffer | undefined): readonly Sendable[] {
  const text = digest === null ? undefined : read()
  if (digest === null || text === undefined || sha256Of(text) !== digest) return []
  const prepare = async (path: string) => {
    const frame = await compress(text, { params: { [zlib.ZSTD_c_compressionLevel]: 12 } })
    await writeFile(path, frame, { flag: 'wx' })
    return { path, bytes: frame.length }
  }
  return [{ blob: { kind: 'log', digest }, title, prepare }]
}

const compress = promisify(zstdCompress)

async function send({ blob, title, prepare }: Sendable, directory: string, options: PublishOptions): Promise<number> {
  const { cache, onEvent } = options
  const own = join(directory, `${blob.kind}-${blob.digest}`)
  try {
    const { path, bytes } = await prepare(own)
    onEvent?.({ kind: 'file-start', blob, title, bytes })
    const onPiece = (piece: number): void => onEvent?.({ kind: 'piece', blob, bytes: piece })
    const sent = await uploadFile(cache, blob, { path, bytes, onPiece, signal: options.signal })
    onEvent?.({ kind: 'file-done', blob, title })
    return sent
  } finally {
    await rm(own, { force: true })
  }
}

function logOf({ outputs }: Statement, { layout }: Store): Buffer | undefined {
  const out = outputs.find(({ output }) => output === 'out')
  const path = out && `${layout.log}/${logNameOf(out.path)}`
  return path !== undefined && existsSync(path) ? readLog(path) : undefined
}

function testsOf({ outputs }: Statement, { layout }: Store): Buffer | undefined {
  const out = outputs.find(({ output }) => output === 'out')
  const path = out && testReportPathOf(layout, out.path)
  return path !== undefined && existsSync(path) ? readFileSync(path) : undefined
}

function nameOf({ name, version }: Statement): string {
  return `${name} ${version}`
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

const NEWLINE = Buffer.from('\n')
