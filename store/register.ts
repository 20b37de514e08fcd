/**
 * Turns the outputs of a finished build into store items, all of one derivation at once.
 *
 * Order, and what a crash leaves at each point: (1) make the directories canonical, in the workspace of the build: nothing
 * of the store is touched; (2) digest, reference scan and all checks: neither; (3) flush the contents to the disk; (4) for
 * each output, those first that others refer to: rename into store/ (a directory without a record, which is not valid and
 * is removed by the next build), make it read-only, write the record durably. So every valid item's references are valid.
 */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, renameSync } from 'node:fs'
import { promisify } from 'node:util'
import { encodeArchive } from '../format/archive/encode.ts'
import type { ArchiveEntry } from '../format/archive/entry.ts'
import { AbnError } from '../format/errors.ts'
import { type Sha256, sha256Stream } from '../format/hash.ts'
import { createReferenceScanner, type ReferenceScanner } from '../format/reference-scan.ts'
import { type StorePath, storeItemOf } from '../format/store-path.ts'
import { canonicaliseDirectory, finishDirectory } from './canonicalise.ts'
import { errorCode, withDiskErrors } from './io-errors.ts'
import { encodeItem, type Item, type Origin } from './item.ts'
import { recordPathOf } from './layout.ts'
import type { DerivationLock, Store } from './store.ts'
import { readEntries } from './walk.ts'
import { discard, type Workspace } from './workspace.ts'
import { syncPath, writeDurably } from './write-durably.ts'

export type StagedOutput = {
  readonly output: string
  readonly path: StorePath
  /** Where the build left it: on the store's file system, in a workspace. It is gone afterwards. */
  readonly directory: string
}

export type Registration = {
  readonly lock: DerivationLock
  readonly name: string
  readonly version: string
  readonly outputs: readonly StagedOutput[]
  /** What an output can refer to: the closure of the inputs (Store.closureOf). The outputs themselves are added. */
  readonly candidates: Iterable<StorePath>
  readonly origin: Origin
  /** Whether files that name the build directory are an error (the default) or only reported. */
  readonly buildReferences?: 'refuse' | 'report'
}

export type Registered = {
  /** In the order of the outputs given. */
  readonly items: readonly Item[]
  /** Files, as `<store path>/<path>`, that name the build directory. */
  readonly buildReferences: readonly string[]
}

type Options = { readonly workspace: Workspace; readonly durable: boolean }

/**
 * Throws ABN_OUTPUT_* for what an output may not hold, ABN_OUTPUT_DIFFERS when a valid item has other bits,
 * ABN_ITEM_MISSING for a reference to what is not in the store, ABN_DISK_FULL.
 */
export async function register(store: Store, registration: Registration, options: Options): Promise<Registered> {
  if (!registration.lock.isHeld) throw new TypeError('register: the lock of the derivation is not held')
  const staged = withDiskErrors('cannot register the outputs', () => inspectAll(store, registration))
  const buildReferences = staged.flatMap(({ inspection }) => inspection.buildReferences)
  if (registration.buildReferences !== 'report') refuseBuildReferences(buildReferences)
  for (const { item } of staged) requireReferences(store, item, staged)
  const fresh = inOrderOfReferences(staged.filter(({ item }) => !isThereAlready(store, item)))
  if (options.durable) await flush(store.layout.store, fresh)
  for (const { item, directory } of fresh) {
    withDiskErrors(`cannot register ${item.path}`, () => place(store, { item, directory }, options.workspace))
  }
  for (const { directory } of staged) if (existsSync(directory)) discard(options.workspace, directory)
  return { items: staged.map(({ item }) => item), buildReferences }
}

type Staged = { readonly item: Item; readonly directory: string; readonly inspection: Inspection }

type Inspection = {
  readonly outputDigest: Sha256
  readonly bytes: number
  readonly entries: number
  readonly references: readonly StorePath[]
  readonly buildReferences: readonly string[]
}

function inspectAll(
  store: Store,
  { lock, name, version, outputs, candidates, origin }: Registration,
): readonly Staged[] {
  const all = [...candidates, ...outputs.map(({ path }) => path)]
  return outputs.map(({ output, path, directory }) => {
    canonicaliseDirectory(directory, path)
    const inspection = inspectOutput(directory, path, all)
    const { outputDigest, bytes, references } = inspection
    const item = {
      format: 1,
      path,
      recipe: lock.recipe,
      name,
      version,
      output,
      outputDigest,
      bytes,
      references,
      origin,
    } as const
    // Now rather than after the rename, so that a wrong one is an error before anything has changed.
    encodeItem(item)
    requireSameBits(store, item)
    return { item, directory, inspection }
  })
}

/** One pass over the contents for the digest and the references. */
export function inspectOutput(directory: string, path: StorePath, candidates: Iterable<StorePath>): Inspection {
  const item = storeItemOf(path)
  const scanner = createReferenceScanner(candidates)
  const seen: Seen = { entries: 0, buildReferences: [] }
  const hash = sha256Stream()
  let bytes = 0
  for (const chunk of encodeArchive(item, scannedEntries(readEntries(directory, item), scanner, seen))) {
    hash.update(chunk)
    bytes += chunk.length
  }
  const buildReferences = seen.buildReferences.map((file) => `${path}/${file}`)
  return { outputDigest: hash.digest(), bytes, entries: seen.entries, references: scanner.found(), buildReferences }
}

/** What is noted while the entries pass by. */
type Seen = { entries: number; readonly buildReferences: string[] }

function* scannedEntries(
  entries: Iterable<ArchiveEntry>,
  scanner: ReferenceScanner,
  seen: Seen,
): Generator<ArchiveEntry, void, void> {
  for (const entry of entries) {
    seen.entries++
    scanner.scan(Buffer.from(entry.path))
    scanner.endFile()
    if (entry.kind === 'link') {
      scanner.scan(Buffer.from(entry.target))
      if (scanner.endFile()) seen.buildReferences.push(entry.path)
    }
    if (entry.kind !== 'file') yield entry
    else {
      yield { ...entry, content: scanned(entry.content, scanner) }
      if (scanner.endFile()) seen.buildReferences.push(entry.path)
    }
  }
}

function* scanned(content: Iterable<Uint8Array>, scanner: ReferenceScanner): Generator<Uint8Array, void, void> {
  for (const chunk of content) {
    scanner.scan(chunk)
    yield chunk
  }
}

function refuseBuildReferences(files: readonly string[]): void {
  if (files.length === 0) return
  const shown = files.slice(0, 5).join(', ')
  const more = files.length > 5 ? ` and ${files.length - 5} more` : ''
  throw new AbnError(
    'ABN_OUTPUT_BUILD_REFERENCE',
    `files of the output name the build directory /build: ${shown}${more}`,
    {
      hint: 'let the build install paths below its output instead, or strip debugging information',
    },
  )
}

function isThereAlready(store: Store, item: Item): boolean {
  return store.has(item.path)
}

function requireSameBits(store: Store, item: Item): void {
  if (!store.has(item.path)) return
  const { outputDigest } = store.readItem(item.path)
  if (outputDigest === item.outputDigest) return
  throw new AbnError(
    'ABN_OUTPUT_DIFFERS',
    `${item.path} was built again: expected output digest ${outputDigest}, got ${item.outputDigest}`,
    {
      hint: 'the build depends on something besides its inputs; compare both with `abnpkg build --check --keep-failed`',
    },
  )
}

function requireReferences(store: Store, item: Item, staged: readonly Staged[]): void {
  for (const reference of item.references) {
    if (staged.some((other) => other.item.path === reference) || store.has(reference)) continue
    throw new AbnError('ABN_ITEM_MISSING', `${item.path} refers to ${reference}, which is not in the store`, {
      hint: 'build or install it again',
    })
  }
}

/** Those first that others refer to. Throws ABN_OUTPUT_CYCLE. */
function inOrderOfReferences(staged: readonly Staged[]): readonly Staged[] {
  const ordered: Staged[] = []
  let left = staged
  while (left.length > 0) {
    const waits = ({ item }: Staged) =>
      left.some((other) => other.item !== item && item.references.includes(other.item.path))
    const ready = left.filter((one) => !waits(one))
    if (ready.length === 0) {
      const paths = left.map(({ item }) => item.path).join(', ')
      throw new AbnError('ABN_OUTPUT_CYCLE', `these outputs refer to each other: ${paths}`, {
        hint: 'move what both need into one output',
      })
    }
    ordered.push(...ready)
    left = left.filter(waits)
  }
  return ordered
}

function place(store: Store, { item, directory }: { item: Item; directory: string }, workspace: Workspace): void {
  const target = store.physicalPath(item.path)
  if (existsSync(target)) discard(workspace, target)
  renameSync(directory, target)
  try {
    finishDirectory(target)
    syncPath(store.layout.store)
    writeDurably(recordPathOf(store.layout, item.path), encodeItem(item))
  } catch (error) {
    discard(workspace, target)
    throw error
  }
}

/**
 * Small outputs file by file, as syncing a busy file system takes long; large ones by coreutils' sync, as Node has no
 * syncfs(2). Without that program, a loss of power may cost what the kernel had not yet written.
 */
async function flush(directory: string, staged: readonly Staged[]): Promise<void> {
  if (staged.length === 0) return
  const entries = staged.reduce((sum, { inspection }) => sum + inspection.entries, 0)
  if (entries <= MOST_SINGLE_SYNCS) {
    for (const one of staged) syncBelow(one.directory)
    return
  }
  try {
    await promisify(execFile)('sync', ['-f', directory])
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return
    throw new AbnError('ABN_STORE_UNUSABLE', `cannot flush ${directory} to the disk`, { cause })
  }
}

const MOST_SINGLE_SYNCS = 100

function syncBelow(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`
    if (entry.isDirectory()) syncBelow(path)
    else if (entry.isFile()) syncPath(path)
  }
  syncPath(directory)
}
