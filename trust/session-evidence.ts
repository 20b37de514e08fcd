/**
 * Evidence about a session: the document that a builder publishes once for all that the session signs, with the session as the
 * operator signed it, the quote, the checkpoint that the quote names, and which collateral the quote was made under. The packing is
 * signed by nobody: what counts is the session inside, and a quote that fits it. Specification: docs/formats/session.md.
 */
import { canonicalJson, type JsonValue, parseCanonicalJson } from '../format/canonical-json.ts'
import { AbnError } from '../format/errors.ts'
import { below, fieldsOf, type Place, requireThat, textOf } from '../format/fields.ts'
import { parseSha256, type Sha256 } from '../format/hash.ts'
import { base64Of, bytesOfBase64, hexOf, utf8 } from './bytes.ts'
import { sha256 } from './crypto.ts'
import type { VerifiedCheckpoint } from './log/checkpoint.ts'
import type { VerifiedCosignature } from './log/cosignature.ts'
import { encodeNote, type Note, parseNote } from './log/note.ts'
import { encodeLogProof, type LogProof } from './log/proof-file.ts'
import { parseSession, type SignedSession, type VerifiedSession } from './session.ts'
import type { Collateral } from './tee/collateral.ts'

export type SessionDocument = {
  /** SHA-256 of its bytes. */
  readonly digest: Sha256
  readonly bytes: Uint8Array
  readonly session: SignedSession
  readonly quote: Uint8Array | null
  /** Of the collateral that was at hand when the quote was made. */
  readonly collateral: Sha256 | null
  readonly checkpoint: Note | null
}

/**
 * A session of a configured operator, in one document, with all that came with that. Anybody can pack a session again, so that there
 * may be several, each as good as the other.
 */
export type SessionEvidence = {
  readonly document: SessionDocument
  readonly session: VerifiedSession
  /** Name in the policy. */
  readonly operator: string
  /** Hexadecimal of the hash of the document as an entry of a log. */
  readonly leaf: string
  /** The one that the document names, and others about the same kind of platform; sorted by digest. */
  readonly collateral: readonly Collateral[]
  /** That the document was logged, and when: of many the earliest by each number of witnesses; sorted by digest. */
  readonly proofs: readonly SessionProof[]
}

export type SessionProof = {
  readonly digest: Sha256
  readonly checkpoint: VerifiedCheckpoint
  /** Of witnesses of the policy, each once. */
  readonly cosignatures: readonly VerifiedCosignature[]
}

/** So that a document fits into an entry of a log. */
export const maximumSessionDocumentBytes = 48 * 1024

/** Throws ABN_SESSION_INVALID, ABN_ENVELOPE_INVALID, ABN_NOTE_INVALID or ABN_JSON_INVALID. */
export function parseSessionDocument(bytes: Uint8Array): SessionDocument {
  const own = Uint8Array.from(bytes)
  const value = parseCanonicalJson(own, { bytes: maximumSessionDocumentBytes, depth: 2 })
  const fields = fieldsOf(value, PLACE, ['checkpoint', 'collateral', 'format', 'quote', 'session'])
  requireThat(fields.format === 1, below(PLACE, 'format'), 'expected 1')
  const session = parseSession(base64At(fields.session, below(PLACE, 'session')))
  const { checkpoint, tee } = session.session
  const quote = fields.quote === null ? null : base64At(fields.quote, below(PLACE, 'quote'))
  const note = fields.checkpoint === null ? null : parseNote(base64At(fields.checkpoint, below(PLACE, 'checkpoint')))
  const collateral = fields.collateral === null ? null : digestAt(fields.collateral, below(PLACE, 'collateral'))
  requireThat((quote === null) === (tee === 'none'), below(PLACE, 'quote'), `does not fit the TEE "${tee}"`)
  requireThat((collateral === null) === (quote === null), below(PLACE, 'collateral'), 'goes with a quote')
  const isNamed = note === null ? checkpoint === null : checkpoint === sha256(encodeNote(note))
  requireThat(isNamed, below(PLACE, 'checkpoint'), 'not the one that the session names')
  return { digest: sha256(own), bytes: own, session, quote, collateral, checkpoint: note }
}

/** Throws as parseSessionDocument does for parts that do not fit each other. */
export function encodeSessionDocument(parts: Omit<SessionDocument, 'digest' | 'bytes'>): Uint8Array {
  const { session, quote, collateral, checkpoint } = parts
  const json = {
    checkpoint: checkpoint === null ? null : base64Of(encodeNote(checkpoint)),
    collateral,
    format: 1,
    quote: quote === null ? null : base64Of(quote),
    session: base64Of(session.bytes),
  }
  return parseSessionDocument(utf8(canonicalJson(json))).bytes
}

/** A proof that a session document is logged, with its digest as the extra line, by which it is found. */
export function encodeSessionProof(document: Sha256, proof: Omit<LogProof, 'extra'>): Uint8Array {
  return encodeLogProof({ ...proof, extra: Uint8Array.fromHex(document) })
}

/** Which document a proof is about, by its own word. Undefined when it does not say. */
export function documentOfProof({ extra }: LogProof): Sha256 | undefined {
  return extra?.length === 32 ? parseSha256(hexOf(extra)) : undefined
}

const PLACE: Place = { path: '', fail: (reason) => new AbnError('ABN_SESSION_INVALID', `session document: ${reason}`) }

function base64At(value: JsonValue, place: Place): Uint8Array {
  const bytes = bytesOfBase64(textOf(value, place))
  requireThat(bytes !== undefined, place, 'not base 64 as this format wants it')
  return bytes
}

function digestAt(value: JsonValue, place: Place): Sha256 {
  const text = textOf(value, place)
  requireThat(/^[0-9a-f]{64}$/.test(text), place, 'expected a SHA-256')
  return parseSha256(text)
}
