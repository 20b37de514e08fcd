/**
 * RTMR3, by the kernel's files for measurement registers (Linux, Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest, since
 * 6.16): reading gives 48 bytes, writing 48 extends. A register only ever goes on, until the guest is started anew: so it is extended
 * once, and never when something else has been, because nobody could tell then what it should hold.
 */
import { AbnError } from '../../format/errors.ts'
import type { Sha256 } from '../../format/hash.ts'
import { isEqualBytes } from '../../trust/bytes.ts'
import { registerBytes } from '../../trust/tee/measure.ts'
import { runtimeDigestOf, runtimeRegisterOf } from '../../trust/tee/measure-runtime.ts'
import { isZero } from '../../trust/tee/quote.ts'
import { errnoOf, kernelFiles, type TeeFiles } from './files.ts'

/** `already`: by this builder with the same configuration, since the guest was started. */
export type RuntimeRegister =
  | { readonly kind: 'extended' | 'already'; readonly value: Uint8Array }
  | { readonly kind: 'impossible'; readonly reason: string }

export type RuntimeRegisterOptions = { readonly files?: TeeFiles; readonly directory?: string }

/** Throws ABN_TEE_GUEST when the register does not hold afterwards what it should. */
export async function extendRuntimeRegister(
  configuration: Sha256,
  { files = kernelFiles, directory = MEASUREMENTS }: RuntimeRegisterOptions = {},
): Promise<RuntimeRegister> {
  const path = `${directory}/rtmr3:sha384`
  const wanted = runtimeRegisterOf(configuration)
  try {
    const before = await registerAt(path, files)
    if (isEqualBytes(before, wanted)) return { kind: 'already', value: wanted }
    if (!isZero(before)) return { kind: 'impossible', reason: 'RTMR3 holds something else since the guest was started' }
    await files.write(path, runtimeDigestOf(configuration))
  } catch (error) {
    const reason = REASONS[errnoOf(error) ?? '']
    if (reason === undefined) throw error instanceof AbnError ? error : strange('RTMR3 cannot be extended', error)
    return { kind: 'impossible', reason }
  }
  const after = await registerAt(path, files)
  if (isEqualBytes(after, wanted)) return { kind: 'extended', value: wanted }
  throw strange(`RTMR3 is ${after.toHex()} after it was extended, expected ${wanted.toHex()}`)
}

const MEASUREMENTS = '/sys/devices/virtual/misc/tdx_guest/measurements'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'this kernel does not let registers be extended: it takes Linux 6.16 or newer in a TDX guest',
  ENOTDIR: 'this kernel does not let registers be extended: it takes Linux 6.16 or newer in a TDX guest',
  EACCES: 'only root may extend RTMR3',
  EPERM: 'only root may extend RTMR3',
  EROFS: 'RTMR3 cannot be written here',
}

async function registerAt(path: string, files: TeeFiles): Promise<Uint8Array> {
  const bytes = await files.read(path, registerBytes)
  if (bytes.length !== registerBytes) throw strange(`RTMR3 has not ${registerBytes} bytes`)
  return bytes
}

function strange(reason: string, cause?: unknown): AbnError {
  const hint = 'start the guest anew; nothing else in it may extend RTMR3'
  return new AbnError('ABN_TEE_GUEST', reason, { hint, ...(cause === undefined ? {} : { cause }) })
}
