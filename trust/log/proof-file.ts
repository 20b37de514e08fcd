/**
 * Offline proofs (C2SP tlog-proof): one file that shows that an entry is in a log, with the checkpoint and its cosignatures. The
 * entry itself is elsewhere. The worked example is in docs/formats/log.md.
 */
import { AbnError } from '../../format/errors.ts'
import { base64Of, bytesOfBase64, concat, utf8 } from '../bytes.ts'
import { type LogKey, type VerifiedCheckpoint, verifiedCheckpointOf } from './checkpoint.ts'
import { leafHash, parseTreeSize, type TreeHash, treeHashOf, verifyInclusion } from './merkle.ts'
import { encodeNote, maximumNoteBytes, type Note, parseNote } from './note.ts'

declare const verified: unique symbol

export type LogProof = {
  readonly index: number
  /** From the leaf's sibling up to the root's child. */
  readonly hashes: readonly TreeHash[]
  readonly checkpoint: Note
  /** Nobody vouches for this. */
  readonly extra: Uint8Array | undefined
}

/** An entry that is in the tree of a checkpoint that the log has signed. */
export type VerifiedInclusion = {
  readonly index: number
  readonly checkpoint: VerifiedCheckpoint
  readonly [verified]: true
}

const HEAD = 'c2sp.org/tlog-proof@v1'
const maximumHashes = 63

export function encodeLogProof({ index, hashes, checkpoint, extra }: LogProof): Uint8Array {
  const lines = [
    HEAD,
    ...(extra === undefined ? [] : [`extra ${base64Of(extra)}`]),
    `index ${index}`,
    ...hashes.map((hash) => base64Of(hash)),
    '',
  ]
  return concat([utf8(`${lines.join('\n')}\n`), encodeNote(checkpoint)])
}

/** Throws ABN_LOG_PROOF_FILE or ABN_NOTE_INVALID. What it accepts, encodeLogProof writes to the same bytes. */
export function parseLogProof(bytes: Uint8Array): LogProof {
  if (bytes.length > 2 * maximumNoteBytes) throw invalid('it is too large')
  const text = new TextDecoder('latin1').decode(bytes)
  const end = text.indexOf('\n\n')
  if (end < 0) throw invalid('there is no empty line before the checkpoint')
  const [head, ...lines] = text.slice(0, end).split('\n')
  if (head !== HEAD) throw invalid(`its first line is not ${HEAD}`)
  const extra = lines[0]?.startsWith('extra ') ? bytesOf(lines.shift()?.slice('extra '.length), 'extra') : undefined
  const index = /^index (.*)$/.exec(lines.shift() ?? '')?.[1]
  const number = index === undefined ? undefined : parseTreeSize(index)
  if (number === undefined) throw invalid('there is no line with the index')
  if (lines.length > maximumHashes) throw invalid(`it has more than ${maximumHashes} hashes`)
  const hashes = lines.map((line) => {
    const hash = bytesOf(line, 'a hash')
    if (hash.length !== 32) throw invalid('a hash has not 32 bytes')
    return treeHashOf(hash)
  })
  return { index: number, hashes, checkpoint: parseNote(bytes.subarray(end + 2)), extra }
}

/** That the log has logged these bytes. Throws what verifyCheckpoint and verifyInclusion throw. */
export function verifyLogProof({ index, hashes, checkpoint: note }: LogProof, entry: Uint8Array, log: LogKey) {
  const checkpoint = verifiedCheckpointOf(note, log)
  const { size, root } = checkpoint
  verifyInclusion({ index, size, root, leaf: leafHash(entry), proof: hashes })
  return { index, checkpoint } as VerifiedInclusion
}

function bytesOf(text: string | undefined, what: string): Uint8Array {
  const bytes = text === undefined ? undefined : bytesOfBase64(text)
  if (bytes === undefined) throw invalid(`${what} is not base 64`)
  return bytes
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_LOG_PROOF_FILE', `proof file of a log: ${reason}`)
}
