/**
 * Verifies a TDX quote with its collateral, in the order in which one thing vouches for the next: root → certificates → lists of
 * revoked ones → TCB info and QE identity → report of the quoting enclave → attestation key → quote → status. Everything fails closed:
 * a TeeError with its reason, or a verdict. The verdict says what is so, debugging TDs and old platforms included; whether that is
 * good enough is for appraise.ts. What is verified, and where Intel specifies it: docs/formats/tee.md.
 */
import { concat, hexOf, isEqualBytes, utf8 } from '../bytes.ts'
import { sha256, trustCrypto } from '../crypto.ts'
import { maximumTime } from '../time.ts'
import {
  type CertificateMemory,
  type ChainOptions,
  intelRoot,
  newCertificateMemory,
  parseChain,
  qeVendorIds,
  type Role,
  rolePrefixes,
  type TeeRoot,
  type VerifiedCertificate,
  verifyChain,
} from './chain.ts'
import { type Collateral, partDigestsOf, type SignedText } from './collateral.ts'
import { parseCrl, requireUnrevoked, verifyCrl } from './crl.ts'
import { isSignedBy, p256KeyOf } from './p256.ts'
import { isZero, type Quote } from './quote.ts'
import { requireTee, type TeeReason } from './reasons.ts'
import { parseSgxExtensions } from './sgx-extensions.ts'
import { tcbOf } from './tcb.ts'
import { type Issued, parseQeIdentity, parseTcbInfo } from './tcb-info.ts'
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

  const rootCrl = verifyCrl(parseCrl(collateral.rootCrl), rootCa, now)
  const pckCrl = verifyCrl(parseCrl(collateral.pckCrl), pckCa, now)
  requireUnrevoked(rootCrl, [pckCa, crlCa, tcbSigner, qeSigner, rootCa])
  requireUnrevoked(pckCrl, [pck])

  const tcbInfo = parseTcbInfo(signedText(collateral.tcbInfo, tcbSigner, 'tcb-info-signature'))
  requireCurrent(tcbInfo, now, ['tcb-info-not-yet', 'tcb-info-expired'])
  const qeIdentity = parseQeIdentity(signedText(collateral.qeIdentity, qeSigner, 'qe-identity-signature'))
  requireCurrent(qeIdentity, now, ['qe-identity-not-yet', 'qe-identity-expired'])

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

function chainOf<const R extends readonly Role[]>(pem: string, roles: R, options: ChainOptions) {
  return verifyChain(parseChain(pem, options.memory), roles, options)
}

function signedText({ text, signature }: SignedText, signer: VerifiedCertificate, reason: TeeReason): string {
  requireTee(isSignedBy(signer.key, utf8(text), signature, 'raw'), reason, `not signed by ${signer.commonName}`)
  return text
}

function requireCurrent(
  { issued, nextUpdate }: Issued,
  now: number,
  [notYet, expired]: readonly [TeeReason, TeeReason],
): void {
  requireTee(now >= issued, notYet, 'issued in the future')
  requireTee(now <= nextUpdate, expired, 'past its next update')
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
