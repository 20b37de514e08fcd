/**
 * The log of a cache, opened on its data directory: what was here before is logged too, sessions get their proofs, and answers get
 * evidence of the log that fits what a client has seen.
 */
import { join } from 'node:path'
import type { Sha256 } from '../../format/hash.ts'
import type { Evidence } from '../../trust/evidence.ts'
import type { VerifiedCheckpoint } from '../../trust/log/checkpoint.ts'
import type { TreeSize } from '../../trust/log/merkle.ts'
import { encodeAddCheckpoint } from '../../trust/log/witness-request.ts'
import type { Queues } from '../queues.ts'
import { documentKey } from '../sessions.ts'
import type { GroupCommit } from '../storage/group-commit.ts'
import type { Change, Index } from '../storage/index.ts'
import { backfill } from './backfill.ts'
import type { WitnessResult } from './cosignatures.ts'
import { type Log, openLog } from './log.ts'
import { type LogConfig, readLogKey } from './log-config.ts'
import { consistencyProof, inclusionsOf } from './prove.ts'
import { allPending } from './sequencer.ts'
import { proveSessions, unprovedChange } from './session-proofs.ts'
import { openTreeFiles } from './tree-files.ts'

export type CacheLog = Log & {
  sessionPending(document: Sha256): readonly Change[]
  /** Logs what was here before, and publishes; both go on by themselves. Resolves when the first is done. */
  begin(): Promise<void>
  /** That those of the documents that are in the published tree are, and that it has grown from `known`; 0 for never seen. */
  evidenceOf(
    documents: readonly Sha256[],
    known: TreeSize,
    checkpoint?: VerifiedCheckpoint,
  ): Promise<readonly Evidence[]>
  gauges(): Promise<Readonly<Record<string, number>>>
}

export type CacheLogOptions = {
  readonly data: string
  readonly config: LogConfig
  readonly index: Index
  readonly commits: GroupCommit
  readonly queues: Queues
  readonly nowSeconds: () => number
  readonly report: (what: string, error?: unknown) => void
  readonly onWitness: (name: string, result: WitnessResult) => void
  /** Called when answers may be other ones. */
  readonly changed: () => void
}

/** The folder of the log in a data directory. */
export function logDirectory(data: string): string {
  return join(data, 'log')
}

/** Throws ABN_CACHE_CONFIG, ABN_CACHE_DATA, and what reading the key throws. */
export async function openCacheLog(options: CacheLogOptions): Promise<CacheLog> {
  const { config, index, commits, queues, nowSeconds, report, onWitness, changed } = options
  const log = await openLog({
    files: openTreeFiles(logDirectory(options.data)),
    index,
    signer: readLogKey(config.key),
    ...config,
    report,
    onWitness,
    onPublished,
  })
  const { files } = log
  const stopping = new AbortController()
  let filling: Promise<void> | undefined

  async function onPublished(checkpoint: VerifiedCheckpoint): Promise<void> {
    const witnesses = config.witnesses.length
    await proveSessions(checkpoint, { index, files, commits, queues, witnesses, nowSeconds })
    changed()
  }

  const sessionPending = (digest: Sha256): readonly Change[] => [
    log.pending({ digest, record: documentKey(digest) }),
    unprovedChange(digest, nowSeconds()),
  ]

  async function fill(): Promise<void> {
    try {
      await backfill({ index, log, sessionPending, progressed: log.wake, signal: stopping.signal })
    } catch (error) {
      report('logging what was here before', error)
    }
  }

  return {
    ...log,
    sessionPending,
    begin() {
      log.wake()
      filling ??= fill()
      return filling
    },
    async evidenceOf(documents, known, checkpoint = log.published()) {
      if (checkpoint === undefined) return []
      const inclusions = await inclusionsOf(documents, checkpoint, { index, files })
      const evidence: Evidence[] = inclusions === undefined ? [] : [{ kind: 'log-inclusions', bytes: inclusions }]
      if (known === 0 || known >= checkpoint.size) return evidence
      const proof = await consistencyProof(files, known, checkpoint.size)
      const bytes = encodeAddCheckpoint({ old: known, proof, checkpoint: checkpoint.note })
      return [...evidence, { kind: 'log-consistency', bytes }]
    },
    async gauges() {
      let pending = 0
      for await (const _ of allPending(index, MAXIMUM_COUNTED)) pending++
      return {
        abn_cache_log_entries: log.state().size,
        abn_cache_log_published_entries: log.published()?.size ?? 0,
        abn_cache_log_published_seconds: log.publishedAt(),
        abn_cache_log_pending: pending,
      }
    },
    async close() {
      stopping.abort()
      await filling
      await log.close()
    },
  }
}

/** More than that is as bad. */
const MAXIMUM_COUNTED = 100_000
