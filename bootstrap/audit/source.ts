/**
 * Reads a three-column source: `bytes ; address text # reason`. A line is blank, a comment (`# …`), a label, or bytes
 * with their annotation; nothing else is allowed, so that no byte escapes the check.
 *
 * Labels are `:name` in the language of link and the comment `#:name` in that of hex0. A comment line of the form
 * `# NAME = number` declares a constant for the annotations. Bytes are pairs of hex digits or, in the language of link,
 * `!label` (one byte, relative), `%label` (four, relative) and `&label` (four, absolute).
 */

/** Where every stage of the bootstrap is loaded. */
export const baseAddress = 0x400000

export type SourceLine = {
  readonly line: number // from 1
  readonly address: number // where its bytes really are
  readonly bytes: Uint8Array
  readonly claimedAddress: string // six hex digits
  readonly text: string
}

export type Source = {
  readonly lines: readonly SourceLine[]
  readonly names: ReadonlyMap<string, bigint> // labels and declared constants
  readonly problems: readonly { readonly line: number; readonly problem: string }[]
  readonly sourceLines: number // lines that are neither blank nor only a comment
}

type Column = { line: number; address: number; column: string; claimedAddress: string; text: string }

const annotated = /^([^;#:]*?) *; ([0-9A-F]{6}) ((?:'(?:\\.|[^\\])'|"(?:\\.|[^"\\])*"|[^#'"])*?) +# (\S.*)$/

/** Reads a source in the language of hex0 or of link. Never throws: what is wrong is in `problems`. */
export function parseSource(source: string, language: 'hex0' | 'link'): Source {
  const names = new Map<string, bigint>()
  const problems: { line: number; problem: string }[] = []
  const columns: Column[] = []
  let address = baseAddress
  let sourceLines = 0
  for (const [i, text] of source.split('\n').entries()) {
    const line = i + 1
    const name = (language === 'link' ? /^:(\w+)(?: +# .*)?$/ : /^#:(\w+)(?: .*)?$/).exec(text)?.[1]
    const [, constant, value] = /^# ([A-Za-z]\w*) = (0x[0-9a-fA-F]+|[0-9]+)\b/.exec(text) ?? []
    const newName = name ?? constant
    if (newName !== undefined) {
      if (names.has(newName)) problems.push({ line, problem: `'${newName}' has two meanings` })
      names.set(newName, value === undefined ? BigInt(address) : BigInt(value))
    }
    if (text === '' || text.startsWith('#')) continue
    sourceLines++
    if (name !== undefined) continue
    const [, column, claimedAddress, annotation] = annotated.exec(text) ?? []
    if (column === undefined || claimedAddress === undefined || annotation === undefined) {
      problems.push({ line, problem: 'expected `bytes ; address text # reason`' })
      continue
    }
    columns.push({ line, address, column, claimedAddress, text: annotation })
    address += columnBytes(column)
  }
  const lines = columns.map(({ column, ...rest }) => {
    const bytes = resolve(column, { address: rest.address, names, language })
    if (typeof bytes !== 'string') return { ...rest, bytes }
    problems.push({ line: rest.line, problem: bytes })
    return { ...rest, bytes: new Uint8Array() }
  })
  return { lines, names, problems, sourceLines }
}

function columnBytes(column: string): number {
  return column.split(' ').reduce((bytes, field) => bytes + (/^[%&]/.test(field) ? 4 : 1), 0)
}

type Context = { address: number; names: ReadonlyMap<string, bigint>; language: 'hex0' | 'link' }

/** The bytes of a first column, or what is wrong with it. */
function resolve(column: string, { address, names, language }: Context): Uint8Array | string {
  const bytes: number[] = []
  for (const field of column.split(' ')) {
    const [, kind, label] = /^([!%&])(\w+)$/.exec(field) ?? []
    if (/^[0-9A-F]{2}$/.test(field)) bytes.push(Number.parseInt(field, 16))
    else if (kind === undefined || label === undefined || language === 'hex0') return `not a byte: '${field}'`
    else {
      const target = names.get(label)
      if (target === undefined) return `'${label}' is not defined`
      const size = kind === '!' ? 1 : 4
      const value = kind === '&' ? target : target - BigInt(address + bytes.length + size)
      if (kind === '!' && BigInt.asIntN(8, value) !== value) return `'${label}' is too far away`
      for (let i = 0; i < size; i++) bytes.push(Number((value >> BigInt(8 * i)) & 0xffn))
    }
  }
  return Uint8Array.from(bytes)
}
