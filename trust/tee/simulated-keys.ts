/**
 * P-256 keys and signatures that follow from a text, so that a simulated quote is the same bytes each time. Everybody can compute
 * them, nobody may trust them, and they are nothing to sign real things with: the arithmetic takes a time that depends on the key.
 */
import { concat, hexOf, utf8 } from '../bytes.ts'
import { trustCrypto } from '../crypto.ts'
import { integer, sequence } from './der-writer.ts'

export type SimulatedKey = {
  /** x ‖ y. */
  readonly point: Uint8Array
  /** r ‖ s of ECDSA with SHA-256. */
  sign(data: Uint8Array): Uint8Array
}

export function simulatedKeyOf(text: string): SimulatedKey {
  const secret = scalarOf(utf8(text))
  return {
    point: pointOf(secret),
    sign(data) {
      const digest = trustCrypto().sha256(data)
      const nonce = scalarOf(concat([utf8('nonce'), bytesOf(secret), digest]))
      const r = numberOf(pointOf(nonce).subarray(0, 32)) % ORDER
      const s = (inverseOf(nonce) * (numberOf(digest) + r * secret)) % ORDER
      return concat([bytesOf(r), bytesOf(s)])
    },
  }
}

export function derSignature(raw: Uint8Array): Uint8Array {
  return sequence(integer(raw.subarray(0, 32)), integer(raw.subarray(32)))
}

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

function scalarOf(data: Uint8Array): bigint {
  return (numberOf(trustCrypto().sha512(data)) % (ORDER - 1n)) + 1n
}

function pointOf(scalar: bigint): Uint8Array {
  const curve = process.getBuiltinModule('node:crypto').createECDH('prime256v1')
  curve.setPrivateKey(Buffer.from(bytesOf(scalar)))
  return Uint8Array.from(curve.getPublicKey().subarray(1))
}

/** By Euclid's extended algorithm. */
function inverseOf(value: bigint): bigint {
  let [a, b, x, y] = [value, ORDER, 1n, 0n]
  while (a > 1n) {
    const quotient = a / b
    ;[a, b] = [b, a - quotient * b]
    ;[x, y] = [y, x - quotient * y]
  }
  return x < 0n ? x + ORDER : x
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${hexOf(bytes)}`)
}

function bytesOf(number: bigint): Uint8Array {
  return Uint8Array.fromHex(number.toString(16).padStart(64, '0'))
}
