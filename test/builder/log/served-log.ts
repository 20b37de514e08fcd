/** A log on loopback whose tree is made at once and can be exchanged for another, as a log that lies would do. */
import { createServer, type ServerResponse } from 'node:http'
import { emptyEdge, grow, rootOf } from '../../../cache-server/log/tree-edge.ts'
import { signCheckpoint } from '../../../trust/log/checkpoint.ts'
import { cosign } from '../../../trust/log/cosignature.ts'
import { type TreeHash, treeSizeOf } from '../../../trust/log/merkle.ts'
import { encodeNote, type Note } from '../../../trust/log/note.ts'
import type { SecretKey, Signer } from '../../../trust/secret-key.ts'
import { listening } from '../../_support/listening.ts'

export type ServedTree = {
  readonly note: Note
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly size: number
  readonly root: TreeHash
}

export type Cosigner = { readonly key: Signer; readonly time: number }

/** All tiles that a log has had on the way, in steps as if it had published after each entry. */
export function treeOf(
  entries: readonly Uint8Array[],
  key: SecretKey,
  cosigners: readonly Cosigner[] = [],
): ServedTree {
  const files = new Map<string, Uint8Array>()
  let edge = emptyEdge
  for (let at = 0; at < entries.length; at += 100) {
    const grown = grow(edge, entries.slice(at, at + 100))
    edge = grown.edge
    for (const [path, bytes] of grown.files) files.set(path, bytes)
  }
  const size = treeSizeOf(entries.length)
  const root = rootOf(edge)
  const signed = signCheckpoint({ origin: key.publicKey.name, size, root, extensions: [] }, key)
  const cosignatures = cosigners.map((one) => cosign(signed.text, one.key, one.time))
  return { note: { ...signed, signatures: [...signed.signatures, ...cosignatures] }, files, size: entries.length, root }
}

export type ServedLog = {
  /** Of the log. */
  readonly url: string
  readonly requests: string[]
  show(tree: ServedTree): void
  /** What is answered in place of a file. */
  readonly instead: Map<string, (response: ServerResponse) => void>
}

export async function serveLog(t: { teardown(action: () => void): void }, tree: ServedTree): Promise<ServedLog> {
  let shown = tree
  const requests: string[] = []
  const instead: ServedLog['instead'] = new Map()
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace('/v1/log/', '')
    requests.push(path)
    const bytes = path === 'checkpoint' ? encodeNote(shown.note) : shown.files.get(path)
    const answer = instead.get(path)
    if (answer !== undefined) answer(response)
    else if (bytes === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
  })
  return {
    url: `${await listening(t, server)}/v1/log`,
    requests,
    instead,
    show: (next) => {
      shown = next
    },
  }
}
