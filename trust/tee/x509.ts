/**
 * X.509 certificates (RFC 5280) as far as Intel's root, intermediate, PCK and signing certificates go: version 3, P-256, ECDSA with
 * SHA-256. Names are compared as DER, an extension that is critical and not known refuses the certificate. Nothing is verified
 * here: chain.ts does that.
 */

import type { Sha256 } from '../../format/hash.ts'
import { isEqualBytes } from '../bytes.ts'
import { sha256 } from '../crypto.ts'
import {
  booleanOf,
  type Der,
  identifierOf,
  membersOf,
  namedBitsOf,
  numberOf,
  octetsOfBits,
  parseDer,
  serialOf,
  tags,
} from './der.ts'
import { type P256Key, p256KeyOf, p256Prefix } from './p256.ts'
import { TeeError } from './reasons.ts'

export type Certificate = {
  readonly digest: Sha256
  readonly der: Uint8Array
  /** What the issuer signs, and its signature (a DER sequence). */
  readonly signed: Uint8Array
  readonly signature: Uint8Array
  readonly serial: string
  /** DER. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly commonName: string
  readonly notBefore: number
  readonly notAfter: number
  readonly key: P256Key
  /** x ‖ y. */
  readonly point: Uint8Array
  readonly isCa: boolean
  /** How many certificates of authorities may stand below this one; undefined when it does not say. */
  readonly pathLength: number | undefined
  /** Bits of KeyUsage; empty when it does not say. */
  readonly keyUsage: ReadonlySet<number>
  /** Content of Intel's SGX extension. */
  readonly sgx: Uint8Array | undefined
}

export const keyUsages = { digitalSignature: 0, keyCertSign: 5, crlSign: 6 } as const

/** Object identifiers, as hexadecimal of their content. */
export const identifiers = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  organizationName: '55040a',
  basicConstraints: '551d13',
  keyUsage: '551d0f',
  subjectKeyIdentifier: '551d0e',
  authorityKeyIdentifier: '551d23',
  crlDistributionPoints: '551d1f',
  crlNumber: '551d14',
  crlReason: '551d15',
  sgx: '2a864886f84d010d01',
} as const

/** Throws a TeeError: certificate-invalid, certificate-extension. */
export function parseCertificate(der: Uint8Array): Certificate {
  const { signed, signature } = signedPartsOf(parseDer(der, REASON))
  const members = membersOf(signed)
  const version = members.takeIf(tags.context(0))?.children ?? []
  if (version.length !== 1 || !version.every((one) => numberOf(one) === 2)) throw invalid('expected version 3')
  const serial = serialOf(members.take(tags.integer, 'serial number'))
  requireEcdsa(members.take(tags.sequence, 'algorithm'))
  const issuer = members.take(tags.sequence, 'issuer')
  const validity = membersOf(members.take(tags.sequence, 'validity'))
  const notBefore = validity.takeTime('beginning')
  const notAfter = validity.takeTime('end')
  validity.end()
  const subject = members.take(tags.sequence, 'subject')
  const point = pointOf(members.take(tags.sequence, 'public key'))
  const key = p256KeyOf(point)
  if (key === undefined) throw invalid('the public key is no point of P-256')
  const extensions = extensionsOf(members.takeIf(tags.context(3)), KNOWN)
  members.end()
  return {
    digest: sha256(der),
    der,
    signed: signed.bytes,
    signature,
    serial,
    issuer: issuer.bytes,
    subject: subject.bytes,
    commonName: commonNameOf(subject),
    notBefore,
    notAfter,
    key,
    point,
    ...constraintsOf(extensions.get(identifiers.basicConstraints)),
    keyUsage: keyUsageOf(extensions.get(identifiers.keyUsage)),
    sgx: extensions.get(identifiers.sgx),
  }
}

/** What certificates and lists of revoked ones have in common: the signed part, the algorithm, the signature. */
export function signedPartsOf(whole: Der): { readonly signed: Der; readonly signature: Uint8Array } {
  const members = membersOf(whole)
  const signed = members.take(tags.sequence, 'signed part')
  requireEcdsa(members.take(tags.sequence, 'algorithm'))
  const signature = octetsOfBits(members.take(tags.bitString, 'signature'))
  members.end()
  return { signed, signature }
}

export function requireEcdsa(algorithm: Der): void {
  const [identifier, ...parameters] = algorithm.children
  const isEcdsa = identifier !== undefined && identifierOf(identifier) === identifiers.ecdsaWithSha256
  if (!isEcdsa || parameters.length > 0) throw new TeeError(algorithm.reason, 'expected ECDSA with SHA-256')
}

/** Values by identifier. One that is critical must be among `known`, and none may occur twice. */
export function extensionsOf(value: Der | undefined, known: ReadonlySet<string>): ReadonlyMap<string, Uint8Array> {
  const extensions = new Map<string, Uint8Array>()
  if (value === undefined) return extensions
  const [list, ...more] = value.children
  if (list === undefined || list.tag !== tags.sequence || list.children.length === 0 || more.length > 0) {
    throw new TeeError(value.reason, 'not a list of extensions')
  }
  for (const extension of list.children) {
    const members = membersOf(extension)
    const identifier = identifierOf(members.take(tags.identifier, 'identifier'))
    const critical = members.takeIf(tags.boolean)
    const content = members.take(tags.octetString, 'extension').content
    members.end()
    // DER leaves out what has its default value.
    const isCritical = critical !== undefined && booleanOf(critical)
    if (critical !== undefined && !isCritical) throw new TeeError(value.reason, 'criticality is not DER')
    if (extensions.has(identifier)) throw new TeeError(value.reason, `the extension ${identifier} occurs twice`)
    if (isCritical && !known.has(identifier)) {
      const reason = value.reason === REASON ? 'certificate-extension' : value.reason
      throw new TeeError(reason, `the critical extension ${identifier} is not known`)
    }
    extensions.set(identifier, content)
  }
  return extensions
}

const REASON = 'certificate-invalid'
const KNOWN: ReadonlySet<string> = new Set([identifiers.basicConstraints, identifiers.keyUsage])

function pointOf(value: Der): Uint8Array {
  const { bytes } = value
  const isPrefixed =
    bytes.length === p256Prefix.length + 65 && isEqualBytes(bytes.subarray(0, p256Prefix.length), p256Prefix)
  if (!isPrefixed || bytes[p256Prefix.length] !== 4) throw invalid('the public key is not an uncompressed one of P-256')
  return bytes.subarray(p256Prefix.length + 1)
}

function commonNameOf(name: Der): string {
  const names = name.children.flatMap((set) =>
    set.children.filter(({ children: [type] }) => type !== undefined && identifierOf(type) === identifiers.commonName),
  )
  const text = names[0]?.children[1]
  // UTF8String or PrintableString, in ASCII.
  const isText = text !== undefined && (text.tag === 0x0c || text.tag === 0x13)
  if (names.length !== 1 || !isText || text.content.some((byte) => byte < 0x20 || byte > 0x7e)) {
    throw invalid('expected one common name')
  }
  return new TextDecoder().decode(text.content)
}

function constraintsOf(content: Uint8Array | undefined): Pick<Certificate, 'isCa' | 'pathLength'> {
  if (content === undefined) return { isCa: false, pathLength: undefined }
  const members = membersOf(parseDer(content, REASON))
  const flag = members.takeIf(tags.boolean)
  const isCa = flag !== undefined && booleanOf(flag)
  const length = members.takeIf(tags.integer)
  members.end()
  if ((flag !== undefined && !isCa) || (length !== undefined && !isCa)) throw invalid('basic constraints are not DER')
  return { isCa, pathLength: length === undefined ? undefined : numberOf(length) }
}

function keyUsageOf(content: Uint8Array | undefined): ReadonlySet<number> {
  return content === undefined ? new Set() : namedBitsOf(parseDer(content, REASON))
}

function invalid(message: string): TeeError {
  return new TeeError(REASON, `certificate: ${message}`)
}
