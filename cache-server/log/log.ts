/**
 * The transparency log of a cache: the sequencer, its files, the checkpoint that is published, and the witnesses that cosign it.
 * What is served are the files and the note in `checkpoint`; it is replaced only by one of a tree that is larger or the same.
 */
import { AbnError } from '../../format/errors.ts'
import {
  signCheckpoint,
  type VerifiedCheckpoint,
  verifiedCheckpointOf,
  verifyCheckpoint,
} from '../../trust/log/checkpoint.ts'
import type { TreeSize } from '../../trust/log/merkle.ts'
import { encodeNote } from '../../trust/log/note.ts'
import type { Signer } from '../../trust/secret-key.ts'
import type { Index } from '../storage/index.ts'
import { collectCosignatures, type WitnessAddress } from './cosignatures.ts'
import { openSequencer, type Sequencer, type SequencerParts } from './sequencer.ts'
import { openTreeFiles, type TreeFiles } from './tree-files.ts'

export type Log = {
  readonly origin: string
  readonly files: TreeFiles
  readonly pending: Sequencer['pending']
  /** That something is pending: it will be in the tree and published soon. */
  wake(): void
  /** Logs what is pending and publishes a checkpoint, if enough witnesses cosign. Resolves to what is published then. */
  publish(): Promise<VerifiedCheckpoint | undefined>
  /** What is published now. */
  published(): VerifiedCheckpoint | undefined
  close(): Promise<void>
}

export type LogOptions = {
  readonly directory: string
  readonly index: Index
  readonly signer: Signer
  readonly entryOf: SequencerParts['entryOf']
  readonly witnesses: readonly WitnessAddress[]
  /** How many of them must cosign before a checkpoint is published. */
  readonly quorum: number
  /** How long evidence may wait, so that many pieces share a checkpoint. */
  readonly batchSeconds: number
  /** How often a checkpoint is cosigned anew when nothing has changed; 0 for never. */
  readonly refreshSeconds: number
  readonly report: (what: string, error?: unknown) => void
}

/** Throws ABN_CACHE_DATA when a larger tree has been published than the one that is here. */
export async function openLog(options: LogOptions): Promise<Log> {
  const { index, signer, entryOf, quorum, batchSeconds, refreshSeconds, report } = options
  const files = openTreeFiles(options.directory)
  const sequencer = await openSequencer({ index, files, entryOf })
  const log = signer.publicKey
  const closing = new AbortController()
  const seen = new Map<string, TreeSize>()
  let current = await readPublished(files, log)
  requireNoRollback(current, sequencer.state().size)
  let running: Promise<unknown> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  async function publishNow(): Promise<VerifiedCheckpoint | undefined> {
    const { size, root } = await sequencer.sequence()
    const signed = signCheckpoint({ origin: log.name, size, root, extensions: [] }, signer)
    const checkpoint = verifiedCheckpointOf(signed, log)
    const { witnesses } = options
    const signatures = await collectCosignatures(checkpoint, { files, witnesses, seen, signal: closing.signal, report })
    if (signatures.length < quorum) {
      report(
        `checkpoint of ${size} entries is not published: ${signatures.length} of ${quorum} witnesses have cosigned`,
      )
      return current
    }
    const note = { text: signed.text, signatures: [...signed.signatures, ...signatures] }
    await files.write(new Map([['checkpoint', encodeNote(note)]]))
    current = verifiedCheckpointOf(note, log)
    return current
  }

  const publish = (): Promise<VerifiedCheckpoint | undefined> => {
    const run = running.then(publishNow)
    running = run.catch(() => {})
    return run
  }
  const publishAndReport = (): void => {
    timer = undefined
    publish().catch((error: unknown) => report('the log', error))
  }
  const refresh = refreshSeconds > 0 ? setInterval(publishAndReport, refreshSeconds * 1000) : undefined
  refresh?.unref()

  return {
    origin: log.name,
    files,
    pending: sequencer.pending,
    wake() {
      if (closing.signal.aborted) return
      timer ??= setTimeout(publishAndReport, batchSeconds * 1000).unref()
    },
    publish,
    published: () => current,
    async close() {
      closing.abort()
      clearInterval(refresh)
      clearTimeout(timer)
      await running
    },
  }
}

async function readPublished(files: TreeFiles, log: Signer['publicKey']): Promise<VerifiedCheckpoint | undefined> {
  const bytes = await files.readIfThere('checkpoint')
  return bytes === undefined ? undefined : verifyCheckpoint(bytes, log)
}

/** A restored backup would sign a second tree. */
function requireNoRollback(published: VerifiedCheckpoint | undefined, size: TreeSize): void {
  if (published === undefined || published.size <= size) return
  throw new AbnError(
    'ABN_CACHE_DATA',
    `the log has published ${published.size} entries, but only ${size} are in the index: it must not go on`,
    { hint: 'this looks like a restored backup; give the log a new key and name, and keep the old files as they are' },
  )
}
