/** Bytes and texts without a platform: UTF-8, hexadecimal, and base 64 (RFC 4648, section 4) read strictly. */

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

export function isEqualBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

export function hexOf(bytes: Uint8Array): string {
  return bytes.toHex()
}

export function base64Of(bytes: Uint8Array): string {
  return bytes.toBase64()
}

/** Accepts only what base64Of makes: padded, no white space, unused bits zero. Undefined for anything else. */
export function bytesOfBase64(text: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' })
    return bytes.toBase64() === text ? bytes : undefined
  } catch {
    return undefined
  }
}

/** Undefined for anything but lowercase digits in pairs. */
export function bytesOfHex(text: string): Uint8Array | undefined {
  return /^(?:[0-9a-f]{2})*$/.test(text) ? Uint8Array.fromHex(text) : undefined
}

const encoder = new TextEncoder()
