/**
 * The one order of texts: that of their UTF-8 bytes, which is the order of their code points (RFC 3629, section 1).
 * JavaScript compares UTF-16 units instead, which differs where surrogates meet U+E000 to U+FFFF.
 */
export function compareBytewise(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return weight(x) - weight(y)
  }
  return a.length - b.length
}

/** True when every text is less than its successor, so that there are no duplicates either. */
export function isStrictlySorted(texts: readonly string[]): boolean {
  return texts.every((text, i) => i === 0 || compareBytewise(texts[i - 1] ?? '', text) < 0)
}

/** Puts surrogates (which stand for code points above U+FFFF) behind all other units. */
function weight(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
