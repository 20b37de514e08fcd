/**
 * The signature that a write to a cache carries: which bytes an operator's key signs, and the Authorization header that
 * brings it. It covers the cache's own address, so that one cache cannot repeat at another what it was sent, and time and
 * nonce, so that nobody can repeat it at all. Specification: docs/cache-api.md, "Writing".
 */
import { parseSha256, type Sha256 } from './hash.ts'

export type WriteRequest = {
  /** Scheme, host and port of the cache as the client addresses it, for example "https://cache.example.org". */
  readonly origin: string
  readonly method: string
  /** With the query, as it stands in the request line. */
  readonly path: string
  /** Of the body; of no bytes when there is none. */
  readonly bodySha256: Sha256
  /** Seconds since 1970. */
  readonly at: number
  /** 32 lowercase hexadecimal digits, fresh for each request. */
  readonly nonce: string
}

export type WriteSignature = {
  readonly keyId: string
  readonly at: number
  readonly nonce: string
  readonly bodySha256: Sha256
  /** Base 64 of 64 bytes. */
  readonly signature: string
}

/** What is signed. */
export function encodeWriteRequest({ origin, method, path, bodySha256, at, nonce }: WriteRequest): Uint8Array {
  return Buffer.from(['abnpkg-cache-write-v1', origin, method, path, bodySha256, String(at), nonce, ''].join('\n'))
}

export function encodeWriteAuthorization({ keyId, at, nonce, bodySha256, signature }: WriteSignature): string {
  return `AbnWrite key=${keyId},at=${at},nonce=${nonce},body=${bodySha256},signature=${signature}`
}

/** Accepts exactly what encodeWriteAuthorization makes. Undefined for anything else. */
export function parseWriteAuthorization(text: string): WriteSignature | undefined {
  const match = AUTHORIZATION.exec(text)
  if (match === null) return undefined
  const [, keyId = '', at = '', nonce = '', body = '', signature = ''] = match
  return { keyId, at: Number(at), nonce, bodySha256: parseSha256(body), signature }
}

const AUTHORIZATION =
  /^AbnWrite key=([0-9a-f]{64}),at=([1-9][0-9]{0,11}),nonce=([0-9a-f]{32}),body=([0-9a-f]{64}),signature=([A-Za-z0-9+/]{86}==)$/
