/**
 * The primitives by node:crypto (OpenSSL), about ten times as fast as those in JavaScript, and what only a signer needs.
 * The module is reached without an import, so that this file also loads in a browser, where cryptoOfNode gives undefined.
 */
import type { TrustCrypto } from './crypto.ts'

export function cryptoOfNode(): TrustCrypto | undefined {
  const node = moduleOfNode()
  if (node === undefined) return undefined
  const keys = new Map<string, import('node:crypto').KeyObject>()
  const keyOf = (publicKey: Uint8Array) => {
    const x = publicKey.toBase64({ alphabet: 'base64url', omitPadding: true })
    const known = keys.get(x)
    if (known) return known
    const key = node.createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    if (keys.size >= maximumKeys) keys.clear()
    keys.set(x, key)
    return key
  }
  return {
    sha256: (data) => node.hash('sha256', data, 'buffer'),
    sha512: (data) => node.hash('sha512', data, 'buffer'),
    verifyEd25519: (publicKey, message, signature) => node.verify(null, message, keyOf(publicKey), signature),
  }
}

export function randomBytes(length: number): Uint8Array {
  return Uint8Array.from(requireNode().randomBytes(length))
}

/** The public key (32 bytes) of a seed (32 bytes; RFC 8032 calls it the private key). */
export function publicBytesOf(seed: Uint8Array): Uint8Array {
  const { x } = requireNode().createPublicKey(privateKeyOf(seed)).export({ format: 'jwk' })
  return Uint8Array.fromBase64(x ?? '', { alphabet: 'base64url' })
}

export function signWith(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return Uint8Array.from(requireNode().sign(null, message, privateKeyOf(seed)))
}

export type Seal = {
  readonly passphrase: string
  /** 16 bytes. */
  readonly salt: Uint8Array
  /** 12 bytes. */
  readonly nonce: Uint8Array
  /** Authenticated with the seed, not hidden. */
  readonly bound: Uint8Array
}

/** AES-256-GCM: ciphertext and 16 bytes of tag. */
export function seal(plain: Uint8Array, options: Seal): Uint8Array {
  const cipher = requireNode().createCipheriv('aes-256-gcm', sealingKey(options), options.nonce).setAAD(options.bound)
  return Uint8Array.from(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]))
}

/** Undefined when anything is not as it was sealed. */
export function open(sealed: Uint8Array, options: Seal): Uint8Array | undefined {
  const cipher = requireNode()
    .createDecipheriv('aes-256-gcm', sealingKey(options), options.nonce, { authTagLength: 16 })
    .setAAD(options.bound)
    .setAuthTag(sealed.subarray(-16))
  const plain = cipher.update(sealed.subarray(0, -16))
  try {
    return Uint8Array.from(Buffer.concat([plain, cipher.final()]))
  } catch {
    return undefined
  }
}

/** N = 2^17 (128 MiB), r = 8, p = 1. */
function sealingKey({ passphrase, salt }: Seal): Uint8Array {
  const N = 2 ** 17
  return requireNode().scryptSync(passphrase.normalize('NFC'), salt, 32, { N, r: 8, p: 1, maxmem: 256 * 2 ** 20 })
}

function privateKeyOf(seed: Uint8Array): import('node:crypto').KeyObject {
  if (seed.length !== 32) throw new TypeError(`seed of ${seed.length} bytes, expected 32`)
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  try {
    return requireNode().createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  } finally {
    der.fill(0)
  }
}

function requireNode(): typeof import('node:crypto') {
  const node = moduleOfNode()
  if (node === undefined) throw new TypeError('signing needs node:crypto')
  return node
}

function moduleOfNode(): typeof import('node:crypto') | undefined {
  return globalThis.process?.getBuiltinModule?.('node:crypto')
}

const maximumKeys = 1024
