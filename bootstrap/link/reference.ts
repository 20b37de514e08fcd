/**
 * The language of link in TypeScript: the reference for link.hex0, which must write the same bytes. It is a part of
 * stage0-posix's hex2; README.md has its grammar.
 */

/** Where the first byte of the output will be loaded. */
const base = 0x400000

/** The input may be this many bytes less one. */
export const linkInputLimit = 1 << 20

type Reference = { readonly kind: string; readonly name: string; readonly position: number }

/** The bytes that `input` describes. Throws RangeError where link would exit with status 1. */
export function assembleLink(input: Uint8Array): Uint8Array {
  if (input.length >= linkInputLimit)
    throw new RangeError(`the input has ${input.length} bytes, expected less than 1 MiB`)
  const text = Buffer.from(input).toString('latin1')
  const bytes: number[] = []
  const labels = new Map<string, number>()
  const references: Reference[] = []
  let firstDigit = ''
  for (const [token] of text.matchAll(/[#;][^\n]*|[:!%&][^\0-\x20]*|[^\0-\x20]/g)) {
    const kind = token.charAt(0)
    if (kind === '#' || kind === ';') continue
    if (/^[0-9A-Fa-f]$/.test(token)) {
      if (firstDigit !== '') bytes.push(Number.parseInt(firstDigit + token, 16))
      firstDigit = firstDigit === '' ? token : ''
      continue
    }
    const name = token.slice(1)
    if (!':!%&'.includes(kind)) throw new RangeError(`unexpected '${token}'`)
    if (firstDigit !== '' || name === '') throw new RangeError(`'${token}' between two digits, or without a name`)
    if (kind === ':') {
      if (labels.has(name)) throw new RangeError(`'${name}' is defined twice`)
      labels.set(name, base + bytes.length)
    } else {
      references.push({ kind, name, position: bytes.length })
      bytes.push(...(kind === '!' ? [0] : [0, 0, 0, 0]))
    }
  }
  if (firstDigit !== '') throw new RangeError('a digit is left over')
  const output = Buffer.from(bytes)
  for (const { kind, name, position } of references) {
    const target = labels.get(name)
    if (target === undefined) throw new RangeError(`'${name}' is not defined`)
    if (kind === '&') output.writeUInt32LE(target, position)
    else if (kind === '%') output.writeInt32LE(target - (base + position + 4), position)
    else output.writeInt8(target - (base + position + 1), position) // throws RangeError if it does not fit
  }
  return output
}
