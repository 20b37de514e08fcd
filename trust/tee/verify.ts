/**
 * Verifies a TDX quote with its collateral, in the order in which one thing vouches for the next: root → certificates → lists of
 * revoked ones → TCB info and QE identity → report of the quoting enclave → attestation key → quote → status. Everything fails closed:
 * a TeeError with its reason, or a verdict. The verdict says what is so, debugging TDs and old platforms included; whether that is
 * good enough is for appraise.ts. What is verified, and where Intel specifies it: docs/formats/tee.md.
 */
import { concat, hexOf, isEqualBytes } from '../bytes.ts'
import { sha256, trustCrypto } from '../crypto.ts'
import { maximumTime } from '../time.ts'
import {
  type CertificateMemory,
  intelRoot,
  newCertificateMemory,
  qeVendorIds,
  rolePrefixes,
  type TeeRoot,
  type VerifiedCertificate,
} from './chain.ts'
import { type Collateral, partDigestsOf } from './collateral.ts'
import { chainOf, crlIn, qeIdentityIn, tcbInfoIn } from './collateral-parts.ts'
import { requireUnrevoked } from './crl.ts'
import { isSignedBy, p256KeyOf } from './p256.ts'
import { isZero, type Quote } from './quote.ts'
import { requireTee } from './reasons.ts'
import { parseSgxExtensions } from './sgx-extensions.ts'
import { tcbOf } from './tcb.ts'
import { attributesOf, platformOf, reasonsOf, registersOf, type Verdict } from './verdict.ts'

declare const verified: unique symbol

/** A verdict whose signatures hold from the quote up to the root. */
export type VerifiedQuote = Verdict & { readonly [verified]: true }

export type VerifyQuoteOptions = {
  /** Seconds since 1970. */
  readonly now: number
  /** Intel's unless another is named. */
  readonly root?: TeeRoot
  /** One for many quotes spares most of the work on certificates. */
  readonly memory?: CertificateMemory
}

/** Throws a TeeError; a TypeError for a time that is none. */
export function verifyQuote(
  quote: Quote,
  collateral: Collateral,
  { now, root = intelRoot, memory = newCertificateMemory() }: VerifyQuoteOptions,
): VerifiedQuote {
  requireTime(now)
  requireRoot(root)
  const at = { now, root, memory }
  const [pck, pckCa, rootCa] = chainOf(quote.chain, ['pck', 'pck-ca', 'root'], at)
  const [crlCa] = chainOf(collateral.pckCrlChain, ['pck-ca', 'root'], at)
  const isSameAuthority = isEqualBytes(crlCa.point, pckCa.point) && isEqualBytes(crlCa.subject, pckCa.subject)
  requireTee(isSameAuthority, 'crl-issuer', 'the list of revoked PCK certificates is of another authority')
  const [tcbSigner] = chainOf(collateral.tcbInfo.chain, ['tcb-signer', 'root'], at)
  const [qeSigner] = chainOf(collateral.qeIdentity.chain, ['tcb-signer', 'root'], at)

  const rootCrl = crlIn({ collateral, part: 'rootCrl', signer: rootCa }, at)
  const pckCrl = crlIn({ collateral, part: 'pckCrl', signer: pckCa }, at)
  // Those of the quote first: what is said against them counts whatever other collateral there is.
  requireUnrevoked(rootCrl, [pckCa, rootCa], 'certificate-revoked')
  requireUnrevoked(pckCrl, [pck], 'certificate-revoked')
  requireUnrevoked(rootCrl, [crlCa, tcbSigner, qeSigner], 'signer-revoked')

  const tcbInfo = tcbInfoIn({ collateral, signer: tcbSigner }, at)
  const qeIdentity = qeIdentityIn({ collateral, signer: qeSigner }, at)

  verifySignatures(quote, pck, root)
  const platform = parseSgxExtensions(pck.sgx ?? new Uint8Array())
  const tcb = tcbOf(quote, platform, { tcbInfo, qeIdentity })
  const certificates = [pck, pckCa, crlCa, tcbSigner, qeSigner, rootCa]
  const { body } = quote
  const verdict: Verdict = {
    root,
    version: quote.version,
    at: now,
    until: Math.min(
      ...certificates.map(({ notAfter }) => notAfter),
      ...[rootCrl, pckCrl, tcbInfo, qeIdentity].map(({ nextUpdate }) => nextUpdate),
    ),
    tcb,
    evaluationNumber: Math.min(tcbInfo.evaluationNumber, qeIdentity.evaluationNumber),
    registers: registersOf(body),
    serviceTd: body.mrServiceTd === undefined ? null : hexOf(body.mrServiceTd),
    attributes: attributesOf(body.tdAttributes),
    xfam: hexOf(body.xfam),
    module: {
      mrSeam: hexOf(body.mrSeam),
      tcbSvn: hexOf(body.teeTcbSvn),
      tcbSvnNow: body.teeTcbSvn2 === undefined ? null : hexOf(body.teeTcbSvn2),
    },
    platform: platformOf(platform, pck.serial, quote.header.userData),
    reportData: hexOf(body.reportData),
    report: sha256(quote.signed),
    collateral: { ...partDigestsOf(collateral), whole: collateral.digest },
    reasons: reasonsOf(tcb),
  }
  return verdict as VerifiedQuote
}

function requireTime(now: number): void {
  if (!Number.isSafeInteger(now) || now < 0 || now > maximumTime) {
    throw new TypeError(`verifyQuote: now is ${now}, expected whole seconds since 1970`)
  }
}

function requireRoot({ kind, digest }: TeeRoot): void {
  if (rolePrefixes[kind] === undefined || (kind === 'intel') !== (digest === intelRoot.digest)) {
    throw new TypeError('verifyQuote: expected intelRoot, or a simulated root by its digest')
  }
}

/** PCK → report of the quoting enclave → attestation key → quote. */
function verifySignatures(quote: Quote, pck: VerifiedCertificate, root: TeeRoot): void {
  const { header, qe, qeReport, qeSignature, attestationKey, authData, signed, signature } = quote
  requireTee(
    isEqualBytes(header.qeVendorId, qeVendorIds[root.kind]),
    'quote-vendor',
    'the quoting enclave is of another vendor',
  )
  requireTee(isSignedBy(pck.key, qeReport, qeSignature, 'raw'), 'qe-signature', 'the PCK has not signed the report')
  const bound = trustCrypto().sha256(concat([attestationKey, authData]))
  const isBound = isEqualBytes(qe.reportData.subarray(0, 32), bound) && isZero(qe.reportData.subarray(32))
  requireTee(isBound, 'qe-binding', 'the quoting enclave vouches for another attestation key')
  const key = p256KeyOf(attestationKey)
  const isSigned = key !== undefined && isSignedBy(key, signed, signature, 'raw')
  requireTee(isSigned, 'quote-signature', 'the attestation key has not signed the quote')
}
