/**
 * For whoever edits a three-column source: writes the true addresses into its second column, after a line was inserted
 * or removed. Changes nothing else; run the checker afterwards. `node bootstrap/audit/renumber.ts bootstrap/abl/abl.link`
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { parseSource } from './source.ts'

/** The source with every address of its second column set to where the bytes really are. */
export function renumber(text: string, language: 'hex0' | 'link'): string {
  const lines = text.split('\n')
  for (const { line, address, claimedAddress } of parseSource(text, language).lines) {
    const actual = address.toString(16).toUpperCase().padStart(6, '0')
    lines[line - 1] = (lines[line - 1] ?? '').replace(`; ${claimedAddress} `, `; ${actual} `)
  }
  return lines.join('\n')
}

if (import.meta.main) {
  const [path] = process.argv.slice(2)
  if (path === undefined) throw new TypeError('usage: renumber.ts FILE')
  writeFileSync(path, renumber(readFileSync(path, 'utf8'), path.endsWith('.hex0') ? 'hex0' : 'link'))
}
