/**
 * The primitives that this room needs, and which implementation of them is used: node:crypto where there is one (loaded when
 * first needed), else what the page has handed to useCrypto (crypto-noble.ts). The two give the same answers (test/trust/
 * ed25519.test.ts). Nothing else in trust/ reaches for the platform.
 */
import { parseSha256, type Sha256 } from '../format/hash.ts'
import { hexOf } from './bytes.ts'
import { cryptoOfNode } from './crypto-node.ts'

export type TrustCrypto = {
  sha256(data: Uint8Array): Uint8Array
  sha512(data: Uint8Array): Uint8Array
  /**
   * Whether encode([S]B - [k]A) is R, for a signature R ‖ S (RFC 8032, section 5.1.7, without the cofactor). Callers use
   * verifyEd25519 of ed25519.ts, which closes what this leaves open.
   */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
}

/** Chooses the implementation for this process or page; undefined returns to the default. */
export function useCrypto(implementation: TrustCrypto | undefined): void {
  chosen = implementation
}

export function trustCrypto(): TrustCrypto {
  chosen ??= cryptoOfNode()
  if (chosen === undefined) throw new TypeError('trustCrypto: no node:crypto here, call useCrypto first')
  return chosen
}

export function sha256(data: Uint8Array): Sha256 {
  return parseSha256(hexOf(trustCrypto().sha256(data)))
}

let chosen: TrustCrypto | undefined
