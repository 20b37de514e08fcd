/**
 * RTMR1 and RTMR2 of a Linux kernel that QEMU hands to OVMF (`-kernel`, `-initrd`, `-append`). OVMF measures the kernel as an EFI program
 * and says that it calls and leaves it; Linux's EFI stub measures the command line and the initrd. The order and the texts are those of a
 * real event log (test/trust/tee/event-log.test.ts replays it to the registers of its quote).
 */
import { AbnError } from '../../format/errors.ts'
import { utf8 } from '../bytes.ts'
import { authenticodeDigest } from './authenticode.ts'
import { registerOf, sha384 } from './measure.ts'

export type DirectBoot = {
  /** As QEMU hands it on: unchanged, or by patchedByQemu. */
  readonly kernel: Uint8Array
  readonly initrd: Uint8Array | undefined
  /** As given to -append. */
  readonly commandLine: string
}

/** Throws ABN_TEE_IMAGE. */
export function directBootRegisters({ kernel, initrd, commandLine }: DirectBoot): {
  readonly rtmr1: Uint8Array
  readonly rtmr2: Uint8Array
} {
  const options = loadOptionsOf(commandLine, initrd !== undefined)
  return {
    rtmr1: rtmr1Of(authenticodeDigest(kernel)),
    rtmr2: registerOf([sha384(options), ...(initrd === undefined ? [] : [sha384(initrd)])]),
  }
}

/** Of the digest of the kernel as an EFI program. */
export function rtmr1Of(kernelDigest: Uint8Array): Uint8Array {
  return registerOf([
    kernelDigest,
    sha384(utf8('Calling EFI Application from Boot Option')),
    sha384(new Uint8Array(4)),
    sha384(utf8('Exit Boot Services Invocation')),
    sha384(utf8('Exit Boot Services Returned with Success')),
  ])
}

/** The command line as EFI load options: UTF-16 with a NUL at its end; OVMF names the initrd in it. Throws ABN_TEE_IMAGE. */
export function loadOptionsOf(commandLine: string, hasInitrd: boolean): Uint8Array {
  if (!/^[\x20-\x7e]{0,2047}$/.test(commandLine)) {
    throw new AbnError('ABN_TEE_IMAGE', 'command line: expected at most 2047 printable ASCII characters')
  }
  const text = `${commandLine}${hasInitrd ? ' initrd=initrd' : ''}\0`
  return Uint8Array.from([...text].flatMap((character) => [character.charCodeAt(0), 0]))
}

/**
 * The kernel as QEMU changes it before it hands it on, where it does: versions before 10.2 write addresses into the header for the
 * boot protocol (Linux, Documentation/arch/x86/boot.rst) also in TDX guests, for which nobody needs them. Machine type q35.
 * Throws ABN_TEE_IMAGE.
 */
export function patchedByQemu(kernel: Uint8Array, { memoryBytes, initrdBytes }: QemuMachine): Uint8Array {
  const patched = Uint8Array.from(kernel)
  const view = new DataView(patched.buffer)
  const isLinux = kernel.length >= 0x1000 && view.getUint32(HEADER.magic, true) === 0x53726448
  requireKernel(isLinux, 'not a Linux kernel with a header for the boot protocol')
  const protocol = view.getUint16(HEADER.protocol, true)
  requireKernel(protocol >= 0x20c, `boot protocol ${protocol.toString(16)}, expected 20c or newer`)
  const flags = view.getUint8(HEADER.loadFlags)
  requireKernel((flags & 1) !== 0, 'it does not load high')
  view.setUint8(HEADER.loader, 0xb0)
  view.setUint8(HEADER.loadFlags, flags | 0x80)
  view.setUint32(HEADER.heapEnd, commandLineAddress - realModeAddress - 0x200, true)
  view.setUint32(HEADER.commandLine, commandLineAddress, true)
  if (initrdBytes === undefined) return patched
  const isLow = (view.getUint16(HEADER.extraFlags, true) & 2) === 0
  const highest = isLow ? view.getUint32(HEADER.initrdMaximum, true) : 0xffff_ffff
  const available = memoryBelow4G(memoryBytes) - acpiBytes
  const maximum = highest >= available ? available - 1 : highest
  requireKernel(initrdBytes < maximum, 'the initrd does not fit into the memory')
  const address = maximum - initrdBytes
  view.setUint32(HEADER.initrd, address - (address % 4096), true)
  view.setUint32(HEADER.initrdSize, initrdBytes, true)
  return patched
}

export type QemuMachine = { readonly memoryBytes: number; readonly initrdBytes: number | undefined }

/** Offsets into the header. */
const HEADER = {
  magic: 0x202,
  protocol: 0x206,
  loader: 0x210,
  loadFlags: 0x211,
  initrd: 0x218,
  initrdSize: 0x21c,
  heapEnd: 0x224,
  commandLine: 0x228,
  initrdMaximum: 0x22c,
  extraFlags: 0x236,
} as const

const realModeAddress = 0x10000
const commandLineAddress = 0x20000
/** What QEMU leaves free for tables. */
const acpiBytes = 0x28000

/** q35 has 2 GiB below the hole when there is more than 2.75 GiB. */
function memoryBelow4G(bytes: number): number {
  return bytes >= 0xb000_0000 ? 0x8000_0000 : bytes
}

function requireKernel(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new AbnError('ABN_TEE_IMAGE', `kernel: ${reason}`)
}
