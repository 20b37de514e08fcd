/** Text for a POSIX shell (IEEE Std 1003.1-2024, Shell Command Language, 2.2 Quoting), made to be read by people too. */

/** One word for the shell, quoted only where it must be. */
export function quote(word: string): string {
  // A store path or placeholder such as @{out} or @{#3:out} becomes a plain path before the shell sees it.
  if (/^(?:[A-Za-z0-9_@%+=:,./-]|@\{[#:a-z0-9]+\})+$/.test(word)) return word
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/** A command with its arguments, on one line or, when that gets long, one argument a line. */
export function command(words: readonly string[]): string {
  const line = words.join(' ')
  return line.length <= 100 ? line : words.join(' \\\n  ')
}

export function indent(text: string): string {
  return text.replace(/(^|\n)(?=[^\n])/g, '$1  ')
}
