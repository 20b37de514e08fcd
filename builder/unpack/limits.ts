// How much a source archive may unpack to. Hashes are pinned by recipes, but a recipe may be hostile too.

import { AbnError } from '../../format/errors.ts'

export type UnpackLimits = {
  readonly bytes: number // of the decompressed archive, and of the files written
  readonly entries: number
  readonly ratio: number // decompressed to compressed, looked at above `ratioFloor`
  readonly ratioFloor: number // bytes
  readonly nameBytes: number // of a whole name or link target
}

export const defaultUnpackLimits: UnpackLimits = {
  bytes: 8 * 2 ** 30,
  entries: 500_000,
  ratio: 200,
  ratioFloor: 64 * 2 ** 20,
  nameBytes: 2048,
}

/** Throws ABN_UNPACK_LIMIT when `unpacked` bytes out of `packed` bytes are more than allowed. */
export function checkSize(unpacked: number, packed: number, limits: UnpackLimits): void {
  if (unpacked > limits.bytes) throw overLimit(`it unpacks to more than ${limits.bytes} bytes`)
  if (unpacked > limits.ratioFloor && unpacked > packed * limits.ratio) {
    throw overLimit(`${packed} bytes unpack to more than ${limits.ratio} times as many`)
  }
}

export function overLimit(what: string): AbnError {
  return new AbnError('ABN_UNPACK_LIMIT', `refused to unpack: ${what}`, {
    hint: 'if the archive is genuine, raise the limits of builder/unpack/limits.ts',
  })
}
