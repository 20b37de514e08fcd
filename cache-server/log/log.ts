/**
 * The transparency log of a cache: the sequencer, its files, the checkpoint that is published, and the witnesses that cosign it.
 * What is served are the files and the note in `checkpoint`; it is replaced only by one of a tree that is larger or the same.
 *
 * Records of the index: `log/key`, whose log this tree is; `log/copied`, in a backup: that the log of this key went on elsewhere.
 * Two data directories must never sign for one key: a copy, or one that is older than what was published, is refused.
 */
import { AbnError } from '../../format/errors.ts'
import { encodePublicKey, parsePublicKey } from '../../trust/key.ts'
import {
  type LogKey,
  signCheckpoint,
  type VerifiedCheckpoint,
  verifiedCheckpointOf,
  verifyCheckpoint,
} from '../../trust/log/checkpoint.ts'
import type { TreeSize } from '../../trust/log/merkle.ts'
import { encodeNote } from '../../trust/log/note.ts'
import type { Signer } from '../../trust/secret-key.ts'
import type { Change, Index, IndexReader } from '../storage/index.ts'
import { collectCosignatures, type WitnessAddress, type WitnessResult } from './cosignatures.ts'
import { openSequencer, readState, type Sequencer, type SequencerParts } from './sequencer.ts'
import type { TreeFiles } from './tree-files.ts'

export type Log = {
  readonly key: LogKey
  readonly files: TreeFiles
  readonly pending: Sequencer['pending']
  readonly state: Sequencer['state']
  /** Gives all that is pending its place, without publishing it. */
  sequence: Sequencer['sequence']
  /** That something is pending: it will be in the tree and published soon. */
  wake(): void
  /** Logs what is pending and publishes a checkpoint, if enough witnesses cosign and none contradicts. Resolves to what is published then. */
  publish(): Promise<VerifiedCheckpoint | undefined>
  /** What is published now. */
  published(): VerifiedCheckpoint | undefined
  /** When this process has last published something, in seconds since 1970; 0 for never. */
  publishedAt(): number
  /** Waits for what is under way, and no longer for witnesses. */
  close(): Promise<void>
}

export type LogOptions = {
  readonly files: TreeFiles
  readonly index: Index
  readonly signer: Signer
  readonly witnesses: readonly WitnessAddress[]
  /** How many of them must cosign before a checkpoint is published. */
  readonly quorum: number
  /** How long evidence may wait, so that many pieces share a checkpoint. */
  readonly batchSeconds: number
  /** How often a checkpoint is cosigned anew when nothing has changed; 0 for never. */
  readonly refreshSeconds: number
  readonly report: (what: string, error?: unknown) => void
  /** What came of asking a witness. */
  readonly onWitness?: (name: string, result: WitnessResult) => void
  /** Called after each publication, with the cosignatures that it has. */
  readonly onPublished?: (checkpoint: VerifiedCheckpoint) => Promise<void>
}

/** Throws ABN_CACHE_DATA when this is not the one place where the log of this key goes on. */
export async function openLog(options: LogOptions): Promise<Log> {
  const { index, files, signer, quorum, batchSeconds, refreshSeconds, report } = options
  const log = signer.publicKey
  await requireOwnTree(log, { index, files })
  let current = await readPublished(files, log)
  requireNoRollback(current, (await readState(index))?.size ?? 0)
  const sequencer = await openSequencer({ index, files })
  const closing = new AbortController()
  const seen = new Map<string, TreeSize>()
  let running: Promise<unknown> = Promise.resolve()
  let timer: { readonly at: number; readonly handle: NodeJS.Timeout } | undefined
  let failures = 0
  let publishedAt = 0

  async function publishNow(): Promise<VerifiedCheckpoint | undefined> {
    const { size, root } = await sequencer.sequence()
    if (size === 0 || closing.signal.aborted) return current
    const signed = signCheckpoint({ origin: log.name, size, root, extensions: [] }, signer)
    const checkpoint = verifiedCheckpointOf(signed, log)
    const { witnesses, onWitness = () => {} } = options
    const { signal } = closing
    const asking = { files, witnesses, quorum, seen, signal, report, onWitness }
    const { signatures, contradicting } = await collectCosignatures(checkpoint, asking)
    if (signal.aborted) return current
    if (contradicting.length > 0) {
      report(
        `checkpoint of ${size} entries is not published: ${contradicting.join(', ')} has seen another tree of this log. Do not go on with an old copy of the data; a witness that is wrong has to be taken out of the configuration`,
      )
      tryAgain()
      return current
    }
    if (signatures.length < quorum) {
      report(
        `checkpoint of ${size} entries is not published: ${signatures.length} of ${quorum} witnesses have cosigned`,
      )
      tryAgain()
      return current
    }
    const note = { text: signed.text, signatures: [...signed.signatures, ...signatures] }
    await files.write(new Map([['checkpoint', encodeNote(note)]]))
    current = verifiedCheckpointOf(note, log)
    publishedAt = Math.floor(Date.now() / 1000)
    failures = 0
    await options.onPublished?.(current)
    return current
  }

  const publish = (): Promise<VerifiedCheckpoint | undefined> => {
    const run = running.then(publishNow)
    running = run.catch(() => {})
    return run
  }
  const publishAndReport = (): void => {
    timer = undefined
    publish().catch((error: unknown) => {
      report('the log', error)
      tryAgain()
    })
  }
  const soon = (seconds: number): void => {
    const at = performance.now() + seconds * 1000
    if (closing.signal.aborted || (timer !== undefined && timer.at <= at)) return
    clearTimeout(timer?.handle)
    timer = { at, handle: setTimeout(publishAndReport, seconds * 1000).unref() }
  }
  const tryAgain = (): void => soon(Math.min(SHORTEST_WAIT_SECONDS * 2 ** failures++, LONGEST_WAIT_SECONDS))
  const refresh = refreshSeconds > 0 ? setInterval(publishAndReport, refreshSeconds * 1000) : undefined
  refresh?.unref()

  return {
    key: log,
    files,
    pending: sequencer.pending,
    state: sequencer.state,
    sequence: sequencer.sequence,
    wake: () => soon(failures === 0 ? batchSeconds : Math.max(batchSeconds, SHORTEST_WAIT_SECONDS)),
    publish,
    published: () => current,
    publishedAt: () => publishedAt,
    async close() {
      closing.abort()
      clearInterval(refresh)
      clearTimeout(timer?.handle)
      await running
    },
  }
}

/** What makes a backup a copy that does not sign. */
export async function copyMark(reader: IndexReader): Promise<readonly Change[]> {
  const value = await reader.get(OWNER)
  return value === undefined ? [] : [{ kind: 'put', key: COPIED, value }]
}

const OWNER = 'log/key'
const COPIED = 'log/copied'
const SHORTEST_WAIT_SECONDS = 5
const LONGEST_WAIT_SECONDS = 300

/** Takes the tree for this key when it is nobody's, or another log's under another name that is not to go on here. */
async function requireOwnTree(log: LogKey, { index, files }: Pick<SequencerParts, 'index' | 'files'>): Promise<void> {
  const line = encodePublicKey(log)
  const [owner, copied] = (await index.getMany([OWNER, COPIED])).map((value) => value && Buffer.from(value).toString())
  if (copied === line)
    throw rolledBack(`this is a copy, and the log of ${log.name} may have gone on where it was taken`)
  if (owner === line) return
  const before = owner === undefined ? undefined : parsePublicKey(owner)
  if (before?.name === log.name) throw rolledBack(`its tree was signed by another key of the name ${log.name}`)
  const note = before && (await files.readIfThere('checkpoint'))
  if (before !== undefined && note !== undefined) {
    await files.write(new Map([[`checkpoint-${before.id.slice(0, 16)}`, note]]))
    await files.remove('checkpoint')
  }
  await index.write(
    [
      { kind: 'put', key: OWNER, value: Buffer.from(line) },
      { kind: 'remove', key: COPIED },
    ],
    { durable: true },
  )
}

async function readPublished(files: TreeFiles, log: LogKey): Promise<VerifiedCheckpoint | undefined> {
  const bytes = await files.readIfThere('checkpoint')
  return bytes === undefined ? undefined : verifyCheckpoint(bytes, log)
}

/** An older index would sign a second tree. */
function requireNoRollback(published: VerifiedCheckpoint | undefined, size: number): void {
  if (published === undefined || published.size <= size) return
  throw rolledBack(`it has published ${published.size} entries, but only ${size} are in the index`)
}

function rolledBack(reason: string): AbnError {
  return new AbnError('ABN_CACHE_DATA', `the log must not go on here: ${reason}`, {
    hint: 'give the log a new key with a new name, or leave `log` out of the configuration: all else is served as before',
  })
}
