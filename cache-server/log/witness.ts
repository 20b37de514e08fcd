/**
 * A witness (C2SP tlog-witness): it remembers the newest tree of each log that it knows, and signs a checkpoint only when the tree has
 * grown from there. What it has signed is durable before anybody sees the signature, so that it never signs two trees.
 *
 * Below its directory: <origin's hash>/checkpoint, the note with its own cosignature; <origin's hash>/fork-<hash>, a note that the log
 * has signed and that cannot be true beside it: evidence against the log.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AbnError } from '../../format/errors.ts'
import { sha256Of } from '../../format/hash.ts'
import { isEqualBytes } from '../../trust/bytes.ts'
import {
  type LogKey,
  parseCheckpoint,
  type VerifiedCheckpoint,
  verifiedCheckpointOf,
  verifyCheckpoint,
} from '../../trust/log/checkpoint.ts'
import { cosign, verifyCosignature, witnessKeyOf } from '../../trust/log/cosignature.ts'
import { treeSizeOf, verifyConsistency } from '../../trust/log/merkle.ts'
import { encodeNote, type Note, signatureLine } from '../../trust/log/note.ts'
import { type AddCheckpoint, parseAddCheckpoint } from '../../trust/log/witness-request.ts'
import type { Signer } from '../../trust/secret-key.ts'
import { createQueues } from '../queues.ts'
import { isMissing, syncDirectory, writeFileDurably } from '../storage/durable.ts'

export type WitnessAnswer = { readonly status: number; readonly type: string; readonly body: string }

export type Witness = {
  /** The answer to a request whose body this is. Throws only what the disk throws. */
  addCheckpoint(body: Uint8Array): Promise<WitnessAnswer>
}

export type WitnessOptions = {
  readonly directory: string
  readonly signer: Signer
  readonly logs: readonly LogKey[]
  readonly nowSeconds: () => number
  /** A log has signed two trees that cannot both be true, or something else that its operator must explain. */
  readonly onMisbehaviour: (origin: string, file: string) => void
}

export function createWitness({ directory, signer, logs, nowSeconds, onMisbehaviour }: WitnessOptions): Witness {
  const oneByOne = createQueues()
  const byOrigin = new Map(logs.map((log) => [log.name, log]))
  const own = witnessKeyOf(signer.publicKey)

  async function addCheckpoint(body: Uint8Array): Promise<WitnessAnswer> {
    let request: AddCheckpoint
    let origin: string
    try {
      request = parseAddCheckpoint(body)
      origin = parseCheckpoint(request.checkpoint.text).origin
    } catch (error) {
      return refusal(400, error)
    }
    const log = byOrigin.get(origin)
    if (log === undefined) return plain(404, 'this witness does not know the log')
    let checkpoint: VerifiedCheckpoint
    try {
      checkpoint = verifiedCheckpointOf(request.checkpoint, log)
    } catch (error) {
      return refusal(403, error)
    }
    if (request.old > checkpoint.size) return plain(400, 'the old size is larger than that of the checkpoint')
    return oneByOne(origin, () => judge(request, checkpoint, log))
  }

  async function judge(
    { old, proof }: AddCheckpoint,
    checkpoint: VerifiedCheckpoint,
    log: LogKey,
  ): Promise<WitnessAnswer> {
    const place = join(directory, sha256Of(log.name))
    const last = await readLast(place, log)
    if (old !== last.size) return { status: 409, type: 'text/x.tlog.size', body: `${last.size}\n` }
    try {
      if (last.checkpoint !== undefined) verifyConsistency({ old: last.checkpoint, new: checkpoint, proof })
      else if (proof.length > 0) return plain(422, 'a proof from the empty tree has no hashes')
    } catch (error) {
      const isFork = checkpoint.size === last.size && !isSame(checkpoint, last.checkpoint)
      if (isFork) await keepEvidence(place, checkpoint, log)
      return isFork ? plain(409, 'another tree of this size was cosigned') : refusal(422, error)
    }
    const time = Math.max(nowSeconds(), last.time)
    const signature = cosign(checkpoint.note.text, signer, time)
    const { text, signatures } = signedByLog(checkpoint, log)
    await write(join(place, 'checkpoint'), encodeNote({ text, signatures: [...signatures, signature] }))
    return { status: 200, type: 'text/plain; charset=utf-8', body: `${signatureLine(signature)}\n` }
  }

  async function readLast(place: string, log: LogKey) {
    let bytes: Uint8Array
    try {
      bytes = await readFile(join(place, 'checkpoint'))
    } catch (error) {
      if (isMissing(error)) return { size: treeSizeOf(0), time: 0, checkpoint: undefined }
      throw error
    }
    const checkpoint = verifyCheckpoint(bytes, log)
    const time = verifyCosignature(checkpoint, own)?.time
    if (time === undefined) throw new AbnError('ABN_CACHE_DATA', `${place} was written by another witness`)
    return { size: checkpoint.size, time, checkpoint }
  }

  /** Without what others have signed: anybody can make any number of notes of one fork. */
  async function keepEvidence(place: string, checkpoint: VerifiedCheckpoint, log: LogKey): Promise<void> {
    const file = join(place, `fork-${sha256Of(checkpoint.note.text).slice(0, 16)}`)
    const names = (await readdir(place)).filter((name) => name.startsWith('fork-'))
    if (names.includes(basename(file))) return onMisbehaviour(log.name, file)
    if (names.length >= MOST_FORKS) return onMisbehaviour(log.name, place)
    await write(file, encodeNote(signedByLog(checkpoint, log)))
    onMisbehaviour(log.name, file)
  }

  return { addCheckpoint }
}

/** More do not show more. */
const MOST_FORKS = 100

function signedByLog({ note: { text, signatures } }: VerifiedCheckpoint, log: LogKey): Note {
  return { text, signatures: signatures.filter(({ name, keyHash }) => name === log.name && log.id.startsWith(keyHash)) }
}

function isSame(a: VerifiedCheckpoint, b: VerifiedCheckpoint | undefined): boolean {
  return b !== undefined && a.size === b.size && isEqualBytes(a.root, b.root)
}

async function write(file: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(file)
  if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await syncDirectory(dirname(folder))
  await writeFileDurably(file, bytes)
}

function refusal(status: number, error: unknown): WitnessAnswer {
  if (!(error instanceof AbnError)) throw error
  return plain(status, `${error.code}: ${error.message}`)
}

function plain(status: number, reason: string): WitnessAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${reason}\n` }
}
