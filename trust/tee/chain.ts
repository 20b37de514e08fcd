/**
 * Chains of certificates from a leaf to a root that is known by its SHA-256, each certificate in its role: a key that Intel made for
 * one purpose counts for no other, whatever its certificate would allow. Depends on revocation being checked by the caller (crl.ts).
 */
import { parseSha256, type Sha256 } from '../../format/hash.ts'
import { isEqualBytes, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto.ts'
import type { Collateral } from './collateral.ts'
import type { CollateralFindings } from './collateral-parts.ts'
import { isSignedBy } from './p256.ts'
import { parsePem } from './pem.ts'
import { requireTee } from './reasons.ts'
import { type Certificate, keyUsages, parseCertificate } from './x509.ts'

declare const verified: unique symbol

/** Whose hardware is believed. A simulated root is no hardware at all, and is named by its digest only. */
export type TeeRoot = { readonly kind: 'intel' | 'simulated'; readonly digest: Sha256 }

/** A certificate that a chain leads from to the root, in its role. Not revoked: that is for the caller to see. */
export type VerifiedCertificate = Certificate & { readonly [verified]: true }

/** SHA-256 of the DER of Intel SGX Root CA. */
export const intelRoot: TeeRoot = {
  kind: 'intel',
  digest: parseSha256('44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3'),
}

export function simulatedRootOf(digest: Sha256): TeeRoot {
  if (digest === intelRoot.digest) throw new TypeError('simulatedRootOf: that is Intel’s root')
  return { kind: 'simulated', digest }
}

export type Role = 'pck' | 'pck-ca' | 'tcb-signer' | 'root'

/** Common names behind 'Intel ' or 'Simulated '. */
export const roleNames: Readonly<Record<Role, readonly string[]>> = {
  pck: ['SGX PCK Certificate'],
  'pck-ca': ['SGX PCK Platform CA', 'SGX PCK Processor CA'],
  'tcb-signer': ['SGX TCB Signing'],
  root: ['SGX Root CA'],
}

export const rolePrefixes: Readonly<Record<TeeRoot['kind'], string>> = { intel: 'Intel', simulated: 'Simulated' }

/** In a quote's header: Intel's, or sixteen letters. */
export const qeVendorIds: Readonly<Record<TeeRoot['kind'], Uint8Array>> = {
  intel: Uint8Array.fromHex('939a7233f79c4ca9940a0db3957f0607'),
  simulated: utf8('abnpkg simulated'),
}

export type ChainOptions = {
  readonly root: TeeRoot
  /** Seconds since 1970. */
  readonly now: number
  readonly memory: CertificateMemory
}

/**
 * What certificates and collateral say and who signed them, so that it is not found out twice: neither ever changes. Roles, times
 * and revocation are looked at each time. Belongs to one process.
 */
export type CertificateMemory = {
  readonly parsed: Map<Sha256, Certificate>
  readonly issued: Set<string>
  readonly collateral: WeakMap<Collateral, CollateralFindings>
}

export function newCertificateMemory(): CertificateMemory {
  return { parsed: new Map(), issued: new Set(), collateral: new WeakMap() }
}

/** Throws a TeeError: pem-invalid, certificate-invalid, certificate-extension. */
export function parseChain(pem: string, { parsed, issued }: CertificateMemory): readonly Certificate[] {
  if (parsed.size > maximumRemembered) {
    parsed.clear()
    issued.clear()
  }
  return parsePem(pem).map((der) => {
    const digest = sha256(der)
    const certificate = parsed.get(digest) ?? parseCertificate(der)
    parsed.set(digest, certificate)
    return certificate
  })
}

/** `chain` is from the leaf to the root, as many as `roles`. Throws a TeeError: chain-…, root-…, certificate-…. */
export function verifyChain<const R extends readonly Role[]>(
  chain: readonly Certificate[],
  roles: R,
  { root, now, memory }: ChainOptions,
): { readonly [I in keyof R]: VerifiedCertificate } {
  requireTee(chain.length === roles.length, 'chain-length', `${chain.length} certificates, expected ${roles.length}`)
  const last = chain.at(-1)
  requireTee(
    last?.digest === root.digest,
    'root-unknown',
    `the chain ends in ${last?.digest}, not in the ${root.kind} root`,
  )
  for (const [i, certificate] of chain.entries()) {
    const { commonName, notBefore, notAfter } = certificate
    requireRole(certificate, roles[i] ?? 'root', root)
    requireTee(now >= notBefore, 'certificate-not-yet', `${commonName} is not valid yet`)
    requireTee(now <= notAfter, 'certificate-expired', `${commonName} has expired`)
  }
  for (const [i, certificate] of chain.entries()) {
    const issuer = chain[i + 1]
    if (issuer !== undefined) requireIssuedBy(certificate, issuer, { below: i, memory })
  }
  return chain as unknown as { readonly [I in keyof R]: VerifiedCertificate }
}

function requireRole(certificate: Certificate, role: Role, root: TeeRoot): void {
  const { commonName, keyUsage } = certificate
  const names = roleNames[role].map((name) => `${rolePrefixes[root.kind]} ${name}`)
  requireTee(names.includes(commonName), 'certificate-role', `${commonName} stands for ${names.join(' or ')}`)
  requireTee(
    (certificate.sgx !== undefined) === (role === 'pck'),
    'certificate-role',
    `${commonName}: only a PCK has SGX extensions`,
  )
  const isAuthority = role === 'root' || role === 'pck-ca'
  requireTee(certificate.isCa === isAuthority, 'certificate-ca', `${commonName}: CA is ${certificate.isCa}`)
  const wanted = isAuthority ? keyUsages.keyCertSign : keyUsages.digitalSignature
  const excluded = isAuthority ? keyUsages.digitalSignature : keyUsages.keyCertSign
  requireTee(keyUsage.has(wanted) && !keyUsage.has(excluded), 'certificate-key-usage', `${commonName}: other key usage`)
}

type Issuing = { readonly below: number; readonly memory: CertificateMemory }

/** `below`: how many certificates stand below the one that was issued; all but the leaf are authorities. */
function requireIssuedBy(certificate: Certificate, issuer: Certificate, { below, memory }: Issuing): void {
  const { commonName, digest, signed, signature } = certificate
  const { pathLength } = issuer
  requireTee(
    pathLength === undefined || below <= pathLength,
    'certificate-path-length',
    `${issuer.commonName}: ${below} below`,
  )
  requireTee(isEqualBytes(certificate.issuer, issuer.subject), 'certificate-issuer', `${commonName}: issued by another`)
  const pair = `${digest} ${issuer.digest}`
  const isSigned = memory.issued.has(pair) || isSignedBy(issuer.key, signed, signature, 'der')
  requireTee(isSigned, 'certificate-signature', `${commonName}: not signed by ${issuer.commonName}`)
  memory.issued.add(pair)
}

const maximumRemembered = 256
