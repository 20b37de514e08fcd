// A log in memory, honest or not: entries go in, notes, proofs and files come out, of every size that it has had. Two logs of one key
// with different entries are a fork.

import { encodeCheckpoint, signCheckpoint } from '../../trust/log/checkpoint.ts'
import { cosign } from '../../trust/log/cosignature.ts'
import { encodeInclusions, proveInclusions } from '../../trust/log/inclusions.ts'
import {
  leafHash,
  proveConsistency,
  proveInclusion,
  type ReadSubtree,
  rootHash,
  treeSizeOf,
} from '../../trust/log/merkle.ts'
import { encodeNote, type Note } from '../../trust/log/note.ts'
import { encodeLogProof } from '../../trust/log/proof-file.ts'
import { encodeEntries, entriesPath, hashOfRow, newTiles, tilePath } from '../../trust/log/tile.ts'
import { encodeAddCheckpoint } from '../../trust/log/witness-request.ts'
import type { SecretKey } from '../../trust/secret-key.ts'

export type Witnessing = { readonly by: readonly SecretKey[]; readonly at: number }

export type SmallLog = ReturnType<typeof smallLog>

export function smallLog(signer: SecretKey, given: readonly Uint8Array[] = []) {
  const entries = given.map((one) => Uint8Array.from(one))
  const leaves = entries.map(leafHash)
  const read: ReadSubtree = (level, index) => hashOfRow(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level))
  const indexOf = (entry: Uint8Array): number => entries.findIndex((one) => Buffer.compare(one, entry) === 0)

  const note = (size = entries.length, { by, at }: Witnessing = { by: [], at: 0 }): Note => {
    const checkpoint = {
      origin: signer.publicKey.name,
      size: treeSizeOf(size),
      root: rootHash(treeSizeOf(size), read),
      extensions: [],
    }
    const { text, signatures } = signCheckpoint(checkpoint, signer)
    const cosigned = by.map((witness) => cosign(encodeCheckpoint(checkpoint), witness, at))
    return { text, signatures: [...signatures, ...cosigned] }
  }

  const files = (size = entries.length): ReadonlyMap<string, Uint8Array> => {
    const found = new Map<string, Uint8Array>([['checkpoint', encodeNote(note(size))]])
    for (const tile of newTiles(treeSizeOf(0), treeSizeOf(size))) {
      const rows = Array.from({ length: tile.width }, (_, i) => read(8 * tile.level, tile.index * 256 + i))
      found.set(tilePath(tile), Buffer.concat(rows))
      if (tile.level > 0) continue
      const start = tile.index * 256
      found.set(entriesPath(tile), encodeEntries(entries.slice(start, start + tile.width)))
    }
    return found
  }

  return {
    signer,
    key: signer.publicKey,
    entries,
    note,
    append(...more: readonly Uint8Array[]): void {
      for (const one of more) {
        if (indexOf(one) >= 0) continue
        entries.push(Uint8Array.from(one))
        leaves.push(leafHash(one))
      }
    },
    /** For those that are in the tree. */
    inclusions(wanted: readonly Uint8Array[], size = entries.length, witnessing?: Witnessing): Uint8Array {
      const indices = [...new Set(wanted.map(indexOf))].filter((at) => at >= 0 && at < size).sort((a, b) => a - b)
      const found = indices.flatMap((index) => {
        const leaf = leaves[index]
        return leaf === undefined ? [] : [{ index, leaf }]
      })
      const hashes = proveInclusions(found, size, read)
      return encodeInclusions({ leaves: found, hashes, checkpoint: note(size, witnessing) })
    },
    consistency(old: number, size = entries.length): Uint8Array {
      const proof = proveConsistency(treeSizeOf(old), treeSizeOf(size), read)
      return encodeAddCheckpoint({ old: treeSizeOf(old), proof, checkpoint: note(size) })
    },
    proofFile(entry: Uint8Array, size = entries.length, witnessing?: Witnessing): Uint8Array {
      const index = indexOf(entry)
      const hashes = proveInclusion(index, treeSizeOf(size), read)
      return encodeLogProof({ index, hashes, checkpoint: note(size, witnessing), extra: undefined })
    },
    /** By name, as a web server of files has them: `checkpoint`, and the tiles of the tree of this size. */
    files,
    /** As a cache answers: also narrower parts of a tile. */
    file(path: string): Uint8Array | undefined {
      const [, name, width = '256'] = /^(tile\/[0-9]+\/.*?)(?:\.p\/([0-9]+))?$/.exec(path) ?? []
      const all = [...files()]
      const [, wider] = all.find(([at]) => at === path || at === name || at.startsWith(`${name}.p/`)) ?? []
      return wider === undefined || wider.length < 32 * Number(width) ? undefined : wider.slice(0, 32 * Number(width))
    },
  }
}
