/**
 * ECDSA with P-256 and SHA-256 (FIPS 186-5) by node:crypto, the only algorithm in this room. The module is reached without an
 * import, as in ../crypto-node.ts, so that what only talks about verdicts also loads in a browser.
 */

export type P256Key = import('node:crypto').KeyObject

/** SubjectPublicKeyInfo of a point that is not compressed: these 26 bytes, then 04, x and y. */
export const p256Prefix = Uint8Array.fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200')

/** Of 64 bytes, x ‖ y. Undefined when that is no point of the curve. */
export function p256KeyOf(point: Uint8Array): P256Key | undefined {
  if (point.length !== 64) throw new TypeError(`p256KeyOf: ${point.length} bytes, expected 64`)
  const der = new Uint8Array(p256Prefix.length + 65)
  der.set(p256Prefix)
  der[p256Prefix.length] = 4
  der.set(point, p256Prefix.length + 1)
  try {
    return nodeCrypto().createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

/** A signature is 64 bytes r ‖ s ('raw', as in quotes), or a DER sequence of the two ('der', as in certificates). */
export function isSignedBy(key: P256Key, data: Uint8Array, signature: Uint8Array, form: 'raw' | 'der'): boolean {
  const dsaEncoding = form === 'raw' ? 'ieee-p1363' : 'der'
  return nodeCrypto().verify('sha256', data, { key, dsaEncoding }, signature)
}

/** Whether this platform has it. */
export function hasP256(): boolean {
  return globalThis.process?.getBuiltinModule?.('node:crypto') !== undefined
}

function nodeCrypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto')
}
