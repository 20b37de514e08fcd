/**
 * The hex0 language in TypeScript: the reference for the seed, which must write the same bytes. The language is that of
 * stage0-posix; README.md has its grammar.
 */

/** The bytes that `input` spells. Every input is valid: what is neither a digit nor in a comment is ignored. */
export function assembleHex0(input: Uint8Array): Uint8Array {
  const text = Buffer.from(input).toString('latin1')
  const digits = text.replace(/[#;][^\n]*/g, '').replace(/[^0-9A-Fa-f]/g, '')
  return Buffer.from(digits.slice(0, digits.length - (digits.length % 2)), 'hex')
}
