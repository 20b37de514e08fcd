/** The form of certificates, lists and SGX extensions: what RFC 5280 and Intel's profile leave no room for. */
import test from 'ava'
import { concat, utf8 } from '../../../trust/bytes.ts'
import { parseCrl } from '../../../trust/tee/crl.ts'
import { parseDer } from '../../../trust/tee/der.ts'
import { derOf, identifier, octetString, sequence, smallInteger } from '../../../trust/tee/der-writer.ts'
import { parseSgxExtensions } from '../../../trust/tee/sgx-extensions.ts'
import { simulatedKey } from '../../../trust/tee/simulated.ts'
import { certificateOf, crlOf, extensionOf } from '../../../trust/tee/simulated-certificates.ts'
import { identifiers, parseCertificate } from '../../../trust/tee/x509.ts'
import { now, reasonOf } from './support.ts'

const key = simulatedKey('root')
const platform = {
  ppid: new Uint8Array(16).fill(1),
  fmspc: '53494d544458',
  pceId: '0000',
  components: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255],
  pceSvn: 65_535 >> 1,
  instance: undefined,
}
const right = certificateOf({
  commonName: 'Simulated',
  issuerName: 'Simulated Issuer',
  key,
  signer: key,
  serial: 300,
  from: now,
  until: now + 1,
  isCa: true,
  pathLength: 1,
  keyUsage: [5, 6],
  sgx: platform,
  more: [],
})
const list = crlOf({ issuerName: 'Simulated Issuer', signer: key, from: now, until: now + 1, revoked: [5], more: [] })

test('what is written is read', (t) => {
  const certificate = parseCertificate(right)
  t.is(certificate.commonName, 'Simulated')
  t.is(certificate.serial, '012c')
  t.deepEqual([certificate.notBefore, certificate.notAfter], [now, now + 1])
  t.deepEqual([certificate.isCa, certificate.pathLength], [true, 1])
  t.deepEqual([...certificate.keyUsage], [5, 6])
  t.deepEqual(certificate.point, key.point)
  t.deepEqual(parseSgxExtensions(certificate.sgx ?? new Uint8Array()), platform)
  t.deepEqual([...parseCrl(list).revoked], ['05'])
  t.deepEqual(
    [...parseCrl(crlOf({ issuerName: 'I', signer: key, from: now, until: now, revoked: [], more: [] })).revoked],
    [],
  )
})

type Change = readonly [title: string, from: string, to: string]
const ecdsa = '06082a8648ce3d040302'

/** Bytes of the same number, in hexadecimal, that are replaced where they stand last. */
const inCertificate: readonly Change[] = [
  ['version 1', 'a003020102', 'a003020100'],
  ['a version of two numbers', 'a003020102', 'a0030101ff'],
  ['another algorithm', ecdsa, '06082a8648ce3d040303'],
  ['another curve', '06082a8648ce3d030107', '06082a8648ce3d030106'],
  ['another kind of key', '06072a8648ce3d0201', '06072a8648ce3d0202'],
  ['a compressed key', '03420004', '03420003'],
  ['a key that is no point', Buffer.from(key.point).toString('hex').slice(0, 64), '11'.repeat(32)],
  ['a common name with a control character', hex('Simulated'), hex('Simu\u001bated')],
  ['a common name as a BMPString', `0c09${hex('Simulated')}`, `1e09${hex('Simulated')}`],
  ['no common name', `06035504030c09${hex('Simulated')}`, `060355040b0c09${hex('Simulated')}`],
  ['an organisation that is another common name', '060355040a', '0603550403'],
  ['a boolean that is one', '0101ff', '010101'],
  ['constraints that write out that it is no CA', '0101ff', '010100'],
  ['constraints of somebody who is no CA', '30060101ff020101', '3006010100020101'],
  ['key usage of bits that are unused', '03020106', '03020206'],
]

for (const [title, from, to] of inCertificate) {
  test(`certificate with ${title}`, (t) =>
    t.is(
      reasonOf(() => parseCertificate(replaced(right, from, to))),
      'certificate-invalid',
    ))
}

test('a certificate with another algorithm inside than outside', (t) => {
  const bytes = Buffer.from(right)
  const at = bytes.lastIndexOf(Buffer.from(ecdsa, 'hex'))
  bytes[at + 9] = 3
  t.is(
    reasonOf(() => parseCertificate(bytes)),
    'certificate-invalid',
  )
})

test('an algorithm with parameters', (t) => {
  const { children } = parseDer(right, 'certificate-invalid')
  const [signed, , signature] = children.map(({ bytes }) => bytes)
  if (signed === undefined || signature === undefined) return t.fail()
  const algorithm = sequence(identifier(identifiers.ecdsaWithSha256), derOf(5))
  t.is(
    reasonOf(() => parseCertificate(sequence(signed, algorithm, signature))),
    'certificate-invalid',
  )
  const plain = sequence(identifier(identifiers.ecdsaWithSha256))
  t.is(
    reasonOf(() => parseCertificate(sequence(signed, plain, signature))),
    'accepted',
  )
  t.is(
    reasonOf(() => parseCertificate(sequence(signed, plain, signature, derOf(5)))),
    'certificate-invalid',
  )
  t.is(
    reasonOf(() => parseCertificate(sequence(signed, plain, derOf(3, Uint8Array.of(1, 0x30))))),
    'certificate-invalid',
  )
})

const inList: readonly Change[] = [
  ['a negative serial number', '020105', '020185'],
  ['a reason that is no octet string', '04030a0101', '05030a0101'],
]

for (const [title, from, to] of inList) {
  test(`list with ${title}`, (t) =>
    t.is(
      reasonOf(() => parseCrl(replaced(list, from, to))),
      'crl-invalid',
    ))
}

test('a list with an empty list of entries or of extensions, or of version 1', (t) => {
  const { children } = parseDer(list, 'crl-invalid')
  const [signed, algorithm, signature] = children
  const members = signed?.children.map(({ bytes }) => bytes) ?? []
  const again = (...parts: readonly Uint8Array[]) =>
    sequence(sequence(...parts), algorithm?.bytes ?? new Uint8Array(), signature?.bytes ?? new Uint8Array())
  t.is(
    reasonOf(() => parseCrl(again(...members))),
    'accepted',
  )
  t.is(
    reasonOf(() => parseCrl(again(...members.slice(0, 5), sequence(), ...members.slice(6)))),
    'crl-invalid',
  )
  t.is(
    reasonOf(() => parseCrl(again(...members.slice(0, 6), derOf(0xa0, sequence())))),
    'crl-invalid',
  )
  t.is(
    reasonOf(() => parseCrl(again(...members.slice(0, 6), derOf(0xa0)))),
    'crl-invalid',
  )
  t.is(
    reasonOf(() => parseCrl(again(...members, derOf(5)))),
    'crl-invalid',
  )
})

test('SGX extensions', (t) => {
  const sgx = Buffer.from(parseCertificate(right).sgx ?? new Uint8Array())
  const pair = (number: string, value: Uint8Array) => sequence(identifier(`${identifiers.sgx}${number}`), value)
  const pairs = parseDer(sgx, 'sgx-extensions').children.map(({ bytes }) => bytes)
  const reason = (content: Uint8Array) => reasonOf(() => parseSgxExtensions(content))
  t.is(reason(sequence(...pairs)), 'accepted')
  const wrong: readonly (readonly [string, Uint8Array])[] = [
    ['nothing', new Uint8Array()],
    ['no sequence', derOf(0x31, ...pairs)],
    ['a pair twice', sequence(...pairs, ...pairs.slice(0, 1))],
    ['a pair that nobody knows', sequence(...pairs, pair('09', smallInteger(1)))],
    ['a pair of another tree', sequence(...pairs, sequence(identifier('2a0304'), smallInteger(1)))],
    [
      'a pair of three',
      sequence(...pairs.slice(1), sequence(identifier(`${identifiers.sgx}01`), octetString(platform.ppid), derOf(5))),
    ],
    ['a pair without a value', sequence(...pairs.slice(1), sequence(identifier(`${identifiers.sgx}01`)))],
    ['a short PPID', sequence(...pairs.slice(1), pair('01', octetString(new Uint8Array(15))))],
    ['a PPID that is a text', sequence(...pairs.slice(1), pair('01', derOf(0x0c, platform.ppid)))],
    ['without a PPID', sequence(...pairs.slice(1))],
    ['a component of 256', replaced(sgx, '020200ff', '02020100')],
    ['another CPUSVN', replaced(sgx, '0102030405060708090a0b0c0d0e0fff', '0102030405060708090a0b0c0d0e0ffe')],
    ['a negative component', replaced(sgx, '020103', '020183')],
  ]
  for (const [title, content] of wrong) t.is(reason(content), 'sgx-extensions', title)
})

test('a certificate without the extensions that say what it may do may do nothing', (t) => {
  const plain = parseCertificate(withoutExtensions())
  t.deepEqual([plain.isCa, plain.pathLength, plain.keyUsage.size, plain.sgx], [false, undefined, 0, undefined])
})

test('an extension that is not critical is passed over', (t) => {
  const extension = extensionOf('2a0304', utf8('anything'), false)
  t.is(
    reasonOf(() => parseCertificate(withoutExtensions(extension))),
    'accepted',
  )
  t.is(
    reasonOf(() => parseCertificate(withoutExtensions(extension, extension))),
    'certificate-invalid',
  )
  t.is(
    reasonOf(() => parseCertificate(withoutExtensions(extensionOf('2a0304', utf8('anything'), true)))),
    'certificate-extension',
  )
})

test('criticality that is written out as false', (t) => {
  const extension = sequence(identifier('2a0304'), derOf(1, Uint8Array.of(0)), octetString(utf8('anything')))
  t.is(
    reasonOf(() => parseCertificate(withoutExtensions(extension))),
    'certificate-invalid',
  )
})

function withoutExtensions(...others: readonly Uint8Array[]): Uint8Array {
  const [signed, algorithm, signature] = parseDer(right, 'certificate-invalid').children
  const members = signed?.children.slice(0, -1).map(({ bytes }) => bytes) ?? []
  const extensions = others.length > 0 ? [derOf(0xa3, sequence(...others))] : []
  return sequence(
    sequence(...members, ...extensions),
    algorithm?.bytes ?? new Uint8Array(),
    signature?.bytes ?? new Uint8Array(),
  )
}

function replaced(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const text = Buffer.from(bytes).toString('hex')
  // The last place: a subject stands behind its issuer, and names here begin alike.
  const at = text.lastIndexOf(from)
  if (at < 0 || from.length !== to.length) throw new TypeError(`replaced: ${from} does not occur`)
  return concat([Uint8Array.fromHex(text.slice(0, at) + to + text.slice(at + from.length))])
}

function hex(text: string): string {
  return Buffer.from(text).toString('hex')
}
