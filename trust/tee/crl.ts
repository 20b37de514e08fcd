/**
 * Certificate revocation lists (RFC 5280, section 5): version 2, complete, ECDSA with SHA-256. A delta list or one of a part of the
 * certificates has a critical extension, and is refused by that.
 */
import { isEqualBytes } from '../bytes.ts'
import type { VerifiedCertificate } from './chain.ts'
import { type Der, membersOf, numberOf, parseDer, serialOf, tags } from './der.ts'
import { isSignedBy } from './p256.ts'
import { requireTee, TeeError } from './reasons.ts'
import { extensionsOf, keyUsages, requireEcdsa, signedPartsOf } from './x509.ts'

declare const verified: unique symbol

export type RevocationList = {
  readonly signed: Uint8Array
  readonly signature: Uint8Array
  /** DER. */
  readonly issuer: Uint8Array
  readonly thisUpdate: number
  readonly nextUpdate: number
  /** Serial numbers as serialOf gives them. */
  readonly revoked: ReadonlySet<string>
}

export type VerifiedCrl = RevocationList & { readonly [verified]: true }

/** Throws a TeeError: crl-invalid. */
export function parseCrl(der: Uint8Array): RevocationList {
  const { signed, signature } = signedPartsOf(parseDer(der, 'crl-invalid'))
  const members = membersOf(signed)
  requireTee(numberOf(members.take(tags.integer, 'version')) === 1, 'crl-invalid', 'expected version 2')
  requireEcdsa(members.take(tags.sequence, 'algorithm'))
  const issuer = members.take(tags.sequence, 'issuer').bytes
  const thisUpdate = members.takeTime('time of this list')
  const nextUpdate = members.takeTime('time of the next list')
  const entries = members.takeIf(tags.sequence)
  // RFC 5280, section 5.1.2.6: where nothing is revoked the list is left out.
  requireTee(entries === undefined || entries.children.length > 0, 'crl-invalid', 'an empty list of entries')
  const serials = (entries?.children ?? []).map(revokedSerial)
  const revoked = new Set(serials)
  requireTee(revoked.size === serials.length, 'crl-invalid', 'a serial number occurs twice')
  extensionsOf(members.takeIf(tags.context(0)), NONE)
  members.end()
  return { signed: signed.bytes, signature, issuer, thisUpdate, nextUpdate, revoked }
}

/** `now` in seconds since 1970. Throws a TeeError: crl-issuer, crl-signature, crl-not-yet, crl-expired. */
export function verifyCrl(list: RevocationList, issuer: VerifiedCertificate, now: number): VerifiedCrl {
  const mayIssue = issuer.isCa && issuer.keyUsage.has(keyUsages.crlSign)
  requireTee(mayIssue && isEqualBytes(list.issuer, issuer.subject), 'crl-issuer', `not a list of ${issuer.commonName}`)
  requireTee(
    isSignedBy(issuer.key, list.signed, list.signature, 'der'),
    'crl-signature',
    `not signed by ${issuer.commonName}`,
  )
  requireCurrentCrl(list as VerifiedCrl, issuer, now)
  return list as VerifiedCrl
}

/** Throws a TeeError: crl-not-yet, crl-expired. */
export function requireCurrentCrl(
  { thisUpdate, nextUpdate }: VerifiedCrl,
  { commonName }: VerifiedCertificate,
  now: number,
): void {
  requireTee(now >= thisUpdate, 'crl-not-yet', `the list of ${commonName} is not valid yet`)
  requireTee(now <= nextUpdate, 'crl-expired', `the list of ${commonName} has expired`)
}

/** `certificates` are issued by the list's issuer. Throws a TeeError with this reason. */
export function requireUnrevoked(
  list: VerifiedCrl,
  certificates: readonly VerifiedCertificate[],
  reason: 'certificate-revoked' | 'signer-revoked',
): void {
  for (const { issuer, serial, commonName } of certificates) {
    if (!isEqualBytes(issuer, list.issuer)) throw new TypeError(`requireUnrevoked: ${commonName} has another issuer`)
    if (list.revoked.has(serial)) throw new TeeError(reason, `${commonName} ${serial} is revoked`)
  }
}

const NONE: ReadonlySet<string> = new Set()

function revokedSerial(entry: Der): string {
  const members = membersOf(entry)
  const serial = serialOf(members.take(tags.integer, 'serial number'))
  members.takeTime('time of revocation')
  const extensions = members.takeIf(tags.sequence)
  // Here the list of extensions stands without the tag [0].
  if (extensions !== undefined) extensionsOf({ ...extensions, children: [extensions] }, NONE)
  members.end()
  return serial
}
