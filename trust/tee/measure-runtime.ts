/**
 * RTMR3 of a builder's guest: extended once a boot, with the configuration of the builder, by the builder itself
 * (builder/tee/runtime-register.ts). Nothing else of a guest as docs/tdx.md describes it uses that register.
 */
import type { Sha256 } from '../../format/hash.ts'
import { concat, utf8 } from '../bytes.ts'
import { registerOf, sha384 } from './measure.ts'

/** What is extended: 48 bytes. `configuration` is the field of that name in a session. */
export function runtimeDigestOf(configuration: Sha256): Uint8Array {
  return sha384(concat([utf8('abnpkg-configuration-v1\n'), Uint8Array.fromHex(configuration)]))
}

/** RTMR3 when nothing else was extended. */
export function runtimeRegisterOf(configuration: Sha256): Uint8Array {
  return registerOf([runtimeDigestOf(configuration)])
}
