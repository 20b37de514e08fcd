/**
 * Reads the middle column of a three-column source: an instruction in Intel syntax or a data directive. Numbers may be
 * written in decimal, in hex, as a character, as a label or as a constant declared in the source, and as sums of these.
 */

import type { Address, Instruction, Operand } from './decode.ts'

/** What a label or declared constant stands for. */
export type Names = ReadonlyMap<string, bigint>

/** Whether the instruction that `text` describes is `actual`. Throws RangeError if `text` cannot be read. */
export function describes(text: string, actual: Instruction, names: Names): boolean {
  const space = /^((?:rep|repe) )?\S+/.exec(text)?.[0] ?? ''
  const operands = splitOperands(text.slice(space.length))
  if (canonicalMnemonic(space) !== canonicalMnemonic(actual.mnemonic)) return false
  if (operands.length !== actual.operands.length) return false
  const hasRegister = actual.operands.some((operand) => operand.kind === 'register')
  const sizeRequired = !hasRegister || /^mov[sz]x$/.test(actual.mnemonic)
  const matches = (order: readonly string[]) =>
    actual.operands.every((operand, i) => isOperand(order[i] ?? '', { operand, names, sizeRequired }))
  const commutes = actual.mnemonic === 'xchg' || actual.mnemonic === 'test'
  return matches(operands) || (commutes && matches(operands.toReversed()))
}

/** The bytes of a data directive, or undefined if `text` is not one. Throws RangeError if it cannot be read. */
export function dataBytes(text: string, names: Names): Uint8Array | undefined {
  const [, directive, list] = /^\.(byte|half|long|quad|ascii) (.+)$/.exec(text) ?? []
  if (directive === undefined || list === undefined) return undefined
  if (directive === 'ascii') {
    const characters = /^"((?:[^"\\]|\\.)*)"$/.exec(list)?.[1]
    if (characters === undefined) throw new RangeError(`not a string: ${list}`)
    return Uint8Array.from(characters.match(/\\.|./g) ?? [], characterCode)
  }
  const size = { byte: 1, half: 2, long: 4, quad: 8 }[directive] ?? 0
  const bytes = splitOperands(list).flatMap((item) => {
    const value = sum(item, names)
    if (BigInt.asUintN(8 * size, value) !== value) throw new RangeError(`${item} does not fit .${directive}`)
    return Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
  })
  return Uint8Array.from(bytes)
}

/** The mnemonics that mean the same condition. */
const aliases: Readonly<Record<string, string>> = {
  e: 'z',
  ne: 'nz',
  c: 'b',
  nae: 'b',
  nc: 'ae',
  nb: 'ae',
  na: 'be',
  nbe: 'a',
  nge: 'l',
  nl: 'ge',
  ng: 'le',
  nle: 'g',
}

function canonicalMnemonic(mnemonic: string): string {
  const [, stem, condition] = /^(j|set)(\w+)$/.exec(mnemonic) ?? []
  if (stem === undefined || condition === undefined) return mnemonic
  return stem + (aliases[condition] ?? condition)
}

const sizes: Readonly<Record<string, number>> = { byte: 8, word: 16, dword: 32, qword: 64 }
const registers = new Set(
  ['a', 'b', 'c', 'd']
    .flatMap((r) => [`r${r}x`, `e${r}x`, `${r}x`, `${r}l`, `${r}h`])
    .concat(['sp', 'bp', 'si', 'di'].flatMap((r) => [`r${r}`, `e${r}`, r, `${r}l`]))
    .concat([8, 9, 10, 11, 12, 13, 14, 15].flatMap((n) => [`r${n}`, `r${n}d`, `r${n}w`, `r${n}b`]))
    .concat('rip'),
)

type Expected = { readonly operand: Operand; readonly names: Names; readonly sizeRequired: boolean }

function isOperand(text: string, { operand, names, sizeRequired }: Expected): boolean {
  switch (operand.kind) {
    case 'register':
      return text === operand.name
    case 'number': {
      if (registers.has(text) || /^(?:\w+ ptr )?(?:ds:)?\[/.test(text)) return false
      const difference = sum(text.replace(/^offset /, ''), names) - operand.value
      return BigInt.asUintN(operand.bits, difference) === 0n
    }
    case 'memory': {
      const [, size, inside] = /^(?:(\w+) ptr )?(?:ds:)?\[(.+)\]$/.exec(text) ?? []
      if (inside === undefined) return false
      if (size === undefined ? sizeRequired && operand.bits !== 0 : sizes[size] !== operand.bits) return false
      return sameAddress(parseAddress(inside, names), operand.address)
    }
    default:
      operand satisfies never
      return false
  }
}

function parseAddress(text: string, names: Names): Address {
  let base = ''
  let index = ''
  let scale = 1
  let displacement = 0n
  for (const { sign, term } of terms(text)) {
    const [, scaled, factor] = /^(\w+)\*([1248])$/.exec(term) ?? []
    if (scaled !== undefined && registers.has(scaled)) {
      index = scaled
      scale = Number(factor)
    } else if (!registers.has(term)) displacement += sign * sum(term, names)
    else if (base === '') base = term
    else index = term
    if (sign < 0n && registers.has(scaled ?? term)) throw new RangeError(`a register cannot be subtracted: ${text}`)
  }
  return { base, index, scale, displacement }
}

function sameAddress(a: Address, b: Address): boolean {
  return (
    a.base === b.base &&
    a.index === b.index &&
    a.scale === b.scale &&
    BigInt.asUintN(32, a.displacement - b.displacement) === 0n
  )
}

/** Splits at commas outside quotation marks. */
function splitOperands(text: string): string[] {
  return (text.match(/(?:'(?:\\.|[^\\])'|[^,'])+/g) ?? []).map((operand) => operand.trim())
}

function terms(text: string): { sign: bigint; term: string }[] {
  const found = [...text.matchAll(/([+-]?)((?:'(?:\\.|[^\\])'|[^-+'])+)/g)]
  return found.map(([, sign, term]) => ({ sign: sign === '-' ? -1n : 1n, term: term ?? '' }))
}

/** The value of a sum of numbers, characters and names. */
function sum(text: string, names: Names): bigint {
  let value = 0n
  for (const { sign, term } of terms(text)) {
    const named = names.get(term)
    if (named !== undefined) value += sign * named
    else if (/^(?:0x[0-9a-fA-F]+|[0-9]+)$/.test(term)) value += sign * BigInt(term)
    else if (/^'(?:\\.|[^\\])'$/.test(term)) value += sign * BigInt(characterCode(term.slice(1, -1)))
    else throw new RangeError(`not a number, label or constant: ${term}`)
  }
  return value
}

const escapes: Readonly<Record<string, number>> = { '\\n': 10, '\\t': 9, '\\r': 13, '\\0': 0 }

function characterCode(text: string): number {
  return escapes[text] ?? text.charCodeAt(text.length - 1)
}
