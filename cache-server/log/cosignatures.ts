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
  /** With so many, the others are waited for a little longer only. */
  readonly quorum: number
  /** What each witness has seen last, by address; changed here. */
  readonly seen: Map<string, TreeSize>
  readonly signal: AbortSignal
  readonly report: (what: string, error?: unknown) => void
  readonly onWitness: (name: string, result: WitnessResult) => void
}

/** 'contradicts': it has seen a tree that ours does not begin with, or so it says. */
export type WitnessResult = 'cosigned' | 'failed' | 'contradicts'

export type Collected = {
  /** In the order of the witnesses. */
  readonly signatures: readonly NoteSignature[]
  /** Names of those who contradict. */
  readonly contradicting: readonly string[]
}

const SECONDS = 10
const GRACE_SECONDS = 2
const MAXIMUM_ANSWER_BYTES = 16 * 1024

/** The cosignatures of those who gave one in time. */
export async function collectCosignatures(
  checkpoint: VerifiedCheckpoint,
  { witnesses, quorum, signal, report, onWitness, ...cosigning }: Cosigning,
): Promise<Collected> {
  const found = new Map<string, NoteSignature>()
  const contradicting: string[] = []
  const late = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const ask = async (witness: WitnessAddress): Promise<void> => {
    const { name } = witness.key
    try {
      const options = { ...cosigning, signal: AbortSignal.any([signal, late.signal]) }
      const answer = await cosignatureOf(checkpoint, witness, options)
      if (answer.kind === 'contradicts') {
        contradicting.push(name)
        onWitness(name, 'contradicts')
        report(`witness ${name}`, refused(answer.status, answer.reason))
        return
      }
      found.set(name, answer.signature)
      onWitness(name, 'cosigned')
      if (found.size >= quorum) timer ??= setTimeout(() => late.abort(), GRACE_SECONDS * 1000)
    } catch (error) {
      if (signal.aborted) return
      onWitness(name, 'failed')
      report(`witness ${name}`, late.signal.aborted ? refused(0, 'it is slower than the others') : error)
    }
  }
  try {
    await Promise.all(witnesses.map(ask))
  } finally {
    clearTimeout(timer)
  }
  return { signatures: witnesses.flatMap(({ key }) => found.get(key.name) ?? []), contradicting }
}

type WitnessAnswer =
  | { readonly kind: 'cosigned'; readonly signature: NoteSignature }
  | { readonly kind: 'contradicts'; readonly status: number; readonly reason: string }

async function cosignatureOf(
  checkpoint: VerifiedCheckpoint,
  { key, url }: WitnessAddress,
  { files, seen, signal }: Pick<Cosigning, 'files' | 'seen' | 'signal'>,
): Promise<WitnessAnswer> {
  const { size, note } = checkpoint
  for (let tries = 0; tries < 2; tries++) {
    const old = seen.get(url) ?? treeSizeOf(0)
    const proof = await consistencyProof(files, old, size)
    const { status, text } = await post(url, encodeAddCheckpoint({ old, proof, checkpoint: note }), signal)
    if (status === 200) {
      seen.set(url, size)
      return { kind: 'cosigned', signature: cosignatureIn(text, checkpoint, key) }
    }
    if (status !== 409 && status !== 422) throw refused(status, text)
    const known = status === 409 ? parseTreeSize(text.replace(/\n$/, '')) : undefined
    if (known === undefined) return { kind: 'contradicts', status, reason: text }
    if (known > size) {
      const reason = `it has seen ${known} entries, and here are ${size}: is this data directory an old copy?`
      return { kind: 'contradicts', status, reason }
    }
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
  const answered = status === 0 ? '' : `status ${status}: `
  return new AbnError('ABN_WITNESS_REFUSED', `${answered}${text.trim().slice(0, 200)}`)
}
