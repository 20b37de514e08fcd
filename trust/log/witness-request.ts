/**
 * What a log sends to a witness (C2SP tlog-witness, add-checkpoint): the size that the witness has seen last, a proof that the
 * tree has only grown since, and the new checkpoint.
 */
import { AbnError } from '../../format/errors.ts'
import { base64Of, bytesOfBase64, concat, utf8 } from '../bytes.ts'
import { parseTreeSize, type TreeHash, type TreeSize, treeHashOf } from './merkle.ts'
import { encodeNote, maximumNoteBytes, type Note, parseNote } from './note.ts'

export type AddCheckpoint = {
  readonly old: TreeSize
  readonly proof: readonly TreeHash[]
  readonly checkpoint: Note
}

export const maximumRequestBytes = maximumNoteBytes + 8192
const maximumHashes = 63

export function encodeAddCheckpoint({ old, proof, checkpoint }: AddCheckpoint): Uint8Array {
  const lines = [`old ${old}`, ...proof.map((hash) => base64Of(hash)), '']
  return concat([utf8(`${lines.join('\n')}\n`), encodeNote(checkpoint)])
}

/** Throws ABN_WITNESS_REQUEST or ABN_NOTE_INVALID. */
export function parseAddCheckpoint(bytes: Uint8Array): AddCheckpoint {
  if (bytes.length > maximumRequestBytes) throw invalid('it is too large')
  const text = new TextDecoder('latin1').decode(bytes)
  const end = text.indexOf('\n\n')
  if (end < 0) throw invalid('there is no empty line before the checkpoint')
  const [first = '', ...lines] = text.slice(0, end).split('\n')
  const old = parseTreeSize(/^old (.*)$/.exec(first)?.[1] ?? '')
  if (old === undefined) throw invalid('its first line does not say the old size')
  if (lines.length > maximumHashes) throw invalid(`it has more than ${maximumHashes} hashes`)
  const proof = lines.map((line) => {
    const hash = bytesOfBase64(line)
    if (hash?.length !== 32) throw invalid('a line of its proof is not the base 64 of 32 bytes')
    return treeHashOf(hash)
  })
  return { old, proof, checkpoint: parseNote(bytes.subarray(end + 2)) }
}

function invalid(reason: string): AbnError {
  return new AbnError('ABN_WITNESS_REQUEST', `request to a witness: ${reason}`)
}
