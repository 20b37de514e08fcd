/**
 * An attestation: a statement in its signed envelope. Parsed says nothing about who signed; only verifyAttestation makes a
 * VerifiedAttestation, and only for the key that the statement itself names as its builder.
 */
import { AbnError } from '../format/errors.ts'
import type { Sha256 } from '../format/hash.ts'
import { sha256 } from './crypto.ts'
import {
  type Envelope,
  encodeEnvelope,
  parseEnvelope,
  preAuthenticationEncoding,
  signedBytesOf,
  verifyEnvelope,
} from './dsse.ts'
import type { SignedBytes } from './ed25519.ts'
import type { PublicKey } from './key.ts'
import type { Signer } from './secret-key.ts'
import { encodeStatement, parseStatement, type Statement, statementPayloadType } from './statement.ts'

declare const verified: unique symbol

export type Attestation = {
  /** SHA-256 of the envelope's bytes: the attestation's name. */
  readonly digest: Sha256
  /** SHA-256 of the statement's bytes: what a revocation names. */
  readonly statementDigest: Sha256
  /** The envelope as it travels; made from `envelope` each time, as there is one encoding. */
  readonly bytes: Uint8Array
  readonly envelope: Envelope
  readonly statement: Statement
}

/** An attestation whose signature is that of `key`. */
export type VerifiedAttestation = Attestation & { readonly key: PublicKey; readonly [verified]: true }

/** Throws ABN_ENVELOPE_INVALID, ABN_STATEMENT_INVALID or ABN_JSON_INVALID. */
export function parseAttestation(bytes: Uint8Array): Attestation {
  return attestationOf(parseEnvelope(bytes))
}

/**
 * Of an envelope that has been read already; `digest` is that of its encoding.
 * Throws ABN_ENVELOPE_INVALID, ABN_STATEMENT_INVALID or ABN_JSON_INVALID.
 */
export function attestationOf(envelope: Envelope, digest = sha256(encodeEnvelope(envelope))): Attestation {
  if (envelope.payloadType !== statementPayloadType) {
    const got = JSON.stringify(envelope.payloadType.slice(0, 100))
    throw new AbnError('ABN_ENVELOPE_INVALID', `envelope: payloadType: expected ${statementPayloadType}, got ${got}`)
  }
  const statement = parseStatement(envelope.payload)
  if (statement.builder.key !== envelope.keyId) {
    throw new AbnError('ABN_STATEMENT_INVALID', 'statement: the builder that it names is not the key that signed it')
  }
  const statementDigest = sha256(envelope.payload)
  return {
    digest,
    statementDigest,
    envelope,
    statement,
    get bytes() {
      return encodeEnvelope(envelope)
    },
  }
}

/** Throws ABN_SIGNATURE_INVALID. */
export function verifyAttestation(attestation: Attestation, key: PublicKey): VerifiedAttestation {
  verifyEnvelope(attestation.envelope, key)
  return verifiedBy(attestation, key)
}

/** isValidEd25519 of many, in their order, as by another thread. */
export type VerifyMany = (signed: readonly SignedBytes[]) => Promise<readonly boolean[]>

/** verifyAttestation of many, by `verify`: those whose signature is the key's. Rejects when `verify` does. */
export async function verifyAttestations(
  all: readonly { readonly attestation: Attestation; readonly key: PublicKey }[],
  verify: VerifyMany,
): Promise<readonly VerifiedAttestation[]> {
  const named = all.filter(({ attestation, key }) => attestation.envelope.keyId === key.id)
  const valid = await verify(named.map(({ attestation, key }) => signedBytesOf(attestation.envelope, key)))
  if (valid.length !== named.length) throw new TypeError(`${valid.length} answers about ${named.length} signatures`)
  return named.filter((_, i) => valid[i] === true).map(({ attestation, key }) => verifiedBy(attestation, key))
}

function verifiedBy(
  { digest, statementDigest, envelope, statement }: Attestation,
  key: PublicKey,
): VerifiedAttestation {
  return {
    digest,
    statementDigest,
    envelope,
    statement,
    key,
    get bytes() {
      return encodeEnvelope(envelope)
    },
  } as VerifiedAttestation
}

/** The statement's builder must be the signer's key. Throws ABN_STATEMENT_INVALID. */
export function attest(statement: Statement, signer: Signer): VerifiedAttestation {
  const payload = encodeStatement(statement)
  const signature = signer.sign(preAuthenticationEncoding(statementPayloadType, payload))
  const envelope = { payloadType: statementPayloadType, payload, keyId: signer.publicKey.id, signature }
  return verifyAttestation(parseAttestation(encodeEnvelope(envelope)), signer.publicKey)
}
