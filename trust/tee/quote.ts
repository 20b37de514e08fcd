/**
 * TDX quotes of version 4 and 5 (Intel, "TDX DCAP: Quote Generation Library and Quote Verification Library", appendix A.3 and A.4)
 * taken apart; nothing is verified here. Whoever hands out a quote may have padded it with zeros (Google's are 8,000 bytes, the
 * kernel's 5,006); anything else behind its end is refused. Specification: docs/formats/tee.md.
 */
import { isEqualBytes } from '../bytes.ts'
import { qeVendorIds } from './chain.ts'
import { bytesIn, type Layout, littleEndian, type Parts, partsOf } from './layout.ts'
import { requireTee, TeeError } from './reasons.ts'

export const HEADER = [
  ['version', 2],
  ['attestationKeyType', 2],
  ['teeType', 4],
  ['reserved', 4],
  ['qeVendorId', 16],
  ['userData', 20],
] as const satisfies Layout

/** Version 5 only, behind the header. */
export const BODY_DESCRIPTOR = [
  ['type', 2],
  ['size', 4],
] as const satisfies Layout

export const TD_REPORT_10 = [
  ['teeTcbSvn', 16],
  ['mrSeam', 48],
  ['mrSignerSeam', 48],
  ['seamAttributes', 8],
  ['tdAttributes', 8],
  ['xfam', 8],
  ['mrTd', 48],
  ['mrConfigId', 48],
  ['mrOwner', 48],
  ['mrOwnerConfig', 48],
  ['rtmr0', 48],
  ['rtmr1', 48],
  ['rtmr2', 48],
  ['rtmr3', 48],
  ['reportData', 64],
] as const satisfies Layout

export const TD_REPORT_15 = [...TD_REPORT_10, ['teeTcbSvn2', 16], ['mrServiceTd', 48]] as const satisfies Layout

/** The report of the quoting enclave about itself. */
export const QE_REPORT = [
  ['cpuSvn', 16],
  ['miscSelect', 4],
  ['reserved1', 28],
  ['attributes', 16],
  ['mrEnclave', 32],
  ['reserved2', 32],
  ['mrSigner', 32],
  ['reserved3', 96],
  ['isvProdId', 2],
  ['isvSvn', 2],
  ['reserved4', 60],
  ['reportData', 64],
] as const satisfies Layout

export const teeTypeTdx = 0x81
export const keyTypeP256 = 2
export const certificationOfQe = 6
export const certificationPem = 5
/** What the kernel can hand out. */
export const maximumQuoteBytes = 32 * 1024

export type Quote = {
  readonly version: 4 | 5
  readonly header: Parts<typeof HEADER>
  readonly body: TdReport
  /** Header, descriptor and body: what the attestation key signs. */
  readonly signed: Uint8Array
  readonly signature: Uint8Array
  /** x ‖ y. */
  readonly attestationKey: Uint8Array
  readonly qe: Parts<typeof QE_REPORT>
  /** The bytes of `qe`: what the PCK certificate's key signs. */
  readonly qeReport: Uint8Array
  readonly qeSignature: Uint8Array
  readonly authData: Uint8Array
  /** PEM: PCK certificate, intermediate, root. */
  readonly chain: string
  /** Zeros behind the end. */
  readonly padding: number
}

/** The two fields that TD report 1.0 does not have are undefined there, which is not the same as zero. */
export type TdReport = Parts<typeof TD_REPORT_10> & {
  readonly teeTcbSvn2: Uint8Array | undefined
  readonly mrServiceTd: Uint8Array | undefined
}

/** Throws a TeeError: quote-…, but not quote-vendor and quote-signature. */
export function parseQuote(bytes: Uint8Array): Quote {
  requireTee(bytes.length <= maximumQuoteBytes, 'quote-size', `${bytes.length} bytes, at most ${maximumQuoteBytes}`)
  const own = Uint8Array.from(bytes)
  const outer = cursor(own)
  const header = outer.parts(HEADER, 'header')
  const version = littleEndian(header.version)
  requireTee(version === 4 || version === 5, 'quote-version', `version ${version}, expected 4 or 5`)
  const keyType = littleEndian(header.attestationKeyType)
  requireTee(keyType === keyTypeP256, 'quote-key-type', `attestation key of type ${keyType}, expected ${keyTypeP256}`)
  const teeType = littleEndian(header.teeType)
  requireTee(teeType === teeTypeTdx, 'quote-tee-type', `TEE of type ${teeType.toString(16)}, expected 81`)
  requireTee(isZero(header.reserved), 'quote-reserved', 'reserved bytes of the header are not zero')
  const body = bodyOf(version, outer)
  const signed = own.subarray(0, outer.at())

  const data = cursor(outer.sized(4, 'signature data'))
  requireTee(isZero(outer.rest()), 'quote-trailing', `bytes that are not zero follow the end`)
  const signature = data.take(64, 'signature')
  const attestationKey = data.take(64, 'attestation key')
  const certification = cursor(certificationData(data, certificationOfQe))
  data.end('signature data')
  const qeReport = certification.take(bytesIn(QE_REPORT), 'report of the quoting enclave')
  const qeSignature = certification.take(64, 'signature of that report')
  const authData = certification.sized(2, 'authentication data')
  const chain = certificationData(certification, certificationPem)
  certification.end('certification data')
  return {
    version,
    header,
    body,
    signed,
    signature,
    attestationKey,
    qe: partsOf(QE_REPORT, qeReport),
    qeReport,
    qeSignature,
    authData,
    chain: asciiOf(chain.at(-1) === 0 ? chain.subarray(0, -1) : chain),
    padding: outer.rest().length,
  }
}

/** What it says itself, unverified. */
export function isQuoteOfSimulated({ header }: Quote): boolean {
  return isEqualBytes(header.qeVendorId, qeVendorIds.simulated)
}

export function isZero(bytes: Uint8Array): boolean {
  return isEqualBytes(bytes, new Uint8Array(bytes.length))
}

function bodyOf(version: 4 | 5, outer: Cursor): TdReport {
  const old = () => ({ ...outer.parts(TD_REPORT_10, 'TD report'), teeTcbSvn2: undefined, mrServiceTd: undefined })
  if (version === 4) return old()
  const { type, size } = outer.parts(BODY_DESCRIPTOR, 'descriptor of the body')
  const kind = littleEndian(type)
  requireTee(kind === 2 || kind === 3, 'quote-body', `body of type ${kind}, expected 2 or 3`)
  const expected = bytesIn(kind === 2 ? TD_REPORT_10 : TD_REPORT_15)
  requireTee(littleEndian(size) === expected, 'quote-body', `body of ${littleEndian(size)} bytes, expected ${expected}`)
  return kind === 2 ? old() : outer.parts(TD_REPORT_15, 'TD report')
}

function certificationData(from: Cursor, expected: number): Uint8Array {
  const type = littleEndian(from.take(2, 'type of certification data'))
  requireTee(type === expected, 'quote-certification', `certification data of type ${type}, expected ${expected}`)
  return from.sized(4, 'certification data')
}

function asciiOf(bytes: Uint8Array): string {
  if (bytes.some((byte) => byte === 0 || byte >= 0x80)) throw new TeeError('pem-invalid', 'the chain is not ASCII')
  return new TextDecoder().decode(bytes)
}

type Cursor = {
  at(): number
  take(bytes: number, what: string): Uint8Array
  /** A length in so many bytes, then that many. */
  sized(lengthBytes: number, what: string): Uint8Array
  parts<L extends Layout>(layout: L, what: string): Parts<L>
  rest(): Uint8Array
  end(what: string): void
}

function cursor(bytes: Uint8Array): Cursor {
  let at = 0
  const take = (length: number, what: string) => {
    requireTee(length <= bytes.length - at, 'quote-truncated', `cut short in the ${what}`)
    at += length
    return bytes.subarray(at - length, at)
  }
  return {
    at: () => at,
    take,
    sized: (lengthBytes, what) => take(littleEndian(take(lengthBytes, what)), what),
    parts: (layout, what) => partsOf(layout, take(bytesIn(layout), what)),
    rest: () => bytes.subarray(at),
    end: (what) =>
      requireTee(at === bytes.length, 'quote-trailing', `${bytes.length - at} bytes too many in the ${what}`),
  }
}
