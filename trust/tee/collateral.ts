/**
 * Collateral: what Intel signs about its platforms, besides the quote itself: TCB info, the identity of the quoting enclave, two
 * lists of revoked certificates, and the certificates that sign them. Fetched from anywhere, kept by hash. One JSON document;
 * specification: docs/formats/tee.md. Parsed here, verified by verify.ts.
 */
import { canonicalJson, type JsonValue } from '../../format/canonical-json.ts'
import { fieldsOf, type Place, textOf } from '../../format/fields.ts'
import type { Sha256 } from '../../format/hash.ts'
import { parseHumanJson } from '../../format/human-json.ts'
import { bytesOfHex, hexOf, utf8 } from '../bytes.ts'
import { sha256 } from '../crypto.ts'
import { maximumDerBytes } from './der.ts'
import { TeeError, type TeeReason } from './reasons.ts'

export type Collateral = {
  /** SHA-256 of the canonical encoding. */
  readonly digest: Sha256
  /** PEM: the authority of the PCK, root. */
  readonly pckCrlChain: string
  readonly rootCrl: Uint8Array
  readonly pckCrl: Uint8Array
  readonly tcbInfo: SignedText
  readonly qeIdentity: SignedText
}

/** JSON exactly as it was signed. */
export type SignedText = {
  readonly text: string
  /** r ‖ s. */
  readonly signature: Uint8Array
  /** PEM: the signing certificate, root. */
  readonly chain: string
}

export type CollateralPart = 'tcbInfo' | 'qeIdentity' | 'rootCrl' | 'pckCrl'

export const maximumCollateralBytes = 4 * 1024 * 1024

/** JSON in any white space. Throws a TeeError: collateral-invalid. */
export function parseCollateral(bytes: Uint8Array): Collateral {
  if (bytes.length > maximumCollateralBytes) throw PLACE.fail(`${bytes.length} bytes`)
  const json = readJson(textOfUtf8(bytes), 'collateral-invalid', maximumCollateralBytes)
  const fields = fieldsOf(json, PLACE, FIELDS)
  const text = (name: (typeof FIELDS)[number]) => textOf(fields[name], PLACE)
  const octets = (name: (typeof FIELDS)[number], maximum: number) => {
    const found = text(name).length <= 2 * maximum ? bytesOfHex(text(name)) : undefined
    if (found === undefined) throw PLACE.fail(`${name} is not at most ${maximum} bytes in hexadecimal`)
    return found
  }
  const signed = (name: 'tcb_info' | 'qe_identity'): SignedText => {
    const signature = octets(`${name}_signature`, 64)
    if (signature.length !== 64) throw PLACE.fail(`${name}_signature is not 64 bytes`)
    return { text: text(name), signature, chain: text(`${name}_issuer_chain`) }
  }
  const parsed = {
    pckCrlChain: text('pck_crl_issuer_chain'),
    rootCrl: octets('root_ca_crl', maximumDerBytes),
    pckCrl: octets('pck_crl', maximumDerBytes),
    tcbInfo: signed('tcb_info'),
    qeIdentity: signed('qe_identity'),
  }
  return { digest: sha256(utf8(encodeCollateral(parsed))), ...parsed }
}

/** Canonical JSON. */
export function encodeCollateral(collateral: Omit<Collateral, 'digest'>): string {
  const { pckCrlChain, rootCrl, pckCrl, tcbInfo, qeIdentity } = collateral
  const json: Record<(typeof FIELDS)[number], string> = {
    pck_crl_issuer_chain: pckCrlChain,
    root_ca_crl: hexOf(rootCrl),
    pck_crl: hexOf(pckCrl),
    tcb_info_issuer_chain: tcbInfo.chain,
    tcb_info: tcbInfo.text,
    tcb_info_signature: hexOf(tcbInfo.signature),
    qe_identity_issuer_chain: qeIdentity.chain,
    qe_identity: qeIdentity.text,
    qe_identity_signature: hexOf(qeIdentity.signature),
  }
  return canonicalJson(json)
}

/** SHA-256 of each signed part, so that a log can say which it was verified with. */
export function partDigestsOf({
  tcbInfo,
  qeIdentity,
  rootCrl,
  pckCrl,
}: Collateral): Readonly<Record<CollateralPart, Sha256>> {
  return {
    tcbInfo: sha256(utf8(tcbInfo.text)),
    qeIdentity: sha256(utf8(qeIdentity.text)),
    rootCrl: sha256(rootCrl),
    pckCrl: sha256(pckCrl),
  }
}

/** JSON without a key that occurs twice. Throws a TeeError with the given reason. */
export function readJson(text: string, reason: TeeReason, maximumBytes = 256 * 1024): JsonValue {
  return parseHumanJson(text, { maximumBytes, fail: (message, cause) => new TeeError(reason, message, { cause }) })
}

const FIELDS = [
  'pck_crl',
  'pck_crl_issuer_chain',
  'qe_identity',
  'qe_identity_issuer_chain',
  'qe_identity_signature',
  'root_ca_crl',
  'tcb_info',
  'tcb_info_issuer_chain',
  'tcb_info_signature',
] as const

const PLACE: Place = { path: '', fail: (reason) => new TeeError('collateral-invalid', reason) }

function textOfUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new TeeError('collateral-invalid', 'not UTF-8', { cause })
  }
}
