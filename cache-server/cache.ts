/**
 * A cache without its HTTP: the data directory, opened, and everything that can be done with it. Layout of <data>:
 *
 *   format          version of this layout, written last when it is made
 *   index/          LevelDB; one process has it open
 *   blobs/          archives, sources, logs
 *   uploads/        what is not yet verified; nothing in it is served
 *   log/            the transparency log: tiles, entries, checkpoint
 */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AbnError } from '../format/errors.ts'
import { type Answers, createAnswers } from './answers.ts'
import { type BlobRecords, createBlobRecords } from './blob-records.ts'
import { type BundleEncoder, createBundleEncoder } from './bundle-encoder.ts'
import type { CacheConfig } from './config.ts'
import { forgetBackfill } from './log/backfill.ts'
import { type CacheLog, openCacheLog } from './log/cache-log.ts'
import type { WitnessResult } from './log/cosignatures.ts'
import { createNonces, type Nonces } from './nonces.ts'
import { createOperators, type Operators } from './operators.ts'
import { type Acceptor, createAcceptor } from './publish/accept.ts'
import { createSessionAcceptor, type SessionAcceptor } from './publish/accept-session.ts'
import { createPublisher, type Publisher } from './publish/publish.ts'
import { createUploads, type Uploads } from './publish/uploads.ts'
import { createQueues, type Queues } from './queues.ts'
import { createSessionUses, type SessionUses } from './session-uses.ts'
import type { BlobStore } from './storage/blobs.ts'
import { openDirectoryBlobs } from './storage/directory-blobs.ts'
import { isMissing, writeFileDurably } from './storage/durable.ts'
import { createGroupCommit, type GroupCommit } from './storage/group-commit.ts'
import type { Index } from './storage/index.ts'
import { openLevelIndex } from './storage/level-index.ts'
import { openWanted, type Wanted } from './wanted.ts'

export type Cache = {
  /** The data directory. */
  readonly data: string
  readonly config: CacheConfig
  readonly index: Index
  readonly commits: GroupCommit
  readonly blobs: BlobStore
  readonly records: BlobRecords
  readonly queues: Queues
  readonly operators: Operators
  readonly nonces: Nonces
  readonly uploads: Uploads
  readonly acceptor: Acceptor
  readonly sessions: SessionAcceptor
  readonly uses: SessionUses
  /** Undefined when it is not configured. */
  readonly log: CacheLog | undefined
  readonly publisher: Publisher
  readonly answers: Answers
  readonly encoder: BundleEncoder
  readonly wanted: Wanted
  /** Where uploads and downloads grow; its files are private. */
  readonly uploadsDirectory: string
  readonly nowSeconds: () => number
  close(): Promise<void>
}

export type CacheOptions = {
  readonly data: string
  readonly config: CacheConfig
  readonly nowSeconds?: () => number
  /** What the operator should know of the log. */
  readonly report?: (what: string, error?: unknown) => void
  readonly onWitness?: (name: string, result: WitnessResult) => void
  /** Other backends than the embedded ones. */
  readonly backends?: { readonly index: Index; readonly blobs: BlobStore }
}

/** Version of the layout of the data directory. */
export const dataFormat = '2'
const ANSWERS_CACHE_BYTES = 8 * 1024 * 1024

/** Makes the data directory if need be. Throws ABN_CACHE_DATA. */
export async function openCache(options: CacheOptions): Promise<Cache> {
  const { data, config, nowSeconds = secondsNow, backends, report = () => {}, onWitness = () => {} } = options
  await prepareDirectory(data)
  const index = backends?.index ?? (await openLevelIndex(join(data, 'index')))
  const blobs = backends?.blobs ?? (await openDirectoryBlobs(join(data, 'blobs')))
  const uploadsDirectory = join(data, 'uploads')
  const { limits } = config
  const operators = createOperators(config.operators)
  const commits = createGroupCommit(index)
  const queues = createQueues()
  const records = createBlobRecords(index, commits)
  const encoder = createBundleEncoder()
  let invalidate = (): void => {}
  const log = await openLogIfAny({
    ...{ data, index, commits, queues, nowSeconds, report, onWitness },
    config: config.log,
    changed: () => invalidate(),
    close: () => Promise.all([blobs.close(), index.close()]),
  })
  const answers = createAnswers(index, { encoder, log, cacheBytes: ANSWERS_CACHE_BYTES })
  invalidate = answers.invalidate
  const wanted = await openWanted(index, limits.wantedRecipes)
  const shared = { index, commits, operators, queues, log, nowSeconds }
  const { attestationsPerRecipe, revocationBytesPerOperator } = limits
  const { sessionsPerOperator, sessionBytesPerOperator, collateralBytes } = limits
  const sessions = createSessionAcceptor({
    ...shared,
    sessionsPerOperator,
    sessionBytesPerOperator,
    collateralBytes,
    changed: answers.invalidate,
  })
  const uses = createSessionUses(queues)
  const acceptor = createAcceptor({
    ...shared,
    uses,
    attestationsPerRecipe,
    revocationBytesPerOperator,
    changed: (recipe) => {
      answers.invalidate()
      if (recipe !== undefined) wanted.satisfied(recipe)
    },
  })
  return {
    data,
    config,
    ...shared,
    blobs,
    records,
    nonces: createNonces(index, limits.clockSeconds),
    uploads: createUploads(index, uploadsDirectory, limits),
    acceptor,
    sessions,
    uses,
    publisher: createPublisher({
      index,
      operators,
      nowSeconds,
      records,
      blobs,
      limits,
      queues,
      changed: answers.invalidate,
    }),
    answers,
    encoder,
    wanted,
    uploadsDirectory,
    async close() {
      await commits.idle()
      // It writes to the index until it is closed.
      await log?.close()
      await commits.idle()
      await encoder.close()
      await wanted.save()
      await blobs.close()
      await index.close()
    },
  }
}

type LogIfAny = Omit<Parameters<typeof openCacheLog>[0], 'config'> & {
  readonly config: CacheConfig['log']
  /** Of what was opened before. */
  readonly close: () => Promise<unknown>
}

async function openLogIfAny({ config, close, ...options }: LogIfAny): Promise<CacheLog | undefined> {
  try {
    if (config !== undefined) return await openCacheLog({ ...options, config })
    await forgetBackfill(options.index)
    return undefined
  } catch (error) {
    await close()
    throw error
  }
}

export function secondsNow(): number {
  return Math.floor(Date.now() / 1000)
}

async function prepareDirectory(data: string): Promise<void> {
  const file = join(data, 'format')
  await mkdir(join(data, 'uploads'), { recursive: true, mode: 0o700 })
  const format = await readFormat(file)
  if (format === undefined) {
    const names = (await readdir(data)).filter((name) => name !== 'uploads' && !name.startsWith('format.'))
    if (names.length > 0) {
      throw new AbnError('ABN_CACHE_DATA', `${data} is not empty and not a data directory of a cache`, {
        hint: 'name an empty directory',
      })
    }
    await writeFileDurably(file, `${dataFormat}\n`)
  } else if (format !== dataFormat) {
    throw new AbnError('ABN_CACHE_DATA', `${data} has format ${format}, expected ${dataFormat}`, {
      hint: 'use the version of abnpkg that wrote it',
    })
  }
}

async function readFormat(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
