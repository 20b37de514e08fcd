/**
 * Forged evidence, each with the one fault that its title names and the reason that it must be refused for. Whatever is not forged
 * is right: without the fault the same evidence verifies (verify.test.ts).
 */
import test from 'ava'
import { encodeLittleEndian } from '../../../trust/tee/layout.ts'
import { parseQuote } from '../../../trust/tee/quote.ts'
import type { TeeReason } from '../../../trust/tee/reasons.ts'
import {
  type Changes,
  mintSimulated,
  type SimulatedOptions,
  simulatedKey,
  simulatedSerials,
} from '../../../trust/tee/simulated.ts'
import { extensionOf } from '../../../trust/tee/simulated-certificates.ts'
import { day, now, reasonOf, verified } from './support.ts'

const stranger = simulatedKey('stranger')
const pckKey = simulatedKey('pck')
const tcbKey = simulatedKey('tcbSigner')
const bytes = (length: number, value: number) => new Uint8Array(length).fill(value)
/** Below the same root, in its right role, but not who issued the PCK. */
const processorCa = {
  commonName: 'Simulated SGX PCK Processor CA',
  signer: simulatedKey('root'),
  isCa: true,
  pathLength: 0,
  keyUsage: [5, 6],
}
const unknownExtension = (critical: boolean) => extensionOf('2a0304', Uint8Array.of(5, 0), critical)

/** What stands in the evidence is wrong, and everything is signed as it should be. */
const changed: readonly (readonly [string, TeeReason, Changes])[] = [
  // Lists of revoked certificates.
  ['PCK CRL that expired', 'crl-expired', { pckCrl: { from: now - 40 * day, until: now - 1 } }],
  ['root CRL that expired', 'crl-expired', { rootCrl: { from: now - 40 * day, until: now - 1 } }],
  ['PCK CRL of the future', 'crl-not-yet', { pckCrl: { from: now + 1 } }],
  ['root CRL of the future', 'crl-not-yet', { rootCrl: { from: now + 1 } }],
  ['PCK CRL in the name of another', 'crl-issuer', { pckCrl: { issuerName: 'Simulated SGX PCK Processor CA' } }],
  ['root CRL in the name of the PCK CA', 'crl-issuer', { rootCrl: { issuerName: 'Simulated SGX PCK Platform CA' } }],
  ['PCK CRL signed by an attacker', 'crl-signature', { pckCrl: { signer: stranger } }],
  ['root CRL signed by an attacker', 'crl-signature', { rootCrl: { signer: stranger } }],
  ['PCK CRL signed by the PCK itself', 'crl-signature', { pckCrl: { signer: pckKey } }],
  ['PCK CRL signed by the root', 'crl-signature', { pckCrl: { signer: simulatedKey('root') } }],
  ['a delta CRL', 'crl-invalid', { pckCrl: { more: [extensionOf('551d1b', Uint8Array.of(2, 1, 1), true)] } }],
  [
    'a CRL of some certificates',
    'crl-invalid',
    { rootCrl: { more: [extensionOf('551d1c', Uint8Array.of(48, 0), true)] } },
  ],
  ['a CRL that names a certificate twice', 'crl-invalid', { pckCrl: { revoked: [9, 9] } }],
  ['PCK CA that may not sign CRLs', 'crl-issuer', { certificates: { pckCa: { keyUsage: [5] } } }],
  // Revocation.
  ['revoked PCK', 'certificate-revoked', { pckCrl: { revoked: [77, simulatedSerials.pck] } }],
  ['revoked PCK CA', 'certificate-revoked', { rootCrl: { revoked: [simulatedSerials.pckCa] } }],
  ['revoked TCB signer', 'signer-revoked', { rootCrl: { revoked: [simulatedSerials.tcbSigner] } }],
  ['revoked root', 'certificate-revoked', { rootCrl: { revoked: [simulatedSerials.root] } }],
  // Certificates and their roles.
  ['PCK with CA:TRUE', 'certificate-ca', { certificates: { pck: { isCa: true } } }],
  ['PCK CA with CA:FALSE', 'certificate-ca', { certificates: { pckCa: { isCa: false } } }],
  ['TCB signer with CA:TRUE', 'certificate-ca', { certificates: { tcbSigner: { isCa: true } } }],
  ['PCK that may sign certificates', 'certificate-key-usage', { certificates: { pck: { keyUsage: [0, 5] } } }],
  ['PCK CA that may not sign certificates', 'certificate-key-usage', { certificates: { pckCa: { keyUsage: [6] } } }],
  ['TCB signer that may not sign', 'certificate-key-usage', { certificates: { tcbSigner: { keyUsage: [1] } } }],
  ['PCK without SGX extensions', 'certificate-role', { certificates: { pck: { sgx: undefined } } }],
  ['PCK by another name', 'certificate-role', { certificates: { pck: { commonName: 'Simulated SGX TCB Signing' } } }],
  ['PCK CA by another name', 'certificate-role', { certificates: { pckCa: { commonName: 'Simulated SGX CA' } } }],
  [
    'names of Intel below a simulated root',
    'certificate-role',
    { certificates: { pck: { commonName: 'Intel SGX PCK Certificate' } } },
  ],
  [
    'PCK in place of the TCB signer',
    'chain-length',
    { chains: { tcbInfo: ['pck', 'pckCa', 'root'] }, signers: { tcbInfo: 'pck' } },
  ],
  [
    'PCK as if the root had signed it',
    'certificate-role',
    { chains: { tcbInfo: ['pck', 'root'] }, signers: { tcbInfo: 'pck' } },
  ],
  ['PCK CA in place of the TCB signer', 'certificate-role', { chains: { qeIdentity: ['pckCa', 'root'] } }],
  [
    'TCB signer in place of the PCK',
    'certificate-role',
    { chains: { quote: ['tcbSigner', 'pckCa', 'root'] }, signers: { qeReport: 'tcbSigner' } },
  ],
  [
    'PCK as an authority',
    'chain-length',
    { chains: { quote: ['stranger', 'pck', 'pckCa', 'root'] }, signers: { qeReport: 'stranger' } },
  ],
  [
    'PCK in place of the PCK CA',
    'certificate-role',
    {
      chains: { quote: ['stranger', 'pck', 'root'] },
      certificates: { stranger: { commonName: 'Simulated SGX PCK Certificate', sgx: platform() } },
    },
  ],
  [
    'TCB signer in place of the PCK CA',
    'certificate-role',
    { chains: { quote: ['pck', 'tcbSigner', 'root'] }, certificates: { pck: { signer: tcbKey } } },
  ],
  [
    'PCK CRL chain of another authority',
    'crl-issuer',
    { chains: { pckCrl: ['stranger', 'root'] }, certificates: { stranger: processorCa } },
  ],
  ['chain without its root', 'chain-length', { chains: { quote: ['pck', 'pckCa'] } }],
  ['chain that ends in another', 'root-unknown', { chains: { quote: ['pck', 'pckCa', 'stranger'] } }],
  ['collateral chain that ends in another', 'root-unknown', { chains: { tcbInfo: ['tcbSigner', 'stranger'] } }],
  ['PCK signed by an attacker', 'certificate-signature', { certificates: { pck: { signer: stranger } } }],
  ['PCK CA signed by an attacker', 'certificate-signature', { certificates: { pckCa: { signer: stranger } } }],
  ['TCB signer signed by an attacker', 'certificate-signature', { certificates: { tcbSigner: { signer: stranger } } }],
  [
    'PCK in the name of another issuer',
    'certificate-issuer',
    { certificates: { pck: { issuerName: 'Simulated SGX PCK Processor CA' } } },
  ],
  ['PCK that expired', 'certificate-expired', { certificates: { pck: { until: now - 1 } } }],
  ['PCK of the future', 'certificate-not-yet', { certificates: { pck: { from: now + 1 } } }],
  ['PCK CA that expired', 'certificate-expired', { certificates: { pckCa: { until: now - 1 } } }],
  ['TCB signer that expired', 'certificate-expired', { certificates: { tcbSigner: { until: now - 1 } } }],
  [
    'PCK with an unknown critical extension',
    'certificate-extension',
    { certificates: { pck: { more: [unknownExtension(true)] } } },
  ],
  [
    'PCK with an extension twice',
    'certificate-invalid',
    { certificates: { pck: { more: [unknownExtension(false), unknownExtension(false)] } } },
  ],
  ['PCK whose CPUSVN is not its components', 'sgx-extensions', { platform: { components: [3, 3] } }],
  // TCB info and QE identity.
  ['TCB info that expired', 'tcb-info-expired', { tcbInfo: { nextUpdate: '2026-11-21T23:59:59Z' } }],
  ['TCB info of the future', 'tcb-info-not-yet', { tcbInfo: { issueDate: '2026-11-22T00:00:01Z' } }],
  ['QE identity that expired', 'qe-identity-expired', { qeIdentity: { nextUpdate: '2026-11-21T23:59:59Z' } }],
  ['QE identity of the future', 'qe-identity-not-yet', { qeIdentity: { issueDate: '2026-11-22T00:00:01Z' } }],
  ['TCB info signed by the PCK', 'tcb-info-signature', { signers: { tcbInfo: 'pck' } }],
  ['TCB info signed by the PCK CA', 'tcb-info-signature', { signers: { tcbInfo: 'pckCa' } }],
  ['TCB info signed by the root', 'tcb-info-signature', { signers: { tcbInfo: 'root' } }],
  ['QE identity signed by an attacker', 'qe-identity-signature', { signers: { qeIdentity: 'stranger' } }],
  ['TCB info for SGX', 'tcb-info-invalid', { tcbInfo: { id: 'SGX' } }],
  ['TCB info of version 2', 'tcb-info-invalid', { tcbInfo: { version: 2 } }],
  ['TCB info of another type', 'tcb-info-invalid', { tcbInfo: { tcbType: 1 } }],
  ['TCB info with an unknown field', 'tcb-info-invalid', { tcbInfo: { except: [] } }],
  [
    'TCB info with an unknown status',
    'tcb-info-invalid',
    { tcbInfo: { tcbLevels: [{ ...level(3), tcbStatus: 'Fine' }] } },
  ],
  ['TCB info with 15 components', 'tcb-info-invalid', { tcbInfo: { tcbLevels: [level(3, 15)] } }],
  ['TCB info whose number is a text', 'tcb-info-invalid', { tcbInfo: { tcbEvaluationDataNumber: '20' } }],
  ['identity of the enclave for SGX', 'qe-identity-invalid', { qeIdentity: { id: 'QE' } }],
  ['QE identity of version 1', 'qe-identity-invalid', { qeIdentity: { version: 1 } }],
  ['QE identity with a short mask', 'qe-identity-invalid', { qeIdentity: { attributesMask: 'FF' } }],
  // The platform against them.
  ['another FMSPC in the PCK', 'fmspc', { platform: { fmspc: '00906ed50000' } }],
  ['another FMSPC in TCB info', 'fmspc', { tcbInfo: { fmspc: '00906ED50000' } }],
  ['another PCEID', 'pceid', { platform: { pceId: '0100' } }],
  ['platform below every level', 'platform-tcb-unknown', { platform: { components: [...bytes(16, 0)] } }],
  ['PCESVN below every level', 'platform-tcb-unknown', { platform: { pceSvn: 1 } }],
  ['TCB info without levels', 'platform-tcb-unknown', { tcbInfo: { tcbLevels: [] } }],
  ['TCB info without TDX modules', 'module-unknown', { tcbInfo: { tdxModuleIdentities: [] } }],
  // The quoting enclave.
  ['enclave of another signer', 'qe-mrsigner', { qe: { mrSigner: bytes(32, 7) } }],
  ['enclave that is another product', 'qe-isvprodid', { qe: { isvProdId: encodeLittleEndian(1, 2) } }],
  ['enclave below every level', 'qe-tcb-unknown', { qe: { isvSvn: encodeLittleEndian(2, 2) } }],
  [
    'enclave that is being debugged',
    'qe-attributes',
    { qe: { attributes: Uint8Array.fromHex('1700000000000000e700000000000000') } },
  ],
  ['enclave with other MISCSELECT', 'qe-miscselect', { qe: { miscSelect: bytes(4, 1) } }],
  ['enclave that vouches for another key', 'qe-binding', { qe: { reportData: bytes(64, 0) } }],
  [
    'enclave with more in its report data',
    'qe-binding',
    { qe: { reportData: Buffer.concat([rightBinding(), bytes(32, 1)]) } },
  ],
  ['enclave report signed by an attacker', 'qe-signature', { signers: { qeReport: 'stranger' } }],
  ['enclave report signed by the PCK CA', 'qe-signature', { signers: { qeReport: 'pckCa' } }],
  ['quote signed by another key', 'quote-signature', { signers: { quote: 'stranger' } }],
  ['quote signed by the PCK', 'quote-signature', { signers: { quote: 'pck' } }],
  // The quote's form.
  [
    'vendor Intel below a simulated root',
    'quote-vendor',
    { header: { qeVendorId: Uint8Array.fromHex('939a7233f79c4ca9940a0db3957f0607') } },
  ],
  ['unknown vendor', 'quote-vendor', { header: { qeVendorId: bytes(16, 1) } }],
  ['quote of version 3', 'quote-version', { header: { version: encodeLittleEndian(3, 2) } }],
  ['quote of version 6', 'quote-version', { header: { version: encodeLittleEndian(6, 2) } }],
  ['attestation key of P-384', 'quote-key-type', { header: { attestationKeyType: encodeLittleEndian(3, 2) } }],
  ['attestation key by EPID', 'quote-key-type', { header: { attestationKeyType: encodeLittleEndian(0, 2) } }],
  ['quote of an SGX enclave', 'quote-tee-type', { header: { teeType: encodeLittleEndian(0, 4) } }],
  ['reserved bytes of the header', 'quote-reserved', { header: { reserved: bytes(4, 1) } }],
  ['certification data of the PCK directly', 'quote-certification', { certification: [5, 5] }],
  ['certification data encrypted', 'quote-certification', { certification: [6, 3] }],
]

for (const [title, reason, changes] of changed) {
  test(`${title}: ${reason}`, (t) =>
    t.is(
      reasonOf(() => verified({ changes })),
      reason,
    ))
}

/** What the TDX module says. */
const bodies: readonly (readonly [string, TeeReason, SimulatedOptions['body']])[] = [
  ['TDX module signed by another', 'seam-signer', { mrSignerSeam: bytes(48, 1) }],
  ['TDX module that can be debugged', 'seam-attributes', { seamAttributes: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) }],
  [
    'TDX module with a number that nobody knows',
    'module-unknown',
    { teeTcbSvn: Uint8Array.of(9, 9, 9, ...bytes(13, 0)) },
  ],
  ['TDX module below every level', 'module-tcb-unknown', { teeTcbSvn: Uint8Array.of(1, 1, 3, ...bytes(13, 0)) }],
  ['TDX component below every level', 'platform-tcb-unknown', { teeTcbSvn: Uint8Array.of(3, 1, 0, ...bytes(13, 0)) }],
  [
    'numberless TDX module below every level',
    'platform-tcb-unknown',
    { teeTcbSvn: Uint8Array.of(0, 0, 3, ...bytes(13, 0)) },
  ],
]

for (const [title, reason, body = {}] of bodies) {
  for (const form of ['4', '5-td15'] as const) {
    test(`${title}, form ${form}: ${reason}`, (t) =>
      t.is(
        reasonOf(() => verified({ form, body })),
        reason,
      ))
  }
}

function level(svn: number, count = 16) {
  const components = Array.from({ length: count }, () => ({ svn }))
  return {
    tcb: { sgxtcbcomponents: components, pcesvn: 1, tdxtcbcomponents: components },
    tcbDate: '2026-01-01T00:00:00Z',
    tcbStatus: 'UpToDate',
  }
}

function platform() {
  return {
    ppid: bytes(16, 1),
    fmspc: '53494d544458',
    pceId: '0000',
    components: [...bytes(16, 3)],
    pceSvn: 13,
    instance: undefined,
  }
}

function rightBinding(): Uint8Array {
  return parseQuote(mintSimulated({ now }).quote).qe.reportData.subarray(0, 32)
}
