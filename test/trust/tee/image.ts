// Small images for tests, made by hand from the specifications: a TDVF with TDX metadata, an EFI program, a Linux kernel's header.

export type SectionSpec = {
  readonly offset: number
  readonly bytes: number
  readonly address: number
  readonly memoryBytes: number
  readonly type: number
  readonly attributes: number
}

/** Two pages of code, one of variables, two empty ones. */
export const sections: readonly SectionSpec[] = [
  { offset: 0x1000, bytes: 0x2000, address: 0xffff_e000, memoryBytes: 0x2000, type: 0, attributes: 1 },
  { offset: 0, bytes: 0x1000, address: 0xffff_d000, memoryBytes: 0x1000, type: 1, attributes: 0 },
  { offset: 0, bytes: 0, address: 0x80_9000, memoryBytes: 0x2000, type: 2, attributes: 0 },
  { offset: 0, bytes: 0, address: 0x100_0000, memoryBytes: 0x1000, type: 4, attributes: 2 },
]

export type TdvfSpec = {
  readonly sections?: readonly SectionSpec[]
  readonly signature?: string
  readonly version?: number
  readonly length?: number
  readonly count?: number
  /** What stands before the end of the image: bytes by their distance from it. */
  readonly poke?: ReadonlyMap<number, number>
}

/** 12 KiB. */
export function tdvf(spec: TdvfSpec = {}): Uint8Array {
  const list = spec.sections ?? sections
  const image = Buffer.alloc(0x3000)
  for (let i = 0; i < image.length; i++) image[i] = (i * 31 + (i >> 8) * 7) % 251
  const at = 0x2800
  image.write(spec.signature ?? 'TDVF', at, 'latin1')
  image.writeUInt32LE(spec.length ?? 16 + 32 * list.length, at + 4)
  image.writeUInt32LE(spec.version ?? 1, at + 8)
  image.writeUInt32LE(spec.count ?? list.length, at + 12)
  list.forEach((section, i) => {
    const start = at + 16 + 32 * i
    image.writeUInt32LE(section.offset, start)
    image.writeUInt32LE(section.bytes, start + 4)
    image.writeBigUInt64LE(BigInt(section.address), start + 8)
    image.writeBigUInt64LE(BigInt(section.memoryBytes), start + 16)
    image.writeUInt32LE(section.type, start + 24)
    image.writeUInt32LE(section.attributes, start + 28)
  })
  // From the end: 32 bytes, the table's own entry (18), the entry for TDX (22), another one (20).
  const end = image.length - 32
  image.writeUInt16LE(18 + 22 + 20, end - 18)
  Buffer.from('de82b596b21ff745baeaa366c55a082d', 'hex').copy(image, end - 16)
  image.writeUInt32LE(image.length - at, end - 40)
  image.writeUInt16LE(22, end - 36)
  Buffer.from('35657ae44a989847865e4685a7bf8ec2', 'hex').copy(image, end - 34)
  image.writeUInt16LE(20, end - 58)
  image.fill(0xab, end - 56, end - 40)
  for (const [distance, byte] of spec.poke ?? []) image[image.length - distance] = byte
  return Uint8Array.from(image)
}

/** A PE32+ of two sections, which stand in the file in the other order than in the table; `signature` is appended as one. */
export function efiProgram({ signature = 0, trailing = 0, is64 = true } = {}): Uint8Array {
  const image = Buffer.alloc(0x400 + 0x200 + 0x300 + trailing + signature)
  for (let i = 0x400; i < image.length; i++) image[i] = (i * 17) % 253
  image.write('MZ', 0, 'latin1')
  image.writeUInt32LE(0x80, 0x3c)
  image.write('PE\0\0', 0x80, 'latin1')
  image.writeUInt16LE(2, 0x86)
  const directories = 0x98 + (is64 ? 112 : 96)
  image.writeUInt16LE(directories + 16 * 8 - 0x98, 0x94)
  image.writeUInt16LE(is64 ? 0x20b : 0x10b, 0x98)
  image.writeUInt32LE(0x400, 0x98 + 60)
  image.writeUInt32LE(0x1234_5678, 0x98 + 64)
  image.writeUInt32LE(16, directories - 4)
  if (signature > 0) {
    image.writeUInt32LE(image.length - signature, directories + 32)
    image.writeUInt32LE(signature, directories + 36)
  }
  const table = directories + 16 * 8
  image.writeUInt32LE(0x300, table + 16)
  image.writeUInt32LE(0x600, table + 20)
  image.writeUInt32LE(0x200, table + 40 + 16)
  image.writeUInt32LE(0x400, table + 40 + 20)
  return Uint8Array.from(image)
}

/** An EFI program that is a Linux kernel too. */
export function kernel({ protocol = 0x20f, extraFlags = 0x7f, initrdMaximum = 0x7fff_ffff } = {}): Uint8Array {
  const image = Buffer.alloc(0x2000, 0x90)
  Buffer.from(efiProgram()).copy(image, 0, 0, 0x200)
  image.writeUInt32LE(0x800, 0x98 + 60)
  const table = 0x98 + 112 + 16 * 8
  for (const [i, at] of [0x1000, 0x800].entries()) {
    image.writeUInt32LE(i === 0 ? 0x1000 : 0x800, table + 40 * i + 16)
    image.writeUInt32LE(at, table + 40 * i + 20)
  }
  image.fill(0, 0x200, 0x260)
  image.write('HdrS', 0x202, 'latin1')
  image.writeUInt16LE(protocol, 0x206)
  image[0x211] = 1
  image.writeUInt32LE(initrdMaximum, 0x22c)
  image.writeUInt16LE(extraFlags, 0x236)
  return Uint8Array.from(image)
}
