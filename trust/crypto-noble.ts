/**
 * The primitives in JavaScript (@noble/ed25519, @noble/hashes), for browsers and as the cross-check in tests.
 * noble's own `verify` multiplies by the cofactor even with { zip215: false }; OpenSSL does not. So that both give the same
 * answer, the equation without the cofactor is computed here as well, as RFC 8032, section 5.1.7, allows.
 */
import { hashes, Point, verify } from '@noble/ed25519'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { isEqualBytes } from './bytes.ts'
import type { TrustCrypto } from './crypto.ts'

hashes.sha512 = sha512

export const nobleCrypto: TrustCrypto = {
  sha256,
  sha512,
  verifyEd25519: (publicKey, message, signature) =>
    verify(signature, message, publicKey, { zip215: false }) && isExact(publicKey, message, signature),
}

function isExact(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const r = signature.subarray(0, 32)
  const k = littleEndian(sha512.create().update(r).update(publicKey).update(message).digest()) % Point.CURVE().n
  const s = littleEndian(signature.subarray(32))
  const point = multiple(Point.BASE, s).add(multiple(Point.fromBytes(publicKey), k).negate())
  return isEqualBytes(point.toBytes(), r)
}

function multiple(point: Point, scalar: bigint): Point {
  return scalar === 0n ? Point.ZERO : point.multiply(scalar, false)
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}
