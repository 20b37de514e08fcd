/**
 * A decoder for the x86-64 instructions that the bootstrap's hand-written stages use, and no others: an unknown opcode
 * is an error, so that a stage cannot use what this file does not understand.
 *
 * Follows the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2 (chapter 2: prefixes, ModRM and
 * SIB bytes; appendix A: opcode maps). Trusts nothing; test/bootstrap/audit.test.ts compares it with objdump.
 */

/** One operand. `bits` is its width; for memory the width of what is accessed, 0 where only the address matters. */
export type Operand =
  | { readonly kind: 'register'; readonly name: string }
  | { readonly kind: 'number'; readonly value: bigint; readonly bits: number }
  | { readonly kind: 'memory'; readonly address: Address; readonly bits: number }

/** base + index * scale + displacement; names of registers, '' where there is none. */
export type Address = {
  readonly base: string
  readonly index: string
  readonly scale: number
  readonly displacement: bigint
}

export type Instruction = { readonly mnemonic: string; readonly operands: readonly Operand[]; readonly bytes: number }

/** Decodes the instruction at the beginning of `code`, which lies at `address`. Throws RangeError if it cannot. */
export function decode(code: Uint8Array, address: number): Instruction {
  const reader = new Reader(code, address)
  const { mnemonic, operands } = instruction(reader)
  return { mnemonic, operands, bytes: reader.position }
}

const wide = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ')
const names: Readonly<Record<number, readonly string[]>> = {
  64: wide,
  32: wide.map((name, i) => (i < 8 ? name.replace('r', 'e') : `${name}d`)),
  16: wide.map((name, i) => (i < 8 ? name.slice(1) : `${name}w`)),
  8: 'al cl dl bl spl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b'.split(' '),
}
const byteNamesWithoutRex = 'al cl dl bl ah ch dh bh'.split(' ')

const arithmetic = 'add or adc sbb and sub xor cmp'.split(' ')
const shifts = ['', '', '', '', 'shl', 'shr', '', 'sar']
const unary = ['test', '', 'not', 'neg', 'mul', 'imul', 'div', 'idiv']
const conditions = 'o no b ae e ne be a s ns p np l ge le g'.split(' ')
const stringOperations: Readonly<Record<number, string>> = { 164: 'movsb', 166: 'cmpsb', 170: 'stosb', 172: 'lodsb' }

type Decoded = { mnemonic: string; operands: Operand[] }

/** The bytes of one instruction, and the prefixes seen so far. */
class Reader {
  position = 0
  rex = 0
  hasRex = false
  operandSize = false // prefix 66
  repeat = false // prefix f3
  private readonly code: Uint8Array
  private readonly address: number

  constructor(code: Uint8Array, address: number) {
    this.code = code
    this.address = address
  }

  byte(): number {
    const byte = this.code[this.position++]
    if (byte === undefined) throw new RangeError('the instruction goes on after the end')
    return byte
  }

  unsigned(bits: number): bigint {
    let value = 0n
    for (let shift = 0; shift < bits; shift += 8) value |= BigInt(this.byte()) << BigInt(shift)
    return value
  }

  signed(bits: number): bigint {
    return BigInt.asIntN(bits, this.unsigned(bits))
  }

  /** Width of the operand of an instruction that has no form for bytes. */
  get width(): number {
    return this.rex & 8 ? 64 : this.operandSize ? 16 : 32
  }

  register(number: number, bits: number): Operand {
    const table = bits === 8 && !this.hasRex ? byteNamesWithoutRex : names[bits]
    return { kind: 'register', name: table?.[number] ?? '' }
  }

  /** An immediate of an instruction that works on `bits`; at most 32 bits are stored, sign-extended. */
  immediate(bits: number, stored = Math.min(bits, 32)): Operand {
    return { kind: 'number', value: this.signed(stored), bits }
  }

  /** The target of a jump or call; it counts from the end of the instruction. */
  target(bits: number): Operand {
    const distance = this.signed(bits)
    return { kind: 'number', value: BigInt(this.address + this.position) + distance, bits: 64 }
  }

  /** The two operands that a ModRM byte names, and the number in its middle field. */
  modrm(bits: number, registerBits = bits): { rm: Operand; reg: Operand; digit: number } {
    const modrm = this.byte()
    const digit = (modrm >> 3) & 7
    const reg = this.register(digit | ((this.rex & 4) << 1), registerBits)
    const rm = this.rm(modrm >> 6, modrm & 7, bits)
    return { rm, reg, digit }
  }

  private rm(mode: number, low: number, bits: number): Operand {
    if (mode === 3) return this.register(low | ((this.rex & 1) << 3), bits)
    let base = wide[low | ((this.rex & 1) << 3)] ?? ''
    let index = ''
    let scale = 1
    if (low === 4) {
      const sib = this.byte()
      const indexNumber = ((sib >> 3) & 7) | ((this.rex & 2) << 2)
      if (indexNumber !== 4) {
        index = wide[indexNumber] ?? ''
        scale = 1 << (sib >> 6)
      }
      base = (sib & 7) === 5 && mode === 0 ? '' : (wide[(sib & 7) | ((this.rex & 1) << 3)] ?? '')
    } else if (low === 5 && mode === 0) base = 'rip'
    const bare = mode === 0 && base !== '' && base !== 'rip'
    const displacement = bare ? 0n : this.signed(mode === 1 ? 8 : 32)
    return { kind: 'memory', address: { base, index, scale, displacement }, bits }
  }
}

function instruction(reader: Reader): Decoded {
  let opcode = reader.byte()
  while (opcode === 0x66 || opcode === 0xf3) {
    if (opcode === 0x66) reader.operandSize = true
    else reader.repeat = true
    opcode = reader.byte()
  }
  if (opcode >> 4 === 4) {
    reader.rex = opcode
    reader.hasRex = true
    opcode = reader.byte()
  }
  const decoded = opcode === 0x0f ? twoByteOpcode(reader, reader.byte()) : oneByteOpcode(reader, opcode)
  if (!decoded?.mnemonic) throw new RangeError(`unknown instruction ${opcode.toString(16)}`)
  if (!reader.repeat) return decoded
  if (!(opcode in stringOperations)) throw new RangeError('repeat prefix before an instruction that does not repeat')
  return { mnemonic: `${opcode === 0xa6 ? 'repe' : 'rep'} ${decoded.mnemonic}`, operands: [] }
}

function oneByteOpcode(reader: Reader, opcode: number): Decoded | undefined {
  const low = opcode & 7
  const bits = opcode & 1 ? reader.width : 8 // in most pairs of opcodes the even one works on bytes
  const numbered = low | ((reader.rex & 1) << 3)
  if (opcode < 0x40 && low < 6) {
    const mnemonic = arithmetic[opcode >> 3] ?? ''
    if (low >= 4) return { mnemonic, operands: [reader.register(0, bits), reader.immediate(bits)] }
    const { rm, reg } = reader.modrm(bits)
    return { mnemonic, operands: low < 2 ? [rm, reg] : [reg, rm] }
  }
  if (opcode >> 3 === 0x50 >> 3) return { mnemonic: 'push', operands: [reader.register(numbered, 64)] }
  if (opcode >> 3 === 0x58 >> 3) return { mnemonic: 'pop', operands: [reader.register(numbered, 64)] }
  if (opcode >> 4 === 7) return { mnemonic: `j${conditions[opcode & 15]}`, operands: [reader.target(8)] }
  if (opcode > 0x90 && opcode < 0x98) return exchange(reader, numbered)
  if (opcode === 0x90 && reader.rex & 1) return exchange(reader, numbered)
  if (opcode >> 3 === 0xb0 >> 3)
    return { mnemonic: 'mov', operands: [reader.register(numbered, 8), reader.immediate(8)] }
  if (opcode >> 3 === 0xb8 >> 3) {
    const stored = reader.width
    const operands = [reader.register(numbered, stored), reader.immediate(stored, stored)]
    return { mnemonic: stored === 64 ? 'movabs' : 'mov', operands }
  }
  const string = stringOperations[opcode]
  if (string) return { mnemonic: string, operands: [] }
  switch (opcode) {
    case 0x68:
      return { mnemonic: 'push', operands: [reader.immediate(64)] }
    case 0x6a:
      return { mnemonic: 'push', operands: [reader.immediate(64, 8)] }
    case 0x69: {
      const { rm, reg } = reader.modrm(bits)
      return { mnemonic: 'imul', operands: [reg, rm, reader.immediate(bits)] }
    }
    case 0x80:
    case 0x81:
    case 0x83: {
      const { rm, digit } = reader.modrm(bits)
      const immediate = opcode === 0x83 ? reader.immediate(bits, 8) : reader.immediate(bits)
      return { mnemonic: arithmetic[digit] ?? '', operands: [rm, immediate] }
    }
    case 0x84:
    case 0x85:
    case 0x86:
    case 0x87:
    case 0x88:
    case 0x89: {
      const { rm, reg } = reader.modrm(bits)
      return { mnemonic: opcode < 0x86 ? 'test' : opcode < 0x88 ? 'xchg' : 'mov', operands: [rm, reg] }
    }
    case 0x8a:
    case 0x8b: {
      const { rm, reg } = reader.modrm(bits)
      return { mnemonic: 'mov', operands: [reg, rm] }
    }
    case 0x8d: {
      const { rm, reg } = reader.modrm(0, reader.width)
      return rm.kind === 'memory' ? { mnemonic: 'lea', operands: [reg, rm] } : undefined
    }
    case 0x8f: {
      const { rm, digit } = reader.modrm(64)
      return digit === 0 ? { mnemonic: 'pop', operands: [rm] } : undefined
    }
    case 0x99:
      return { mnemonic: reader.width === 64 ? 'cqo' : 'cdq', operands: [] }
    case 0xa8:
    case 0xa9:
      return { mnemonic: 'test', operands: [reader.register(0, bits), reader.immediate(bits)] }
    case 0xab:
      return { mnemonic: reader.width === 64 ? 'stosq' : 'stosd', operands: [] }
    case 0xc0:
    case 0xc1: {
      const { rm, digit } = reader.modrm(bits)
      return { mnemonic: shifts[digit] ?? '', operands: [rm, reader.immediate(8)] }
    }
    case 0xd3: {
      const { rm, digit } = reader.modrm(bits)
      return { mnemonic: shifts[digit] ?? '', operands: [rm, { kind: 'register', name: 'cl' }] }
    }
    case 0xc3:
      return { mnemonic: 'ret', operands: [] }
    case 0xc6:
    case 0xc7: {
      const { rm, digit } = reader.modrm(bits)
      return digit === 0 ? { mnemonic: 'mov', operands: [rm, reader.immediate(bits)] } : undefined
    }
    case 0xc9:
      return { mnemonic: 'leave', operands: [] }
    case 0xe8:
      return { mnemonic: 'call', operands: [reader.target(32)] }
    case 0xe9:
      return { mnemonic: 'jmp', operands: [reader.target(32)] }
    case 0xeb:
      return { mnemonic: 'jmp', operands: [reader.target(8)] }
    case 0xf6:
    case 0xf7: {
      const { rm, digit } = reader.modrm(bits)
      return { mnemonic: unary[digit] ?? '', operands: digit === 0 ? [rm, reader.immediate(bits)] : [rm] }
    }
    case 0xfe:
    case 0xff: {
      const { rm, digit } = reader.modrm(bits)
      if (opcode === 0xff && digit === 2 && rm.kind === 'memory')
        return { mnemonic: 'call', operands: [{ ...rm, bits: 0 }] }
      return { mnemonic: ['inc', 'dec'][digit] ?? '', operands: [rm] }
    }
    default:
      return undefined
  }
}

function exchange(reader: Reader, numbered: number): Decoded {
  return { mnemonic: 'xchg', operands: [reader.register(numbered, reader.width), reader.register(0, reader.width)] }
}

function twoByteOpcode(reader: Reader, opcode: number): Decoded | undefined {
  if (opcode === 0x05) return { mnemonic: 'syscall', operands: [] }
  if (opcode >> 4 === 8) return { mnemonic: `j${conditions[opcode & 15]}`, operands: [reader.target(32)] }
  if (opcode >> 4 === 9) return { mnemonic: `set${conditions[opcode & 15]}`, operands: [reader.modrm(8).rm] }
  if (opcode === 0xa3) {
    const { rm, reg } = reader.modrm(reader.width)
    return { mnemonic: 'bt', operands: [rm, reg] }
  }
  if (opcode === 0xaf) {
    const { rm, reg } = reader.modrm(reader.width)
    return { mnemonic: 'imul', operands: [reg, rm] }
  }
  if (opcode === 0xb6 || opcode === 0xb7 || opcode === 0xbe || opcode === 0xbf) {
    const { rm, reg } = reader.modrm(opcode & 1 ? 16 : 8, reader.width)
    return { mnemonic: opcode < 0xb8 ? 'movzx' : 'movsx', operands: [reg, rm] }
  }
  return undefined
}
