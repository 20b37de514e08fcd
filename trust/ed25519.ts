/**
 * The one function that verifies an Ed25519 signature (RFC 8032, section 5.1.7), strictly: S below the group order, canonical
 * points, no key or R of small order, the equation without the cofactor. So a signature that verifies cannot be turned into
 * another one for the same message without the key, and every implementation below it gives the same answer: these bytes are
 * checked here, since libraries differ in them (ePrint 2020/1244), and only the equation is left to trustCrypto().
 */
import { trustCrypto } from './crypto.ts'

export type SignedBytes = {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  readonly message: Uint8Array
  /** 64 bytes, R ‖ S. */
  readonly signature: Uint8Array
}

/** Never throws for what came from outside. */
export function isValidEd25519({ publicKey, message, signature }: SignedBytes): boolean {
  if (signature.length !== 64 || !isStrictPoint(publicKey) || !isStrictPoint(signature.subarray(0, 32))) return false
  if (!isBelow(signature.subarray(32), GROUP_ORDER)) return false
  try {
    return trustCrypto().verifyEd25519(publicKey, message, signature)
  } catch {
    // Not a point of the curve: some libraries say so by an exception.
    return false
  }
}

/** 32 bytes that are a canonical encoding and not one of the eight points of small order; it need not be on the curve. */
export function isStrictPoint(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) return false
  const y = Uint8Array.from(bytes)
  y[31] = (y[31] ?? 0) & 0x7f
  return isBelow(y, FIELD_PRIME) && !SMALL_ORDER.has(y.toHex())
}

/** Compares little-endian numbers of 32 bytes. */
function isBelow(bytes: Uint8Array, limit: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const difference = (bytes[i] ?? 0) - (limit[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}

/** 2^255 - 19, little-endian. */
const FIELD_PRIME = Uint8Array.fromHex('edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f')
/** 2^252 + 27742317777372353535851937790883648493, little-endian. */
const GROUP_ORDER = Uint8Array.fromHex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')

/** The y of the points of order 4, 1, 2 and (two of them) 8; the sign of x does not matter. */
const SMALL_ORDER = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
])
