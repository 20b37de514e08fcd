// Modules of libraries that come without types, or with types that do not fit what Node loads.

declare module 'unbzip2-stream/lib/bzip2.js' {
  import type { BitReader } from 'unbzip2-stream/lib/bit_iterator.js'

  const bzip2: {
    /** Reads a stream header; answers with the block size in units of 100,000 bytes. */
    header(bits: BitReader): number
    /** Decodes a block to `push`; answers with the running check sum, or null after the end of a stream. */
    decompress(
      bits: BitReader,
      push: (byte: number) => void,
      block: Int32Array,
      size: number,
      crc: number,
    ): number | null
  }
  export default bzip2
}

declare module 'unbzip2-stream/lib/bit_iterator.js' {
  export type BitReader = ((count: number | null) => number) & { readonly bytesRead: number }
  export default function bitIterator(nextBuffer: () => Uint8Array): BitReader
}

declare module 'xz-decompress' {
  import type { ReadableStream } from 'node:stream/web'

  const library: {
    XzReadableStream: new (compressed: ReadableStream<Uint8Array>) => ReadableStream<Uint8Array>
  }
  export default library
}
