/**
 * The simulated TEE: mints quotes and collateral that have the form of Intel's down to the last field, under a root of its own
 * that follows from a text. It proves nothing: everybody can mint the same. Names, vendor, family and registers say "simulated",
 * and a verifier takes it only when it is given this root expressly. For tests, examples and builders that try the machinery.
 * Every part can be changed, so that each forgery is one option.
 */
import { sha256Of } from '../../format/hash.ts'
import { concat, hexOf, utf8 } from '../bytes.ts'
import { trustCrypto } from '../crypto.ts'
import { encodeTime } from '../time.ts'
import { qeVendorIds, rolePrefixes, simulatedRootOf, type TeeRoot } from './chain.ts'
import { encodeCollateral } from './collateral.ts'
import { encodeLittleEndian, encodeParts, type Parts } from './layout.ts'
import { encodePem } from './pem.ts'
import {
  BODY_DESCRIPTOR,
  certificationOfQe,
  certificationPem,
  HEADER,
  keyTypeP256,
  QE_REPORT,
  TD_REPORT_10,
  TD_REPORT_15,
  teeTypeTdx,
} from './quote.ts'
import type { PckPlatform } from './sgx-extensions.ts'
import { type CertificateSpec, type CrlSpec, certificateOf, crlOf } from './simulated-certificates.ts'
import { type SimulatedKey, simulatedKeyOf } from './simulated-keys.ts'

export type SimulatedOptions = {
  /** Seconds since 1970; collateral is valid from a day before to 29 days after. */
  readonly now: number
  /** At most 64 bytes, filled up with zeros. */
  readonly reportData?: Uint8Array
  /** Another root for another text. */
  readonly seed?: string
  /** Another PPID for another machine. */
  readonly machine?: string
  /** 4, or 5 with a body of TD report 1.0 or 1.5. */
  readonly form?: '4' | '5-td10' | '5-td15'
  /** 3 is UpToDate, 2 OutOfDate, 1 Revoked, 0 below every level. */
  readonly securityVersion?: number
  readonly evaluationNumber?: number
  readonly body?: Partial<Parts<typeof TD_REPORT_15>>
  readonly changes?: Changes
}

export type SimulatedKeyName = 'root' | 'pckCa' | 'pck' | 'tcbSigner' | 'attestation' | 'stranger'
export type SimulatedCertificateName = Exclude<SimulatedKeyName, 'attestation'>
type Signable = 'quote' | 'qeReport' | 'tcbInfo' | 'qeIdentity'

/** What is to be otherwise than it should be. */
export type Changes = {
  readonly header?: Partial<Parts<typeof HEADER>>
  readonly descriptor?: Partial<Parts<typeof BODY_DESCRIPTOR>>
  readonly qe?: Partial<Parts<typeof QE_REPORT>>
  readonly platform?: Partial<PckPlatform>
  readonly certificates?: Partial<Record<SimulatedCertificateName, Partial<CertificateSpec>>>
  readonly rootCrl?: Partial<CrlSpec>
  readonly pckCrl?: Partial<CrlSpec>
  /** Fields that replace those of the document. */
  readonly tcbInfo?: Readonly<Record<string, unknown>>
  readonly qeIdentity?: Readonly<Record<string, unknown>>
  readonly signers?: Partial<Record<Signable, SimulatedKeyName>>
  readonly chains?: Partial<Record<'quote' | 'pckCrl' | 'tcbInfo' | 'qeIdentity', readonly SimulatedCertificateName[]>>
  /** Types of the outer and the inner certification data. */
  readonly certification?: readonly [number, number]
}

export type Simulated = {
  readonly quote: Uint8Array
  /** As parseCollateral takes it. */
  readonly collateral: Uint8Array
  readonly root: TeeRoot
}

export function mintSimulated(options: SimulatedOptions): Simulated {
  const { changes = {} } = options
  const seed = options.seed ?? defaultSeed
  const keys = keysOf(seed, options.machine ?? 'machine')
  const platform = { ...platformOf(options), ...changes.platform }
  const pem = certificatesOf(keys, platform, changes)
  const signer = (what: Signable, right: SimulatedKeyName) => keys(changes.signers?.[what] ?? right)
  const chain = (what: 'quote' | 'pckCrl' | 'tcbInfo' | 'qeIdentity', right: readonly SimulatedCertificateName[]) =>
    encodePem((changes.chains?.[what] ?? right).map(pem))

  const { header, body } = signedPartOf(options)
  const signed = concat([header, body])
  const authData = utf8('simulated authentication')
  const { point } = keys('attestation')
  const qeReport = encodeParts(QE_REPORT, {
    ...simulatedQe,
    reportData: concat([trustCrypto().sha256(concat([point, authData])), new Uint8Array(32)]),
    ...changes.qe,
  })
  const [outer, inner] = changes.certification ?? [certificationOfQe, certificationPem]
  const certification = concat([
    qeReport,
    signer('qeReport', 'pck').sign(qeReport),
    sized(authData, 2),
    encodeLittleEndian(inner, 2),
    sized(utf8(chain('quote', ['pck', 'pckCa', 'root'])), 4),
  ])
  const signature = signer('quote', 'attestation').sign(signed)
  const data = concat([signature, point, encodeLittleEndian(outer, 2), sized(certification, 4)])

  const texts = {
    tcbInfo: JSON.stringify({ ...tcbInfoOf(options), ...changes.tcbInfo }),
    qeIdentity: JSON.stringify({ ...qeIdentityOf(options), ...changes.qeIdentity }),
  }
  const signedText = (what: 'tcbInfo' | 'qeIdentity') => ({
    text: texts[what],
    signature: signer(what, 'tcbSigner').sign(utf8(texts[what])),
    chain: chain(what, ['tcbSigner', 'root']),
  })
  const crl = (issuer: 'root' | 'pckCa', changed: Partial<CrlSpec> | undefined) =>
    crlOf({ issuerName: NAMES[issuer], signer: keys(issuer), ...timesOf(options), revoked: [77], more: [], ...changed })
  const collateral = encodeCollateral({
    pckCrlChain: chain('pckCrl', ['pckCa', 'root']),
    rootCrl: crl('root', changes.rootCrl),
    pckCrl: crl('pckCa', changes.pckCrl),
    tcbInfo: signedText('tcbInfo'),
    qeIdentity: signedText('qeIdentity'),
  })
  return { quote: concat([signed, sized(data, 4)]), collateral: utf8(collateral), root: simulatedRoot(seed) }
}

/** The root of everything that is minted with this seed. */
export function simulatedRoot(seed: string = defaultSeed): TeeRoot {
  return simulatedRootOf(sha256Of(certificateOf(rootSpec(simulatedKeyOf(`${seed}\nroot`)))))
}

export function simulatedKey(name: SimulatedKeyName, seed: string = defaultSeed, machine = 'machine'): SimulatedKey {
  return keysOf(seed, machine)(name)
}

/** Serial numbers of the simulated certificates. */
export const simulatedSerials: Readonly<Record<SimulatedCertificateName, number>> = {
  root: 1,
  pckCa: 2,
  pck: 3,
  tcbSigner: 4,
  stranger: 5,
}

/** Text, filled up with zeros: what the fields of a simulated quote hold that would be hashes in a real one. */
export function simulatedField(text: string, bytes: number): Uint8Array {
  const field = new Uint8Array(bytes)
  field.set(utf8(text).subarray(0, bytes))
  return field
}

const defaultSeed = 'abnpkg simulated TEE'
const prefix = rolePrefixes.simulated
const NAMES: Readonly<Record<SimulatedCertificateName, string>> = {
  root: `${prefix} SGX Root CA`,
  pckCa: `${prefix} SGX PCK Platform CA`,
  pck: `${prefix} SGX PCK Certificate`,
  tcbSigner: `${prefix} SGX TCB Signing`,
  stranger: `${prefix} Stranger`,
}
const FROM = Date.parse('2024-01-01T00:00:00Z') / 1000
const UNTIL = Date.parse('2049-12-31T23:59:59Z') / 1000
const AUTHORITY = [5, 6]
const SIGNER = [0, 1]
const FMSPC = hexOf(utf8('SIMTDX'))
const day = 86_400

const simulatedQe: Omit<Parts<typeof QE_REPORT>, 'reportData'> = {
  cpuSvn: new Uint8Array(16),
  miscSelect: new Uint8Array(4),
  reserved1: new Uint8Array(28),
  attributes: Uint8Array.fromHex('1500000000000000e700000000000000'),
  mrEnclave: simulatedField('simulated quoting enclave', 32),
  reserved2: new Uint8Array(32),
  mrSigner: simulatedField('simulated signer', 32),
  reserved3: new Uint8Array(96),
  isvProdId: encodeLittleEndian(2, 2),
  isvSvn: encodeLittleEndian(4, 2),
  reserved4: new Uint8Array(60),
}

function keysOf(seed: string, machine: string): (name: SimulatedKeyName) => SimulatedKey {
  const known = new Map<SimulatedKeyName, SimulatedKey>()
  return (name) => {
    const isOfMachine = name === 'pck' || name === 'attestation'
    const key = known.get(name) ?? simulatedKeyOf(`${seed}\n${isOfMachine ? `${machine}\n` : ''}${name}`)
    known.set(name, key)
    return key
  }
}

function rootSpec(key: SimulatedKey): CertificateSpec {
  return { ...specOf('root', key, key), isCa: true, pathLength: 1, keyUsage: AUTHORITY }
}

function specOf(name: SimulatedCertificateName, key: SimulatedKey, signer: SimulatedKey): CertificateSpec {
  return {
    commonName: NAMES[name],
    issuerName: NAMES.root,
    key,
    signer,
    serial: simulatedSerials[name],
    from: FROM,
    until: UNTIL,
    isCa: false,
    pathLength: undefined,
    keyUsage: SIGNER,
    sgx: undefined,
    more: [],
  }
}

function certificatesOf(
  keys: (name: SimulatedKeyName) => SimulatedKey,
  platform: PckPlatform,
  { certificates = {} }: Changes,
): (name: SimulatedCertificateName) => Uint8Array {
  const spec = (name: SimulatedCertificateName): CertificateSpec => {
    const own = keys(name)
    switch (name) {
      case 'root':
        return rootSpec(own)
      case 'pckCa':
        return { ...specOf(name, own, keys('root')), isCa: true, pathLength: 0, keyUsage: AUTHORITY }
      case 'pck':
        return { ...specOf(name, own, keys('pckCa')), issuerName: NAMES.pckCa, sgx: platform }
      case 'tcbSigner':
        return specOf(name, own, keys('root'))
      case 'stranger':
        return specOf(name, own, own)
      default:
        return name satisfies never
    }
  }
  const known = new Map<SimulatedCertificateName, Uint8Array>()
  return (name) => {
    const der = known.get(name) ?? certificateOf({ ...spec(name), ...certificates[name] })
    known.set(name, der)
    return der
  }
}

function platformOf({ securityVersion = 3, machine = 'machine' }: SimulatedOptions): PckPlatform {
  const digest = trustCrypto().sha256(utf8(`simulated\n${machine}`))
  return {
    ppid: concat([utf8('SIM-PPID'), digest.subarray(0, 8)]),
    fmspc: FMSPC,
    pceId: '0000',
    components: Array.from({ length: 16 }, () => securityVersion),
    pceSvn: 13,
    instance: hexOf(concat([utf8('SIM-INST'), digest.subarray(8, 16)])),
  }
}

function signedPartOf({ form = '4', body = {}, reportData, changes = {} }: SimulatedOptions) {
  const header = encodeParts(HEADER, {
    version: encodeLittleEndian(form === '4' ? 4 : 5, 2),
    attestationKeyType: encodeLittleEndian(keyTypeP256, 2),
    teeType: encodeLittleEndian(teeTypeTdx, 4),
    reserved: new Uint8Array(4),
    qeVendorId: qeVendorIds.simulated,
    userData: simulatedField('simulated QE', 20),
    ...changes.header,
  })
  const report = {
    teeTcbSvn: Uint8Array.of(3, 1, 3, ...new Uint8Array(13)),
    mrSeam: simulatedField('simulated TDX module', 48),
    mrSignerSeam: new Uint8Array(48),
    seamAttributes: new Uint8Array(8),
    tdAttributes: Uint8Array.fromHex('0000001000000000'),
    xfam: Uint8Array.fromHex('e702060000000000'),
    mrTd: simulatedField('simulated MRTD', 48),
    mrConfigId: new Uint8Array(48),
    mrOwner: new Uint8Array(48),
    mrOwnerConfig: new Uint8Array(48),
    rtmr0: simulatedField('simulated RTMR0', 48),
    rtmr1: simulatedField('simulated RTMR1', 48),
    rtmr2: simulatedField('simulated RTMR2', 48),
    rtmr3: new Uint8Array(48),
    reportData: concat([reportData ?? new Uint8Array(), new Uint8Array(64 - (reportData?.length ?? 0))]),
    teeTcbSvn2: Uint8Array.of(3, 1, 3, ...new Uint8Array(13)),
    mrServiceTd: new Uint8Array(48),
    ...body,
  }
  const layout = form === '5-td15' ? TD_REPORT_15 : TD_REPORT_10
  const bytes = encodeParts(layout, report)
  const descriptor = encodeParts(BODY_DESCRIPTOR, {
    type: encodeLittleEndian(form === '5-td15' ? 3 : 2, 2),
    size: encodeLittleEndian(bytes.length, 4),
    ...changes.descriptor,
  })
  return { header, body: form === '4' ? bytes : concat([descriptor, bytes]) }
}

function tcbInfoOf(options: SimulatedOptions): Readonly<Record<string, unknown>> {
  const components = (svn: number) => Array.from({ length: 16 }, (_, i) => ({ svn: i < 3 ? svn : 0 }))
  const level = (svn: number, tcbStatus: string, advisoryIDs?: readonly string[]) => ({
    tcb: { sgxtcbcomponents: components(svn), pcesvn: 10 + svn, tdxtcbcomponents: components(svn) },
    tcbDate: LEVEL_DATE,
    tcbStatus,
    ...(advisoryIDs === undefined ? {} : { advisoryIDs }),
  })
  return {
    id: 'TDX',
    version: 3,
    ...issuedOf(options),
    fmspc: FMSPC,
    pceId: '0000',
    tcbType: 0,
    tdxModule: SEAM,
    tdxModuleIdentities: [
      {
        id: 'TDX_01',
        ...SEAM,
        tcbLevels: [
          { tcb: { isvsvn: 3 }, tcbDate: LEVEL_DATE, tcbStatus: 'UpToDate' },
          { tcb: { isvsvn: 2 }, tcbDate: LEVEL_DATE, tcbStatus: 'OutOfDate', advisoryIDs: ['SIMULATED-SA-00003'] },
        ],
      },
    ],
    tcbLevels: [
      level(3, 'UpToDate'),
      level(2, 'OutOfDate', ['SIMULATED-SA-00002']),
      level(1, 'Revoked', ['SIMULATED-SA-00001', 'SIMULATED-SA-00002']),
    ],
  }
}

const LEVEL_DATE = '2026-01-01T00:00:00Z'
const SEAM = { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) }

function qeIdentityOf(options: SimulatedOptions): Readonly<Record<string, unknown>> {
  return {
    id: 'TD_QE',
    version: 2,
    ...issuedOf(options),
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: hexOf(simulatedQe.mrSigner).toUpperCase(),
    isvprodid: 2,
    tcbLevels: [
      { tcb: { isvsvn: 4 }, tcbDate: LEVEL_DATE, tcbStatus: 'UpToDate' },
      { tcb: { isvsvn: 3 }, tcbDate: LEVEL_DATE, tcbStatus: 'OutOfDate', advisoryIDs: ['SIMULATED-SA-00004'] },
    ],
  }
}

function issuedOf(options: SimulatedOptions): Readonly<Record<string, unknown>> {
  const { from, until } = timesOf(options)
  const tcbEvaluationDataNumber = options.evaluationNumber ?? 20
  return { issueDate: encodeTime(from), nextUpdate: encodeTime(until), tcbEvaluationDataNumber }
}

function timesOf({ now }: SimulatedOptions): { readonly from: number; readonly until: number } {
  return { from: now - day, until: now + 29 * day }
}

function sized(content: Uint8Array, lengthBytes: number): Uint8Array {
  return concat([encodeLittleEndian(content.length, lengthBytes), content])
}
