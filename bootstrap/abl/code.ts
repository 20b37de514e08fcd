/**
 * The machine code that Abl programs become, and the executable file around it: ELF64 (System V ABI, AMD64 supplement)
 * with two loaded segments.
 */

/** Where code and zeroed data are loaded; the code begins after the ELF header and two program headers. */
const codeBase = 0x400000
export const dataBase = 0x10000000
const headerBytes = 64 + 2 * 56

/** Binary operators from the loosest binding to the tightest; each applies `rax = rax op rcx`. */
export const operators: readonly Readonly<Record<string, string>>[] = [
  { '|': '48 09 c8' },
  { '^': '48 31 c8' },
  { '&': '48 21 c8' },
  { '==': '48 39 c8 0f 94 c0 0f b6 c0', '!=': '48 39 c8 0f 95 c0 0f b6 c0' },
  {
    '<': '48 39 c8 0f 9c c0 0f b6 c0',
    '<=': '48 39 c8 0f 9e c0 0f b6 c0',
    '>': '48 39 c8 0f 9f c0 0f b6 c0',
    '>=': '48 39 c8 0f 9d c0 0f b6 c0',
  },
  { '<<': '48 d3 e0', '>>': '48 d3 e8' },
  { '+': '48 01 c8', '-': '48 29 c8' },
  { '*': '48 0f af c1', '/': '48 99 48 f7 f9', '%': '48 99 48 f7 f9 48 89 d0' },
]

/** Code under construction: bytes, 32-bit fields that are filled in later, and jumps to places not yet known. */
export class CodeBuffer {
  readonly code: number[] = []

  /** mov eax,imm32 where the value fits without a sign, else mov rax,imm64. */
  protected number(value: bigint): void {
    const unsigned = BigInt.asUintN(64, value)
    if (unsigned < 1n << 32n) {
      this.emit('b8')
      this.emit32(Number(unsigned))
    } else {
      this.emit('48 b8')
      for (let shift = 0n; shift < 64n; shift += 8n) this.code.push(Number((unsigned >> shift) & 0xffn))
    }
  }

  protected jump(opcode: string): number {
    this.emit(opcode)
    return this.reserve32()
  }

  /** Makes the rel32 field at `field` point to `target` (a position in the code). */
  protected land(field: number, target = this.code.length): void {
    this.patch32(field, target - field - 4)
  }

  protected here(): bigint {
    return BigInt(codeBase + headerBytes + this.code.length)
  }

  protected emit(hex: string): void {
    for (const byte of hex.split(' ')) this.code.push(Number.parseInt(byte, 16))
  }

  protected emit32(value: number): void {
    this.patch32(this.reserve32(), value)
  }

  protected reserve32(): number {
    this.code.push(0, 0, 0, 0)
    return this.code.length - 4
  }

  protected patch32(position: number, value: number): void {
    for (let i = 0; i < 4; i++) this.code[position + i] = (value >> (8 * i)) & 0xff
  }
}

/** The headers, then the code; `dataBytes` of zeroed memory are loaded at dataBase. */
export function executable(code: readonly number[], dataBytes: number): Uint8Array {
  const fileBytes = headerBytes + code.length
  const file = Buffer.alloc(fileBytes)
  file.write('\x7fELF\x02\x01\x01', 'latin1') // 64 bits, little-endian, version 1
  file.writeUInt16LE(2, 16) // e_type: executable
  file.writeUInt16LE(62, 18) // e_machine: x86-64
  file.writeUInt32LE(1, 20) // e_version
  file.writeBigUInt64LE(BigInt(codeBase + headerBytes), 24) // e_entry
  file.writeBigUInt64LE(64n, 32) // e_phoff
  file.writeUInt16LE(64, 52) // e_ehsize
  file.writeUInt16LE(56, 54) // e_phentsize
  file.writeUInt16LE(2, 56) // e_phnum
  programHeader(file, 64, { flags: 5, address: codeBase, fileBytes, memoryBytes: fileBytes })
  programHeader(file, 120, { flags: 6, address: dataBase, fileBytes: 0, memoryBytes: dataBytes })
  file.set(code, headerBytes)
  return file
}

type Segment = { flags: number; address: number; fileBytes: number; memoryBytes: number }

function programHeader(file: Buffer, offset: number, segment: Segment): void {
  file.writeUInt32LE(1, offset) // p_type: load; p_offset stays 0
  file.writeUInt32LE(segment.flags, offset + 4)
  file.writeBigUInt64LE(BigInt(segment.address), offset + 16) // p_vaddr
  file.writeBigUInt64LE(BigInt(segment.address), offset + 24) // p_paddr
  file.writeBigUInt64LE(BigInt(segment.fileBytes), offset + 32)
  file.writeBigUInt64LE(BigInt(segment.memoryBytes), offset + 40)
  file.writeBigUInt64LE(0x1000n, offset + 48) // p_align
}
