/**
 * The encoding of SSH (RFC 4251, section 5), as far as keys and signatures need it: strings with a length before them.
 * Strict: lengths within the bytes, nothing left over at the end.
 */

/** Reads strings one after the other. Throws what `fail` makes. */
export class SshReader {
  readonly #bytes: Buffer
  readonly #fail: (reason: string) => Error
  #at = 0

  constructor(bytes: Uint8Array, fail: (reason: string) => Error) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#fail = fail
  }

  bytes(count: number): Buffer {
    if (count > this.#bytes.length - this.#at) throw this.#fail('it ends too early')
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }

  number(): number {
    return this.bytes(4).readUInt32BE()
  }

  string(): Buffer {
    return this.bytes(this.number())
  }

  /** A string of printable ASCII. */
  word(): string {
    const text = this.string().toString('latin1')
    if (!/^[!-~]*$/.test(text)) throw this.#fail('it has a name with characters that are not allowed')
    return text
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#fail('it has more bytes than it should')
  }
}

export function sshString(value: Uint8Array | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
