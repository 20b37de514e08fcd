/**
 * Checkpoints (C2SP tlog-checkpoint): the size and the root of a log's tree, as a note that the log signs. The worked example is
 * in docs/formats/log.md.
 */
import { AbnError } from '../../format/errors.ts'
import { base64Of, bytesOfBase64 } from '../bytes.ts'
import type { PublicKey } from '../key.ts'
import type { Signer } from '../secret-key.ts'
import { parseTreeSize, type TreeHash, type TreeSize, treeHashOf } from './merkle.ts'
import { type Note, parseNote, signNote, verifyNote } from './note.ts'

declare const verified: unique symbol

export type Checkpoint = {
  /** Which log: its name, on one line. */
  readonly origin: string
  readonly size: TreeSize
  readonly root: TreeHash
  /** Further lines, which this version gives no meaning. */
  readonly extensions: readonly string[]
}

/** A checkpoint that the log's own key has signed. */
export type VerifiedCheckpoint = Checkpoint & { readonly note: Note; readonly [verified]: true }

/** A log, as a policy names it. Its origin is the name of its key. */
export type LogKey = PublicKey

/** The text of the note. Throws TypeError for an origin or extension that cannot be a line. */
export function encodeCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  for (const line of [origin, ...extensions]) {
    if (line === '' || /[\n\r]/.test(line)) throw new TypeError(`${JSON.stringify(line)} is not a line of a checkpoint`)
  }
  return [origin, String(size), base64Of(root), ...extensions].map((line) => `${line}\n`).join('')
}

/** Throws ABN_CHECKPOINT_INVALID. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n')
  if (lines.pop() !== '') throw invalid('its last line has no end')
  const [origin, count, hash, ...extensions] = lines
  if (origin === undefined || origin === '' || count === undefined || hash === undefined)
    throw invalid('it has fewer than three lines')
  const size = parseTreeSize(count)
  if (size === undefined) throw invalid('its second line is not the size of a tree')
  const root = bytesOfBase64(hash)
  if (root?.length !== 32) throw invalid('its third line is not the base 64 of 32 bytes')
  if (extensions.includes('')) throw invalid('it has an empty line')
  return { origin, size, root: treeHashOf(root), extensions }
}

export function signCheckpoint(checkpoint: Checkpoint, signer: Signer): Note {
  return signNote(encodeCheckpoint(checkpoint), signer)
}

/** Throws ABN_NOTE_…, ABN_CHECKPOINT_INVALID, ABN_SIGNATURE_INVALID; ABN_CHECKPOINT_ORIGIN when it is another log's. */
export function verifyCheckpoint(bytes: Uint8Array, log: LogKey): VerifiedCheckpoint {
  return verifiedCheckpointOf(parseNote(bytes), log)
}

export function verifiedCheckpointOf(note: Note, log: LogKey): VerifiedCheckpoint {
  verifyNote(note, log)
  const checkpoint = parseCheckpoint(note.text)
  if (checkpoint.origin !== log.name) {
    throw new AbnError('ABN_CHECKPOINT_ORIGIN', `checkpoint of another log: expected ${log.name}`)
  }
  return { ...checkpoint, note } as VerifiedCheckpoint
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_CHECKPOINT_INVALID', `checkpoint: ${reason}`)
}
