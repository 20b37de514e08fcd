/** The tokens of Abl (grammar in README.md). Source text is Latin-1: one character a byte, so strings keep their bytes. */

/** A `byte` is hex that is neither a number nor a name, such as `0f`: it occurs between the braces of `asm` only. */
export type Token = {
  readonly kind: 'name' | 'keyword' | 'number' | 'byte' | 'string' | 'operator' | 'end'
  readonly text: string // as written; for a string its bytes, one character each
  readonly value: bigint // of a number or character, modulo 2^64
  readonly input: number // which input file, from 0
  readonly line: number // from 1
}

const keywords = new Set('const record var fn asm if else while break continue return'.split(' '))
const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  '\\': '\\',
  "'": "'",
  '"': '"',
}

/** white space and comments | name or number | character | string | operator */
const pattern =
  /(?:[ \t\r\n]|#[^\n]*)+|([A-Za-z0-9_]+)|'((?:\\.|[^\\\n'])*)'|"((?:\\.|[^\\\n"])*)"|(\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%&|^~!<>=()[\]{},;.])/y

/** Splits one input into tokens. Throws SyntaxError with the line at the first thing that is not a token. */
export function tokenize(text: string, input: number): Token[] {
  const tokens: Token[] = []
  let line = 1
  pattern.lastIndex = 0
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex
    const match = pattern.exec(text)
    if (!match) throw new SyntaxError(`input ${input + 1}, line ${line}: unexpected '${text[at]}'`)
    const [all, word, character, string, operator] = match
    const add = (kind: Token['kind'], tokenText: string, value = 0n) =>
      tokens.push({ kind, text: tokenText, value, input, line })
    if (word !== undefined) {
      if (keywords.has(word)) add('keyword', word)
      else if (/^(?:0x[0-9a-fA-F]+|[0-9]+)$/.test(word)) add('number', word, BigInt.asUintN(64, BigInt(word)))
      else if (/^[0-9][a-fA-F]$/.test(word)) add('byte', word)
      else if (/^[0-9]/.test(word)) throw new SyntaxError(`input ${input + 1}, line ${line}: not a number: '${word}'`)
      else add('name', word)
    } else if (character !== undefined) {
      const bytes = unescaped(character, line)
      if (bytes.length !== 1)
        throw new SyntaxError(`input ${input + 1}, line ${line}: not one character: '${character}'`)
      add('number', all, BigInt(bytes.charCodeAt(0)))
    } else if (string !== undefined) add('string', unescaped(string, line))
    else if (operator !== undefined) add('operator', operator)
    for (const c of all) if (c === '\n') line++
  }
  return tokens
}

function unescaped(text: string, line: number): string {
  return text.replace(/\\(.)/g, (_, c: string) => {
    const byte = escapes[c]
    if (byte === undefined) throw new SyntaxError(`line ${line}: unknown escape '\\${c}'`)
    return byte
  })
}
