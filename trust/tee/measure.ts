/**
 * What the registers of a TDX guest hold, computed from what is booted. MRTD: the TDX module's hash over the pages that a guest begins
 * with (Intel, "TDX Module Base Architecture", TDH.MEM.PAGE.ADD and TDH.MR.EXTEND). RTMR1 and RTMR2: the events of a direct boot of
 * a Linux kernel by OVMF. RTMR0 depends on tables that the host makes, and is pinned for each machine shape, or replayed from an event log. What
 * was compared with real guests and what was not: docs/tdx.md.
 */
import { concat, utf8 } from '../bytes.ts'
import { encodeLittleEndian } from './layout.ts'
import { isMeasured, isPaged, pageBytes, type Tdvf } from './tdvf.ts'

/**
 * In which order the host has added and measured pages: each page added and measured in turn (Linux's KVM), or all pages of a section
 * added before the first is measured (KVM and QEMU before TDX went into Linux).
 */
export type PageOrder = 'one-pass' | 'two-pass'

/** 48 bytes. */
export function mrtdOf({ image, sections }: Tdvf, order: PageOrder): Uint8Array {
  const hash = sha384Stream()
  for (const section of sections) {
    const pages = Array.from({ length: section.memoryBytes / pageBytes }, (_, i) => i * pageBytes)
    const add = (at: number) => {
      if (isPaged(section)) hash.update(recordOf('MEM.PAGE.ADD', section.address + at))
    }
    const extend = (at: number) => {
      if (!isMeasured(section)) return
      for (let chunk = at; chunk < at + pageBytes; chunk += chunkBytes) {
        hash.update(recordOf('MR.EXTEND', section.address + chunk))
        hash.update(image.subarray(section.offset + chunk, section.offset + chunk + chunkBytes))
      }
    }
    if (order === 'two-pass') {
      pages.forEach(add)
      pages.forEach(extend)
    } else {
      for (const page of pages) {
        add(page)
        extend(page)
      }
    }
  }
  return hash.digest()
}

/** A register after one more event; every register begins as 48 zero bytes. */
export function extendRegister(register: Uint8Array, digest: Uint8Array): Uint8Array {
  if (register.length !== registerBytes || digest.length !== registerBytes) {
    throw new TypeError(`extendRegister: ${register.length} and ${digest.length} bytes, expected ${registerBytes}`)
  }
  return sha384(concat([register, digest]))
}

/** A register after these events. */
export function registerOf(digests: readonly Uint8Array[]): Uint8Array {
  return digests.reduce(extendRegister, new Uint8Array(registerBytes))
}

export function sha384(data: Uint8Array): Uint8Array {
  const hash = sha384Stream()
  hash.update(data)
  return hash.digest()
}

export const registerBytes = 48

/** TDH.MR.EXTEND takes so many bytes at a time. */
const chunkBytes = 256

/** 128 bytes: the name, from byte 16 on the guest's physical address, zeros. */
function recordOf(name: 'MEM.PAGE.ADD' | 'MR.EXTEND', address: number): Uint8Array {
  const record = new Uint8Array(128)
  record.set(utf8(name))
  record.set(encodeLittleEndian(address, 8), 16)
  return record
}

type Sha384Stream = { update(data: Uint8Array): void; digest(): Uint8Array }

function sha384Stream(): Sha384Stream {
  const state = process.getBuiltinModule('node:crypto').createHash('sha384')
  return { update: (data) => void state.update(data), digest: () => Uint8Array.from(state.digest()) }
}
