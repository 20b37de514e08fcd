/**
 * Asks witnesses to cosign a checkpoint of our log (C2SP tlog-witness). They carry no trust here: a cosignature is believed when it
 * verifies, and a witness that is silent, slow or wrong only does not count.
 */
import type { Dispatcher } from 'undici'
import { AbnError } from '../../format/errors.ts'
import type { VerifiedCheckpoint } from '../../trust/log/checkpoint.ts'
import { verifyCosignature, type WitnessKey } from '../../trust/log/cosignature.ts'
import { parseTreeSize, type TreeSize, treeSizeOf } from '../../trust/log/merkle.ts'
import { type NoteSignature, parseSignatureLine } from '../../trust/log/note.ts'
import { encodeAddCheckpoint } from '../../trust/log/witness-request.ts'
import { consistencyProof } from './prove.ts'
import type { TreeFiles } from './tree-files.ts'

export type WitnessAddress = { readonly key: WitnessKey; readonly url: string }

export type Cosigning = {
  readonly files: TreeFiles
  readonly witnesses: readonly WitnessAddress[]
  /** What each witness has seen last, by address; changed here. */
  readonly seen: Map<string, TreeSize>
  readonly signal: AbortSignal
  readonly report: (what: string, error?: unknown) => void
}

const SECONDS = 10
const MAXIMUM_ANSWER_BYTES = 16 * 1024

/** The cosignatures of those who gave one in time. */
export async function collectCosignatures(
  checkpoint: VerifiedCheckpoint,
  cosigning: Cosigning,
): Promise<readonly NoteSignature[]> {
  const found = await Promise.all(
    cosigning.witnesses.map(async (witness) => {
      try {
        return [await cosignatureOf(checkpoint, witness, cosigning)]
      } catch (error) {
        cosigning.report(`witness ${witness.key.name}`, error)
        return []
      }
    }),
  )
  return found.flat()
}

async function cosignatureOf(
  checkpoint: VerifiedCheckpoint,
  { key, url }: WitnessAddress,
  { files, seen, signal }: Cosigning,
): Promise<NoteSignature> {
  const { size, note } = checkpoint
  for (let tries = 0; tries < 2; tries++) {
    const old = seen.get(url) ?? treeSizeOf(0)
    const proof = await consistencyProof(files, old, size)
    const { status, text } = await post(url, encodeAddCheckpoint({ old, proof, checkpoint: note }), signal)
    if (status === 200) {
      seen.set(url, size)
      return cosignatureIn(text, checkpoint, key)
    }
    const known = status === 409 ? parseTreeSize(text.replace(/\n$/, '')) : undefined
    if (known === undefined || known > size) throw refused(status, text)
    seen.set(url, known)
  }
  throw refused(409, 'it keeps changing what it has seen')
}

function cosignatureIn(text: string, checkpoint: VerifiedCheckpoint, key: WitnessKey): NoteSignature {
  for (const line of text.split('\n').slice(0, 16)) {
    if (line === '') continue
    const signature = parseSignatureLine(line)
    if (signature.name !== key.name || !key.id.startsWith(signature.keyHash)) continue
    const note = { text: checkpoint.note.text, signatures: [signature] }
    if (verifyCosignature({ note }, key) !== undefined) return signature
  }
  throw refused(200, 'there is no cosignature of its key in the answer')
}

async function post(
  url: string,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  const { request } = await import('undici')
  const options: Parameters<typeof request>[1] = {
    method: 'POST',
    body,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    headersTimeout: SECONDS * 1000,
    bodyTimeout: SECONDS * 1000,
    signal: AbortSignal.any([signal, AbortSignal.timeout(SECONDS * 1000)]),
  }
  const answer = await request(`${url}/add-checkpoint`, options)
  return { status: answer.statusCode, text: await bounded(answer.body) }
}

async function bounded(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > MAXIMUM_ANSWER_BYTES) throw refused(200, 'its answer is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function refused(status: number, text: string): AbnError {
  return new AbnError('ABN_WITNESS_REFUSED', `status ${status}: ${text.trim().slice(0, 200)}`)
}
