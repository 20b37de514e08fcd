/** What an entry of a log is: an attestation, a revocation list or a session document. Parsed only; who signed is not checked here. */
import { AbnError } from '../../format/errors.ts'
import { type Attestation, attestationOf } from '../../trust/attestation.ts'
import { parseEnvelope } from '../../trust/dsse.ts'
import { parseRevocationList, revocationPayloadType, type SignedRevocationList } from '../../trust/revocation.ts'
import type { SignedSession } from '../../trust/session.ts'
import { parseSessionDocument } from '../../trust/session-evidence.ts'

export type LogEntry =
  | { readonly kind: 'attestation'; readonly attestation: Attestation }
  | { readonly kind: 'revocations'; readonly list: SignedRevocationList }
  | { readonly kind: 'session'; readonly session: SignedSession }
  | { readonly kind: 'unreadable'; readonly reason: string }

/** Never throws for what is in the entry. */
export function readEntry(bytes: Uint8Array): LogEntry {
  try {
    // The members of both documents are in bytewise order, so that the first byte after {" says which one it is.
    if (bytes[2] === CHECKPOINT) return { kind: 'session', session: parseSessionDocument(bytes).session }
    const envelope = parseEnvelope(bytes)
    if (envelope.payloadType === revocationPayloadType) return { kind: 'revocations', list: parseRevocationList(bytes) }
    return { kind: 'attestation', attestation: attestationOf(envelope) }
  } catch (error) {
    if (error instanceof AbnError)
      return { kind: 'unreadable', reason: `${error.code}: ${error.message.slice(0, 200)}` }
    throw error
  }
}

const CHECKPOINT = 'checkpoint'.charCodeAt(0)
