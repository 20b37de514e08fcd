/** Writes the certificates and lists of revoked ones of the simulated TEE, right or wrong as it is told. */
import { concat, utf8 } from '../bytes.ts'
import { tags } from './der.ts'
import {
  bitString,
  derOf,
  identifier,
  namedBits,
  octetString,
  sequence,
  smallInteger,
  time,
  truth,
} from './der-writer.ts'
import { p256Prefix } from './p256.ts'
import type { PckPlatform } from './sgx-extensions.ts'
import { derSignature, type SimulatedKey } from './simulated-keys.ts'
import { identifiers } from './x509.ts'

export type CertificateSpec = {
  readonly commonName: string
  readonly issuerName: string
  readonly key: SimulatedKey
  readonly signer: SimulatedKey
  readonly serial: number
  readonly from: number
  readonly until: number
  readonly isCa: boolean
  readonly pathLength: number | undefined
  readonly keyUsage: readonly number[]
  readonly sgx: PckPlatform | undefined
  /** DER of extensions besides. */
  readonly more: readonly Uint8Array[]
}

export type CrlSpec = {
  readonly issuerName: string
  readonly signer: SimulatedKey
  readonly from: number
  readonly until: number
  readonly revoked: readonly number[]
  readonly more: readonly Uint8Array[]
}

export function certificateOf(spec: CertificateSpec): Uint8Array {
  const { commonName, issuerName, key, signer, serial, from, until, isCa, pathLength, keyUsage, sgx, more } = spec
  const constraints = isCa ? [truth(), ...(pathLength === undefined ? [] : [smallInteger(pathLength)])] : []
  const extensions = [
    extensionOf(identifiers.keyUsage, namedBits(keyUsage), true),
    extensionOf(identifiers.basicConstraints, sequence(...constraints), true),
    ...(sgx === undefined ? [] : [extensionOf(identifiers.sgx, encodeSgxExtensions(sgx), false)]),
    ...more,
  ]
  const signed = sequence(
    derOf(tags.context(0), smallInteger(2)),
    smallInteger(serial),
    ECDSA,
    nameOf(issuerName),
    sequence(time(from), time(until)),
    nameOf(commonName),
    concat([p256Prefix, Uint8Array.of(4), key.point]),
    derOf(tags.context(3), sequence(...extensions)),
  )
  return signedBy(signer, signed)
}

export function crlOf({ issuerName, signer, from, until, revoked, more }: CrlSpec): Uint8Array {
  const reason = sequence(extensionOf(identifiers.crlReason, smallInteger(1, tags.enumerated), false))
  const entries = revoked.map((serial) => sequence(smallInteger(serial), time(from), reason))
  const number = extensionOf(identifiers.crlNumber, smallInteger(1), false)
  const signed = sequence(
    smallInteger(1),
    ECDSA,
    nameOf(issuerName),
    time(from),
    time(until),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    derOf(tags.context(0), sequence(number, ...more)),
  )
  return signedBy(signer, signed)
}

export function extensionOf(oid: string, content: Uint8Array, isCritical: boolean): Uint8Array {
  return sequence(identifier(oid), ...(isCritical ? [truth()] : []), octetString(content))
}

const ECDSA = sequence(identifier(identifiers.ecdsaWithSha256))

function signedBy(signer: SimulatedKey, signed: Uint8Array): Uint8Array {
  return sequence(signed, ECDSA, bitString(derSignature(signer.sign(signed))))
}

function nameOf(commonName: string): Uint8Array {
  const part = (oid: string, text: string) => derOf(0x31, sequence(identifier(oid), derOf(0x0c, utf8(text))))
  return sequence(part(identifiers.commonName, commonName), part(identifiers.organizationName, 'abnpkg simulated TEE'))
}

function encodeSgxExtensions({ ppid, fmspc, pceId, components, pceSvn, instance }: PckPlatform): Uint8Array {
  const pair = (number: string, value: Uint8Array) => sequence(identifier(`${identifiers.sgx}${number}`), value)
  const svns = components.map((svn, i) => pair(`02${(i + 1).toString(16).padStart(2, '0')}`, smallInteger(svn)))
  const tcb = [...svns, pair('0211', smallInteger(pceSvn)), pair('0212', octetString(Uint8Array.from(components)))]
  const scalable = smallInteger(1, tags.enumerated)
  return sequence(
    pair('01', octetString(ppid)),
    pair('02', sequence(...tcb)),
    pair('03', octetString(Uint8Array.fromHex(pceId))),
    pair('04', octetString(Uint8Array.fromHex(fmspc))),
    pair('05', scalable),
    ...(instance === undefined ? [] : [pair('06', octetString(Uint8Array.fromHex(instance)))]),
  )
}
