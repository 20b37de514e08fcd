// The two implementations give one answer, also where libraries differ (ePrint 2020/1244): malleability, small order, mixed
// order, encodings that are not canonical. The odd keys and signatures are made here, with noble's points.
import { hashes, Point } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import test, { type ExecutionContext } from 'ava'
import { type TrustCrypto, trustCrypto, useCrypto } from '../../trust/crypto.ts'
import { nobleCrypto } from '../../trust/crypto-noble.ts'
import { isStrictPoint, isValidEd25519 } from '../../trust/ed25519.ts'
import { newSecretKey } from '../../trust/secret-key.ts'
import { alice, bob } from './support.ts'

hashes.sha512 = sha512

const L = Point.CURVE().n
const P = Point.CURVE().p
const message = Buffer.from('a message')
const node = trustCrypto()

/** isValidEd25519 with each implementation under it; fails where they differ. */
function verdict(t: ExecutionContext, publicKey: Uint8Array, signature: Uint8Array): boolean {
  const answers = [node, nobleCrypto].map((crypto) => answerOf(crypto, publicKey, signature))
  t.is(answers[0], answers[1], 'the implementations differ')
  t.is(answers[0], isValidEd25519({ publicKey, message, signature }))
  return answers[0] === true
}

/** As ed25519.ts does it; useCrypto is for a whole process, and tests run side by side. */
function answerOf(crypto: TrustCrypto, publicKey: Uint8Array, signature: Uint8Array): boolean {
  const closed = signature.length === 64 && isStrictPoint(publicKey) && isStrictPoint(signature.subarray(0, 32))
  if (!closed || numberOf(signature.subarray(32)) >= L) return false
  try {
    return crypto.verifyEd25519(publicKey, message, signature)
  } catch {
    return false
  }
}

function numberOf(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

function bytesOf(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
}

/** A point of order 8. */
const torsion = (() => {
  for (let y = 2n; ; y++) {
    try {
      const point = timesL(Point.fromBytes(bytesOf(y)))
      if (!point.double().double().is0()) return point
    } catch {
      // Not on the curve.
    }
  }
})()

function timesL(point: Point): Point {
  return point.multiply(L - 1n, false).add(point)
}

/** A signature for the public key A + T and the nonce point R + U, made to satisfy the equation with the cofactor at least. */
function mixed(
  keyTorsion: Point,
  nonceTorsion: Point,
  nonce: bigint,
): { key: Uint8Array; signature: Uint8Array; exact: boolean } {
  const a = 12345678901234567890n
  const key = Point.BASE.multiply(a).add(keyTorsion).toBytes()
  const r = Point.BASE.multiply(nonce).add(nonceTorsion).toBytes()
  const k = numberOf(sha512(Buffer.concat([r, key, message]))) % L
  const s = (nonce + k * a) % L
  const difference = nonceTorsion.add(keyTorsion.is0() ? Point.ZERO : keyTorsion.multiply(k, false))
  return { key, signature: Buffer.concat([r, bytesOf(s)]), exact: difference.is0() }
}

const good = alice.sign(message)

test('a signature verifies for its key and message', (t) => {
  t.true(verdict(t, alice.publicKey.bytes, good))
  t.false(verdict(t, bob.publicKey.bytes, good))
  t.false(isValidEd25519({ publicKey: alice.publicKey.bytes, message: Buffer.from('another'), signature: good }))
})

test('RFC 8032, section 7.1, test 2', (t) => {
  const key = newSecretKey(
    'rfc',
    Uint8Array.fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'),
  )
  t.is(key.publicKey.bytes.toHex(), '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
  const signature = Uint8Array.fromHex(
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  )
  t.deepEqual(Uint8Array.from(key.sign(Uint8Array.of(0x72))), signature)
  t.true(isValidEd25519({ publicKey: key.publicKey.bytes, message: Uint8Array.of(0x72), signature }))
})

test('S with the group order added', (t) => {
  const s = numberOf(good.subarray(32))
  for (let n = 1n; s + n * L < 1n << 256n; n++) {
    t.false(verdict(t, alice.publicKey.bytes, Buffer.concat([good.subarray(0, 32), bytesOf(s + n * L)])), `${n}`)
  }
})

test('lengths', (t) => {
  for (const length of [0, 32, 63, 65]) t.false(verdict(t, alice.publicKey.bytes, new Uint8Array(length)))
  for (const length of [0, 31, 33]) t.false(verdict(t, new Uint8Array(length), good))
})

test('the points of small order, in every encoding, are neither key nor R', (t) => {
  const points = Array.from({ length: 8 }, (_, i) => (i === 0 ? Point.ZERO : torsion.multiply(BigInt(i), false)))
  t.is(new Set(points.map((point) => point.toHex())).size, 8)
  const encodings = points.flatMap((point) => {
    const y = numberOf(point.toBytes()) & ((1n << 255n) - 1n)
    const values = [y, y + P].filter((value) => value < 1n << 255n)
    return values.flatMap((value) => [bytesOf(value), bytesOf(value | (1n << 255n))])
  })
  t.true(encodings.length > 16)
  for (const encoding of encodings) {
    t.false(isStrictPoint(encoding))
    t.false(verdict(t, encoding, Buffer.concat([encoding, bytesOf(0n)])))
    t.false(verdict(t, alice.publicKey.bytes, Buffer.concat([encoding, good.subarray(32)])))
  }
})

test('y that is not below the prime', (t) => {
  for (let y = P; y < 1n << 255n; y++) t.false(isStrictPoint(bytesOf(y)))
  t.true(isStrictPoint(bytesOf(P - 2n)))
})

test('keys and R of mixed order: only the equation without the cofactor counts', (t) => {
  const seen = { exact: 0, cofactor: 0 }
  for (let nonce = 1n; nonce <= 24n; nonce++) {
    for (const [keyTorsion, nonceTorsion] of [
      [torsion, Point.ZERO],
      [Point.ZERO, torsion],
      [torsion, torsion],
    ] as const) {
      const { key, signature, exact } = mixed(keyTorsion, nonceTorsion, nonce)
      t.is(verdict(t, key, signature), exact)
      seen[exact ? 'exact' : 'cofactor'] += 1
    }
  }
  t.true(seen.exact > 0 && seen.cofactor > 0)
})

test('what implementations might let pass is refused before they are asked', (t) => {
  useCrypto({ ...node, verifyEd25519: () => true })
  try {
    const s = numberOf(good.subarray(32))
    const large = Buffer.concat([good.subarray(0, 32), bytesOf(s + L)])
    const publicKey = alice.publicKey.bytes
    t.true(isValidEd25519({ publicKey, message, signature: good }))
    t.false(isValidEd25519({ publicKey, message, signature: large }))
    t.false(isValidEd25519({ publicKey: torsion.toBytes(), message, signature: good }))
    t.false(isValidEd25519({ publicKey, message, signature: Buffer.concat([torsion.toBytes(), good.subarray(32)]) }))
  } finally {
    useCrypto(undefined)
  }
})

test('every flipped bit is seen by both', (t) => {
  for (let at = 0; at < 64 * 8; at += 7) {
    const changed = Uint8Array.from(good)
    changed[at >> 3] = (changed[at >> 3] ?? 0) ^ (1 << (at & 7))
    t.false(verdict(t, alice.publicKey.bytes, changed))
  }
})

test('hashes agree', (t) => {
  for (const text of ['', 'abc', 'x'.repeat(1000)]) {
    t.deepEqual(Buffer.from(node.sha256(Buffer.from(text))), Buffer.from(nobleCrypto.sha256(Buffer.from(text))))
  }
})
