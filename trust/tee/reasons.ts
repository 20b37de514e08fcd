/**
 * Why evidence of a TEE is refused: one table of reasons, each under an error code. A verifier throws a TeeError, whose reason
 * is what tests, decisions and other programs go by; the message is for people.
 */
import { AbnError, type ErrorCode } from '../../format/errors.ts'

export class TeeError extends AbnError {
  readonly reason: TeeReason

  constructor(reason: TeeReason, message: string, options: { readonly cause?: unknown } = {}) {
    super(REASONS[reason], `${reason}: ${message}`, options)
    this.reason = reason
  }
}

export type TeeReason = keyof typeof REASONS

export const REASONS = {
  // The quote's own form (quote.ts).
  'quote-size': 'ABN_TEE_QUOTE',
  'quote-truncated': 'ABN_TEE_QUOTE',
  'quote-trailing': 'ABN_TEE_QUOTE',
  'quote-version': 'ABN_TEE_QUOTE',
  'quote-key-type': 'ABN_TEE_QUOTE',
  'quote-tee-type': 'ABN_TEE_QUOTE',
  'quote-reserved': 'ABN_TEE_QUOTE',
  'quote-body': 'ABN_TEE_QUOTE',
  'quote-certification': 'ABN_TEE_QUOTE',
  // Who made it (verify.ts).
  'quote-vendor': 'ABN_TEE_QUOTE',
  'quote-signature': 'ABN_TEE_SIGNATURE',
  'qe-signature': 'ABN_TEE_SIGNATURE',
  'qe-binding': 'ABN_TEE_SIGNATURE',
  // Certificates and chains (pem.ts, x509.ts, sgx-extensions.ts, chain.ts).
  'pem-invalid': 'ABN_TEE_CERTIFICATE',
  'certificate-invalid': 'ABN_TEE_CERTIFICATE',
  'certificate-extension': 'ABN_TEE_CERTIFICATE',
  'certificate-role': 'ABN_TEE_CERTIFICATE',
  'certificate-ca': 'ABN_TEE_CERTIFICATE',
  'certificate-path-length': 'ABN_TEE_CERTIFICATE',
  'certificate-key-usage': 'ABN_TEE_CERTIFICATE',
  'certificate-issuer': 'ABN_TEE_CERTIFICATE',
  'certificate-signature': 'ABN_TEE_CERTIFICATE',
  'certificate-expired': 'ABN_TEE_CERTIFICATE',
  'certificate-not-yet': 'ABN_TEE_CERTIFICATE',
  'chain-length': 'ABN_TEE_CERTIFICATE',
  'root-unknown': 'ABN_TEE_CERTIFICATE',
  'sgx-extensions': 'ABN_TEE_CERTIFICATE',
  // Revocation (crl.ts).
  'crl-invalid': 'ABN_TEE_CRL',
  'crl-issuer': 'ABN_TEE_CRL',
  'crl-signature': 'ABN_TEE_CRL',
  'crl-expired': 'ABN_TEE_CRL',
  'crl-not-yet': 'ABN_TEE_CRL',
  // Of the quote's chain; of who signed collateral.
  'certificate-revoked': 'ABN_TEE_REVOKED',
  'signer-revoked': 'ABN_TEE_REVOKED',
  // What Intel says about platforms (collateral.ts, tcb-info.ts, qe-identity.ts).
  'collateral-invalid': 'ABN_TEE_COLLATERAL',
  'tcb-info-invalid': 'ABN_TEE_COLLATERAL',
  'tcb-info-signature': 'ABN_TEE_COLLATERAL',
  'tcb-info-expired': 'ABN_TEE_COLLATERAL',
  'tcb-info-not-yet': 'ABN_TEE_COLLATERAL',
  'qe-identity-invalid': 'ABN_TEE_COLLATERAL',
  'qe-identity-signature': 'ABN_TEE_COLLATERAL',
  'qe-identity-expired': 'ABN_TEE_COLLATERAL',
  'qe-identity-not-yet': 'ABN_TEE_COLLATERAL',
  // Whether it says that about this platform (tcb.ts).
  fmspc: 'ABN_TEE_PLATFORM',
  pceid: 'ABN_TEE_PLATFORM',
  'seam-signer': 'ABN_TEE_PLATFORM',
  'seam-attributes': 'ABN_TEE_PLATFORM',
  'module-unknown': 'ABN_TEE_PLATFORM',
  'module-tcb-unknown': 'ABN_TEE_PLATFORM',
  'platform-tcb-unknown': 'ABN_TEE_PLATFORM',
  'qe-tcb-unknown': 'ABN_TEE_PLATFORM',
  'qe-miscselect': 'ABN_TEE_PLATFORM',
  'qe-attributes': 'ABN_TEE_PLATFORM',
  'qe-mrsigner': 'ABN_TEE_PLATFORM',
  'qe-isvprodid': 'ABN_TEE_PLATFORM',
} as const satisfies Record<string, ErrorCode>

/** Throws a TeeError unless the condition holds. */
export function requireTee(condition: boolean, reason: TeeReason, message: string): asserts condition {
  if (!condition) throw new TeeError(reason, message)
}
